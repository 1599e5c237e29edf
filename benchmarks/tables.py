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
from embedding_sizes import SHAPES
from embeddings import EMBEDDINGS, embeddings_of
from probe import RESULTS
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
    "task": (*SMALL, *MORE_SMALL, *POOLS, *EPILEPSY, *REGRESSION, *SHAPES),
    "method": (*METHODS, "chosen"),
    "labels_per_class": LABELS,
}
PARTIAL = (*STRATEGIES, "multirocket", "dtw")  # not run everywhere
ONCE = (*DETERMINISTIC, "general")  # with all labels, one run stands for those of all seeds
REGIMES = {"small": "small sets", "pool": "large pools"}
OVERVIEW = ("raw", "MiniRocket", "MiniRocket, graph", "SimMTM")  # columns of README's table
SCORES = {
    "ridge": "ridge",
    "spread": "labels spread",
    "1-nn": "nearest neighbour",
    "k-means": "clusters (ARI)",
}

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


def slashed(
    rows: pd.DataFrame, scores: tuple[str, str], summary: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """Two scores in a cell: "first / second"."""
    first, second = (summary(by_method(rows, score)).map(text) for score in scores)
    return (first + " / " + second).where(first != "", "")


# -- tables of embeddings.csv ---------------------------------------------------------------------


def common_sets(rows: pd.DataFrame, tasks: tuple[str, ...]) -> pd.DataFrame:
    """Rows of the sets that were measured with every embedding that is to be."""
    rows = where(rows, task=tasks)
    there = rows.groupby("task", observed=True)["embedding"].agg(set)
    return where(
        rows, task=[task for task in there.index if there[task] >= set(embeddings_of(task))]
    )


def embeddings_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over sets of every score: the mean over draws of a set counts once."""
    parts = []
    for tasks, label in ((SMALL, "small sets"), (MORE_SMALL, "further sets"), (POOLS, "pools")):
        common = common_sets(rows, tasks)
        if common.empty:
            continue
        # scores without a head have no number of labels
        given = common["labels_per_class"].astype(object).fillna("")
        common = common.assign(labels_per_class=given)
        index = ["embedding", "score", "labels_per_class"]
        sets = common.groupby([*index, "task"], observed=True)["value"].mean()
        wide = sets.groupby(index, observed=True).mean().unstack("embedding")
        number = common["task"].nunique()
        for score, name in SCORES.items():
            if score in wide.index:
                part = wide.loc[score].reindex(
                    [k for k in ("", *LABELS) if (score, k) in wide.index]
                )
                part.index = [
                    f"{label} ({number}), {name}" + (f", {labels(k)}" if k in LABELS else "")
                    for k in part.index
                ]
                parts.append(part)
    return pd.concat(parts)[[name for name in EMBEDDINGS if any(name in part for part in parts)]]


def overview_table(rows: pd.DataFrame) -> pd.DataFrame:
    """What README shows: few labels, spread, and all of them; the best of a row in bold."""
    table = embeddings_table(rows)[[*OVERVIEW]]
    few = table.index.str.contains("labels spread") & ~table.index.str.contains("all labels")
    whole = table.index.str.endswith(("ridge, all labels", "nearest neighbour"))
    return in_bold(table[few | whole])


def in_bold(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as text, the largest of each row, as it is rounded, bold in markdown."""
    shown = table.map(text)
    best = table.round(3).eq(table.round(3).max(axis=1), axis=0)
    return shown.mask(best, "**" + shown + "**")


def sets_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The ridge on every set, at 1 / 5 / 10 / all labels per class."""
    rows = where(rows, score="ridge")
    means = rows.groupby(["task", "embedding", "labels_per_class"], observed=True)["value"].mean()
    wide = means.unstack("labels_per_class")
    joined = wide.apply(lambda row: " / ".join(text(x) for x in row if not pd.isna(x)), axis=1)
    table = joined.unstack("embedding")
    return table[[name for name in EMBEDDINGS if name in table]]


def seconds_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds of a processor for fit and transform of both parts."""
    table = rows.pivot_table(index="task", columns="embedding", values="cpu_seconds", observed=True)
    return table[[name for name in EMBEDDINGS if name in table]].map(lambda x: f"{x:.1f}")


def sizes_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds and memory of long series and of many channels."""
    names = {
        "n_features": "features",
        "fit_seconds": "fit, s",
        "transform_seconds": "transform, s",
        "peak_mb": "memory, MB",
    }
    table = rows[[*names]].rename(columns=names).astype(str)
    table.index = rows["task"].astype(str) + ", " + rows["embedding"].astype(str)
    return table


# -- tables of classification.csv -----------------------------------------------------------------


def means_by_labels(wide: pd.DataFrame) -> pd.DataFrame:
    groups = wide.groupby("labels_per_class", observed=True)
    parts = [means(part, labels(k)) for k, part in groups]
    return in_order(pd.concat([wide.iloc[:0], *parts]))


def named(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table.rename(index=lambda label: f"{name}, {label}")


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
    path.write_text(pattern.sub(lambda match: match[1] + block + match[3], content), "utf-8")


# -- all ------------------------------------------------------------------------------------------

STUDY = ("study_small.csv", "study_pool.csv")
TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], tuple[str, ...]]] = {
    "embeddings": (embeddings_table, ("embeddings.csv",)),
    "sets": (sets_table, ("embeddings.csv",)),
    "seconds": (seconds_table, ("embeddings.csv",)),
    "sizes": (sizes_table, ("embedding_sizes.csv",)),
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
    readme = markdown(made(overview_table, ("embeddings.csv",)))
    insert(ROOT / "README.md", "results", readme)


if __name__ == "__main__":
    main()
