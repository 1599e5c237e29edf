"""Pre-training from files: within how much memory, and how fast beside an array in memory.

python benchmarks/out_of_core.py [--gigabytes N] [--limit-gigabytes N] [--repeats N]

Random walks are written to one .npy file and, once more, to a folder of eight. Every fit is a
process of its own and trains on a random part of the windows (the rest is held out); all of the
data are checked and scanned by every fit. The encoder is small, d_model = 16: of its short steps
reading is a larger share.

First, fits within a limit of anonymous memory (RLIMIT_DATA: what is allocated, not what is mapped
from files) that is a fraction of the data; loading the file has to fail there. Second, fits
without a limit on data that fit in memory, one form after the other in every repeat, the files
read once before. Writes results/out_of_core.csv anew:

seconds            of the whole fit (an array in memory is loaded before)
processor_seconds  the same, of all threads; says more where other processes ran (``load``)
rows_per_second    of the training loop, evaluation included
gather_ms          to put a batch of 32 windows together
peak_mb            largest anonymous memory that the process was seen to have (RssAnon)
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from probe import RESULTS, Row, provenance, write_rows

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.data import WindowDataset, panel_values

LENGTH, N_FILES, BATCH_SIZE = 512, 8, 32
FORMS = ("memory", "memmap", "folder")


def write(folder: Path, gigabytes: float) -> None:
    """Write the same series to one file and to a folder of files."""
    draw = np.random.default_rng(0)
    n_each = max(1, round(gigabytes * 1e9 / (4 * LENGTH * N_FILES)))
    shape = (N_FILES * n_each, 1, LENGTH)
    one = np.lib.format.open_memmap(folder / "series.npy", "w+", np.float32, shape)
    (folder / "series").mkdir()
    for i in range(N_FILES):
        part = one[i * n_each : (i + 1) * n_each]
        for start in range(0, n_each, 10_000):  # little memory here either
            chunk = part[start : start + 10_000]
            chunk[:] = draw.standard_normal(chunk.shape, np.float32).cumsum(2)
        np.save(folder / "series" / f"{i}.npy", part)


def opened(form: str, folder: Path) -> np.ndarray | list[np.ndarray]:
    if form == "folder":
        return [np.load(f, mmap_mode="r") for f in sorted((folder / "series").glob("*.npy"))]
    return np.load(folder / "series.npy", mmap_mode="r" if form == "memmap" else None)


def gather_ms(X: np.ndarray | list[np.ndarray], n_batches: int = 200) -> float:
    rows = WindowDataset(panel_values(X))
    order = torch.randint(len(rows), (n_batches, BATCH_SIZE), generator=torch.manual_seed(0))
    start = time.perf_counter()
    for index in order:
        rows.gather(index)
    return (time.perf_counter() - start) / n_batches * 1e3


def fit(connection: Connection, form: str, folder: Path, n_train: int, limit: int | None) -> None:
    """Fit in this process and send what there is to say."""
    torch.set_num_threads(1)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        X = opened(form, folder)
        n_rows = sum(map(len, X)) if isinstance(X, list) else len(X)
        transformer = SimMTMTransformer(
            encoder=ConvEncoder(d_model=16),
            num_epochs=1,
            batch_size=BATCH_SIZE,
            validation_fraction=1 - min(n_rows, n_train) / n_rows,
            random_state=0,
        )
        start = time.perf_counter(), time.process_time()
        transformer.fit(X)
        seconds, used = time.perf_counter() - start[0], time.process_time() - start[1]
        record = transformer.history_[0]
        result = {
            "outcome": "fitted",
            "loss": round(record["train_total"], 6),
            "seconds": round(seconds, 2),
            "processor_seconds": round(used, 2),
            "rows_per_second": round(min(n_rows, n_train) / record["seconds"], 2),
            "gather_ms": round(gather_ms(X), 3) if limit is None else "",
        }
    except MemoryError:
        names = ["loss", "seconds", "processor_seconds", "rows_per_second", "gather_ms"]
        result = {"outcome": "out of memory", **dict.fromkeys(names, "")}
    connection.send(result)


def anonymous_mb(pid: int) -> float:
    """Memory of a process that no file stands behind; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("RssAnon"))


def measured(form: str, folder: Path, n_train: int, limit: int | None = None) -> Row:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=fit, args=(sender, form, folder, n_train, limit))
    load, peak = os.getloadavg()[0], 0.0
    process.start()
    sender.close()
    while not receiver.poll(0.02):
        peak = max(peak, anonymous_mb(process.pid))
    result = receiver.recv()
    process.join()
    return {**result, "peak_mb": round(peak), "load": round(load, 1), "cores": os.cpu_count()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=4, help="of the large data")
    parser.add_argument("--limit-gigabytes", type=float, default=1)
    parser.add_argument("--small-gigabytes", type=float, default=0.5, help="of the data that fit")
    parser.add_argument("--n-train", type=int, default=3200, help="windows that are trained on")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", help="where to write the data for a while")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    arguments = parser.parse_args()
    limit = arguments.limit_gigabytes
    # (size of the data, limit, repeats)
    studies = [(arguments.gigabytes, limit, 1), (arguments.small_gigabytes, "", arguments.repeats)]
    origin = provenance()
    rows: list[Row] = []
    for gigabytes, limit, repeats in studies:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            folder = Path(name)
            write(folder, gigabytes)
            for file in folder.rglob("*.npy"):
                np.load(file, mmap_mode="r").max()  # into the disk cache
            for repeat in range(repeats):
                for form in FORMS:
                    bound = int(limit * 1e9) if limit else None
                    row = {
                        "form": form,
                        "gigabytes": gigabytes,
                        "limit_gigabytes": limit,
                        "repeat": repeat,
                        **measured(form, folder, arguments.n_train, bound),
                    }
                    print(*row.values(), flush=True)
                    rows.append({**row, **origin})
    arguments.results.mkdir(parents=True, exist_ok=True)
    write_rows(arguments.results / "out_of_core.csv", rows)


if __name__ == "__main__":
    main()
