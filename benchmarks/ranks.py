"""What a second rank gives to pre-training on the CPU: time and processor time of one and of two.

python benchmarks/ranks.py [--repeats N] [--results DIR]

The default encoder is trained on 320 series of 256 points for three epochs, in steps of 32 series
with two views each, by one rank and by two that torchrun starts, each on one thread. Writes
results/ranks.csv anew: seconds by the clock and of the processors of all ranks, from the first step
to the last, and ``load``, of the machine when the run began. The clock says how much faster two
ranks are only where nothing else runs; what they add to the work, the processors say anywhere.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from probe import RESULTS, Row, provenance, write_rows

from simmtm_sk import SimMTMTransformer

RANKS = (1, 2)


def of_rank(file: Path) -> None:
    """Fit on this rank; rank 0 writes down what all have used."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    X = np.random.default_rng(0).normal(size=(320, 1, 256)).cumsum(2)
    transformer = SimMTMTransformer(
        pooling=("mean",),
        metric_strength=0.0,
        neighborhood_weight=0.0,
        validation_fraction=0.0,
        num_epochs=3,
        random_state=0,
    )
    dist.barrier()
    start = time.perf_counter(), time.process_time()
    transformer.fit(X)
    used = torch.tensor([time.process_time() - start[1]])
    seconds = time.perf_counter() - start[0]
    dist.all_reduce(used)
    if dist.get_rank() == 0:
        row = {"seconds": round(seconds, 2), "processor_seconds": round(float(used), 2)}
        pd.DataFrame([row]).to_csv(file, index=False)
    dist.barrier()
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    parser.add_argument("--of-rank", type=Path, help="one rank, for torchrun; its file of results")
    arguments = parser.parse_args()
    if arguments.of_rank is not None:
        of_rank(arguments.of_rank)
        return
    rows: list[Row] = []
    one = arguments.results / "ranks_one.csv"
    for repeat in range(arguments.repeats):
        for n_ranks in RANKS:
            load = round(os.getloadavg()[0], 1)
            command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
            command += [str(n_ranks), __file__, "--of-rank", str(one)]
            subprocess.run([sys.executable, *command], check=True)
            measured = pd.read_csv(one).iloc[0].to_dict()
            row = {"ranks": n_ranks, "repeat": repeat, **measured, "load": load}
            rows.append({**row, "cores": os.cpu_count(), **provenance()})
            print(*rows[-1].values(), flush=True)
    one.unlink()
    write_rows(arguments.results / "ranks.csv", rows)


if __name__ == "__main__":
    main()
