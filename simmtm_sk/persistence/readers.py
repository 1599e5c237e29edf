"""What an estimator restores its state from: every entry is asked for by its type, none is left.

State in a file may be anything. An estimator that names what it takes, one by one, gets just that:
nothing is set because a file says so, and what a file says beside it is an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .archive import ArtifactError, number_of

MOST_IN_RECORD = 1_000
_SCALARS = (str, float, int)  # bool is an int
_INFINITE = "stats_scaler.std"  # where differences between instances were noise


class StateReader:
    """A JSON object, read entry by entry.

    Parameters
    ----------
    content : object
        From the file; an error if it is no JSON object.
    place : str
        What it is, for messages.
    """

    def __init__(self, content: Any, place: str) -> None:
        if not isinstance(content, dict):
            raise ArtifactError(f"{place} is no JSON object.")
        self._left = dict(content)
        self.place = place

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def anything(self, key: str) -> Any:
        """Take an entry of whatever type; the caller checks it."""
        if key not in self._left:
            raise ArtifactError(f"{self.place} lacks {key!r}.")
        return self._left.pop(key)

    def integer(self, key: str, low: int, high: int = 2**53) -> int:
        """Take an integer between two bounds, both included."""
        value = self.anything(key)
        if type(value) is not int or not low <= value <= high:
            raise self._error(key, f"an integer from {low} to {high}", value)
        return value

    def number(self, key: str) -> float:
        """Take a finite number."""
        value = self.anything(key)
        if not _is_number(value):
            raise self._error(key, "a finite number", value)
        return float(value)

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self.anything(key)
        if not isinstance(value, bool):
            raise self._error(key, "true or false", value)
        return value

    def text(self, key: str, accepted: Iterable[str] | None = None) -> str:
        """Take text, one of those accepted if they are given."""
        value = self.anything(key)
        if not isinstance(value, str) or (accepted is not None and value not in accepted):
            raise self._error(key, "text" if accepted is None else f"one of {accepted}", value)
        return value

    def items(self, key: str, *types: type, length: int | None = None) -> list[Any]:
        """Take a list whose items are of the given types (bool is no int here)."""
        value = self.anything(key)
        if not isinstance(value, list) or not all(type(item) in types for item in value):
            names = " or ".join(kind.__name__ for kind in types)
            raise self._error(key, f"a list of {names}", value)
        if length is not None and len(value) != length:
            raise self._error(key, f"a list of {length} items", value)
        return value

    def scalar(self, key: str) -> Any:
        """Take text, a finite number, true, false or null."""
        value = self.anything(key)
        if not is_scalar(value):
            raise self._error(key, "text or a number", value)
        return value

    def scalars(self, key: str) -> dict[str, Any]:
        """Take an object of scalars, NaN and infinity among them."""
        value = self.anything(key)
        scalars = value if not isinstance(value, dict) else _numbers(value)
        if not isinstance(scalars, dict) or not all(is_scalar(v) for v in scalars.values()):
            raise self._error(key, "an object of text and numbers", value)
        return scalars

    def records(self, key: str) -> list[dict[str, Any]]:
        """Take a history: a list of objects of scalars, NaN and infinity among them."""
        value = self.items(key, dict)
        if any(len(record) > MOST_IN_RECORD for record in value):
            raise self._error(key, f"a list of objects of up to {MOST_IN_RECORD} numbers", "more")
        records = [_numbers(record) for record in value]
        if not all(is_scalar(entry) for record in records for entry in record.values()):
            raise self._error(key, "a list of objects of numbers", value)
        return records

    def inner(self, key: str) -> StateReader:
        """Take an object, to be read in the same way."""
        return StateReader(self.anything(key), f"{self.place}.{key}")

    def finish(self) -> None:
        """Refuse what was not asked for."""
        if self._left:
            raise ArtifactError(f"{self.place} has unknown entries {sorted(self._left)[:5]}.")

    def _error(self, key: str, wanted: str, value: Any) -> ArtifactError:
        return ArtifactError(f"{self.place}.{key} must be {wanted}, got {str(value)[:60]!r}.")


class TensorReader:
    """Named tensors, read one by one, each with the shape that it has to have.

    Parameters
    ----------
    tensors : dict of Tensor
        They may share their memory with a file; what is taken is a copy.
    """

    def __init__(self, tensors: dict[str, Tensor], prefix: str = "") -> None:
        self._left = tensors
        self._prefix = prefix

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._left

    def __len__(self) -> int:
        return sum(name.startswith(self._prefix) for name in self._left)

    def under(self, prefix: str) -> TensorReader:
        """Return the tensors whose names begin with ``prefix``, by the rest of their names."""
        return TensorReader(self._left, self._prefix + prefix)

    def check_shape(self, name: str, shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """Refuse a tensor of another shape, return its own; None stands for any size."""
        given = tuple(self._tensor(name).shape)
        if len(given) != len(shape) or any(
            wanted not in (None, n) for wanted, n in zip(shape, given, strict=True)
        ):
            raise ArtifactError(
                f"size mismatch: tensor {self._prefix + name!r} must have shape {shape}, got "
                f"{given}."
            )
        return given

    def take(
        self,
        name: str,
        shape: tuple[int | None, ...],
        dtype: torch.dtype = torch.float64,
        *,
        missing: bool = False,
        low: int | None = None,
        high: int | None = None,
    ) -> Tensor:
        """Take a tensor.

        Parameters
        ----------
        name : str
        shape : tuple
            None stands for any size.
        dtype : torch.dtype, default=torch.float64
        missing : bool, default=False
            Whether it may hold NaN.
        low, high : int or None, default=None
            Bounds of its values, both included.
        """
        self.check_shape(name, shape)
        tensor = self._tensor(name).clone()
        if tensor.dtype != dtype:
            raise ArtifactError(
                f"tensor {self._prefix + name!r} must be {dtype}, got {tensor.dtype}."
            )
        known = tensor.nan_to_num(0.0, torch.inf, -torch.inf) if missing else tensor
        _check_values(self._prefix + name, known, low, high)
        del self._left[self._prefix + name]
        return tensor

    def fill(self, targets: dict[str, Tensor]) -> None:
        """Copy all tensors into those of a module, as its ``state_dict`` gives them; none is left.

        What is called a standard deviation or a scale is divided by and must be positive.
        """
        self.check_shapes(targets)
        with torch.no_grad():
            for name, target in targets.items():
                tensor = self._left.pop(self._prefix + name)
                _check_values(self._prefix + name, tensor)
                target.copy_(tensor)

    def check_shapes(self, wanted: dict[str, Tensor]) -> None:
        """Refuse tensors other than those of a module; its own may be on torch's meta device."""
        for name, tensor in wanted.items():
            given = self._tensor(name)
            self.check_shape(name, tuple(tensor.shape))
            if given.dtype != tensor.dtype:
                raise ArtifactError(
                    f"tensor {self._prefix + name!r} must be {tensor.dtype}, got {given.dtype}."
                )
        if len(self) > len(wanted):
            self._refuse({self._prefix + name for name in wanted})

    def finish(self) -> None:
        """Refuse what was not taken."""
        if len(self):
            self._refuse(set())

    def _refuse(self, known: set[str]) -> None:
        unknown = [n for n in self._left if n.startswith(self._prefix) and n not in known]
        raise ArtifactError(f"there are unknown tensors {sorted(unknown)[:5]}.")

    def _tensor(self, name: str) -> Tensor:
        if self._prefix + name not in self._left:
            raise ArtifactError(f"there is no tensor {self._prefix + name!r}.")
        return self._left[self._prefix + name]


def is_scalar(value: Any) -> bool:
    """Whether a value of JSON is text, a number, true, false or null."""
    return value is None or isinstance(value, _SCALARS)


def _numbers(record: dict[str, Any]) -> dict[str, Any]:
    return {name: number_of(entry) for name, entry in record.items()}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _check_values(
    name: str, tensor: Tensor, low: float | None = None, high: float | None = None
) -> None:
    """Refuse NaN, infinity and what is out of bounds; without a temporary of the tensor's size."""
    if tensor.numel() == 0:
        return
    least, most = (value.item() for value in tensor.aminmax())
    if name.endswith(("std", "scale", "unit")) and not least > 0:
        raise ArtifactError(f"tensor {name!r} must be positive.")
    if not (math.isfinite(least) and math.isfinite(most)) and not name.endswith(_INFINITE):
        raise ArtifactError(f"tensor {name!r} holds values that are not finite.")
    if (low is not None and least < low) or (high is not None and most > high):
        raise ArtifactError(f"tensor {name!r} must hold values from {low} to {high}.")
