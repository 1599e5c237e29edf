"""From what a user asks for ("auto") to what a run does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_random_state

FULL_RATE, FULL_STEPS = 3e-3, 600


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
    """

    per_row: float
    fewest: int
    most: int

    def number(self, n_rows: int) -> float:
        """Return the steps for so many rows."""
        return min(max(self.fewest, self.per_row * n_rows), self.most)


PRETRAINING = AutomaticSteps(per_row=1, fewest=30, most=1000)
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
    >>> epochs("auto", 320, 32, PRETRAINING)
    (32, 1)
    >>> epochs(5, 32, 32, PRETRAINING)
    (5, 10)
    """
    steps_per_epoch = -(-n_rows // batch_size)
    if isinstance(num_epochs, str):
        num_epochs = max(1, round(auto.number(n_rows) / steps_per_epoch))
    return int(num_epochs), max(1, round(10 / steps_per_epoch))


def learning_rate(
    lr: float | str, n_epochs: int, n_rows: int, batch_size: int
) -> tuple[float, float]:
    """Return the peak learning rate, and the share of it that the encoder learns at.

    "auto" is `FULL_RATE`; in runs of less than `FULL_STEPS` steps the encoder learns more slowly.
    At the full rate a short run moves every weight as far as a long one could, without the time to
    arrive anywhere: the variety of the initial filters is lost and nothing gained for it. Projector
    and decoder have no such variety to lose, and start from nothing.
    """
    if not isinstance(lr, str):
        return float(lr), 1.0
    n_steps = n_epochs * -(-n_rows // batch_size)
    return FULL_RATE, min(1.0, n_steps / FULL_STEPS) ** 2
