"""Write every table of README.md and docs/results.rst from the rows in results/.

python benchmarks/tables.py [--results DIR]

In the two files, what stands between the markers ``begin NAME`` and ``end NAME`` is replaced; a
table without rows leaves nothing there. A mean over sets takes only the runs (set and draw of
labels or seed) that all methods beside it have, and says how many sets these are.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from classification import DETERMINISTIC, STRATEGIES
from probe import RESULTS
from scipy.stats import wilcoxon
from study import POOLINGS, RIVALS, VARIANTS, initial
from tasks import EPILEPSY, MORE_SMALL, POOLS, REGRESSION, SMALL

ROOT = Path(__file__).resolve().parents[1]

METHODS = {
    "raw": "raw values",
    "untrained": "untrained",
    "probe": "SimMTM",
    "untrained spread": "untrained, labels spread",
    "spread": "SimMTM, labels spread",
    "untrained patches": "untrained, patches",
    "patches": "SimMTM, patches",
    "fine-tune": "fine-tune",
    "probe-then-fine-tune": "probe, then fine-tune",
    "from-scratch": "from scratch",
    "minirocket": "MiniRocket",
    "minirocket-spread": "MiniRocket, labels spread",
    "minirocket-ridge": "MiniRocket, its own ridge",
    "multirocket": "MultiRocket",
    "dtw": "1-NN DTW",
    # of general.py
    "general": "general",
    "in-domain": "in-domain",
    "general, then in-domain": "general, then in-domain",
}
LABELS = ("1", "5", "10", "30", "all")
ORDER = {
    "task": (*SMALL, *MORE_SMALL, *POOLS, *EPILEPSY, *REGRESSION),
    "method": (*METHODS, "chosen"),
    "labels_per_class": LABELS,
}
PUBLISHED = (
    "raw",
    "untrained",
    "probe",
    "untrained spread",
    "spread",
    "untrained patches",
    "patches",
    "minirocket",
    "minirocket-spread",
)
PARTIAL = (*STRATEGIES, "multirocket", "dtw")  # not run everywhere
ONCE = (*DETERMINISTIC, "general")  # with all labels, one run stands for those of all seeds
GAINS = (
    ("probe", "untrained"),
    ("patches", "untrained patches"),
    ("probe", "minirocket"),
    ("spread", "probe"),
    ("spread", "untrained spread"),
    ("spread", "minirocket"),
    ("spread", "minirocket-spread"),
    ("probe", "multirocket"),
    ("spread", "from-scratch"),
    ("probe", "from-scratch"),
    ("fine-tune", "from-scratch"),
    ("probe-then-fine-tune", "probe"),
)
REGIMES = {"small": "small sets", "pool": "large pools"}
FEWEST_SETS = 6  # with fewer, no signed-rank test could reject at 5 %

# -- rows -----------------------------------------------------------------------------------------


def read(results: Path, *names: str) -> pd.DataFrame:
    """Rows of the files that exist; tasks, methods and numbers of labels in the order of tables."""
    dtypes = {"labels_per_class": str}
    paths = [results / name for name in names]
    rows = pd.concat(
        [pd.DataFrame(), *(pd.read_csv(path, dtype=dtypes) for path in paths if path.exists())]
    )
    for column in ORDER.keys() & set(rows.columns):
        rows[column] = pd.Categorical(rows[column], ORDER[column], ordered=True)
    return rows


def where(rows: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows with these values, or one of them, in their columns."""
    for column, wanted in values.items():
        rows = rows[rows[column].isin(np.atleast_1d(wanted))]
    return rows


def by_method(rows: pd.DataFrame, score: str = "accuracy") -> pd.DataFrame:
    """A row for every task, number of labels and draw; a column for every method with scores."""
    index = ["task", "labels_per_class", "draw"]
    wide = rows.pivot_table(index=index, columns="method", values=score, observed=True)
    once = wide.columns.intersection(ONCE)
    full = wide.index.get_level_values("labels_per_class") == "all"
    wide.loc[full, once] = wide.loc[full, once].groupby("task", observed=True).transform("mean")
    return wide


def numbers(rows: pd.DataFrame) -> list[str]:
    """Numbers of labels per class that occur."""
    return [k for k in LABELS if k in set(rows["labels_per_class"])]


