"""Write the tables of docs/imputation.rst from the rows of imputation.csv.

python benchmarks/imputation_tables.py [--results DIR]

What stands between the markers ``begin NAME`` and ``end NAME`` is replaced, as by tables.py.
"""

import argparse
from pathlib import Path

import pandas as pd
from imputation import LONG, SETS
from probe import RESULTS
from tables import ROOT, insert, restructured, text

OURS = "SimMTMImputer"


def in_order(wide: pd.DataFrame, index: str) -> pd.DataFrame:
    """Methods as columns, ours first; what could not be run is left out."""
    methods = [OURS, *(name for name in wide.columns if name != OURS)]
    table = wide[methods].map(text)
    table.index.name = index
    return table


def long_table(rows: pd.DataFrame, gaps: str) -> pd.DataFrame:
    """Mean squared errors by task and share of hidden values, with their mean."""
    rows = rows[(rows.gaps == gaps) & rows.task.isin(LONG)]
    wide = rows.pivot_table(index=["task", "ratio"], columns="method", values="mse")
    wide = wide.reindex(list(LONG), level=0)
    parts = []
    for task in dict.fromkeys(wide.index.get_level_values(0)):
        part = wide.loc[task]
        part.index = [f"{task}, {100 * ratio:g} %" for ratio in part.index]
        part.loc[f"{task}, mean"] = part.mean()
        parts.append(part)
    return in_order(pd.concat(parts), "hidden")


def archive_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean squared errors by set: a sixth of every series is hidden."""
    rows = rows[rows.task.isin(SETS)].drop(columns="gaps")
    wide = rows.pivot_table(index="task", columns="method", values="mse")
    return in_order(wide.reindex([name for name in SETS if name in wide.index]), "set")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    rows = pd.read_csv(parser.parse_args().results / "imputation.csv")
    rows = rows[rows.part == "test"]
    path = ROOT / "docs" / "imputation.rst"
    insert(path, "points", restructured(long_table(rows, "points")))
    insert(path, "blocks", restructured(long_table(rows, "blocks")))
    insert(path, "archive", restructured(archive_table(rows)))


if __name__ == "__main__":
    main()
