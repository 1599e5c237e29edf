"""Time indices of every kind, and containers with them."""

import numpy as np
import pandas as pd
import pytest

MONTHS = pd.period_range("2000-01", periods=24, freq="M", name="month")
HOLIDAYS = ["2000-01-06", "2000-01-17"]
INDICES = {
    "periods": MONTHS,
    "weeks": pd.period_range("2000-01-03", periods=24, freq="W-SUN"),
    "pairs of months": pd.period_range("2000-01", periods=24, freq="2M"),
    "days": pd.date_range("2000-01-01", periods=24, freq="D"),
    "days, inferred": pd.DatetimeIndex(pd.date_range("2000-01-01", periods=24, freq="D").values),
    "month ends": pd.date_range("2000-01-31", periods=24, freq="ME", unit="s"),
    "over a change of the clock": pd.date_range("2000-03-25", periods=24, freq="D", tz="CET"),
    "hours over it": pd.date_range("2000-03-25 20:00", periods=24, freq="h", tz="Europe/Berlin"),
    "quarters of an hour": pd.date_range("2000-01-01", periods=24, freq="15min", tz="UTC+02:00"),
    "numbers": pd.RangeIndex(24),
    "from 7 on": pd.RangeIndex(7, 31, name="n"),
    "integers": pd.Index(np.arange(7, 31)),
    "weekdays": pd.date_range("2000-01-03", periods=24, freq="B"),
    "without holidays": pd.date_range(
        "2000-01-03", periods=24, freq=pd.offsets.CustomBusinessDay(holidays=HOLIDAYS)
    ),
    "Sunday to Thursday": pd.date_range(
        "2000-01-02", periods=24, freq=pd.offsets.CustomBusinessDay(weekmask="Sun Mon Tue Wed Thu")
    ),
    "business hours": pd.date_range("2000-01-03 09:00", periods=24, freq="bh"),
    "shifts": pd.date_range(
        "2000-01-03 08:00",
        periods=24,
        freq=pd.offsets.BusinessHour(start=["08:00", "13:00"], end=["12:00", "17:00"]),
    ),
    "half months": pd.date_range("2000-01-15", periods=24, freq="SME"),
    "the same day of every month": pd.date_range(
        "2000-01-20", periods=24, freq=pd.DateOffset(months=1)
    ),
    "quarters": pd.date_range("2000-02-01", periods=24, freq="QS-FEB"),
}
every_index = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
# what no container with several instances can say, as its index has no frequency
LOOKLESS = {"without holidays", "shifts", "half months"}
every_inferable_index = pytest.mark.parametrize(
    "index", [i for n, i in INDICES.items() if n not in LOOKLESS],
    ids=[n for n in INDICES if n not in LOOKLESS],
)  # fmt: skip


def frame(index, n_columns=2, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(index), n_columns))
    return pd.DataFrame(values, index, [f"c{j}" for j in range(n_columns)])


def panel(names=("b", "a"), lengths=(24, 20), index=MONTHS):
    """Instances out of order, of unequal length, ending at different times."""
    parts = {name: frame(index[:n], seed=n) for name, n in zip(names, lengths, strict=True)}
    return pd.concat(parts, names=["id", index.name])
