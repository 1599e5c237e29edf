"""A million series through ``transform``, block by block, and a fit from a file of 10 GB.

python benchmarks/large_collections.py [--n-series N] [--gigabytes N] [--folder DIR]

Random walks of 128 points in one .npy file are embedded in blocks of 1 000, by two processes and by
one, each on one thread, and written to another .npy file that is opened as a memory map: the recipe
of docs/scaling.rst. Two embeddings: that of a small encoder alone, and the default one of a share
of the series; one process has a tenth of them. Then a process of its own fits a small transformer
to a memory map of so many gigabytes, series of 512 points; the file is sparse, all but every 1000th
series are constant. Writes results/large_collections.csv anew; ``--n-series 0`` fits alone, and
leaves the other rows:

seconds            that passed; ``load`` says what else the machine was doing
processor_seconds  of all workers
series_per_second  by the clock, and per second of a processor
peak_mb            largest anonymous memory of all workers together (not mapped from files)
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from out_of_core import anonymous_mb
from probe import RESULTS, Row, provenance, write_rows

from simmtm_sk import ConvEncoder, SimMTMTransformer, load, save

LENGTH, LONG, BLOCK = 128, 512, 1_000
SMALL: dict[str, Any] = {
    "encoder": ConvEncoder(d_model=16),
    "pooling": ("max", "std", "scale"),
    "neighborhood_weight": 0.0,
}
EMBEDDINGS: dict[str, tuple[dict[str, Any], float]] = {  # settings, share of the series
    "small encoder": (SMALL, 1.0),
    "default": ({}, 0.02),
}


def written(path: Path, n_series: int, length: int, every: int = 1) -> Path:
    """Write random walks; with ``every``, all others stay constant and take no room on the disk."""
    draw = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_series, 1, length))
    for start in range(0, n_series, 10_000 * every):
        chunk = X[start : start + 10_000 * every : every]
        chunk[:] = draw.standard_normal(chunk.shape, np.float32).cumsum(2)
    return path


def embed(connection: Connection, artifact: Path, source: Path, target: Path, part: slice) -> None:
    """Embed every other block, or all."""
    torch.set_num_threads(1)
    transformer = load(artifact)
    E = np.load(target, mmap_mode="r+")
    X = np.load(source, mmap_mode="r")[: len(E)]
    started = time.process_time()
    for start in range(0, len(E), BLOCK)[part]:
        E[start : start + BLOCK] = transformer.transform(X[start : start + BLOCK])
    connection.send(time.process_time() - started)


def fit(connection: Connection, source: Path) -> None:
    torch.set_num_threads(1)
    X = np.load(source, mmap_mode="r")
    started = time.process_time()
    held_out = 1 - 3200 / len(X)  # trains on 3 200 series, and looks at all of them
    SimMTMTransformer(**SMALL, num_epochs=1, validation_fraction=held_out, random_state=0).fit(X)
    connection.send(time.process_time() - started)


def watched(function: Any, arguments: list[tuple[Any, ...]]) -> Row:
    """Run processes, one for each tuple of arguments, and watch their memory."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe(duplex=False) for _ in arguments]
    processes = [
        context.Process(target=function, args=(sender, *given))
        for (_, sender), given in zip(pipes, arguments, strict=True)
    ]
    load, start, peak = os.getloadavg()[0], time.perf_counter(), 0.0
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        peak = max(peak, sum(anonymous_mb(process.pid) for process in processes))
        wait([process.sentinel for process in processes], timeout=0.05)
    used = sum(receiver.recv() for receiver, _ in pipes)
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "processor_seconds": round(used, 1),
        "peak_mb": round(peak),
        "load": round(load, 1),
    }


def transforms(folder: Path, n_all: int, add: Callable[[str, int, int, Row], None]) -> None:
    """Embed all series, and those of slower embeddings in part, with two processes and one."""
    source = written(folder / "series.npy", n_all, LENGTH)
    some = np.load(source, mmap_mode="r")[:200]
    for embedding, (settings, share) in EMBEDDINGS.items():
        fitted = SimMTMTransformer(**settings, num_epochs=0, random_state=0).fit(some)
        artifact = Path(save(fitted, folder / embedding))
        n_features = fitted.transform(some[:1]).shape[1]
        n_series = round(share * n_all)
        for n_workers in (2, 1):
            n_series = n_series if n_workers > 1 else n_series // 10
            target = folder / "embeddings.npy"
            np.lib.format.open_memmap(target, "w+", np.float32, (n_series, n_features))
            work = [(artifact, source, target, slice(i, None, n_workers)) for i in range(n_workers)]
            add(f"transform, {embedding}", n_workers, n_series, watched(embed, work))
            target.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-series", type=int, default=1_000_000)
    parser.add_argument("--gigabytes", type=float, default=10, help="of the sparse file")
    parser.add_argument("--folder", help="where to write the data for a while")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    arguments = parser.parse_args()
    path = arguments.results / "large_collections.csv"
    rows: list[Row] = []
    if arguments.n_series == 0:
        rows += pd.read_csv(path).query("not what.str.startswith('fit')").to_dict("records")

    def add(what: str, n_workers: int, n_series: int, measured: Row) -> None:
        speeds = {
            "series_per_second": round(n_series / float(str(measured["seconds"]))),
            "per_processor_second": round(n_series / float(str(measured["processor_seconds"]))),
        }
        row = {"what": what, "workers": n_workers, "n_series": n_series, **measured, **speeds}
        rows.append({**row, "cores": os.cpu_count(), **provenance()})
        print(*rows[-1].values(), flush=True)
        write_rows(path, rows)

    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        if arguments.n_series > 0:
            transforms(folder, arguments.n_series, add)
        n_series = round(arguments.gigabytes * 1e9 / (4 * LONG))
        source = written(folder / "sparse.npy", n_series, LONG, every=1000)
        add(f"fit, {arguments.gigabytes:g} GB", 1, n_series, watched(fit, [(source,)]))


if __name__ == "__main__":
    main()
