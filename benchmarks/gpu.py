"""What a CUDA device does beside the CPU: the same results, how fast, in how much memory.

python benchmarks/gpu.py [--results DIR]

Takes less than ten minutes; without a CUDA device it says so and ends. Writes results/gpu.csv anew,
a row per measurement with the name of the device:

difference  largest difference from the CPU's result, as a share of the largest number: embeddings,
            losses of a short pre-training and forecasts, in float32 and bfloat16
speed       series per second of a pre-training step, of the default encoder and of the paper's
            transformer, on either device, with and without ``compile``; peak memory of the
            device in MB
memory      whether a batch that cannot fit is refused, or computed in halves
search      scores of a search with two processes on one device against one process, and seconds
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from probe import RESULTS, Row, provenance, write_rows
from sklearn.model_selection import GridSearchCV

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
    SimMTMClassifier,
    SimMTMForecaster,
    SimMTMTransformer,
)

PRECISIONS = ("float32", "bfloat16")
ENCODERS = {
    "default encoder": ConvEncoder(),
    "the paper's": PointEncoder(d_model=16, n_heads=4, n_layers=2, d_feedforward=64),
}


def walks(n_series: int, length: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(n_series, 1, length)).cumsum(2).astype(np.float32)


def alternating(
    n_rows: int, length: int, mask_ratio: float, mask_length: float, generator: torch.Generator
) -> torch.Tensor:
    """Other points in every view, the same ones on every device."""
    at = torch.arange(length, device=generator.device)
    row = torch.arange(n_rows, device=generator.device)
    return (at // 3 + row[:, None]) % 2 > 0


def share(result: Any, expected: Any) -> float:
    result, expected = np.asarray(result, np.float64), np.asarray(expected, np.float64)
    return float(np.abs(result - expected).max() / np.abs(expected).max())


def results(device: str, precision: str) -> dict[str, Any]:
    """Embeddings and losses of a short pre-training on equal masks, and forecasts."""
    X = walks(64, 100)
    settings = {"device": device, "precision": precision, "random_state": 0}
    embed = SimMTMTransformer(
        **settings, masking=alternating, pooling=("mean",), metric_strength=0.0, num_epochs=3
    ).fit(X)
    series = np.sin(np.arange(600) / 4) + np.random.default_rng(0).normal(0, 0.1, 600)
    forecaster = SimMTMForecaster(
        transformer=SimMTMTransformer(encoder=PatchEncoder(), num_epochs=1, **settings),
        strategy="fine-tune",
        context_length=96,
        num_epochs=2,
        random_state=0,
    )
    return {
        "embedding": embed.transform(X),
        "losses": [record["train_total"] for record in embed.history_],
        "forecast": forecaster.fit(series, fh=range(1, 25)).predict(),
    }


def differences() -> list[Row]:
    expected = results("cpu", "float32")
    return [
        {"kind": "difference", "case": f"{name}, {precision}", "value": share(x, expected[name])}
        for precision in PRECISIONS
        for name, x in results("cuda", precision).items()
    ]


def speed(name: str, device: str, precision: str, compiled: bool) -> list[Row]:
    """Seconds of the epochs but the first, and memory at the peak."""
    X = walks(320, 336)  # ten steps an epoch, so that every epoch is evaluated
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    embed = SimMTMTransformer(
        encoder=ENCODERS[name],
        pooling=("mean",),
        metric_strength=0.0,
        neighborhood_weight=0.0,
        num_epochs=3,
        validation_fraction=0.0,
        patience=None,
        precision=precision,
        compile=compiled,
        device=device,
        random_state=0,
    ).fit(X)
    seconds = float(np.median([record["seconds"] for record in embed.history_[1:]]))
    case = f"{name}, {device}, {precision}{', compiled' if compiled else ''}"
    rows: list[Row] = [{"kind": "series per second", "case": case, "value": len(X) / seconds}]
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 1e6
        rows.append({"kind": "peak MB", "case": case, "value": peak})
    return rows


def out_of_memory() -> list[Row]:
    """A batch as large as all series: refused before any work, or computed in halves."""
    free, _ = torch.cuda.mem_get_info()
    length = 512
    n_series = int(free / (4 * length * 64 * 3 * 9))  # about what all layers of all views take
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            SimMTMTransformer(
                pooling=("mean",), metric_strength=0.0, num_epochs=1, batch_size=2 * n_series
            ).fit(walks(2 * n_series, length))
            halved = any("two halves" in str(warning.message) for warning in said)
            outcome = "in halves" if halved else "fits"
        except MemoryError:
            outcome = "refused"
    return [{"kind": "memory", "case": f"{2 * n_series} series in a step: {outcome}", "value": ""}]


def search() -> list[Row]:
    X = walks(120, 100)
    y = np.arange(120) % 2
    X[y == 1] += np.sin(np.arange(100) / 2)
    transformer = SimMTMTransformer(num_epochs=3, device="cuda", random_state=0)
    rows: list[Row] = []
    found = []
    for n_jobs in (1, 2):
        start = time.perf_counter()
        grid = {"transformer__mask_ratio": [0.25, 0.5]}
        classifier = SimMTMClassifier(transformer=transformer, random_state=0)
        fitted = GridSearchCV(classifier, grid, cv=3, n_jobs=n_jobs, error_score="raise").fit(X, y)
        found.append(fitted.cv_results_["mean_test_score"])
        seconds = time.perf_counter() - start
        rows.append({"kind": "seconds", "case": f"search, n_jobs={n_jobs}", "value": seconds})
    difference = {"case": "scores of a search, n_jobs=2", "value": share(*found)}
    return [*rows, {"kind": "difference", **difference}]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device here: nothing was measured")
        return
    device, rows = torch.cuda.get_device_name(), list[Row]()

    def add(measured: list[Row]) -> None:
        for row in measured:
            rows.append({"device": device, **row, **provenance()})
            print(*rows[-1].values(), flush=True)
        write_rows(arguments.results / "gpu.csv", rows)

    add(differences())
    for name in ENCODERS:
        add(speed(name, "cpu", "float32", compiled=False))
        for precision in PRECISIONS:
            add(speed(name, "cuda", precision, compiled=False))
    add(search())
    add(out_of_memory())
    for name in ENCODERS:
        for precision in PRECISIONS:
            add(speed(name, "cuda", precision, compiled=True))


if __name__ == "__main__":
    main()
