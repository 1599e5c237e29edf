"""Artifacts that were damaged or edited: refused by `ArtifactError`, soon, in little memory.

``python -m tests.reliability.artifact_fuzz 20000`` goes on until so many files have been refused.
"""

import hashlib
import io
import json
import re
import sys
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.frozen import FrozenEstimator

from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMForecaster,
    SimMTMRegressor,
    SimMTMTransformer,
)

X = np.random.default_rng(0).normal(size=(20, 1, 16)).cumsum(2)
ODD = [None, True, "", "x", "../../etc/passwd", -1, 0, 1.5, 2**31, 10**19, 10**400, 1e300, -1e-300]
ODD += [[], [[1]], [None] * 3, {}, {"tuple": 3}, {"class": "ConvEncoder"}, {"frozen": {}}, "NaN!"]
ODD += [{"class": "SimMTMTransformer", "params": {}}, {"not_saved": "os.system"}]
CONFIG, WEIGHTS, METADATA = "config.json", "weights.safetensors", "_metadata"


# -- what is damaged ------------------------------------------------------------------------------


def fitted_estimators():
    """One small estimator of each class, and what each computes."""
    common = {"num_epochs": 1, "projection_dim": 4, "random_state": 0, "device": "cpu"}
    encoder = ConvEncoder(d_model=4, n_layers=1)
    transformer = SimMTMTransformer(encoder=encoder, pooling=("max", "scale"), **common).fit(X)
    patches = PatchEncoder(patch_length=2, d_model=4, n_layers=1, n_heads=1, d_feedforward=4)
    forecasts = SimMTMTransformer(encoder=patches, masking="patch", **common)
    y = pd.Series(X[:3].ravel(), index=pd.date_range("2020", periods=48, freq="D", tz="UTC"))
    return {
        "transformer": (transformer, lambda e: e.transform(X)),
        "classifier": (
            SimMTMClassifier(
                transformer=FrozenEstimator(transformer),
                strategy="fine-tune",
                num_epochs=1,
                random_state=0,
            ).fit(X, np.repeat(["a", "b"], 10)),
            lambda e: e.predict_proba(X),
        ),
        "regressor": (
            SimMTMRegressor(transformer=FrozenEstimator(transformer), random_state=0).fit(
                X, X.std((1, 2))
            ),
            lambda e: e.predict(X),
        ),
        "forecaster": (
            SimMTMForecaster(transformer=forecasts, random_state=0).fit(y, fh=[1, 2]),
            lambda e: np.asarray(e.predict()),
        ),
    }


