"""What downstream estimators share: an encoder to start from, a linear head, four strategies."""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.callback import AutoPropagatedCallback, with_callbacks
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from .data import announce_misreadings, announce_order
from .data.weights import read_weights
from .embedding import Features
from .interop import SktimeSklearnBridge, check_series, names_seen, read_series
from .nn.supervised import Supervised
from .persistence import (
    SafeArtifactMixin,
    StateReader,
    TensorReader,
    constructed,
    decoded_params,
    encoded_params,
    load,
)
from .probing import LinearHead, standardization
from .training.checkpoint import removed_together
from .training.finetuning import Loss, finetune
from .training.isolation import isolated_torch
from .training.monitor import EstimatorMonitor
from .training.plan import Plan
from .training.runs import checkpoint_of, run_name
from .training.settings import autocast_dtype, finetuning_epochs, resolve_device
from .transformer import SimMTMTransformer

Values = NDArray[np.floating[Any]]

STRATEGIES = ("linear-probe", "fine-tune", "probe-then-fine-tune", "from-scratch")
# what fit has seen of the series
_SEEN = ("n_channels_", "length_", "n_features_in_", "feature_names_in_")
FEWEST_HELD_OUT = 10  # a smaller part would choose by chance


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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "transformer": [SimMTMTransformer, FrozenEstimator, str, Path, None],
        "strategy": [StrOptions(set(STRATEGIES))],
        "num_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "encoder_lr_share": [Interval(Real, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

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
        self, values: Values, seed: int, trained: bool | None = None, embeds: bool = True
    ) -> SimMTMTransformer:
        """Return a transformer of our own: pre-trained on ``values``, given, or untrained.

        ``trained=None`` is what the strategy wants. One that only trains (``embeds=False``) fits no
        block that its network does not need.
        """
        template = self._template(values)
        trained = self.strategy != "from-scratch" if trained is None else trained
        if trained and self._is_frozen():
            given = copy.deepcopy(template)
            given._adopt_instance_stats(values)
            return given
        if trained and template.__sklearn_is_fitted__():
            warnings.warn(
                "the given transformer is fitted already, but is trained anew on the series of "
                "this fit, as everywhere in scikit-learn. To start from its weights, give "
                "transformer=sklearn.frozen.FrozenEstimator(transformer).",
                stacklevel=4,
            )
        encoder: SimMTMTransformer = clone(template)
        if encoder.random_state is None:
            encoder.set_params(random_state=seed)
        if not trained:
            encoder.set_params(num_epochs=0)
        if not embeds:
            encoder.set_params(pooling=encoder._pooling().statistics or ("mean",))
        return self._pretrained(encoder, values)

    def _pretrained(self, transformer: SimMTMTransformer, values: Values) -> SimMTMTransformer:
        """Fit a transformer of our own, which tells our callbacks and says as much as we do."""
        verbose, callbacks = transformer.verbose, getattr(self, "_skl_callbacks", [])
        transformer.verbose = max(verbose, self.verbose)
        # scikit-learn hands down some callbacks by itself
        own = [c for c in callbacks if not isinstance(c, AutoPropagatedCallback)]
        transformer.set_callbacks(*own)
        task = self._callback_fit_ctx.subcontext("pre-training")
        with task.propagate_callback_context(transformer):
            transformer.fit(values)
        transformer.set_callbacks()
        transformer.verbose = verbose
        return transformer

    def _monitor(self, plan: Plan) -> EstimatorMonitor:
        """Return what fine-tuning is followed by."""
        task = self._callback_fit_ctx.subcontext("fine-tuning", max_subtasks=plan.n_evaluations)
        return EstimatorMonitor(self, task, "fine-tuning", self.verbose)

    def _say(self, text: str) -> None:
        """Print a line if asked to."""
        if self.verbose:
            print(f"[SimMTM] {text}")

    def _checkpoint_dir(self) -> Path | None:
        """Return where fine-tuning leaves its checkpoints: where pre-training does."""
        given = getattr(self.transformer, "estimator", self.transformer)
        folder = getattr(given, "checkpoint_dir", None)
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
        given = getattr(self.transformer, "estimator", self.transformer)
        template = given if isinstance(given, SimMTMTransformer) else None

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


