"""What classifier and regressor share: a head on an embedding, and how a strategy gets it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from .data import announce_misreadings, announce_order
from .data.labels import is_missing, one_column
from .data.weights import read_weights
from .downstream_state import StoredEstimator
from .embedding import Features
from .interop import names_seen, read_series
from .joint_training import Targets, stratified_part, train_jointly
from .persistence import SEEN
from .probing import LinearHead
from .training.settings import FINETUNING, epochs
from .training.strategies import STRATEGIES
from .transformer import SimMTMTransformer
from .transformer_user import Values

SolvedHead = Callable[[Features], LinearHead]
TrainedHead = Callable[[Values, Features, LinearHead | None], LinearHead]


class PretrainedEstimator(StoredEstimator):
    """First base of `SimMTMClassifier` and `SimMTMRegressor`; their parameters, their encoder.

    A subclass fits ``head_``, a `LinearHead` on the embeddings of ``transformer_``. Whatever the
    strategy, predictions are the head's scores of the embedding.
    """

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
        seen = {name: value for name, value in vars(self).items() if name in SEEN}
        super().fit(values, y if isinstance(y, pd.DataFrame) else np.asarray(y))
        self.__dict__.update(seen)
        return self

    def _checked(self, X: Any, y: Any) -> Values:
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
        self._announce_idle_epochs(self._template(values))
        return values

    def _announce_idle_epochs(self, template: SimMTMTransformer) -> None:
        """Say so where ``num_epochs`` was probably meant for pre-training, which has its own."""
        is_idle = self.num_epochs != "auto" and not STRATEGIES[self.strategy].trains
        if is_idle and template.num_epochs == "auto" and not self._is_frozen():
            warnings.warn(
                f"num_epochs={self.num_epochs} is of fine-tuning, and strategy={self.strategy!r} "
                "has none; for pre-training give transformer__num_epochs, the transformer's own.",
                UserWarning,
                stacklevel=4,
            )

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
        self.transformer_ = self._trained_transformer(
            values, seed, strategy.pretrains, trained_on=strategy.trains
        )
        self._say(f"embedding {labelled.sum()} series and fitting the head")
        series = values if labelled.all() else values[labelled]
        if strategy.trains:  # with the network, the head has to be a map of its features
            self.transformer_.geometry_ = self.transformer_.geometry_.linear()
        features = self._features(series)
        head = solved(features) if strategy.solves else None
        if strategy.trains:
            head = trained(series, features, head)
        assert head is not None
        self.head_ = head

    def _train(
        self,
        series: Values,
        features: Features,
        start: LinearHead | None,
        targets: Targets,
        seed: int,
    ) -> LinearHead:
        """Train encoder and head together, see `train_jointly`; leave the history."""
        held_out = stratified_part(targets.strata, float(self.validation_fraction), seed)
        n_train = len(series) - len(held_out)
        plan = self._plan(epochs(self.num_epochs, n_train, self.batch_size, FINETUNING), seed)
        head, self.history_ = train_jointly(
            self.transformer_,
            series,
            features,
            start,
            targets,
            held_out,
            plan,
            float(self.dropout),
            self._monitor(plan),
            self._checkpoint_dir(),
        )
        return head
