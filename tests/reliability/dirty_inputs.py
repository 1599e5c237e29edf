"""Untidy inputs, drawn at random, for every public method.

Whatever is given, the answer is finite and of the documented shape, or an error of this package,
or of the validation of scikit-learn or sktime, that says what is wrong; inputs that are only untidy
get the answer of the tidy ones. ``python -m tests.reliability.dirty_inputs 10000`` tries so many.
"""

from __future__ import annotations

import functools
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import simmtm_sk
from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMRegressor,
    SimMTMTransformer,
)
from tests.reliability import dirty_series
from tests.reliability.outcome import Outcome

N, C, L = 12, 2, 16
NAMES = ["acc", "gyr"]
CLEAN = np.random.default_rng(0).normal(size=(N, C, L)).cumsum(2)
KINDS = np.arange(N) % 2
OWN = (str(Path(simmtm_sk.__file__).parent), "sklearn/utils/", "sktime/forecasting/base/")
METHODS = {
    "transformer": ["transform", "reconstruct", "similarity", "score", "fit_transform"],
    "classifier": ["predict", "predict_proba", "score", "fit"],
    "regressor": ["predict", "score", "fit"],
}


def transformer(channel_independent: bool = False) -> SimMTMTransformer:
    encoder: Any = ConvEncoder(d_model=4, n_layers=1)
    if channel_independent:
        encoder = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=1, d_feedforward=4)
    pooling = ("max", "std", "scale")
    return SimMTMTransformer(encoder=encoder, num_epochs=0, pooling=pooling, random_state=0)


def unfitted(kind: str, channel_independent: bool) -> Any:
    given = {"transformer": transformer(channel_independent), "random_state": 0}
    match kind:
        case "transformer":
            return transformer(channel_independent)
        case "classifier":
            return SimMTMClassifier(**given, head="ridge")
        case _:
            return SimMTMRegressor(**given)


@functools.cache
def fitted(kind: str, channel_independent: bool) -> Any:
    """Fitted on tidy frames, so that channels have names."""
    estimator = unfitted(kind, channel_independent)
    return estimator.fit(multiindex(CLEAN), KINDS.copy())


# -- containers -----------------------------------------------------------------------------------


def names(n_channels):
    return NAMES[:n_channels] if n_channels <= C else list(range(n_channels))


def frames(values):
    return [pd.DataFrame(x.T, columns=names(len(x))) for x in values]


def multiindex(values):
    return pd.concat(frames(values), keys=range(len(values)), names=["id", "time"])


def dated(values):
    frame = multiindex(values).reset_index()
    frame["time"] = pd.Timestamp("2024-03-01") + pd.to_timedelta(frame["time"], unit="h")
    return frame.set_index(["id", "time"])


def nested(values):
    columns = {
        str(c): [pd.Series(x[j]) for x in values] for j, c in enumerate(names(values.shape[1]))
    }
    return pd.DataFrame(columns)


def wide(values):
    n, c, length = values.shape
    columns = pd.MultiIndex.from_product([names(c), range(length)])
    return pd.DataFrame(values.reshape(n, c * length), columns=columns)


CONTAINERS = {
    "numpy3D": np.array,
    "list": list,
    "lists": lambda values: values.tolist(),
    "frames": frames,
    "multiindex": multiindex,
    "dated": dated,
    "nested": nested,
    "wide": wide,
}
FRAMES = ("multiindex", "dated")

# -- what is done to them: a name, whether the answer stays the same, and the function ------------


def cut(values, rng):
    """Series of unequal length."""
    lengths = rng.integers(1, L + 1, len(values))
    return [x[:, :n] for x, n in zip(values, lengths, strict=True)]


def holes(values, rng):
    return np.where(rng.random(values.shape) < rng.choice([0.1, 0.5, 0.95]), np.nan, values)


