"""Write the tables of docs/anomalies.rst from the rows of anomalies*.csv.

python benchmarks/anomalies_tables.py [--results DIR]

What stands between the markers ``begin NAME`` and ``end NAME`` is replaced, as by tables.py.
"""

import argparse
from pathlib import Path

import pandas as pd
from anomalies import ENCODERS, KINDS, METHODS
from probe import RESULTS
from tables import ROOT, insert, restructured, text

MEASURES = {"ap": "AP", "auc": "AUC", "vus_pr": "VUS-PR", "range_recall": "range recall"}


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """All measures in the mean over series, by set and method."""
    table = rows.groupby(["set", "method"])[list(MEASURES)].mean()
    table = table.reindex(list(METHODS), level=1).map(text).reset_index()
    return table.rename(columns=MEASURES).set_index("set")


def kinds(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean average precision by kind, methods as columns, with the mean of the three sets."""
    wide = rows.pivot_table(index=["set", "kind"], columns="method", values="ap")[list(METHODS)]
    order = [*sorted({kind for name, kind in wide.index if name == "NAB"}), *KINDS]
    wide = wide.reindex(order, level=1)
    wide.index = [f"{name}, {kind}" for name, kind in wide.index]
    wide.loc["mean of sets"] = rows.groupby(["method", "set"])["ap"].mean().groupby("method").mean()
    wide.index.name = "average precision"
    return wide.map(text)


def with_encoder(rows: pd.DataFrame) -> pd.DataFrame:
    """Average precision by kind, without and with an encoder; means of all measures, seconds."""
    wide = rows.pivot_table(index=["set", "kind"], columns="method", values="ap")
    wide.index = [f"{name}, {kind}, AP" for name, kind in wide.index]
    parts = [wide]
    for name, part in rows.groupby("set"):
        means = part.groupby("method")[[*MEASURES, "cpu_seconds"]].mean().T
        means.index = [f"{name}, mean {label}" for label in (*MEASURES.values(), "seconds")]
        parts.append(means)
    return pd.concat(parts)[list(ENCODERS)].map(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    results = parser.parse_args().results
    rows = pd.read_csv(results / "anomalies.csv")
    path = ROOT / "docs" / "anomalies.rst"
    insert(path, "means", restructured(means(rows)))
    insert(path, "kinds", restructured(kinds(rows)))
    encoded = pd.read_csv(results / "anomalies_encoder.csv")
    insert(path, "encoder", restructured(with_encoder(encoded)))


if __name__ == "__main__":
    main()
