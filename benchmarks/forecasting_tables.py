"""The tables of forecasting.csv; benchmarks/tables.py puts them into the docs."""

import pandas as pd

SETS = ("ETTh1", "ETTm1", "Weather", "illness")
METHODS = {
    "ridge": "ridge",
    "DLinear": "DLinear",
    "seasonal naive": "seasonal naive",
    "untrained": "untrained, probe",
    "auto-encoder": "auto-encoder, probe",
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
    once = [name for name in ("ridge", "seasonal naive") if name in table]
    table[once] = table[once].groupby(RUN[:-1]).transform("first")
    return table


def number(value: float, digits: int = 3) -> str:
    return "" if pd.isna(value) else f"{value:.{digits}f}".replace("0.", ".", value.real < 1)


def errors_table(rows: pd.DataFrame) -> pd.DataFrame:
    """MSE / MAE, means over seeds; a row for each horizon, and their mean where all are there."""
    parts = []
    for task in [name for name in SETS if name in set(rows["task"])]:
        of_task = rows[(rows["task"] == task) & (rows["share"] == 1)]
        scores = [wide(of_task, score).groupby("horizon").mean() for score in ("mse", "mae")]
        scores = [pd.concat([s, s.mean(skipna=False).to_frame("mean").T]) for s in scores]
        cells = scores[0].map(number) + " / " + scores[1].map(number)
        cells = cells.where(scores[0].notna(), "")
        parts.append(cells.rename(index=lambda horizon, task=task: f"{task}, {horizon}"))
    table = pd.concat(parts).fillna("")
    return table[[name for name in METHODS if name in table]].rename(columns=METHODS)


def few_shot_table(rows: pd.DataFrame) -> pd.DataFrame:
    """MSE on ETTh1 with the first windows of the training part alone."""
    parts = []
    for share in sorted(set(rows["share"]) - {1.0}):
        scores = wide(rows[rows["share"] == share], "mse").groupby("horizon").mean()
        scores = pd.concat([scores, scores.mean(skipna=False).to_frame("mean").T])
        parts.append(scores.rename(index=lambda h, share=share: f"{share:.0%}, {h}").map(number))
    return pd.concat(parts).fillna("").rename(columns=METHODS) if parts else pd.DataFrame()


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
            table.append((name, column, f"{values.mean():+.4f}{spread}"))
    cells = pd.DataFrame(table, columns=["run", "difference", "cell"])
    order = list(dict.fromkeys(cells["run"]))
    columns = list(dict.fromkeys(cells["difference"]))
    pivot = cells.pivot(index="run", columns="difference", values="cell")
    return pivot.reindex(index=order, columns=columns).fillna("")


def seconds_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds of one core, for pre-training (once for all horizons) and for fitting a horizon."""
    whole = rows[rows["share"] == 1]
    means = whole.groupby(["task", "method"])[["pretrain_seconds", "fit_seconds"]].mean()
    cells = means["pretrain_seconds"].map("{:.0f}".format) + " + "
    cells += means["fit_seconds"].map("{:.0f}".format)
    table = cells.unstack("method").reindex(index=[s for s in SETS if s in set(whole["task"])])
    return table[[name for name in METHODS if name in table]].rename(columns=METHODS).fillna("")