# -- ways to damage it ----------------------------------------------------------------------------


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def archive(parts, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, part in parts:
            target.writestr(name, part)
    return file.getvalue()


def signed(config, weights, metadata=b""):
    """An artifact whose checksums are right, as whoever edits one would leave it."""
    config = {**config, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    text = json.dumps(config).replace('"NaN!"', "NaN").encode()
    return archive([(CONFIG, text), (WEIGHTS, weights), (METADATA, metadata)])


def opened(content):
    parts = dict(members(content))
    return json.loads(parts[CONFIG]), parts[WEIGHTS]


def flipped_bits(rng, content):
    damaged = bytearray(content)
    for position in rng.integers(len(content), size=rng.integers(1, 4)):
        damaged[position] ^= 1 << rng.integers(8)
    return bytes(damaged)


def flipped_headers(rng, content):
    """Bits of the zip file's own records, which no checksum covers."""
    starts = [match.start() for match in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06)", content)]
    damaged = bytearray(content)
    position = min(starts[rng.integers(len(starts))] + rng.integers(46), len(content) - 1)
    damaged[position] ^= 1 << rng.integers(8)
    return bytes(damaged)


def cut_or_spliced(rng, content):
    start, stop = sorted(rng.integers(len(content), size=2).tolist())
    noise = rng.bytes(int(rng.integers(1, 200)))
    choices = [content[:stop], content[start:], content[:start] + content[stop:]]
    choices += [content[:stop] + noise + content[stop:], content + noise, noise + content]
    choices.append(content[:start] + b"\0" * (stop - start) + content[stop:])
    return choices[rng.integers(len(choices))]


def edited_members(rng, content):
    parts = members(content)
    i = int(rng.integers(len(parts)))
    name, part = parts[i]
    methods = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    match rng.integers(6):
        case 0:
            return archive(parts[:i] + parts[i + 1 :]) if name != METADATA else b""
        case 1:
            return archive([*parts[:i], (name[::-1], part), *parts[i + 1 :]])
        case 2:
            return archive([*parts, ("extra/" + name, part)])
        case 3:
            return archive(parts, methods[rng.integers(len(methods))])
        case 4:
            shorter = part[: rng.integers(len(part))]
            return archive([*parts[:i], (name, shorter), *parts[i + 1 :]]) if i < 2 else b"PK"
        case _:
            swapped = {CONFIG: WEIGHTS, WEIGHTS: CONFIG, METADATA: METADATA}
            return archive([(swapped[name], part) for name, part in parts])


def places(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def edited_json(rng, content):
    config, weights = opened(content)
    every = list(places(config))
    for _ in range(rng.integers(1, 3)):
        path = every[rng.integers(len(every))]
        inner = config
        try:
            for key in path[:-1]:
                inner = inner[key]
            match rng.integers(4):
                case 0:
                    del inner[path[-1]]
                case 1 if isinstance(inner, dict):
                    inner[f"{path[-1]}x"] = inner[path[-1]]
                case _:
                    inner[path[-1]] = ODD[rng.integers(len(ODD))]
        except (KeyError, IndexError, TypeError):  # gone with an earlier edit
            continue
    return signed(config, weights)


def edited_header(rng, content):
    config, weights = opened(content)
    start = 8 + int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8:start])
    names = list(header)
    name = names[rng.integers(len(names))]
    entry = header[name]
    length = None
    match rng.integers(8):
        case 0:
            del header[name]
        case 1:
            header[name + "x"] = header.pop(name)
        case 2:
            entry["dtype"] = ["F64", "F32", "BF16", "I64", "U8", "BOOL", "F8", 3][rng.integers(8)]
        case 3:
            entry["shape"] = [[], [0], [1, *entry["shape"]], [2**40], [-1], ["a"], 3][
                rng.integers(7)
            ]
        case 4:
            entry["data_offsets"] = [int(n) for n in rng.integers(-9, len(weights) + 99, size=2)]
        case 5:
            header[name] = ODD[rng.integers(len(ODD))]
        case 6:
            entry["shape"] = [n * 10**9 for n in entry["shape"]]
        case _:
            length = int(rng.integers(2**63))
    text = json.dumps(header).encode()
    length = len(text) if length is None else length
    return signed(config, length.to_bytes(8, "little") + text + weights[start:])


def edited_numbers(rng, content):
    """Not a number, infinity, or a number of a size that no training ends with."""
    config, weights = opened(content)
    start = 8 + int.from_bytes(weights[:8], "little")
    entries = [
        entry
        for entry in json.loads(weights[8:start]).values()
        if entry["dtype"] in ("F32", "F64") and entry["data_offsets"][0] < entry["data_offsets"][1]
    ]
    entry = entries[rng.integers(len(entries))]
    kind = {"F32": np.float32, "F64": np.float64}[entry["dtype"]]
    damaged = bytearray(weights)
    begin, end = (start + n for n in entry["data_offsets"])
    place = begin + int(rng.integers((end - begin) // kind().nbytes)) * kind().nbytes
    value = kind([np.nan, np.inf, -np.inf, np.finfo(kind).max][rng.integers(4)])
    damaged[place : place + kind().nbytes] = value.tobytes()
    return signed(config, bytes(damaged))


UNSIGNED = (flipped_bits, flipped_headers, cut_or_spliced)  # whoever loads them gets the same
WAYS = (*UNSIGNED, edited_members, edited_json, edited_header, edited_numbers)


# -- what came of it ------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What happened to all the files."""

    refused: Counter = field(default_factory=Counter)  # by estimator and way
    loaded: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)  # what must not have happened
    seconds: float = 0.0  # of the slowest load
    megabytes: float = 0.0  # that the hungriest load took beyond twice its file


def peak_memory(reset):
    """Megabytes that this process has held at most since the last reset; 0 where unknown."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def attempt(outcome, name, way, kind, content, same):
    """Load one file and note what came of it."""
    before = peak_memory(reset=True)
    start = time.process_time()
    key = (name, way.__name__)
    try:
        loaded = kind.load_from_serial(content)
    except ArtifactError:
        outcome.refused[key] += 1
    except BaseException as error:
        outcome.failures.append((*key, f"{error!r:.200}"))
    else:
        outcome.loaded[key] += 1
        if not isinstance(loaded, kind) or (way in UNSIGNED and not same(loaded)):
            outcome.failures.append((*key, "computes something else"))
    outcome.seconds = max(outcome.seconds, time.process_time() - start)
    grown = peak_memory(reset=False) - before - 2 * len(content) / 2**20
    outcome.megabytes = max(outcome.megabytes, grown)


def fuzz(n_refused, seed=0):
    """Damage artifacts of all estimators until so many are refused; return the `Outcome`."""
    rng = np.random.default_rng(seed)
    outcome = Outcome()
    cases = []
    for name, (estimator, compute) in fitted_estimators().items():
        kind, content = estimator.save()
        expected = compute(estimator)

        def same(loaded, compute=compute, expected=expected):
            return np.array_equal(compute(loaded), expected)

        assert same(kind.load_from_serial(content))
        cases.append((name, kind, content, same))
    while outcome.refused.total() < n_refused:
        for name, kind, content, same in cases:
            for way in WAYS:
                attempt(outcome, name, way, kind, way(rng, content), same)
    return outcome


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = fuzz(int(sys.argv[1]))
    print(f"{result.refused.total()} refused, {result.loaded.total()} loaded")
    print(f"slowest {result.seconds:.2f} s, most memory {result.megabytes:.0f} MB")
    for failure in result.failures[:20]:
        print("FAILED", *failure)
    sys.exit(bool(result.failures))
