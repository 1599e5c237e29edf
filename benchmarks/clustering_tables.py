"""Write the tables of docs/clustering.rst from the rows of clustering.csv.

python benchmarks/clustering_tables.py [--results DIR]

What stands between the markers ``begin NAME`` and ``end NAME`` is replaced, as by tables.py.
"""

import argparse
from pathlib import Path

import pandas as pd
from clustering import METHODS, TASKS
from probe import RESULTS
from tables import ROOT, insert, restructured, text
from tasks import MORE_SMALL

SCORES = {"ari": "ARI", "nmi": "NMI", "map": "MAP"}


def by_set(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    """Mean over seeds, sets by methods."""
    wide = rows[rows["score"] == score].pivot_table(index="task", columns="method", values="value")
    return wide[[name for name in METHODS if name in wide]].reindex(
        [task for task in TASKS if task in wide.index]
    )


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over all sets, and over those that a method is measured on that is not on all.

    In the end, those over sets that no choice was ever made on.
    """
    parts = []
    for score, name in SCORES.items():
        wide = by_set(rows, score)
        always = [m for m in wide if wide[m].notna().all()]
        choices = {"": wide[always]}
        choices |= {f" with {m}": wide[[*always, m]].dropna() for m in wide if m not in always}
        parts += [
            part.mean().to_frame(f"{name}, {len(part)} sets{which}").T
            for which, part in choices.items()
        ]
        fresh = wide.reindex(MORE_SMALL).dropna(axis=1)
        parts.append(fresh.mean().to_frame(f"{name}, {len(fresh)} further sets").T)
    columns = [name for name in METHODS if any(name in part for part in parts)]
    return pd.concat(parts)[columns].map(text)


def sets(rows: pd.DataFrame) -> pd.DataFrame:
    """ARI / MAP of every set."""
    groups, retrieval = (by_set(rows, score) for score in ("ari", "map"))
    return (groups.map(text) + " / " + retrieval.map(text)).where(groups.notna(), "")


def similarities(rows: pd.DataFrame) -> str:
    """Say in a sentence how `similarity` retrieves, on the sets that it was measured on."""
    alone = by_set(rows, "map of similarity")
    if alone.empty:
        return ""
    alone = alone.squeeze(axis=1)
    whole = by_set(rows, "map").loc[alone.index]
    return (
        f"On {len(alone)} sets with an encoder that was trained for 60 epochs, the mean average "
        f"precision\nof ``similarity`` is {text(alone.mean())}, that of the embedding with this "
        f"encoder {text(whole['SimMTM, pre-trained'].mean())}, without its\ntraining "
        f"{text(whole['SimMTM'].mean())}, and of raw values {text(whole['raw'].mean())}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    rows = pd.read_csv(parser.parse_args().results / "clustering.csv")
    path = ROOT / "docs" / "clustering.rst"
    insert(path, "means", restructured(means(rows)))
    insert(path, "similarity", similarities(rows))
    insert(path, "sets", restructured(sets(rows)))


if __name__ == "__main__":
    main()
