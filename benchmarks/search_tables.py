"""Write the tables of docs/scaling.rst from the rows in results/.

python benchmarks/search_tables.py [--results DIR]

What stands between the markers ``begin NAME`` and ``end NAME`` is replaced, as by tables.py; a
table without rows leaves nothing there.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from probe import RESULTS
from search_study import DEFAULT
from tables import ROOT, insert, restructured

SYMBOLS = {"mask_ratio": "r", "n_masks": "M", "temperature": "τ", "constraint_weight": "λ"}


def setting(row: pd.Series) -> str:
    """What differs from the default, as in "r = 0.25, M = 4"."""
    changes = [f"{s} = {row[n]}" for n, s in SYMBOLS.items() if str(row[n]) != str(DEFAULT[n])]
    return ", ".join(changes) or "default"


def settings(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(setting=rows.apply(setting, axis=1))


def mean_and_deviation(shares: pd.Series, form: str) -> str:
    """Of the seeds, in per cent; the mean alone of a single one."""
    mean, deviation = 100 * shares.mean(), 100 * shares.std()
    return f"{mean:{form}}" + (f" ± {deviation:.1f}" if shares.count() > 1 else "")


def against_default(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the default ± deviation of its seeds; of all others the gain, seed by seed."""
    columns = {}
    for task, part in rows.groupby("task", sort=False):
        wide = part.pivot_table(index="seed", columns="setting", values="accuracy", sort=False)
        gains = wide.sub(wide["default"], axis=0)
        cells = {name: mean_and_deviation(gain, "+.1f") for name, gain in gains.items()}
        columns[task] = {**cells, "default": mean_and_deviation(wide["default"], ".1f")}
    table = pd.DataFrame(columns)
    return table.loc[["default", *(name for name in table.index if name != "default")]]


def study_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Trained encoders, and the initial weights of the one with the default settings."""
    trained, initial = rows[rows["steps"] > 0], rows[rows["steps"] == 0]
    parts = []
    for embedding in ("learned", "whole"):
        part = settings(trained[trained["embedding"] == embedding])
        untrained = settings(initial[initial["embedding"] == embedding])
        untrained = untrained[untrained["setting"] == "default"].assign(setting="not trained")
        seeds = part.groupby("setting")["seed"].transform("nunique")
        table = against_default(pd.concat([part[seeds > 1], untrained]))
        parts.append(table.add_prefix(f"{embedding}: "))
    return pd.concat(parts, axis=1)


def metric_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The whole embedding of encoders that are not trained: r and M in the metric alone."""
    return against_default(settings(rows[(rows["steps"] == 0) & (rows["embedding"] == "whole")]))


def criteria_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of what needs no labels with accuracy, over settings of trained encoders."""
    table = {}
    trained = settings(rows[rows["steps"] > 0])
    for (embedding, task), part in trained.groupby(["embedding", "task"], sort=False):
        means = part.groupby("setting")[["accuracy", "score", "spread"]].mean()
        ranks = means.corr(method="spearman")["accuracy"]
        column = {"score": ranks["score"], "spread, negative": -ranks["spread"]}
        table[f"{embedding}: {task}"] = column
    return pd.DataFrame(table)


def early_table(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.set_index("search")[["seconds", "epochs", "found", "score"]].astype(str)


def collections_table(rows: pd.DataFrame) -> pd.DataFrame:
    columns = {
        "n_series": "series",
        "workers": "processes",
        "series_per_second": "series/s",
        "per_processor_second": "series per second of a processor",
        "peak_mb": "peak memory, MB",
        "load": "load",
    }
    return rows.set_index("what")[list(columns)].rename(columns=columns).astype(str)


def stacked_table(rows: pd.DataFrame) -> pd.DataFrame:
    names = {"one_by_one": "one by one, s", "stacked": "stacked, s", "gain": "gain"}
    return rows.set_index("encoder")[list(names)].rename(columns=names).astype(str)


def ranks_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The run of each number of ranks that took the processors least."""
    best = rows.loc[rows.groupby("ranks")["processor_seconds"].idxmin()].set_index("ranks")
    names = {"processor_seconds": "seconds of all processors", "seconds": "seconds", "load": "load"}
    return best[list(names)].rename(columns=names).astype(str)


def gpu_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Series per second and peak memory of the device, by encoder, device and precision."""
    kinds = ["series per second", "peak MB"]
    measured = rows[rows["kind"].isin(kinds)]
    wide = measured.pivot_table(index="case", columns="kind", values="value", sort=False)
    return wide[kinds].map("{:.0f}".format).replace("nan", "")


TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "study": (study_table, "search_study.csv"),
    "metric": (metric_table, "search_study.csv"),
    "criteria": (criteria_table, "search_study.csv"),
    "early": (early_table, "search_early.csv"),
    "collections": (collections_table, "large_collections.csv"),
    "gpu": (gpu_table, "gpu.csv"),
    "ranks": (ranks_table, "ranks.csv"),
    "stacked": (stacked_table, "stacked_settings.csv"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV files")
    results = parser.parse_args().results
    for name, (table, file) in TABLES.items():
        path = results / file
        rows = pd.read_csv(path) if path.exists() else pd.DataFrame()
        text = restructured(rows if rows.empty else table(rows))
        insert(ROOT / "docs" / "scaling.rst", name, text)


if __name__ == "__main__":
    main()
