"""What estimators with ``transformer=`` share: where a network comes from, how it is trained."""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.callback import AutoPropagatedCallback, with_callbacks
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from .interop import SktimeSklearnBridge, check_series
from .persistence import (
    SafeArtifactMixin,
    StateReader,
    TensorReader,
    constructed,
    decoded_params,
    encoded_params,
    load,
)
from .training.checkpoint import removed_together
from .training.log import say
from .training.monitor import EstimatorMonitor
from .training.plan import Plan
from .training.settings import PRETRAINING
from .transformer import SimMTMTransformer

Values = NDArray[np.floating[Any]]

F = TypeVar("F", bound=Callable[..., Any])


def followed(fit: F) -> F:
    """Let scikit-learn's callbacks follow a fit; its checkpoints go when it has ended."""
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    @with_callbacks
    def followed_fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(self, *args, **kwargs).arguments
        data = {"estimator": self, "X": given.get("X"), "y": given.get("y")}
        context = self._init_callback_context(max_subtasks=None)
        context.call_on_fit_task_begin(**data)
        with removed_together():
            fitted = fit(self, *args, **kwargs)
        context.call_on_fit_task_end(**data)
        return fitted

    return cast(F, followed_fit)


class TransformerUser(SktimeSklearnBridge, SafeArtifactMixin):
    """Base of the estimators with ``transformer=`` and ``strategy=``: where the encoder is from."""

    transformer: Any
    strategy: str
    num_epochs: int | str
    batch_size: int
    lr: float
    encoder_lr_share: float
    weight_decay: float
    patience: int | None
    verbose: int
    transformer_: SimMTMTransformer

    def set_params(self, **params: Any) -> Any:
        """Set parameters; those of the transformer are called ``transformer__...``."""
        try:
            return super().set_params(**params)
        except ValueError as error:
            own, of_transformer = self._get_param_names(), SimMTMTransformer._get_param_names()
            meant = [name for name in params if name not in own and name in of_transformer]
            if not meant or "strategy" not in own:
                raise
            raise ValueError(
                f"{type(self).__name__} has no parameter {', '.join(meant)}; its transformer has: "
                + ", ".join(f"transformer__{name}" for name in meant)
            ) from error

    def _default_transformer(self, values: Values) -> SimMTMTransformer:
        """Return what ``transformer=None`` stands for."""
        return SimMTMTransformer()

    def _template(self, values: Values) -> SimMTMTransformer:
        """Return the transformer that was given, fitted if it is to be taken as it is."""
        if self.transformer is None:
            return self._default_transformer(values)
        if isinstance(self.transformer, SimMTMTransformer):
            return self.transformer
        given = self._frozen()
        check_series(given, values, reset=False)  # its channels
        return given

    def _given(self) -> SimMTMTransformer | None:
        """Return the transformer that was given as an object; None for a path, or for none."""
        given = self.transformer
        if isinstance(given, FrozenEstimator):
            given = given.estimator
        return given if isinstance(given, SimMTMTransformer) else None

    def _frozen(self) -> SimMTMTransformer:
        """Return the fitted transformer that is to be taken as it is."""
        if isinstance(self.transformer, FrozenEstimator):
            given = self.transformer.estimator
        else:
            given = load(self.transformer)
        if not isinstance(given, SimMTMTransformer):
            raise TypeError(
                "transformer must hold a SimMTMTransformer; this one holds a "
                f"{type(given).__name__}."
            )
        given.check_is_fitted()
        return given

    def _is_frozen(self) -> bool:
        return isinstance(self.transformer, FrozenEstimator | str | Path)

    def _trained_transformer(
        self,
        values: Values,
        seed: int,
        pretrained: bool,
        *,
        embeds: bool = True,
        trained_on: bool = False,
    ) -> SimMTMTransformer:
        """Return a transformer of our own: pre-trained on ``values``, given, or untrained.

        One whose network alone is wanted (``embeds=False``) fits nothing beside it; ``trained_on``
        as in `_pretrained`.
        """
        template = self._template(values)
        if pretrained and self._is_frozen():
            given = copy.deepcopy(template)
            given._adopt_instance_stats(values)
            return given
        if pretrained and template.__sklearn_is_fitted__():
            warnings.warn(
                "the given transformer is fitted already, but is trained anew on the series of "
                "this fit, as everywhere in scikit-learn. To start from its weights, give "
                "transformer=sklearn.frozen.FrozenEstimator(transformer).",
                stacklevel=4,
            )
        encoder: SimMTMTransformer = clone(template)
        if encoder.random_state is None:
            encoder.set_params(random_state=seed)
        if not pretrained:
            encoder.set_params(num_epochs=0)
        if not embeds:
            encoder.set_params(
                pooling=encoder._pooling().statistics or ("mean",), metric_strength=0
            )
        return self._pretrained(encoder, values, trained_on)

    def _pretrained(
        self, transformer: SimMTMTransformer, values: Values, trained_on: bool
    ) -> SimMTMTransformer:
        """Fit a transformer of our own, which tells our callbacks and says as much as we do.

        A network that something else is to be trained or made from (``trained_on``) learns
        wherever that pays for the network, whatever stands beside it in the embedding.
        """
        verbose, callbacks = transformer.verbose, getattr(self, "_skl_callbacks", [])
        num_epochs = transformer.num_epochs
        transformer.verbose = max(verbose, self.verbose)
        if trained_on:
            transformer._validate_params()
            transformer.num_epochs, _ = transformer._epochs(
                len(transformer._rows(values)), PRETRAINING
            )
        # scikit-learn hands down some callbacks by itself
        own = [c for c in callbacks if not isinstance(c, AutoPropagatedCallback)]
        transformer.set_callbacks(*own)
        task = self._callback_fit_ctx.subcontext("pre-training")
        with task.propagate_callback_context(transformer):
            transformer.fit(values)
        transformer.set_callbacks()
        transformer.verbose, transformer.num_epochs = verbose, num_epochs
        return transformer

    def _monitor(self, plan: Plan) -> EstimatorMonitor:
        """Return what fine-tuning is followed by."""
        task = self._callback_fit_ctx.subcontext("fine-tuning", max_subtasks=plan.n_evaluations)
        return EstimatorMonitor(self, task, "fine-tuning", self.verbose)

    def _say(self, text: str) -> None:
        """Write a line if asked to."""
        if self.verbose:
            say(text)

    def _checkpoint_dir(self) -> Path | None:
        """Return where fine-tuning leaves its checkpoints: where pre-training does."""
        given = self._given()
        folder = None if given is None else given.checkpoint_dir
        return None if folder is None else Path(folder)

    def _plan(self, epochs: tuple[int, int], seed: int) -> Plan:
        """Return how to fine-tune; ``epochs`` are all, and those between evaluations."""
        return Plan(
            n_epochs=epochs[0],
            batch_size=int(self.batch_size),
            lr=float(self.lr),
            weight_decay=float(self.weight_decay),
            seed=seed,
            encoder_lr_share=float(self.encoder_lr_share),
            patience=self.patience,
            evaluate_every=epochs[1],
        )

    # -- saving, see persistence.py ---------------------------------------------------------------

    def _transformers_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return parameters and state of the encoders in use, by role, and their weights."""
        encoders = {"fitted": self.transformer_} if hasattr(self, "transformer_") else {}
        if isinstance(self.transformer, FrozenEstimator):
            encoders["frozen"] = self.transformer.estimator
        if hasattr(self, "pretrained_"):
            encoders["pretrained"] = self.pretrained_
        state: dict[str, Any] = {}
        tensors: dict[str, Tensor] = {}
        for role, encoder in encoders.items():
            inner, weights = encoder._saved_state()
            state[role] = {"params": encoded_params(encoder), "state": inner}
            tensors |= {f"{role}.{name}": weight for name, weight in weights.items()}
        return state, tensors

    def _restore_transformers(self, state: StateReader, tensors: TensorReader) -> None:
        """Undo `_transformers_state`."""
        template = self._given()

        def restored(role: str) -> SimMTMTransformer:
            saved = state.inner(role)
            params = decoded_params(saved.anything("params"), template)
            transformer: SimMTMTransformer = constructed(SimMTMTransformer, params)
            inner = saved.inner("state")
            transformer._restore_state(inner, tensors.under(f"{role}."))
            inner.finish()
            saved.finish()
            return transformer

        if "fitted" in state:
            self.transformer_ = restored("fitted")
        if isinstance(self.transformer, FrozenEstimator):
            self.transformer = FrozenEstimator(restored("frozen"))
        if "pretrained" in state:
            self.pretrained_ = restored("pretrained")
        state.finish()
