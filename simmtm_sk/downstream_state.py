"""How a fitted classifier or regressor gets into an artifact and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .persistence import StateReader, TensorReader, restore_seen, saved_seen
from .probing import LinearHead
from .transformer_user import TransformerUser


class StoredEstimator(TransformerUser):
    """First base of `PretrainedEstimator`: its fitted state, saved and restored.

    See `simmtm_sk.persistence.SafeArtifactMixin`; whoever wrote an artifact is not trusted.
    """

    head_: LinearHead
    history_: list[dict[str, float]]
    n_channels_: int
    length_: int
    n_features_in_: int

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if self._is_vectorized:
            raise ValueError(
                f"this {type(self).__name__} has no head of its own to save: it is one estimator "
                "for each of several outputs."
            )
        transformers, tensors = self._transformers_state()
        values = vars(self.head_) if hasattr(self, "head_") else {}  # none for a single class
        head = {f"head.{name}": torch.tensor(value) for name, value in values.items()}
        history = getattr(self, "history_", [])
        return {**saved_seen(self), "history_": history, "encoders": transformers}, {
            **tensors,
            **head,
        }

    def _restore_head(self, state: StateReader, tensors: TensorReader, n_outputs: int) -> None:
        """Undo `_saved_state`, with a head of so many outputs; 0 is no head."""
        if n_outputs:
            head = tensors.under("head.")
            intercept = head.take("intercept", (n_outputs,)).numpy()
            coef = head.take("coef", (n_outputs, None)).numpy()
            center, std = (head.take(name, coef.shape[1:]).numpy() for name in ("center", "std"))
            self.head_ = LinearHead(center, std, coef, intercept)
        self.history_ = state.records("history_")
        self._restore_transformers(state.inner("encoders"), tensors)
        # the first artifacts leave what fit has seen to the encoder
        restore_seen(self, state, getattr(self, "transformer_", None))
        # what sktime's `predict` looks up
        self._y_metadata = {"is_univariate": True, "mtype": "numpy1D"}
        self._y_inner_mtype = "numpy1D"
        self._is_vectorized = False
        self._is_fitted = True
