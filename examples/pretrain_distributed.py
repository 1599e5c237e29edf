"""Pre-train on several processes, here two on the CPU; on GPUs, one process for each.

torchrun --nproc-per-node 2 examples/pretrain_distributed.py

Every rank calls ``fit`` with the same series and parameters, and ends with the same weights: those
of a single process. ``batch_size`` is that of a step of all ranks together.
"""

import os
import time

import torch
import torch.distributed as dist

from simmtm_sk import ConvEncoder, SimMTMTransformer, save
from simmtm_sk.datasets import load_dataset


def main() -> None:
    if torch.cuda.is_available():  # not tried on GPUs so far
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
        dist.init_process_group("nccl")
    else:
        device = "cpu"
        torch.set_num_threads(1)
        dist.init_process_group("gloo")
    rank = dist.get_rank()

    X, _ = load_dataset("OSULeaf", split="train")
    transformer = SimMTMTransformer(
        encoder=ConvEncoder(d_model=16, n_layers=4),
        num_epochs=3,
        batch_size=64,
        random_state=0,
        device=device,
        checkpoint_dir="checkpoints",  # rank 0 writes it; a run that was killed goes on
        verbose=int(rank == 0),
    )
    start = time.perf_counter()
    transformer.fit(X)
    if rank == 0:
        print(f"{dist.get_world_size()} ranks, {time.perf_counter() - start:.1f} s")
        print("saved as", save(transformer, "pretrained"))
    dist.barrier()  # none leaves while another is at work
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
