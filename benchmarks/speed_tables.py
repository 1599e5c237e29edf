"""Write the tables and the figure of docs/speed.rst from the rows of speed.py.

python benchmarks/speed_tables.py [--results DIR] [--docs DIR]

What stands between the markers ``begin NAME`` and ``end NAME`` is replaced, as by tables.py; the
figure is docs/speed.svg. Seconds are medians over turns, memory is the highest of them.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import NullLocator
from probe import RESULTS
from speed_plain import CONVOLUTION, MATRIX_PRODUCT, PLAIN
from speed_steps import FAMILIES
from tables import ROOT, insert, restructured

from simmtm_sk import SimMTMTransformer

CHANNELS = 7  # of the windows that the steps against the plain one are made of
# the column of speed.csv that a sweep varies, and how its values are named
SWEEPS = {
    "length": ("length", "{} points"),
    "channels": ("channels", "C = {}"),
    "masks": ("masks", "M = {}"),
    "batch": ("windows", "{} windows"),
    "series": ("n_series", "{} series"),
}
LABELS = {
    "length": "points of a series",
    "channels": "channels",
    "masks": "masked views, M",
    "batch": "windows in a step",
}
CUT = ", cut"  # cases whose series are cut into windows of the default length
DEFAULT_LENGTH = SimMTMTransformer().max_length
NAMES = {
    PLAIN: "plain, published sizes",
    "same architecture": "the same architecture in this package",
    "same, 4 heads of 8": "the same with 4 heads of 8",
    "default encoder": "``SimMTMTransformer()``",
    "forecaster's encoder": "encoder of ``SimMTMForecaster()``",
}

# -- rows -----------------------------------------------------------------------------------------


def summary(rows: pd.DataFrame, suite: str) -> pd.DataFrame:
    """One row per case, in the order in which they were measured."""
    chosen = rows[rows["suite"] == suite]
    settings = ["case", "n_series", "length", "channels", "masks", "windows", "rows", "parameters"]
    settings.append("threads")
    groups = chosen.groupby(settings, sort=False, dropna=False)
    return groups.agg(
        seconds=("seconds", "median"),
        fastest=("seconds", "min"),
        per_part=("seconds_per_window_channel", "median"),
        peak_mb=("peak_mb", "max"),
        gflop=("gflop", "first"),
        turns=("seconds", "size"),
    ).reset_index()


def peaks(rows: pd.DataFrame) -> dict[str, float]:
    """The machine's best rate of matrix products and of convolutions, GFLOP in a second."""
    peaks = summary(rows, "peak")
    rate = peaks["gflop"] / peaks["fastest"]
    best = rate.groupby(peaks["case"].str.split(",").str[0]).max()
    return {kind: float(best.get(kind, float("nan"))) for kind in (MATRIX_PRODUCT, CONVOLUTION)}


def number(value: float, digits: int = 2) -> str:
    """Significant digits, no exponent, thousands apart; empty for a missing value."""
    if pd.isna(value):
        return ""
    shown = float(f"{value:.{digits}g}")
    return f"{shown:,.0f}".replace(",", " ") if abs(shown) >= 10 ** (digits - 1) else f"{shown:g}"


def counted(value: float) -> str:
    return f"{value:g}" if value % 1 == 0 else f"{value:.1f}"


def duration(seconds: float) -> str:
    """Seconds in a unit that leaves few zeros."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return "" if pd.isna(seconds) else f"{number(seconds / 1e-6)} µs"


def size(megabytes: float) -> str:
    if pd.isna(megabytes):
        return ""
    return f"{number(megabytes)} MB" if megabytes < 1000 else f"{number(megabytes / 1024)} GB"


def share(rate: float, peak: float) -> str:
    return "" if pd.isna(rate / peak) else f"{rate / peak:.0%}".replace("%", " %")


# -- tables ---------------------------------------------------------------------------------------


def plain_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Time and memory of a window of seven channels, and how many times less than the plain way."""
    steps = summary(rows, "plain").set_index("case")
    if PLAIN not in steps.index:
        return pd.DataFrame()
    seconds = steps["per_part"] * CHANNELS
    # weights, gradients and two moments of each, whatever the size of the step
    beside = (steps["peak_mb"] - 4 * 4 * steps["parameters"] / 2**20) / steps["windows"]
    rate, peak = steps["gflop"] / steps["seconds"], peaks(rows)
    table = pd.DataFrame(
        {
            "time of a window": seconds.map(duration),
            "times faster": (seconds[PLAIN] / seconds).map(number),
            "of the peak": rate.map(lambda r: share(r, max(peak.values()))),
            "windows in the step": steps["windows"].map(counted),
            "memory of the step": steps["peak_mb"].map(size),
            "of a window": beside.map(size),
            "times smaller": (beside[PLAIN] / beside).map(number),
        }
    )
    return table.rename(index=NAMES)


