"""From what a user asks for ("auto") to what a run does."""

from __future__ import annotations

import torch


def resolve_device(device: str) -> torch.device:
    """The device of a ``device=`` parameter; "auto" is the first CUDA GPU, else the CPU.

    Raises
    ------
    ValueError
        If torch does not know the name or this machine has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device {device!r} cannot be used here ({reason}); accepted are 'auto', 'cpu', or a "
            "device of torch that this machine has, such as 'cuda:0'."
        ) from error
    return resolved


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Precision of the encoder's matrix products; None is float32.

    "auto" takes bfloat16 on GPUs that have it. CPUs keep float32: few have bfloat16 units, the
    others emulate them slowly.
    """
    if precision == "auto":
        capable = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if capable else None
    return torch.bfloat16 if precision == "bfloat16" else None


def training_epochs(num_epochs: int | str, n_rows: int, batch_size: int) -> tuple[int, int]:
    """Number of epochs, and of epochs between evaluations.

    "auto" aims at a number of steps that grows with the data: enough for small sets to settle and
    never more than a few minutes' work for large ones. An evaluation follows about every tenth step
    at the least, so that small data do not spend their time on it.
    """
    n_steps = -(-n_rows // batch_size)
    if isinstance(num_epochs, str):
        wanted = min(max(MIN_STEPS, STEPS_PER_ROW * n_rows), MAX_STEPS)
        num_epochs = max(1, round(wanted / n_steps))
    return int(num_epochs), max(1, round(10 / n_steps))


MIN_STEPS, STEPS_PER_ROW, MAX_STEPS = 60, 1.0, 1500