def labels(k: str) -> str:
    if k == "all":
        return "all labels"
    return f"{k} label{'' if k == '1' else 's'} per class"


# -- means and differences ------------------------------------------------------------------------


def by_task(wide: pd.DataFrame) -> pd.DataFrame:
    return wide.groupby("task", observed=True).mean()


def mean(wide: pd.DataFrame, label: str) -> pd.DataFrame:
    """One row, of the runs that all methods have: the mean over sets. None if there are none."""
    sets = by_task(wide.dropna(axis=1, how="all").dropna())
    row = sets.mean().to_frame(f"{label} ({len(sets)} set{'' if len(sets) == 1 else 's'})").T
    return row if len(sets) else row.iloc[:0]


def means(wide: pd.DataFrame, label: str) -> pd.DataFrame:
    """A row of means, and one more of fewer runs if not all methods have all."""
    wide = wide.dropna(axis=1, how="all")
    runs = wide.drop(columns=wide.columns.intersection(PARTIAL)).dropna().index
    everywhere = wide.columns[wide.loc[runs].notna().all()]
    rows = [mean(wide.loc[runs, everywhere], label)]
    if len(everywhere) < len(wide.columns):
        rows.append(mean(wide, f"{label}, runs of all methods"))
    return pd.concat(rows)


def per_set(wide: pd.DataFrame) -> pd.DataFrame:
    """A row for every set and number of labels, the mean of whatever runs there are."""
    table = wide.groupby(["task", "labels_per_class"], observed=True).mean()
    table.index = [f"{task}, {labels(k)}" for task, k in table.index]
    return table


def signed(number: float) -> str:
    return f"{round(number, 4) + 0.0:+.4f}"  # no negative zero


def standard_error(differences: pd.Series) -> str:
    """Nothing for a single one."""
    return f"{differences.std() / np.sqrt(len(differences)):.4f}" if len(differences) > 1 else ""


def change(differences: pd.Series) -> str:
    """Mean ± standard error."""
    differences = differences.dropna()
    if differences.empty:
        return ""
    error = standard_error(differences)
    return f"{signed(differences.mean())} ± {error}" if error else signed(differences.mean())


def gain(differences: pd.Series) -> dict[str, str]:
    """Summary of paired differences; the test is on the means of sets."""
    sets = differences.groupby("task", observed=True).mean().round(9)
    signs = [int((np.sign(sets) == sign).sum()) for sign in (1, -1, 0)]
    return {
        "mean gain": signed(differences.mean()),
        "standard error": standard_error(differences) or "—",
        "sets better / worse / tied": " / ".join(map(str, signs)),
        "p": p_value(sets),
        "pairs": str(len(differences)),
    }


def p_value(sets: pd.Series) -> str:
    """Of Wilcoxon's signed-rank test, two-sided."""
    if len(sets) < FEWEST_SETS or not sets.any():
        return "—"
    p = wilcoxon(sets).pvalue
    return "< .001" if p < 0.001 else text(p)


