"""Untidy series to forecast, drawn at random; see `dirty_inputs`."""

import numpy as np
import pandas as pd

from simmtm_sk import PatchEncoder, SimMTMForecaster, SimMTMTransformer

LENGTH = 48
STEPS = [1, 2, 5]
METHODS = ["predict", "predict_interval", "update"]


def forecaster():
    """One whose encoder is tiny and untrained: it plays no part here."""
    encoder = PatchEncoder(patch_length=2, d_model=4, n_layers=1, n_heads=1, d_feedforward=4)
    tiny = SimMTMTransformer(encoder=encoder, masking="patch", num_epochs=0, projection_dim=4)
    return SimMTMForecaster(transformer=tiny, random_state=0)


def days(length=LENGTH, freq="D"):
    return pd.date_range("2024-01-01", periods=length, freq=freq)


INDEXES = {
    "days": lambda: days(),
    "hours": lambda: days(freq="h"),
    "business days": lambda: pd.DatetimeIndex(list(days(freq="B"))),
    "months": lambda: pd.period_range("2020-01", periods=LENGTH, freq="M"),
    "a zone": lambda: days(freq="h").tz_localize("Europe/Rome"),
    "numbers": lambda: pd.RangeIndex(LENGTH),
    "late numbers": lambda: pd.Index(np.arange(7, 7 + LENGTH)),
}
VALUES = {
    "as they are": lambda v, rng: v,
    "holes": lambda v, rng: np.where(rng.random(LENGTH) < rng.choice([0.1, 0.5]), np.nan, v),
    "missing at the end": lambda v, rng: np.where(np.arange(LENGTH) < LENGTH - 6, v, np.nan),
    "missing at the start": lambda v, rng: np.where(np.arange(LENGTH) > 20, v, np.nan),
    "constant": lambda v, rng: np.full(LENGTH, rng.choice([0.0, 5.0, -1e12])),
    "tiny": lambda v, rng: v * 1e-20,
    "huge": lambda v, rng: v * 1e20,
    "far off": lambda v, rng: v + 1e9,
    "whole": lambda v, rng: np.round(v).astype(int),
    "bools": lambda v, rng: v > 0,
    "empty": lambda v, rng: np.full(LENGTH, np.nan),
    "infinite": lambda v, rng: np.where(np.arange(LENGTH) == 9, np.inf, v),
    "objects": lambda v, rng: np.where(np.arange(LENGTH) == 9, None, v.astype(object)),
    "text": lambda v, rng: v.astype(str),
    "a jump": lambda v, rng: v + 50 * (np.arange(LENGTH) > LENGTH - 4),
}
CHANGES = {
    "nothing": lambda y, rng: y,
    "shuffled": lambda y, rng: y.sample(frac=1, random_state=0),
    "rows left out": lambda y, rng: y[rng.random(LENGTH) < 0.8],
    "rows twice": lambda y, rng: pd.concat([y, y.iloc[[5]]]),
    "short": lambda y, rng: y.iloc[: rng.integers(1, 8)],
    "a frame": lambda y, rng: y.to_frame("a"),
    "two columns": lambda y, rng: pd.DataFrame({"a": y, "b": y[::-1].to_numpy()}),
    "an array": lambda y, rng: y.to_numpy(),
    "a panel": lambda y, rng: pd.concat({"u": y.to_frame("a"), "v": y.iloc[:30].to_frame("a")}),
    "nullable": lambda y, rng: y.astype("Float64") if y.dtype.kind == "f" else y,
}


def drawn(rng):
    """Return a description and a series."""
    time = np.arange(LENGTH)
    values = 10 * np.sin(2 * np.pi * time / 7) + rng.normal(size=LENGTH)
    names = [str(rng.choice([*table])) for table in (INDEXES, VALUES, CHANGES)]
    y = pd.Series(VALUES[names[1]](values, rng), INDEXES[names[0]]())
    return ", ".join(names), CHANGES[names[2]](y, rng)


def answer(method, y):
    """Return forecasts, and the number of rows that they must have."""
    fitted = forecaster().fit(y, fh=STEPS)
    n_series = 2 if getattr(getattr(y, "index", None), "nlevels", 1) > 1 else 1
    if method == "update":
        fitted.update(y, update_params=False)
        method = "predict"
    found = getattr(fitted, method)(STEPS)
    return np.asarray(found, np.float64), n_series * len(STEPS)
