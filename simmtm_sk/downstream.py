"""What classifier and regressor share: a head on an embedding, and how a strategy gets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from .data import announce_misreadings, announce_order
from .data.labels import is_missing, one_column
from .data.weights import read_weights
from .embedding import Features
from .interop import names_seen, read_series
from .nn.supervised import Supervised
from .persistence import (
    StateReader,
    TensorReader,
)
from .probing import LinearHead
from .training.finetuning import Loss, finetune
from .training.isolation import isolated_torch
from .training.runs import checkpoint_of, run_name
from .training.settings import FINETUNING, autocast_dtype, epochs
from .training.strategies import STRATEGIES
from .transformer import SimMTMTransformer
from .transformer_user import TransformerUser, Values

# what fit has seen of the series
_SEEN = ("n_channels_", "length_", "n_features_in_", "feature_names_in_")
FEWEST_HELD_OUT = 10  # a smaller part would choose by chance

SolvedHead = Callable[[Features], LinearHead]
TrainedHead = Callable[[Values, Features, LinearHead | None], LinearHead]


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
            Unlabelled series, marked as in `fit`, are left out.
        sample_weight : array-like of shape (n_series,), default=None
            Not negative, not all zero.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If no series has a label, or there are not as many labels as series.
        """
        column = one_column(y)
        if column is None:
            several: float = super().score(X, y, sample_weight)
            return several
        predicted = self.predict(X)
        if len(column) != len(predicted):
            raise ValueError(f"X has {len(predicted)} series, but y has {len(column)} labels.")
        weights = read_weights(sample_weight, len(predicted))
        known = ~self._is_unlabelled(column) & (weights > 0)
        if not known.any():
            raise ValueError("y has no label: every entry marks an unlabelled series.")
        truth = [label for label, is_known in zip(column, known, strict=True) if is_known]
        return self._agreement(predicted[known], truth, weights[known])

    def _is_unlabelled(self, y: Any) -> NDArray[np.bool_]:
        return is_missing(y)

    def _agreement(self, predicted: Values, truth: list[Any], weights: Values) -> float:
        """Compare predictions with labels, none of which is missing."""
        raise NotImplementedError

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
        """Return float32; statistics of the series are taken in the precision of ``values``."""
        return self.transformer_._features(values, torch.float32)

    def _embed(self, series: Values | Features) -> NDArray[np.float32]:
        """Return the embedding that predictions are made from."""
        features = series if isinstance(series, Features) else self._features(series)
        embedding: NDArray[np.float32] = self.transformer_._in_geometry(features).numpy()
        return embedding

    def _fit_head(
        self,
        values: Values,
        labelled: NDArray[np.bool_],
        seed: int,
        solved: SolvedHead,
        trained: TrainedHead,
    ) -> None:
        """Fit transformer and head as the strategy says.

        Parameters
        ----------
        values : ndarray
            All series.
        labelled : ndarray of bool, shape (n_series,)
        seed : int
        solved : callable
            Returns a head in closed form, from the features of the labelled series.
        trained : callable
            Trains network and head, from the labelled series, their features, and a head or None,
            and returns the head.
        """
        strategy = STRATEGIES[self.strategy]
        self.history_ = []
        self.transformer_ = self._trained_transformer(values, seed, strategy.pretrains)
        self._say(f"embedding {labelled.sum()} series and fitting the head")
        series = values if labelled.all() else values[labelled]
        features = self._features(series)
        head = solved(features) if strategy.solves else None
        if strategy.trains:
            head = trained(series, features, head)
        assert head is not None
        self.head_ = head

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
            Where the head starts, on embeddings; None starts it at zero, with no opinion.
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
        device = encoder._device()
        rows = encoder._rows(values)
        held_out = stratified_part(strata, self.validation_fraction, seed)
        n_train = len(values) - len(held_out)
        plan = self._plan(epochs(self.num_epochs, n_train, self.batch_size, FINETUNING), seed)
        # training changes the features under balance and metric: they go on standardised
        joined = features.joined()
        geometry = encoder.geometry_.standardized(joined)
        center, std = geometry.unbalanced(joined)
        coef, bias = torch.zeros(n_outputs, len(center)), torch.zeros(n_outputs)
        if start is not None:
            coef, bias = encoder.geometry_.of_features(torch.tensor(start.coef / start.std))
            bias = bias + torch.tensor(start.intercept - start.coef @ (start.center / start.std))
            coef, bias = coef * std, bias + coef @ center
        with isolated_torch(seed):
            model = Supervised(
                encoder.network_,
                pooling.statistics,
                pooling.all_layers,
                values.shape[1] if encoder._any_channels() else 1,
                center.float(),
                std.float(),
                n_outputs,
                float(self.dropout),
            )
        with torch.no_grad():
            model.head.weight.copy_(coef)
            model.head.bias.copy_(bias)

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
        encoder.geometry_ = geometry
        weight, intercept = (p.detach().double().numpy() for p in model.head.parameters())
        return LinearHead(np.zeros(len(center)), np.ones(len(center)), weight, intercept)

    # -- saving, see persistence.py ---------------------------------------------------------------

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if self._is_vectorized:
            raise ValueError(
                f"this {type(self).__name__} has no head of its own to save: it is one estimator "
                "for each of several outputs."
            )
        transformers, tensors = self._transformers_state()
        values = vars(self.head_) if hasattr(self, "head_") else {}  # none for a single class
        head = {f"head.{name}": torch.tensor(value) for name, value in values.items()}
        seen = {name: vars(self)[name] for name in _SEEN if name in vars(self)}
        if "feature_names_in_" in seen:
            seen["feature_names_in_"] = seen["feature_names_in_"].tolist()
        history = getattr(self, "history_", [])
        return {**seen, "history_": history, "encoders": transformers}, {**tensors, **head}

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
