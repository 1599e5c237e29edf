"""Write every table of README.md and docs/results.rst from the rows in results/.

python benchmarks/tables.py

In the two files, what stands between the markers ``begin NAME`` and ``end NAME`` is replaced.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
METHODS = {
    "raw": "raw values",
    "untrained": "untrained",
    "SimMTM": "SimMTM",
    "untrained, patches": "untrained, patches",
    "SimMTM, patches": "SimMTM, patches",
    "minirocket": "MiniRocket",
}


def scores(regime: str) -> pd.DataFrame:
    """All rows of the report and of the rivals, ridge probe."""
    parts = [pd.read_csv(RESULTS / f"{kind}_{regime}.csv") for kind in ("report", "rivals")]
    rows = pd.concat(parts)
    return rows[rows["probe"] == "ridge"]


def by_method(rows: pd.DataFrame, index: str) -> pd.DataFrame:
    """Mean over seeds, a column per method, and the mean over all rows of the table."""
    table = rows.pivot_table(index=index, columns="method", values="accuracy", sort=False)
    table = table[[m for m in METHODS if m in table]].rename(columns=METHODS)
    table.loc["**mean**"] = table.mean()
    return table


def small_table() -> pd.DataFrame:
    rows = scores("small")
    return by_method(rows[rows["metric"] == "test_all"], "task")


def pool_table() -> pd.DataFrame:
    rows = scores("pool")
    rows = rows[rows["metric"].str.startswith("test_k")]
    names = rows["task"] + ", " + rows["metric"].str.removeprefix("test_k") + " per class"
    return by_method(rows.assign(name=names), "name")


def gain_table() -> pd.DataFrame:
    """SimMTM minus untrained, paired over sets and seeds, with its standard error."""
    compared = [("small", "all labels", ["all"]), ("pool", "all three", ["k1", "k5", "k10"])]
    compared += [("pool", f"{k} per class", [f"k{k}"]) for k in (1, 5, 10)]
    table = []
    for regime, labels, names in compared:
        rows = scores(regime)
        for suffix in ("", ", patches"):
            for part in ("cv" if regime == "small" else "val", "test"):
                wide = rows[rows["metric"].isin([f"{part}_{name}" for name in names])].pivot_table(
                    index=["task", "seed"], columns="method", values="accuracy"
                )
                if f"SimMTM{suffix}" not in wide:
                    continue
                gain = (wide[f"SimMTM{suffix}"] - wide[f"untrained{suffix}"]).dropna()
                sets = gain.groupby("task").mean()
                table.append(
                    {
                        "": f"{regime}{suffix}",
                        "labels": labels,
                        "part": part,
                        "mean gain": f"{gain.mean():+.4f}",
                        "standard error": f"{gain.std() / np.sqrt(len(gain)):.4f}",
                        "sets better / worse": f"{(sets > 0).sum()} / {(sets < 0).sum()}",
                        "pairs": str(len(gain)),
                    }
                )
    return pd.DataFrame(table).set_index("")


def study_rows() -> pd.DataFrame:
    parts = [pd.read_csv(RESULTS / f"study_{regime}.csv") for regime in ("small", "pool")]
    rows = pd.concat(parts)
    return rows[rows["probe"] == "ridge"]


def compared(rows: pd.DataFrame, key: str, baseline: str = "default") -> pd.DataFrame:
    """Mean per regime of what ``key`` names, and the paired difference from the default."""
    table: dict[str, dict[str, str]] = {}
    for regime, part in rows.groupby("regime", sort=False):
        wide = part.pivot_table(index=["task", "seed", "metric"], columns=key, values="accuracy")
        for name in part[key].unique():
            paired = wide[[name, baseline]].dropna() if name != baseline else wide[[name]].dropna()
            difference = paired[name] - wide.loc[paired.index, baseline]
            runs = difference.groupby(["task", "seed"]).mean()
            error = runs.std() / np.sqrt(len(runs)) if len(runs) > 1 else np.nan
            shown = "" if name == baseline else f"{difference.mean():+.3f} ± {error:.3f}"
            entry = table.setdefault(name, {})
            entry[f"{regime}"] = f"{paired[name].mean():.3f}"
            entry[f"{regime}, difference"] = shown
            entry[f"{regime}, runs"] = str(len(runs))
    return pd.DataFrame(table).T.fillna("")


def variant_table() -> pd.DataFrame:
    rows = study_rows()
    rows = rows[rows["pooling"] == "default"]
    trained = rows[rows["trained"]]
    untrained = rows[~rows["trained"]]
    untrained = untrained.assign(variant="untrained: " + untrained["variant"])
    return compared(pd.concat([trained, untrained]), "variant")


def pooling_table() -> pd.DataFrame:
    rows = study_rows()
    return compared(rows[(rows["variant"] == "default") & rows["trained"]], "pooling")


def markdown(table: pd.DataFrame) -> str:
    header = ["", *table.columns]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name, row in zip(table.index, table.to_numpy(), strict=True):
        cells = [_text(value) for value in row]
        lines.append("| " + " | ".join([str(name), *cells]) + " |")
    return "\n".join(lines)


def restructured(table: pd.DataFrame) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for name, row in [("", list(table.columns)), *zip(table.index, table.to_numpy(), strict=True)]:
        cells = [str(name), *(_text(value) for value in row)]
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(cells)]
    return "\n".join(lines)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3f}".lstrip("0")
    return str(value)


def insert(path: Path, name: str, text: str) -> None:
    """Replace what is between the markers of ``name``, which are comments of either format."""
    content = path.read_text("utf-8")
    pattern = re.compile(rf"(begin {name}[^\n]*\n)(.*?)(\n[^\n]*end {name}\b)", re.DOTALL)
    if not pattern.search(content):
        raise ValueError(f"{path} has no markers 'begin {name}' and 'end {name}'.")
    path.write_text(pattern.sub(lambda m: f"{m[1]}\n{text}\n{m[3]}", content), "utf-8")


TABLES = {"small": small_table, "pool": pool_table, "gain": gain_table}
STUDY_TABLES = {"variants": variant_table, "poolings": pooling_table}


def main() -> None:
    studied = all((RESULTS / f"study_{regime}.csv").exists() for regime in ("small", "pool"))
    for name, table in (TABLES | STUDY_TABLES if studied else TABLES).items():
        insert(ROOT / "docs" / "results.rst", name, restructured(table()))
    pool = scores("pool")
    pool = pool[pool["metric"].str.startswith("test_k")]
    few = by_method(pool.assign(k=pool["metric"].str.removeprefix("test_k")), "k").iloc[:-1]
    few.index = [f"large pool, {k} labels per class (mean of 6 sets)" for k in few.index]
    every = small_table().iloc[[-1]]
    every.index = ["small, all labels (mean of 13 sets)"]
    insert(ROOT / "README.md", "results", markdown(pd.concat([every, few])[few.columns]))


if __name__ == "__main__":
    main()
