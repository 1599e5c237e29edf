"""From what a user asks for ("auto") to what a run does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.utils import check_random_state

USUAL_RATE = 3e-3


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return the one seed that a run follows from; None never touches numpy's global generator."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31 - 1))
    return int(check_random_state(random_state).randint(2**31 - 1))


def resolve_device(device: str) -> torch.device:
    """Return the device of a ``device=`` parameter; "auto" is the first CUDA GPU, else the CPU.

    Raises
    ------
    ValueError
        If torch does not know the name or this machine has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.zeros(1, device=resolved).item()  # "meta" knows shapes but holds no numbers
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


@dataclass(frozen=True)
class AutomaticSteps:
    """How many steps "auto" stands for, by the number of rows to train on.

    Attributes
    ----------
    per_row : float
    fewest, most : int
        Bounds of the number of steps; there is always one epoch at least.
    fewest_rows : int, default=1
        With fewer rows, no training pays.
    """

    per_row: float
    fewest: int
    most: int
    fewest_rows: int = 1

    def number(self, n_rows: int) -> float:
        """Return the steps for so many rows."""
        if n_rows < self.fewest_rows:
            return 0
        return min(max(self.fewest, self.per_row * n_rows), self.most)


PRETRAINING = AutomaticSteps(per_row=0.1, fewest=300, most=1000, fewest_rows=600)
# Beside fixed blocks: up to 3 000 rows it added nothing to them, more have not been measured.
EMBEDDING = replace(PRETRAINING, fewest_rows=10_000)
FINETUNING = AutomaticSteps(per_row=2, fewest=60, most=600)
FORECASTING = AutomaticSteps(per_row=1, fewest=60, most=2000)


def epochs(
    num_epochs: int | str, n_rows: int, batch_size: int, auto: AutomaticSteps
) -> tuple[int, int]:
    """Return the number of epochs, and of epochs between evaluations.

    There are ten steps or more between evaluations, lest small data spend their time on them.

    Parameters
    ----------
    num_epochs : int or "auto"
    n_rows : int
        Series, or windows, to train on.
    batch_size : int
    auto : AutomaticSteps
        What "auto" stands for.

    Examples
    --------
    >>> epochs("auto", 640, 32, PRETRAINING)
    (15, 1)
    >>> epochs(5, 32, 32, PRETRAINING)
    (5, 10)
    """
    steps_per_epoch = -(-n_rows // batch_size)
    if isinstance(num_epochs, str):
        n_steps = auto.number(n_rows)
        num_epochs = max(1, round(n_steps / steps_per_epoch)) if n_steps else 0
    return int(num_epochs), max(1, round(10 / steps_per_epoch))