VALUES = {
    "as they are": lambda v, rng: v,
    "holes": holes,
    "a channel ends early": lambda v, rng: np.where(np.arange(L) < rng.integers(L), v, np.nan),
    "an empty series": lambda v, rng: np.where(np.arange(N)[:, None, None] == 3, np.nan, v),
    "an empty channel": lambda v, rng: np.where(np.arange(C)[:, None] == 0, np.nan, v),
    "constant": lambda v, rng: np.full_like(v, rng.choice([0.0, -7.0, 1e20])),
    "infinite": lambda v, rng: np.where(rng.random(v.shape) < 0.05, np.inf, v),
    "huge": lambda v, rng: v * 10.0 ** rng.integers(10, 60),
    "tiny": lambda v, rng: v * 10.0 ** -rng.integers(10, 60),
    "far off": lambda v, rng: v + 1e12,
    "whole": lambda v, rng: np.round(v).astype(rng.choice(["i1", "i8", "f2", "f4"])),
    "bools": lambda v, rng: v > 0,
    "one point": lambda v, rng: v[..., :1],
    "one series": lambda v, rng: v[:1],
    "one channel": lambda v, rng: v[:, :1],
    "no series": lambda v, rng: v[:0],
    "no points": lambda v, rng: v[..., :0],
    "exchanged": lambda v, rng: v.swapaxes(1, 2),
}
ARRAYS = {
    "masked": lambda v, rng: np.ma.array(v, mask=rng.random(v.shape) < 0.2),
    "objects": lambda v, rng: np.where(rng.random(v.shape) < 0.1, None, v.astype(object)),
    "text": lambda v, rng: v.astype(str),
    "bytes": lambda v, rng: v.astype("S"),
    "dates": lambda v, rng: np.round(v).astype("M8[D]"),
    "spans": lambda v, rng: np.round(v).astype("m8[s]"),
    "complex": lambda v, rng: v + 1j,
    "a dict inside": lambda v, rng: np.where(rng.random(v.shape) < 0.1, {}, v),
    "unequal": cut,
    "unequal lists": lambda v, rng: [x.tolist() for x in cut(v, rng)],
    "unequal channels": lambda v, rng: [x[: 1 + i % 2] for i, x in enumerate(v)],
    "flat": lambda v, rng: v[0, 0],
    "a table": lambda v, rng: v[:, 0],
    "four dimensions": lambda v, rng: v[None],
    "a scalar": lambda v, rng: 3.0,
    "nothing": lambda v, rng: None,
    "a dict": lambda v, rng: {"a": v},
    "a scalar among them": lambda v, rng: [*v, 1.0],
    "None among them": lambda v, rng: [*v[:-1], None],
}


def relabelled(frame, rng, times):
    """Another last level of the index, a value for every row."""
    ids = frame.index.get_level_values(0)
    return frame.set_axis(pd.MultiIndex.from_arrays([ids, times(frame, rng)]))


def rows_left_out(frame, rng):
    return frame[rng.random(len(frame)) < rng.choice([0.9, 0.3, 0.05])]


