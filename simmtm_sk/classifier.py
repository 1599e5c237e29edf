"""`SimMTMClassifier`: many series, few labels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import StrOptions
from sktime.classification.base import BaseClassifier
from torch import Tensor

from .data.labels import UNLABELLED, one_column, read_labels, refuse_one_hot
from .data.saved_labels import decoded_labels, encoded_labels
from .data.weights import class_weights, read_weights
from .downstream import PretrainedEstimator
from .embedding import Features
from .encoders import ConvEncoder
from .joint_training import Targets
from .parameters import (
    AtLeastOne,
    NotNegative,
    Positive,
    Seed,
    ShareBelowOne,
    Verbosity,
    constraints,
)
from .persistence import StateReader, TensorReader
from .probing import HEADS, LinearHead, classification_head, smoothed_classes
from .training.finetuning import cross_entropy
from .training.isolation import torch_as_it_starts
from .training.settings import draw_seed
from .training.strategies import STRATEGIES
from .transformer import SimMTMTransformer
from .transformer_user import Values, followed


class SimMTMClassifier(PretrainedEstimator, ClassifierMixin, BaseClassifier, BaseEstimator):
    """Classify time series by an embedding that needs no labels.

    Works in scikit-learn's tools and in sktime's.

    Parameters
    ----------
    transformer : SimMTMTransformer, FrozenEstimator, str, Path or None, default=None
        Where the embedding comes from. A `SimMTMTransformer` (None: one with its defaults) is
        fitted in ``fit`` to the training series, labelled or not; its parameters can be tuned
        as ``transformer__mask_ratio`` and so on. ``FrozenEstimator(fitted_transformer)`` or the
        path of a saved one: its weights are taken as they are, and never changed in the original;
        only the levels that series are standardised to are taken from the training series, if
        those differ clearly from the ones it was pre-trained on.
    strategy : {"linear-probe", "fine-tune", "probe-then-fine-tune", "from-scratch"}, \