def slashed(
    rows: pd.DataFrame, scores: tuple[str, str], summary: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """Two scores in a cell: "first / second"."""
    first, second = (summary(by_method(rows, score)).map(text) for score in scores)
    return (first + " / " + second).where(first != "", "")


# -- tables of classification.csv -----------------------------------------------------------------


def readme_table(rows: pd.DataFrame) -> pd.DataFrame:
    rows = where(rows, part="test", method=PUBLISHED)
    small = where(rows, task=SMALL, labels_per_class="all")
    parts = [mean(by_method(small), "small sets, all labels")]
    for regime, name in REGIMES.items():
        for k in ("1", "5", "10"):
            few = where(rows, regime=regime, labels_per_class=k)
            parts.append(mean(by_method(few), f"{name}, {labels(k)}"))
    return in_order(pd.concat(parts))


def small_table(rows: pd.DataFrame) -> pd.DataFrame:
    rows = where(rows, regime="small", part="test", labels_per_class="all", method=list(METHODS))
    wide = by_method(rows)
    parts = [by_task(wide)]
    for label, names in (("mean", SMALL), ("mean of further sets", MORE_SMALL)):
        parts.append(means(wide[wide.index.isin(names, level="task")], label))
    return in_order(pd.concat(parts))


def few_table(rows: pd.DataFrame) -> pd.DataFrame:
    rows = where(rows, regime="small", part="test", labels_per_class=("1", "5", "10"))
    return means_by_labels(by_method(rows))


def means_by_labels(wide: pd.DataFrame) -> pd.DataFrame:
    groups = wide.groupby("labels_per_class", observed=True)
    parts = [means(part, labels(k)) for k, part in groups]
    return in_order(pd.concat([wide.iloc[:0], *parts]))


def named(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table.rename(index=lambda label: f"{name}, {label}")


def pool_table(rows: pd.DataFrame) -> pd.DataFrame:
    wide = by_method(where(rows, regime="pool", part="test"))
    return in_order(pd.concat([per_set(wide), named(means_by_labels(wide), "mean")]))


def epilepsy_table(rows: pd.DataFrame) -> pd.DataFrame:
    rows = where(rows, regime="epilepsy", part="test")
    return in_order(slashed(rows, ("accuracy", "macro_f1"), per_set))


def probabilities_table(rows: pd.DataFrame) -> pd.DataFrame:
    rows = where(rows, part="test", method=list(METHODS)).dropna(subset="log_loss")
    parts = [
        slashed(where(rows, regime=regime), ("log_loss", "ece"), means_by_labels)
        for regime in REGIMES
    ]
    return in_order(pd.concat(map(named, parts, REGIMES.values())))


def strategies_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Only runs that exist with every strategy."""
    methods = ["probe", *STRATEGIES]
    rows = where(rows, part="test", method=methods)
    parts = [
        means_by_labels(by_method(where(rows, regime=regime)).reindex(columns=methods).dropna())
        for regime in REGIMES
    ]
    return pd.concat(map(named, parts, REGIMES.values()))


def chosen_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Only runs that exist with all three, of the sets that means of all labels are of."""
    methods = ["probe", "chosen", "minirocket"]
    rows = where(rows, part="test", method=methods, task=SMALL, labels_per_class="all")
    wide = by_method(rows).reindex(columns=methods).dropna()
    names = {**METHODS, "chosen": "the better one"}
    return mean(wide, "small sets, all labels").rename(columns=names)


def gain_table(rows: pd.DataFrame) -> pd.DataFrame:
    parts = [("small", "test"), ("pool", "val"), ("pool", "test")]
    table = []
    for method, other in GAINS:
        for regime, part in parts:
            wide = by_method(where(rows, regime=regime, part=part)).reindex(columns=METHODS)
            differences = (wide[method] - wide[other]).dropna()
            for k, paired in differences.groupby("labels_per_class", observed=True):
                name = f"{METHODS[method]} − {METHODS[other]}"
                place = {"": name, "sets": REGIMES[regime], "labels": labels(k), "part": part}
                table.append(place | gain(paired))
    return pd.DataFrame(table).set_index("") if table else pd.DataFrame()


# -- tables of the other files --------------------------------------------------------------------


def study_table(
    rows: pd.DataFrame, key: str, names: list[str], start: Callable[[str], str]
) -> pd.DataFrame:
    """What ``key`` names: the score, the change from the default, and the gain by training.

    A run's score is the mean over numbers of labels. ``start`` names the untrained network that
    a trained one began as.
    """
    columns = []
    for regime, part in where(rows, probe="ridge").groupby("regime", sort=False):
        trained, untrained = (
            where(part, trained=flag)
            .pivot_table(index=["task", "seed"], columns=key, values="accuracy")
            .reindex(columns=names)
            for flag in (True, False)
        )
        columns.append(
            pd.DataFrame(
                {
                    f"{regime}": trained.mean(),
                    f"{regime}, runs": trained.count().astype(str),
                    f"{regime}, change": {
                        name: change(trained[name] - trained["default"])
                        for name in names
                        if name != "default"
                    },
                    f"{regime}, gain": {
                        name: change(trained[name] - untrained[start(name)]) for name in names
                    },
                },
                index=names,
            )[trained.notna().any().to_numpy()]
        )
    table = pd.concat([pd.DataFrame(index=names), *columns], axis=1)
    return table.dropna(how="all")


def variants_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Of trained networks, and in the last rows of what was not trained at all."""
    rows = where(rows, pooling="default")
    untrained = where(rows, variant="default", trained=False).assign(variant="untrained")
    rivals = where(rows, variant=list(RIVALS))
    rows = pd.concat([rows, *(part.assign(trained=True) for part in (untrained, rivals))])
    return study_table(rows, "variant", [*VARIANTS, "untrained", *RIVALS], initial)


def poolings_table(rows: pd.DataFrame) -> pd.DataFrame:
    rows = where(rows, variant="default")
    return study_table(rows, "pooling", list(POOLINGS), lambda pooling: pooling)


def regression_table(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(labels_per_class="all", draw=rows["seed"])
    return in_order(slashed(where(rows, part="test"), ("rmse", "r2"), by_task))


def general_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over sets that the general encoder never saw, and its gains."""
    parts = []
    for encoder, part in where(rows, part="test").groupby("encoder"):
        for k in numbers(part):
            wide = by_method(where(part, labels_per_class=k)).dropna()
            row = mean(wide, f"{encoder}, {labels(k)}")
            for other in wide.columns.intersection(["untrained", "in-domain"]):
                row[f"general − {other}"] = change(wide["general"] - wide[other])
            parts.append(row)
    return pd.concat(parts)


# -- text -----------------------------------------------------------------------------------------


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    return table[[method for method in METHODS if method in table]]


def text(value: object) -> str:
    """Numbers with three digits, as in ".948"; nothing for a missing one."""
    if isinstance(value, str):
        return value
    return "" if pd.isna(value) else re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}")


def cells(table: pd.DataFrame) -> list[list[str]]:
    """Header and rows, the index in the first column; nothing for an empty table."""
    if table.empty:
        return []
    header = ["", *(METHODS.get(name, name) for name in table.columns)]
    rows = zip(table.index, table.to_numpy(), strict=True)
    return [header, *([str(name), *map(text, row)] for name, row in rows)]


def markdown(table: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in cells(table)]
    return "\n".join(
        [*lines[:1], *("|---" * (1 + table.shape[1]) + "|" for _ in lines[:1]), *lines[1:]]
    )


def restructured(table: pd.DataFrame) -> str:
    lines = [
        f"   {' ' if column else '*'} - {cell}".rstrip()
        for row in cells(table)
        for column, cell in enumerate(row)
    ]
    return "\n".join([".. list-table::", "   :header-rows: 1", "", *lines] if lines else [])


def insert(path: Path, name: str, text: str) -> None:
    """Replace what is between the markers of ``name``, which are comments of either format."""
    content = path.read_text("utf-8")
    pattern = re.compile(rf"(begin {name} \([^\n]*\n)(.*?)(\n[^\n]*end {name}\b)", re.DOTALL)
    if not pattern.search(content):
        if not text:
            return
        raise ValueError(f"{path} has no markers 'begin {name}' and 'end {name}'.")
    block = f"\n{text}\n" if text else ""
    path.write_text(pattern.sub(lambda found: found[1] + block + found[3], content), "utf-8")


# -- all ------------------------------------------------------------------------------------------

STUDY = ("study_small.csv", "study_pool.csv")
TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], tuple[str, ...]]] = {
    "small": (small_table, ("classification.csv",)),
    "few": (few_table, ("classification.csv",)),
    "pool": (pool_table, ("classification.csv",)),
    "gain": (gain_table, ("classification.csv",)),
    "probabilities": (probabilities_table, ("classification.csv",)),
    "strategies": (strategies_table, ("classification.csv",)),
    "chosen": (chosen_table, ("classification.csv",)),
    "epilepsy": (epilepsy_table, ("classification.csv",)),
    "variants": (variants_table, STUDY),
    "poolings": (poolings_table, STUDY),
    "regression": (regression_table, ("regression.csv",)),
    "general": (general_table, ("general.csv",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV files")
    results = parser.parse_args().results

    def made(table: Callable[[pd.DataFrame], pd.DataFrame], names: tuple[str, ...]) -> pd.DataFrame:
        rows = read(results, *names)
        return rows if rows.empty else table(rows)

    for name, (table, names) in TABLES.items():
        insert(ROOT / "docs" / "results.rst", name, restructured(made(table, names)))
    readme = markdown(made(readme_table, ("classification.csv",)))
    insert(ROOT / "README.md", "results", readme)


if __name__ == "__main__":
    main()