class PretrainedEstimator(TransformerUser):
    """First base of `SimMTMClassifier` and `SimMTMRegressor`; their parameters, their encoder.

    A subclass fits ``head_``, a `LinearHead` on the embeddings of ``transformer_``. Whatever the
    strategy, predictions are the head's scores of the embedding.
    """

    head_: LinearHead
    history_: list[dict[str, float]]
    n_channels_: int
    length_: int
    n_features_in_: int

    def set_params(self, **params: Any) -> Any:
        """Set parameters; those named ``transformer__...`` make ``transformer=None`` an object."""
        if self.transformer is None and any(name.startswith("transformer__") for name in params):
            params = {"transformer": SimMTMTransformer(), **params}
        return super().set_params(**params)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score predictions as scikit-learn does: accuracy of a classifier, R² of a regressor.

        Parameters
        ----------
        X : as in `fit`
        y : array-like of shape (n_series,)
        sample_weight : array-like of shape (n_series,), default=None
            Not negative, not all zero.

        Returns
        -------
        float
        """
        if sample_weight is not None:
            sample_weight = read_weights(sample_weight, len(y))
        score: float = super().score(X, y, sample_weight)
        return score

    def _fit_outputs(self, values: Values, y: Any, sample_weight: Any) -> Any:
        """Let sktime fit a clone for every column of ``y``."""
        if sample_weight is not None:
            raise ValueError("sample_weight cannot be given for a y with several columns.")
        seen = {name: value for name, value in vars(self).items() if name in _SEEN}
        super().fit(values, y if isinstance(y, pd.DataFrame) else np.asarray(y))
        self.__dict__.update(seen)
        return self

    def _checked(self, X: Any, y: Any = None) -> Values:
        """Forget the last fit, check what can be checked before any work; return an array."""
        self.reset()
        self._validate_params()
        frozen = self._frozen() if self._is_frozen() else None
        channels = None
        if frozen is not None:
            channels = names_seen(frozen, X, any_channels=frozen._any_channels())
        values = np.asarray(read_series(self, X, reset=True, channels=channels))
        if not isinstance(X, np.ndarray):  # the transformer looks at arrays
            announce_misreadings(X, values)
        announce_order(X, y)
        if y is None or (hasattr(y, "__len__") and len(y) != len(values)):
            given = "no labels" if y is None else f"{len(y)} labels"
            raise ValueError(f"X has {len(values)} series, but y has {given}; one each is needed.")
        self._template(values)
        return values

    def _values(self, X: Any) -> Values:
        """Return series to predict for as an array, their channels checked."""
        values = np.asarray(read_series(self, X, reset=False))
        if values.shape[1] != self.n_channels_:
            raise ValueError(
                f"X has {values.shape[1]} channel(s), but {type(self).__name__} was fitted on "
                f"{self.n_channels_}; its head needs the same ones."
            )
        return values

    def _features(self, values: Values) -> Features:
        """Embed in float32; statistics of the series are taken in the precision of ``values``."""
        return self.transformer_._features(values, torch.float32)

    def _embed(self, values: Values) -> NDArray[np.float32]:
        """Return the embedding that predictions are made from."""
        embedding: NDArray[np.float32] = self._features(values).joined().numpy()
        return embedding

    def _train(
        self,
        values: Values,
        features: Features,
        start: LinearHead | None,
        target: Tensor,
        weights: NDArray[np.float64],
        loss: Loss,
        n_outputs: int,
        strata: NDArray[np.int64],
        seed: int,
    ) -> LinearHead:
        """Train encoder and head together; return the head and leave the history.

        Parameters
        ----------
        values : ndarray
            The labelled series.
        features : Features
            Theirs, by ``transformer_`` as it is before.
        start : LinearHead or None
            Where the head starts; None starts it at zero, that is, with no opinion.
        target : Tensor, shape (n_series,)
        weights : ndarray, shape (n_series,)
            All positive.
        loss : callable
        n_outputs : int
        strata : ndarray of int, shape (n_series,)
            Groups that the held-out part takes its share of.
        seed : int
        """
        encoder, pooling = self.transformer_, self.transformer_._pooling()
        device = resolve_device(encoder.device)
        rows = encoder._rows(values, device)
        held_out = stratified_part(strata, self.validation_fraction, seed)
        n_train = len(values) - len(held_out)
        plan = self._plan(finetuning_epochs(self.num_epochs, n_train, self.batch_size), seed)
        if start is None:
            center, std = standardization(features.joined().numpy())
        else:
            center, std = start.center, start.std
        with isolated_torch(seed):
            model = Supervised(
                encoder.network_,
                pooling.statistics,
                pooling.all_layers,
                values.shape[1] if encoder._any_channels() else 1,
                torch.tensor(center, dtype=torch.float32),
                torch.tensor(std, dtype=torch.float32),
                n_outputs,
                float(self.dropout),
            )
        with torch.no_grad():
            coef, bias = (0.0, 0.0) if start is None else (start.coef, start.intercept)
            model.head.weight.copy_(torch.as_tensor(coef))
            model.head.bias.copy_(torch.as_tensor(bias))

        extra = features.fixed.clone()  # was computed in inference mode
        autocast = autocast_dtype(encoder.precision, device)
        checkpoint = None
        if self._checkpoint_dir() is not None:
            network = model.state_dict(), model.statistics, model.all_layers, float(self.dropout)
            data = values, encoder.max_length, extra, target, weights, held_out
            name = run_name(network, data, loss, plan, autocast)
            checkpoint = checkpoint_of(self._checkpoint_dir(), name)
        self.history_, _ = finetune(
            model,
            rows,
            extra,
            target,
            torch.as_tensor(weights),
            loss,
            torch.as_tensor(held_out),
            plan,
            autocast=autocast,
            checkpoint=checkpoint,
            monitor=self._monitor(plan),
        )
        weight, bias = (p.detach().double().numpy() for p in model.head.parameters())
        return LinearHead(center, std, weight, bias)

    # -- saving, see persistence.py ---------------------------------------------------------------

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if not hasattr(self, "head_"):
            raise ValueError(
                f"this {type(self).__name__} has no head of its own to save: it was fitted on a "
                "single class, or is one estimator for each of several outputs."
            )
        transformers, tensors = self._transformers_state()
        head = {f"head.{name}": torch.tensor(value) for name, value in vars(self.head_).items()}
        seen = {name: vars(self)[name] for name in _SEEN if name in vars(self)}
        if "feature_names_in_" in seen:
            seen["feature_names_in_"] = seen["feature_names_in_"].tolist()
        return {**seen, "history_": self.history_, "encoders": transformers}, {**tensors, **head}

    def _restore_head(self, state: StateReader, tensors: TensorReader, n_outputs: int) -> None:
        """Undo `_saved_state`, with a head of so many outputs."""
        head = tensors.under("head.")
        intercept = head.take("intercept", (n_outputs,)).numpy()
        coef = head.take("coef", (n_outputs, None)).numpy()
        center, std = (head.take(name, coef.shape[1:]).numpy() for name in ("center", "std"))
        self.head_ = LinearHead(center, std, coef, intercept)
        self.history_ = state.records("history_")
        self._restore_transformers(state.inner("encoders"), tensors)
        self._restore_seen(state)
        # what sktime's `predict` looks up
        self._y_metadata = {"is_univariate": True, "mtype": "numpy1D"}
        self._y_inner_mtype = "numpy1D"
        self._is_vectorized = False
        self._is_fitted = True

    def _restore_seen(self, state: StateReader) -> None:
        """Take up what fit has seen of the series; the first artifacts leave it to the encoder."""
        for name in ("n_channels_", "length_", "n_features_in_"):
            known = state.integer(name, 1) if name in state else getattr(self.transformer_, name)
            setattr(self, name, known)
        if "feature_names_in_" in state:
            names = state.items("feature_names_in_", str, int, float, length=self.n_features_in_)
            self.feature_names_in_ = np.array(names, dtype=object)


def stratified_part(strata: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.int64]:
    """Choose the same share of every group, rounded down; nobody if these were too few."""
    rng = np.random.default_rng(seed)
    members = (np.flatnonzero(strata == group) for group in np.unique(strata))
    chosen = [rng.permutation(rows)[: int(fraction * len(rows))] for rows in members]
    part = np.sort(np.concatenate(chosen))
    return part if len(part) >= FEWEST_HELD_OUT else part[:0]