default="linear-probe"
        "linear-probe" leaves the encoder alone and solves for a linear head; "fine-tune" trains
        encoder and head together, the head from zero; "probe-then-fine-tune" starts the head from
        the linear probe; "from-scratch" is "fine-tune" without pre-training, the control that a
        gain of pre-training has to be measured against.
    head : {"auto", "ridge", "logistic", "spread"}, default="auto"
        Kind of the linear probe. "spread" is a ridge that unlabelled series take part in as far as
        their neighbours confirm what it says of them, and the plain ridge where all are labelled.
        "auto" is "spread" unless cross-validation speaks for the plain ridge or, with labels too
        few for that, classes come out uneven. See `simmtm_sk.probing.classification_head`.
    unlabelled : label or None, default=None
        A value in ``y`` that marks series without a label, such as the -1 of
        `sklearn.semi_supervised`, beside None, NaN and NA, which always do.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in scikit-learn.
    num_epochs : int >= 1 or "auto", default="auto"
        Passes over the labelled series in fine-tuning; "auto" chooses by their number, see
        `simmtm_sk.training.settings.FINETUNING`.
    batch_size : int >= 1, default=32
        Largest number of series in a step of fine-tuning.
    lr : float > 0, default=0.001
        Peak learning rate of the head in fine-tuning.
    encoder_lr_share : float >= 0, default=1.0
        The encoder learns at this share of ``lr``.
    weight_decay : float >= 0, default=0.01
        Weight decay of AdamW in fine-tuning.
    dropout : float in [0, 1), default=0.0
        Share of the features that a step of fine-tuning leaves out.
    validation_fraction : float in [0, 1), default=0.2
        Share of every class that is held out in fine-tuning to choose the best epoch on; nothing is
        held out where that would be fewer than ten series.
    patience : int >= 1 or None, default=10
        Evaluations without improvement after which fine-tuning stops; None never stops early.
    random_state : int, RandomState or None, default=None
        Seed of everything random, of the transformer too where it has none of its own.
    verbose : int, default=0
        1 prints a line per evaluation.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels seen in ``fit``, of the type they were given in.
    n_channels_, length_ : int
        Channels, and points of the longest series, seen in ``fit``.
    n_features_in_ : int
        Columns of a table, channels otherwise.
    feature_names_in_ : ndarray
        Names of the channels, or of the columns of a table, if ``fit`` saw any.
    transformer_ : SimMTMTransformer
        The fitted encoder, fine-tuned if the strategy says so.
    head_ : simmtm_sk.probing.LinearHead
        Its softmax are the probabilities.
    history_ : list of dict
        Records of fine-tuning, as in `SimMTMTransformer`; empty for "linear-probe".

    See Also
    --------
    SimMTMRegressor : For numbers.

    Notes
    -----
    *Labels* may be text, bytes, bools, integers, floats, dates or intervals, and are predicted,
    saved and loaded as what they are.

    *Unlabelled series* take part in the embedding, and in a linear head that spreads labels. They
    are marked by None, NaN, NaT or NA in ``y``, and by the value of ``unlabelled``: without
    ``unlabelled=-1`` the label -1 is a class like any other.

    *Input* is what `SimMTMTransformer` accepts; the length may differ between ``fit`` and
    ``predict``.

    *One class alone* in ``y`` warns, trains nothing and is predicted ever after, as everywhere in
    sktime.

    Examples
    --------
    >>> from simmtm_sk import ConvEncoder, SimMTMClassifier, SimMTMTransformer
    >>> from simmtm_sk.datasets import load_dataset
    >>> X, y = load_dataset("ItalyPowerDemand", split="train")
    >>> encoder = SimMTMTransformer(encoder=ConvEncoder(d_model=16), num_epochs=5)
    >>> classifier = SimMTMClassifier(transformer=encoder, random_state=0).fit(X, y)
    >>> X_test, y_test = load_dataset("ItalyPowerDemand", split="test")
    >>> classifier.score(X_test, y_test) > 0.9
    True
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "simmtm_sk developers",
        "maintainers": "simmtm_sk developers",
        "python_dependencies": "torch",
        "X_inner_mtype": "numpy3D",
        "y_inner_mtype": "numpy1D",
        "capability:multivariate": True,
        "capability:missing_values": True,
        "capability:unequal_length": True,
        "capability:predict_proba": True,
        "capability:class_weight": True,
        "capability:categorical_in_X": False,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __init__(
        self,
        *,
        transformer: SimMTMTransformer | FrozenEstimator | str | Path | None = None,
        strategy: Annotated[str, StrOptions(set(STRATEGIES))] = "linear-probe",
        head: Annotated[str, StrOptions(set(HEADS))] = "auto",
        unlabelled: Any = None,
        class_weight: Annotated[dict[Any, float], dict] | Literal["balanced"] | None = None,
        num_epochs: AtLeastOne | Literal["auto"] = "auto",
        batch_size: AtLeastOne = 32,
        lr: Positive = 1e-3,
        encoder_lr_share: NotNegative = 1.0,
        weight_decay: NotNegative = 0.01,
        dropout: ShareBelowOne = 0.0,
        validation_fraction: ShareBelowOne = 0.2,
        patience: AtLeastOne | None = 10,
        random_state: Seed = None,
        verbose: Verbosity = 0,
    ) -> None:
        self.transformer = transformer
        self.strategy = strategy
        self.head = head
        self.unlabelled = unlabelled
        self.class_weight = class_weight
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.encoder_lr_share = encoder_lr_share
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    @torch_as_it_starts()
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SimMTMClassifier:
        """Pre-train if need be, and fit the head.

        Parameters
        ----------
        X : ndarray (n_series, n_channels, length) or (n_series, length), list, or sktime panel
            As in `SimMTMTransformer.fit`; NaN = missing.
        y : array-like of shape (n_series,)
            Labels; see Notes of the class for unlabelled series.
        sample_weight : array-like of shape (n_series,), default=None
            Weights of the labelled series in the head and in fine-tuning, on top of
            ``class_weight``; one of weight zero only takes part in the embedding. Weights of
            unlabelled series mean nothing.

        Returns
        -------
        SimMTMClassifier
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter, ``X`` or ``y`` cannot work; nothing has been trained then.
        """
        values = self._checked(X, y)
        column = one_column(y)
        if column is None:
            refuse_one_hot(y)
            several: SimMTMClassifier = self._fit_outputs(values, y, sample_weight)
            return several
        self._is_vectorized = False
        self.classes_, codes = read_labels(column, self.unlabelled)
        self.n_classes_ = len(self.classes_)
        self._class_dictionary = {label: i for i, label in enumerate(self.classes_)}
        known = codes != UNLABELLED
        weights = class_weights(
            self.class_weight, self.classes_, codes, read_weights(sample_weight, len(codes))
        )
        if self.n_classes_ == 1 and not known.all():
            raise ValueError(
                f"y has a single class, {self.classes_.tolist()[0]!r}, beside unlabelled series."
            )
        if self.n_classes_ == 1:
            warnings.warn(
                f"only single label seen in y, {self.classes_.tolist()[0]!r}: it will be predicted "
                "for all series, and nothing is trained.",
                stacklevel=2,
            )
        else:
            self._fit(values, codes, weights)
        self._is_fitted = True
        return self

    @followed
    def _fit(
        self, X: Values, y: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> SimMTMClassifier:
        known, unlabelled = weights > 0, y == UNLABELLED
        target, weights = y[known], weights[known]
        seed = draw_seed(self.random_state)

        def solved(features: Features) -> LinearHead:
            others = None
            if unlabelled.any() and self.head in ("auto", "spread"):
                others = self._embed(X[unlabelled])
            return classification_head(self._embed(features), target, self.head, weights, others)

        def trained(series: Values, features: Features, start: LinearHead | None) -> LinearHead:
            loss = cross_entropy(torch.tensor(smoothed_classes(target)))
            classes = Targets(torch.tensor(target), weights, loss, self.n_classes_, target)
            return self._train(series, features, start, classes, seed)

        self._fit_head(X, known, seed, solved, trained)
        return self

    @torch_as_it_starts()
    def _is_unlabelled(self, y: Any) -> NDArray[np.bool_]:
        missing = super()._is_unlabelled(y)
        if self.unlabelled is None:
            return missing
        marked = [label == self.unlabelled for label, no in zip(y, missing, strict=True) if not no]
        missing[~missing] = marked
        return missing

    def _agreement(self, predicted: Values, truth: list[Any], weights: Values) -> float:
        """Return the accuracy; labels need not be of a type that scikit-learn's scores know."""
        hits = [label == other for label, other in zip(predicted, truth, strict=True)]
        return float(np.average(hits, weights=weights))

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the label of every series.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_series,)
        """
        self.check_is_fitted()
        values = self._values(X)
        predicted: NDArray[Any] = (
            super().predict(values)
            if self._is_vectorized
            else self.classes_[self._predict_proba(values).argmax(1)]
        )
        return predicted

    @torch_as_it_starts()
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_series, n_classes)
            Columns in the order of ``classes_``.
        """
        self.check_is_fitted()
        values = self._values(X)
        return super().predict_proba(values) if self._is_vectorized else self._predict_proba(values)

    def _predict_proba(self, X: Values) -> NDArray[np.float64]:
        if self.n_classes_ == 1:
            return np.ones((len(X), 1))
        return self.head_.probabilities(self._embed(X))

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        state, tensors = super()._saved_state()
        state["classes_"] = encoded_labels(self.classes_)
        return state, tensors

    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        self.classes_ = decoded_labels(state.anything("classes_"))
        self.n_classes_ = len(self.classes_)
        self._restore_head(state, tensors, 0 if self.n_classes_ == 1 else self.n_classes_)
        self._class_dictionary = {label: i for i, label in enumerate(self.classes_)}

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Small settings for sktime's test suite."""
        small = SimMTMTransformer(
            encoder=ConvEncoder(d_model=4, n_layers=1), num_epochs=1, projection_dim=4
        )
        return [
            {"transformer": small, "head": "ridge"},
            {"transformer": small, "strategy": "fine-tune", "num_epochs": 1},
        ]