UNTIDY = {  # frames of many series; their answer is that of the tidy ones
    "shuffled": lambda f, rng: f.sample(frac=1, random_state=int(rng.integers(99))).sort_index(
        level=0, sort_remaining=False, kind="stable"
    ),
    "columns exchanged": lambda f, rng: f[f.columns[::-1]],
    "nullable": lambda f, rng: f.convert_dtypes(),
    "object columns": lambda f, rng: f.astype(object),
    "periods": lambda f, rng: relabelled(
        f, rng, lambda f, rng: pd.period_range("2020", periods=L, freq="M").tolist() * N
    ),
    "business days": lambda f, rng: relabelled(
        f, rng, lambda f, rng: pd.bdate_range("2020", periods=L).tolist() * N
    ),
    "seconds": lambda f, rng: relabelled(f, rng, lambda f, rng: np.tile(np.arange(L) * 0.1, N)),
    "jitter": lambda f, rng: relabelled(
        f, rng, lambda f, rng: np.tile(np.arange(L), N) + rng.uniform(-0.04, 0.04, N * L)
    ),
    "a zone": lambda f, rng: relabelled(
        f, rng, lambda f, rng: pd.date_range("2024-03-20", periods=L, tz="Europe/Rome").tolist() * N
    ),
}
DIRTY = {  # frames of many series
    "rows left out": rows_left_out,
    "rows twice": lambda f, rng: pd.concat([f, f.iloc[[3]]]),
    "no instance": lambda f, rng: f.rename({2: np.nan}, level=0),
    "times are text": lambda f, rng: relabelled(f, rng, lambda f, rng: [*map(str, range(len(f)))]),
    "times are missing": lambda f, rng: relabelled(
        f, rng, lambda f, rng: np.where(rng.random(len(f)) < 0.1, np.nan, np.arange(len(f)))
    ),
    "times at random": lambda f, rng: relabelled(f, rng, lambda f, rng: rng.random(len(f))),
    "a column less": lambda f, rng: f[["gyr"]],
    "a column more": lambda f, rng: f.assign(time=np.arange(len(f))),
    "renamed": lambda f, rng: f.rename(columns={"acc": "mag"}),
    "a name twice": lambda f, rng: f.set_axis(["acc", "acc"], axis=1),
    "text in a column": lambda f, rng: f.assign(acc="x"),
    "categories": lambda f, rng: f.assign(acc=pd.Categorical(np.arange(len(f)) % 3)),
    "dates in a column": lambda f, rng: f.assign(acc=pd.Timestamp("2024")),
    "no index": lambda f, rng: f.reset_index(),
    "a plain index": lambda f, rng: f.reset_index(drop=True),
}
LABELS = {
    "as they are": lambda y, rng: y,
    "text": lambda y, rng: np.array(["a", "b"])[y],
    "some missing": lambda y, rng: [None if rng.random() < 0.3 else int(k) for k in y],
    "floats": lambda y, rng: np.where(rng.random(N) < 0.2, np.nan, y),
    "all missing": lambda y, rng: np.full(N, np.nan),
    "one": lambda y, rng: np.zeros(N, int),
    "mixed": lambda y, rng: [1, "a"] * (N // 2),
    "bytes": lambda y, rng: y.astype("S"),
    "dates": lambda y, rng: y.astype("M8[D]"),
    "intervals": lambda y, rng: pd.cut(pd.Series(y), 2),
    "too few": lambda y, rng: y[:-1],
    "infinite": lambda y, rng: np.where(y, 1.0, np.inf),
    "huge": lambda y, rng: y * 1e30,
    "one-hot": lambda y, rng: np.eye(2)[y],
    "nothing": lambda y, rng: None,
    "a frame": lambda y, rng: pd.DataFrame({"y": y}),
}


def drawn(rng: np.random.Generator) -> tuple[str, Any, bool]:
    """Return a description, an input, and whether the answer must be that of the tidy one."""
    match rng.choice(["values", "array", "untidy", "dirty"]):
        case "values":
            what, container = rng.choice([*VALUES]), rng.choice([*CONTAINERS])
            values = VALUES[what](CLEAN, rng)
            make = CONTAINERS[container] if len(values) else np.array  # pandas joins no nothing
            return f"{what}, {container}", make(values), False
        case "array":
            what = rng.choice([*ARRAYS])
            return what, ARRAYS[what](CLEAN, rng), False
        case "untidy":
            what, container = rng.choice([*UNTIDY]), rng.choice(FRAMES)
            return f"{what}, {container}", UNTIDY[what](CONTAINERS[container](CLEAN), rng), True
        case _:
            what, container = rng.choice([*DIRTY]), rng.choice(FRAMES)
            return f"{what}, {container}", DIRTY[what](CONTAINERS[container](CLEAN), rng), False


# -- one try --------------------------------------------------------------------------------------


def answer(kind: str, method: str, channel_independent: bool, X: Any, y: Any) -> Any:
    if method == "fit_transform":
        return unfitted(kind, channel_independent).fit(X).transform(X)
    if method == "fit":
        return unfitted(kind, channel_independent).fit(X, y).predict(CLEAN)
    estimator = fitted(kind, channel_independent)
    return getattr(estimator, method)(*((X, y) if method == "score" else (X,)))


def complaint(kind: str, method: str, result: Any, tidy: Any) -> str | None:
    """Say what is wrong with an answer."""
    result = np.asarray(result)
    if method != "reconstruct" and result.dtype.kind in "fc" and not np.isfinite(result).all():
        return "the answer is not finite"
    if method == "predict_proba" and not np.allclose(result.sum(1), 1):
        return "probabilities do not sum to one"
    if tidy is None:
        return None
    tidy = np.asarray(tidy)
    if result.shape != tidy.shape:
        return f"shape {result.shape}, of the tidy input {tidy.shape}"
    same = np.allclose(result, tidy, 1e-5, 1e-6, equal_nan=True) if tidy.dtype.kind == "f" else None
    return "not the answer of the tidy input" if same is False else None


def tried(seed: int) -> tuple[str, str | None]:
    """Return what was tried and how it ended, and what is wrong with that, if anything."""
    rng = np.random.default_rng([seed, 99])
    if rng.random() < 0.15:
        return tried_series(rng, seed)
    kind = str(rng.choice([*METHODS]))
    method = str(rng.choice(METHODS[kind], p=likelihood(kind)))
    channel_independent = bool(rng.random() < 0.3)
    described, X, same = drawn(rng)
    labels = "as they are"
    if method == "fit" and not same:
        labels = str(rng.choice([*LABELS]))
    y = LABELS[labels](KINDS.copy(), rng)
    # weights are drawn for channels in the order of the series that are learned from
    same &= not ("fit" in method and described.startswith("columns exchanged"))
    tidy = answer(kind, method, channel_independent, multiindex(CLEAN), y) if same else None
    where = f"{seed}: {kind}.{method}, {described}, labels {labels}"
    end, result = ended(where, lambda: answer(kind, method, channel_independent, X, y))
    if end != "answered":
        return end, result
    wrong = complaint(kind, method, result, tidy)
    return "answered", None if wrong is None else f"{where}: {wrong}"


def tried_series(rng: np.random.Generator, seed: int) -> tuple[str, str | None]:
    """Try a series to forecast."""
    method = str(rng.choice(dirty_series.METHODS))
    described, y = dirty_series.drawn(rng)
    where = f"{seed}: forecaster.{method}, {described}"
    end, result = ended(where, lambda: dirty_series.answer(method, y))
    if end != "answered":
        return end, result
    values, n_rows = result
    right = len(values) == n_rows and np.isfinite(values).all()
    return "answered", None if right else f"{where}: {len(values)} of {n_rows} rows, {values}"


def ended(where: str, compute: Callable[[], Any]) -> tuple[str, Any]:
    """Return "answered" and the answer, or how else it ended and what is wrong with that."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return "answered", compute()
        except (ValueError, TypeError) as error:
            last = traceback.extract_tb(error.__traceback__)[-1].filename
            said_by_us = any(part in last for part in OWN)
            return "refused", None if said_by_us else f"{where}: {error!r} from {last}"
        except Exception as error:
            return "failed", f"{where}: {error!r}"


def likelihood(kind: str) -> list[float]:
    """Of the methods; fits take longer."""
    rest = len(METHODS[kind]) - 1
    return [0.85 / rest] * rest + [0.15]


def main(n: int, first: int = 0) -> Outcome:
    """Try ``n`` inputs."""
    torch.set_num_threads(1)
    outcome = Outcome(
        "an untidy input gets a finite answer of the documented shape, or an error that says why",
        "dirty_inputs",
    )
    ends: Counter[str] = Counter()
    for seed in range(first, first + n):
        end, wrong = tried(seed)
        ends[end] += 1
        outcome.check(wrong is None, wrong)
    outcome.note = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    return outcome


if __name__ == "__main__":
    found = main(*map(int, sys.argv[1:] or ["300"]))
    print("\n".join(found.failures))
    print(f"{found.n} tried: {found.note}; {len(found.failures)} faults")
    sys.exit(bool(found.failures))
