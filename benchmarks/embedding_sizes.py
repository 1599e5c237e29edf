"""Time and memory of embeddings of long series, and of series of many channels.

python benchmarks/embedding_sizes.py [--results DIR]

Random walks, which nothing is learned from: 100 series of 6 channels and 18 000 points, as long as
EigenWorms, and 200 series of 50 channels and 200 points. Every run has a process of its own on one
core; the encoder is not trained, the default for so few series. Writes
results/embedding_sizes.csv: seconds of the processor for fit and for transform of the same series,
and the peak of the memory less what the process had before, in MB.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
import torch
from baselines import fit_minirocket
from probe import RESULTS, provenance

from simmtm_sk import SimMTMTransformer

SHAPES = {"long": (100, 6, 18_000), "many channels": (200, 50, 200)}
EMBEDDINGS = ("MiniRocket", "SimMTM")


def peak() -> float:
    """Memory at its peak, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(task: str, embedding: str) -> dict[str, object]:
    """One run, in this process."""
    torch.set_num_threads(1)
    X = np.random.default_rng(0).normal(size=SHAPES[task]).cumsum(2).astype(np.float32)
    before = peak()
    start = time.process_time()
    if embedding == "MiniRocket":
        embed = fit_minirocket(X, 0)
    else:
        embed = SimMTMTransformer(random_state=0).fit(X).transform
    fitted = time.process_time()
    n_features = embed(X).shape[1]
    return {
        "task": task,
        "embedding": embedding,
        "n_features": n_features,
        "fit_seconds": round(fitted - start, 1),
        "transform_seconds": round(time.process_time() - fitted, 1),
        "peak_mb": round(peak() - before),
        **provenance(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--run", nargs=2, metavar=("TASK", "EMBEDDING"), help="one run")
    arguments = parser.parse_args()
    path = arguments.results / "embedding_sizes.csv"
    if arguments.run:
        rows = [pd.read_csv(path)] if path.exists() else []
        rows.append(pd.DataFrame([measure(*arguments.run)]))
        pd.concat(rows).to_csv(path, index=False)
        return
    for task in SHAPES:
        for embedding in EMBEDDINGS:
            command = [sys.executable, __file__, "--results", str(arguments.results)]
            subprocess.run([*command, "--run", task, embedding], check=True)


if __name__ == "__main__":
    main()