def peak_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Rates of products and convolutions alone, and of whole steps."""
    alone = summary(rows, "peak")
    calls = summary(rows, "calls")  # the step with convolutions is among the plain one's rivals
    steps = pd.concat([summary(rows, "plain"), calls[~calls["case"].str.contains("convolutions")]])
    steps = steps[steps["gflop"].notna()]
    if alone.empty:
        return pd.DataFrame()
    table = []
    peak = peaks(rows)
    named = steps["case"].map(lambda case: f"step: {NAMES[case]}" if case in NAMES else case)
    for table, seconds in ((alone, "fastest"), (steps.assign(case=named), "seconds")):
        for case, rate in zip(table["case"], table["gflop"] / table[seconds], strict=True):
            shares = {f"of the best {kind}": share(rate, best) for kind, best in peak.items()}
            table.append({"": case, "GFLOP/s": number(rate, 3), **shares})
    return pd.DataFrame(table).set_index("")


def calls_table(rows: pd.DataFrame) -> pd.DataFrame:
    calls = summary(rows, "calls").set_index("case")
    if calls.empty:
        return pd.DataFrame()
    what = calls.apply(
        lambda call: " × ".join(
            counted(n)
            for n in (
                call["windows"] if pd.isna(call["n_series"]) else call["n_series"],
                call["channels"],
                call["length"],
            )
        ),
        axis=1,
    )
    return pd.DataFrame(
        {
            "series × channels × points": what,
            "threads": calls["threads"].astype(str),
            "time": calls["seconds"].map(duration),
            "for a channel of a series": calls["per_part"].map(duration),
            "peak memory": calls["peak_mb"].map(size),
        }
    )


def sweep_table(rows: pd.DataFrame, suite: str) -> pd.DataFrame:
    """A row per value: time of a channel of a window (of 1 000 points of it), and memory."""
    column, name = SWEEPS[suite]
    steps = summary(rows, suite)
    table = {}
    for case in steps["case"].unique():
        of_case = steps[steps["case"] == case].set_index(column)
        seconds = of_case["per_part"]
        if suite == "length":
            points = of_case.index.to_series()
            seconds = (
                seconds * 1000 / (points.clip(upper=DEFAULT_LENGTH) if CUT in case else points)
            )
        table[f"{case}: time"] = seconds.map(duration)
        table[f"{case}: memory"] = of_case["peak_mb"].map(size)
    cells = pd.DataFrame(table).fillna("")
    return cells.rename(index=lambda value: name.format(number(value, 6)))


def big_table(rows: pd.DataFrame) -> pd.DataFrame:
    steps = summary(rows, "big")
    if steps.empty:
        return pd.DataFrame()
    table = {
        "rows, D": steps["rows"].map(lambda n: number(n, 6)),
        "time": steps["seconds"].map(duration),
        "peak memory": steps["peak_mb"].map(size),
    }
    return pd.DataFrame(table).set_axis(steps["case"])


def threads_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Time of a step on one thread and on all, and their ratio."""
    steps = summary(rows, "threads")
    if steps.empty:
        return pd.DataFrame()
    steps["case"] = steps["case"].str.rsplit(", ", n=1).str[0]
    seconds = steps.pivot_table(index="case", columns="threads", values="seconds", sort=False)
    one, most = min(seconds.columns), max(seconds.columns)
    cells = seconds.map(duration).rename(columns=lambda n: f"{n} thread{'s' if n > 1 else ''}")
    cells["times faster"] = (seconds[one] / seconds[most]).map(number)
    return cells


def profile_table(profile: pd.DataFrame) -> pd.DataFrame:
    """Shares of the time of a step, the largest first; what no encoder does is left out."""
    shares = profile.pivot_table(index="group", columns="case", values="share", sort=False)
    shares = shares[(shares >= 0.001).any(axis=1)]
    rest = shares.index == "rest"
    first = shares.columns[0]
    ordered = pd.concat([shares[~rest].sort_values(first, ascending=False), shares[rest]])
    cells = ordered.map(lambda x: f"{x:.1%}".replace("%", " %") if x >= 0.0005 else "")
    total = profile.groupby("case", sort=False)["milliseconds"].sum() / 1000
    cells.loc["all, on one thread"] = total[cells.columns].map(duration)
    return cells.rename(columns=NAMES)


TABLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "speed-plain": plain_table,
    "speed-peak": peak_table,
    "speed-calls": calls_table,
    **{f"speed-{suite}": lambda rows, suite=suite: sweep_table(rows, suite) for suite in SWEEPS},
    "speed-big": big_table,
    "speed-threads": threads_table,
}

# -- figure ---------------------------------------------------------------------------------------


def draw(rows: pd.DataFrame, path: Path) -> bool:
    """Time of a channel of a window by length, channels, masks and batch; False without rows."""
    sweeps = {suite: summary(rows, suite) for suite in LABELS if (rows["suite"] == suite).any()}
    if not sweeps:
        return False
    settings = {"svg.hashsalt": "speed", "svg.fonttype": "none", "font.size": 9}
    with plt.rc_context(settings):
        figure, _ = plt.subplots(
            1, len(sweeps), figsize=(2.6 * len(sweeps), 2.8), sharey=True, layout="constrained"
        )
        for (suite, steps), axis in zip(sweeps.items(), figure.axes, strict=True):
            column, _ = SWEEPS[suite]
            for case in FAMILIES:
                of_case = steps[steps["case"] == case]
                axis.plot(of_case[column], of_case["per_part"] * 1e3, marker="o", label=case)
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_xlabel(LABELS[suite])
            values = sorted(steps[column].unique())
            axis.set_xticks(values, [number(value, 6) for value in values])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.grid(alpha=0.3)
        figure.axes[0].set_ylabel("ms for a channel of a window")
        figure.axes[0].legend(frameon=False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)
    return True


FIGURE = """.. image:: speed.svg
   :alt: Time of a step for each channel of a window, by length, channels, masks and windows"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV files")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of speed.rst")
    arguments = parser.parse_args()
    rows = pd.read_csv(arguments.results / "speed.csv")
    page = arguments.docs / "speed.rst"
    for name, table in TABLES.items():
        insert(page, name, restructured(table(rows)))
    profile = pd.read_csv(arguments.results / "speed_profile.csv")
    insert(page, "speed-profile", restructured(profile_table(profile)))
    insert(page, "speed-figure", FIGURE if draw(rows, arguments.docs / "speed.svg") else "")


if __name__ == "__main__":
    main()
