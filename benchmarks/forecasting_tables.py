"""Write the tables of docs/forecasting.rst from the rows of forecasting, short_series, intervals.

python benchmarks/forecasting_tables.py [--results DIR]

What stands between the markers ``begin NAME`` and ``end NAME`` is replaced, as by tables.py.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from forecasting import DETERMINISTIC, MORE_TASKS, TASKS, horizons
from probe import RESULTS
from tables import ROOT, insert, restructured, signed, text

METHODS = {
    "closed form": "closed form",
    "combination, untrained": "combination, untrained",
    "combination, SimMTM": "combination, SimMTM",
    "combination, fine-tuned": "combination, fine-tuned",
    "combination, from scratch": "combination, from scratch",
    "combination, made series": "combination, made series",
    "ridge": "ridge",
    "DLinear": "DLinear",
    "seasonal naive": "seasonal naive",
    "seasonal mean": "seasonal mean",
    "untrained": "untrained, probe",
    "auto-encoder": "auto-encoder, probe",
    "made series": "made series, probe",
    "other data": "other data, probe",
    "untrained points": "untrained points, probe",
    "points": "points, probe",
    "linear-probe": "SimMTM, probe",
    "probe-then-fine-tune": "SimMTM, probe, then fine-tune",
    "fine-tune": "SimMTM, fine-tune",
    "from-scratch": "from scratch",
}
# Whose difference says what: pre-training, the neighbours, the encoder, in-domain series.
COMPARED = (
    ("combination, SimMTM", "closed form"),
    ("combination, SimMTM", "combination, untrained"),
    ("combination, fine-tuned", "combination, from scratch"),
    ("closed form", "ridge"),
    ("linear-probe", "untrained"),
    ("linear-probe", "auto-encoder"),
    ("linear-probe", "ridge"),
    ("points", "untrained points"),
    ("fine-tune", "from-scratch"),
    ("probe-then-fine-tune", "linear-probe"),
    ("other data", "linear-probe"),
)
RUN = ["task", "share", "horizon", "seed"]


def wide(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    """A column for every method; those without chance have the same value for all seeds."""
    table = rows.pivot_table(index=RUN, columns="method", values=score)
    table = table.reindex(columns=[name for name in METHODS if name in table])
    once = [name for name in DETERMINISTIC if name in table]
    table[once] = table[once].groupby(RUN[:-1]).transform("first")
    return table


def by_horizon(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    """Means over seeds; a row for each horizon and, where all are there, their mean."""
    task = rows["task"].iloc[0]
    table = wide(rows, score).groupby("horizon").mean().reindex(horizons(task))
    return pd.concat([table, table.mean(skipna=False).to_frame("mean").T])


def errors_table(rows: pd.DataFrame) -> pd.DataFrame:
    """MSE / MAE with the whole training part."""
    parts = []
    for task, of_task in whole(rows).groupby("task", sort=False):
        mse, mae = (by_horizon(of_task, score).map(text) for score in ("mse", "mae"))
        cells = (mse + " / " + mae).where(mse != "", "")
        parts.append(cells.rename(index=lambda horizon, task=task: f"{task}, {horizon}"))
    return named(pd.concat(parts))


def few_shot_table(rows: pd.DataFrame) -> pd.DataFrame:
    """MSE with the first windows of the training part alone."""
    parts = []
    for share, few in rows[rows["share"] < 1].groupby("share"):
        scores = by_horizon(few, "mse").map(text)
        parts.append(scores.rename(index=lambda h, share=share: f"{share:.0%}, {h}"))
    return named(pd.concat(parts)) if parts else pd.DataFrame()


def whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs with the whole training part, set by set."""
    order = (*TASKS, *MORE_TASKS)
    return rows[rows["share"] == 1].sort_values("task", key=lambda t: t.map(order.index))


def named(table: pd.DataFrame) -> pd.DataFrame:
    """Methods in order, by their names in the docs; empty rows are left out."""
    table = table.reindex(columns=[name for name in METHODS if name in table]).fillna("")
    return table[(table != "").any(axis=1)].rename(columns=METHODS)


def gains_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Differences of MSE, paired by seed: mean ± standard deviation over seeds."""
    table = []
    scores = wide(rows, "mse")
    for first, second in COMPARED:
        if first not in scores or second not in scores:
            continue
        difference = (scores[first] - scores[second]).dropna()
        for (task, share, horizon), values in difference.groupby(RUN[:-1], sort=False):
            spread = f" ± {values.std():.4f}" if len(values) > 1 else ""
            name = f"{task}, {horizon}" if share == 1 else f"{task}, {horizon}, {share:.0%}"
            column = f"{METHODS[first]} − {METHODS[second]}"
            table.append((name, column, f"{signed(values.mean())}{spread}"))
    cells = pd.DataFrame(table, columns=["run", "difference", "cell"])
    order = list(dict.fromkeys(cells["run"]))
    columns = list(dict.fromkeys(cells["difference"]))
    pivot = cells.pivot(index="run", columns="difference", values="cell")
    return pivot.reindex(index=order, columns=columns).fillna("")


def seconds_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds of one core, for pre-training (once for all horizons) and for fitting a horizon."""
    groups = whole(rows).groupby(["task", "method"], sort=False)
    means = groups[["pretrain_seconds", "fit_seconds"]].mean().round().astype(int).astype(str)
    return named((means["pretrain_seconds"] + " + " + means["fit_seconds"]).unstack("method"))


def short_table(rows: pd.DataFrame) -> pd.DataFrame:
    """MASE / sMAPE of short series, and geometric means over them."""
    order = list(dict.fromkeys(rows["method"]))
    mase, smape = (
        rows.pivot_table(index="series", columns="method", values=score, sort=False)[order]
        for score in ("mase", "smape")
    )
    cells = mase.map("{:.2f}".format) + " / " + smape.map("{:.1f}".format)
    cells.loc["MASE, geometric mean"] = np.exp(np.log(mase).mean()).map("{:.3f}".format)
    seconds = rows.groupby("method")["seconds"].mean()[order]
    cells.loc["seconds for a fit"] = seconds.map("{:.2f}".format)
    return cells


def intervals_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Percent of values in intervals of 50, 80 and 95 percent, and the pinball loss.

    Of long series, by what was done to them, or of short ones.
    """
    columns = [name for name in rows if name.startswith("coverage")]
    shares = (100 * rows[columns]).map("{:.0f}".format).agg(" ".join, axis=1)
    cells = shares + " | " + rows["pinball"].map("{:.3f}".format)
    where = rows["task"] + ", " + rows["horizon"].astype(str)
    return cells.groupby([where, rows["kind"]], sort=False).first().unstack(sort=False)


TABLES = {
    "forecasting": errors_table,
    "forecasting-gains": gains_table,
    "forecasting-few": few_shot_table,
    "forecasting-seconds": seconds_table,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    results = parser.parse_args().results
    rows = pd.read_csv(results / "forecasting.csv")
    page = ROOT / "docs" / "forecasting.rst"
    for name, table in TABLES.items():
        insert(page, name, restructured(table(rows)))
    insert(
        page, "short-series", restructured(short_table(pd.read_csv(results / "short_series.csv")))
    )
    rows = pd.read_csv(results / "intervals.csv")
    short = rows["kind"] == "short"
    insert(page, "intervals", restructured(intervals_table(rows[~short])))
    insert(page, "intervals-short", restructured(intervals_table(rows[short])))


if __name__ == "__main__":
    main()
