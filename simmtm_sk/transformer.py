"""`SimMTMTransformer`: learn to embed time series without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_memory
from sktime.transformations.base import BaseTransformer

from .encoders import ConvEncoder
from .inference import directions, hidden_error, most_similar, precision_of
from .interop import check_series, instance_index, is_table
from .nn.contracts import Encoder, Mask, Objective
from .nn.masking import MaskFunction
from .parameters import (
    AtLeastOne,
    AtLeastOnePoint,
    AtLeastTwo,
    AtLeastZero,
    Built,
    InnerShare,
    NotNegative,
    Positive,
    Seed,
    ShareBelowOne,
    Verbosity,
    constraints,
)
from .starting_weights import StartingWeights
from .training.footprint import check_memory_suffices
from .training.isolation import torch_as_it_starts
from .training.monitor import EstimatorMonitor
from .training.runs import run
from .transformer_state import StoredTransformer

Values = NDArray[np.floating[Any]]

# what `set_params` may change without a new fit
ANSWERED_BY_A_FIT = {"device", "verbose"}
DEFAULT_POOLING = ("max", "min", "std", "ppv", "filters", "kernels", "scale")


class SimMTMTransformer(StoredTransformer, TransformerMixin, BaseTransformer, BaseEstimator):
    """Embed time series without labels: learn how in ``fit``, embed in ``transform``.

    Pre-training follows SimMTM [1]_: several masked views of every series are encoded, each series
    is rebuilt from a similarity-weighted average of all other rows' representations, and views of
    one series are kept together. The embedding consists of statistics over time of the encoder's
    layers and of fixed blocks beside them, with which it is pre-trained on very many series only,
    see ``num_epochs``. Learned in closed form, on any number of them: features are standardised,
    blocks weigh alike whatever their size, and directions that tell relatives apart are shrunk.
    Distances then mean something, for nearest neighbours and k-means as for a linear model.

    The class is a scikit-learn transformer and an sktime transformer at once.

    Parameters
    ----------
    mask_ratio : float in (0, 1), default=0.5
        Expected share of hidden points of a view, r.
    n_masks : int >= 1, default=2
        Masked views of each series, M. Time and memory grow with ``n_masks + 1``.
    temperature : float > 0, default=0.1
        τ of the softmax over cosine similarities.
    constraint_weight : float >= 0 or "learned", default=0.1
        Weight λ of keeping the views of a series together; "learned" weighs it against the
        reconstruction by learned uncertainty, as the published code does.
    own_view_weight : float >= 0, default=1.0
        Weight of rebuilding each series from each of its masked views alone, beyond the paper; 0
        gives the objective of the paper.
    objective : object with ``build``, default=None
        What is minimised: ``build()`` returns a torch module, as `simmtm_sk.nn.contracts.Objective`
        describes. None is ``SimMTMObjective(temperature, constraint_weight, own_view_weight)``;
        the three have no effect otherwise.
    masking : {"geometric", "patch", "random"}, callable or Mask, default="geometric"
        Hides runs of points, runs of whole patches of the encoder (of single points if it has
        none), or independent points, of every channel for itself. A callable has the signature of
        `simmtm_sk.nn.masking.geometric_mask`; an object with ``draw``, as
        `simmtm_sk.nn.contracts.Mask` describes it, sees values and channels.
    mask_length : float >= 1, default=5.0
        Mean length of a hidden span, in points.
    encoder : ConvEncoder, PatchEncoder, PointEncoder or object with ``build``, default=None
        Family and sizes of the network; None is ``ConvEncoder()``. ``build(n_channels, length)``
        returns a torch module as `simmtm_sk.nn.contracts` describes; an attribute
        ``channel_independent = True`` makes every channel a series of its own.
    projection_dim : int >= 1, default=64
        Width of the series-wise representations that similarities are computed from.
    pooling : tuple of str, default=("max", "min", "std", "ppv", "filters", "kernels", "scale")
        What makes up the embedding. "mean", "max", "min", "std" and "ppv" (the share of positive
        values) are statistics over time of the encoder's layers. "filters" adds shares of the
        series in which fixed random filters respond more than at other times, whatever the encoder
        and its training; see `simmtm_sk.nn.filters`. "kernels" adds how strongly and how often
        random kernels respond more, or less, than others of a group; see `simmtm_sk.nn.kernels`.
        "scale" adds mean and log standard deviation of every channel of the raw series, around
        those of the training series and in units of their usual standard deviation.
    metric_strength : float in [0, 1), default=0.65
        Share of the scatter of relatives that the embedding leaves out. Relatives of a series are
        views of it, masked as in pre-training (``mask_ratio``, ``n_masks``) or mildly warped, and
        its nearest neighbours; see Notes. Strong metrics help with few labels, weak ones with many;
        0 leaves the metric out.
    metric_neighbors : int >= 0, default=4
        Nearest neighbours that count as relatives; 0 leaves views alone. At most a quarter of the
        other training series.
    neighborhood_weight : float >= 0, default=0.3
        Total variance of the coordinates that are added to the embedding and say where a series
        lies on the graph of neighbours, in units of that of all other features; 0 leaves them out.
        See `simmtm_sk.nn.neighborhood`: what label spreading knows of a series, in the embedding.
    layers : {"all", "last"}, default="all"
        Layers whose statistics are taken.
    num_epochs : int >= 0 or "auto", default="auto"
        Passes over the training rows. "auto" trains for 1000 steps where there are 10 000 rows or
        more, which nothing has been measured on, and not at all on fewer: beside filters and
        kernels it has added nothing there. With a ``pooling`` of neither, and as the start of a
        forecast or of fine-tuning, it trains for 300 to 1000 steps from 600 rows on. 0 leaves the
        initial weights, the control that a gain of pre-training has to be measured against.
    batch_size : int >= 1, default=32
        Largest number of series in a step (of single channels, if the encoder is
        channel-independent), hence of neighbours to rebuild from.
    lr : float > 0 or "auto", default="auto"
        Peak learning rate of AdamW, after a linear warm-up and before a cosine decay. "auto" is
        0.003.
    weight_decay : float >= 0, default=0.01
        Weight decay of AdamW.
    validation_fraction : float in [0, 1), default=0.1
        Share of the rows that is held out to choose the best epoch on; no row is held out where
        that would be fewer than two.
    patience : int >= 1 or None, default=5
        Evaluations without improvement after which training stops; None never stops early.
    max_length : int >= 2 or None, default=512
        Longer series are cut into windows of at most this many points, and the embeddings of a
        series' windows are averaged. None never cuts.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the encoder's matrix products in training; "auto" is bfloat16 on GPUs that have it.
    compile : bool, default=False
        Compile the encoder with `torch.compile`; worth its start-up time on GPUs only.
    device : str, default="auto"
        Where to compute: "auto" (a CUDA GPU if there is one), "cpu", "cuda:1", ... Looked up again
        in every call, so that a fitted estimator moves between machines.
    checkpoint_dir : str, Path or None, default=None
        Folder for checkpoints. A run that was killed continues from its last one to the same
        result when it is started again with the same data and parameters.
    memory : str, joblib.Memory or None, default=None
        Cache for pre-training: the same data and settings are not trained on twice.
    warm_start : bool, default=False
        Start `fit` from the weights of the last one instead of new ones, such as those of a loaded
        artifact: ``load(path, warm_start=True).fit(X)``. The encoder must have the same shape.
    random_state : int, RandomState or None, default=None
        Decides initial weights, held-out part, batches and masks. The same int gives the same bits
        on one machine, whatever ``n_jobs`` or the number of threads. The global generators of
        numpy, torch and random are not touched.
    verbose : int, default=0
        1 prints a line per evaluation. For bars, see `sklearn.callback.ProgressBar`.

    Attributes
    ----------
    network_ : simmtm_sk.nn.model.SimMTM
        The network, pre-trained or as it was drawn, on the CPU.
    embedding_ : simmtm_sk.embedding.Embedding
        What was fitted beside it: the blocks of ``pooling`` that training does not change.
    geometry_ : simmtm_sk.geometry.Geometry
        Balance of the blocks, and the metric of the relatives.
    history_ : list of dict
        A record per evaluation: "epoch", "lr", "seconds", the mean losses ``train_...`` and
        ``valid_...``, "grad_norm" (the mean norm of the gradients) and "clipped_share" (of the
        steps in which it was lowered to 1); can be written as JSON. Empty if nothing was trained.
    n_epochs_ : int
        Epochs that were run, 0 if nothing was trained: the weights are as they were at the start.
    n_channels_, length_ : int
        Channels, and points of the longest series, seen in `fit`.
    n_features_in_ : int
        Columns of a table, channels otherwise.
    feature_names_in_ : ndarray of str
        Column names, if `fit` saw a table with string column names.

    See Also
    --------
    simmtm_sk.ConvEncoder, simmtm_sk.PatchEncoder, simmtm_sk.PointEncoder : The encoders.

    Notes
    -----
    *Input.* Accepted are arrays (n_series, n_channels, length), or a list of them, whose series
    follow one another; tables (n_series, length), numpy or DataFrame, in which *a row is a series*
    of one channel; lists of arrays (length,) or (n_channels, length) of unequal length; and
    sktime's panels, whose rows are time points. One multivariate series must be given with three
    dimensions or as a DataFrame with a time index: a two-dimensional array is a table. NaN marks
    missing values.

    *Data larger than memory.* A ``numpy.memmap`` with two or three dimensions, or a list of them
    with three, is read batch by batch, whatever its dtype: ``fit([np.load(file, mmap_mode="r") for
    file in files])``. The embeddings that `transform` returns have to fit.

    *Size of the embedding.* With the default encoder and pooling, 4 statistics × (layers + 1) ×
    ``d_model`` numbers from the encoder, 512 each from filters and kernels of each dilation and 2 ×
    channels for the scale: 7938 for one channel of 150 points; then up to 64 coordinates on the
    graph of neighbours. For channel-independent encoders, that many for each channel.

    *Geometry of the embedding.* Blocks have fixed shares of the total variance over the training
    series, learned .3 : filters 1 : kernels 1 : scale .7, which served few and many labels best. An
    embedding x in balance then becomes (I + W/λ)^(-1/2) x, with W the scatter of relatives around
    their series [2]_: pre-training in closed form. λ leaves ``1 - metric_strength`` of the
    relatives' scatter. Neighbours are looked for three times, each time in the last metric. The
    coordinates on the graph of neighbours come last. All is learned from 512 series at most.
    Strategies that train the encoder with labels go on without these coordinates.

    *What a hidden point can do:* nothing. Masked and missing values take part in no statistic, no
    representation and no target. `transform` interpolates missing values linearly from the
    observed ones; pre-training hides them in every view.

    References
    ----------
    .. [1] Dong et al., "SimMTM: A Simple Pre-Training Framework for Masked Time-Series Modeling",
       NeurIPS 2023, arXiv:2302.00861.
    .. [2] Hatch, Kajarekar, Stolcke, "Within-class covariance normalization for SVM-based speaker
       recognition", Interspeech 2006; here every series is a class.

    Examples
    --------
    >>> from simmtm_sk import ConvEncoder, SimMTMTransformer
    >>> from simmtm_sk.datasets import load_dataset
    >>> X, y = load_dataset("GunPoint", split="train")
    >>> embed = SimMTMTransformer(encoder=ConvEncoder(d_model=8), num_epochs=2, random_state=0)
    >>> embed.fit_transform(X).shape
    (50, 5972)
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "simmtm_sk developers",
        "maintainers": "simmtm_sk developers",
        "python_dependencies": "torch",
        "scitype:transform-input": "Series",
        "scitype:transform-output": "Primitives",
        "scitype:instancewise": False,
        "X_inner_mtype": ["numpy3D", "pd-multiindex", "nested_univ", "df-list"],
        "y_inner_mtype": "None",
        "fit_is_empty": False,
        "requires_y": False,
        "capability:multivariate": True,
        "capability:missing_values": True,
        "capability:unequal_length": True,
        "capability:inverse_transform": False,
        "capability:categorical_in_X": False,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __init__(
        self,
        *,
        mask_ratio: InnerShare = 0.5,
        n_masks: AtLeastOne = 2,
        temperature: Positive = 0.1,
        constraint_weight: NotNegative | Literal["learned"] = 0.1,
        own_view_weight: NotNegative = 1.0,
        objective: Annotated[Objective, Built("an objective, such as SimMTMObjective()")]
        | None = None,
        masking: Literal["geometric", "patch", "random"]
        | Annotated[Mask, HasMethods("draw")]
        | Annotated[MaskFunction, callable] = "geometric",
        mask_length: AtLeastOnePoint = 5.0,
        encoder: Annotated[Encoder, Built("an encoder, such as ConvEncoder()")] | None = None,
        projection_dim: AtLeastOne = 64,
        pooling: Annotated[tuple[str, ...], tuple, list] = DEFAULT_POOLING,
        metric_strength: ShareBelowOne = 0.65,
        metric_neighbors: AtLeastZero = 4,
        neighborhood_weight: NotNegative = 0.3,
        layers: Literal["all", "last"] = "all",
        num_epochs: AtLeastZero | Literal["auto"] = "auto",
        batch_size: AtLeastOne = 32,
        lr: Positive | Literal["auto"] = "auto",
        weight_decay: NotNegative = 0.01,
        validation_fraction: ShareBelowOne = 0.1,
        patience: AtLeastOne | None = 5,
        max_length: AtLeastTwo | None = 512,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        compile: bool = False,
        device: str = "auto",
        checkpoint_dir: str | Path | None = None,
        memory: str | Annotated[joblib.Memory, HasMethods("cache")] | None = None,
        warm_start: bool = False,
        random_state: Seed = None,
        verbose: Verbosity = 0,
    ) -> None:
        self.mask_ratio = mask_ratio
        self.n_masks = n_masks
        self.temperature = temperature
        self.constraint_weight = constraint_weight
        self.own_view_weight = own_view_weight
        self.objective = objective
        self.masking = masking
        self.mask_length = mask_length
        self.encoder = encoder
        self.projection_dim = projection_dim
        self.pooling = pooling
        self.metric_strength = metric_strength
        self.metric_neighbors = metric_neighbors
        self.neighborhood_weight = neighborhood_weight
        self.layers = layers
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.max_length = max_length
        self.precision = precision
        self.compile = compile
        self.device = device
        self.checkpoint_dir = checkpoint_dir
        self.memory = memory
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    @with_callbacks
    @torch_as_it_starts()
    def fit(self, X: Any, y: Any = None) -> SimMTMTransformer:
        """Learn from the series of ``X``, by pre-training where ``num_epochs`` says so.

        Parameters
        ----------
        X : ndarray (n_series, n_channels, length) or (n_series, length), list, or sktime panel
            The unlabelled series, see Notes of the class; NaN = missing. Memory maps stay on disk.
        y : None
            Ignored, present for pipelines.

        Returns
        -------
        SimMTMTransformer
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter or ``X`` cannot work; nothing has been trained then.
        MemoryError
            If network or batch cannot fit into the memory of the device; nothing has been trained.
        FloatingPointError
            If the training diverges before there are weights to keep.

        Warns
        -----
        ConvergenceWarning
            If the training diverges later; the best finite weights are kept.
        UserWarning
            If a parameter of the objective was chosen, but ``num_epochs="auto"`` trains nothing.
        """
        last = self._last_weights() if self.warm_start else None
        self.reset()
        self._validate_params()
        self._check_settings()
        values = check_series(self, X, reset=True)
        rows = self._rows(values)
        settings = self._pretraining(len(rows), rows.device)
        self._warn_of_idle_parameters(len(rows), settings.plan)
        check_memory_suffices(settings, rows.n_channels, rows.length, len(rows), rows.device)
        start = StartingWeights.drawn(
            settings,
            self._pooling().blocks,
            rows.n_channels,
            rows.length if last is None else last.length,
        )
        if last is not None:
            start.adopt(last)
        network = start.network
        network.stats_scaler.fit(*self._instance_stats(values, rows.complete))
        start.embedding.fit(network, rows)  # depends on nothing that is trained
        context = self._init_callback_context(max_subtasks=settings.plan.n_evaluations)
        context.call_on_fit_task_begin(estimator=self, X=X)

        self.history_ = run(
            network,
            rows,
            settings,
            values if last is None else (values, last.arrays()),
            memory=None if self.memory is None else check_memory(self.memory),
            checkpoint_dir=None if self.checkpoint_dir is None else Path(self.checkpoint_dir),
            compile=self.compile,
            monitor=EstimatorMonitor(self, context, "pre-training", self.verbose, X),
        )
        self.network_, self._built_length = network, start.length
        self._is_pretrained = bool(self.history_) or (last is not None and last.trained)
        self.embedding_ = start.embedding
        self._fit_gap_weights(rows, settings)
        self._fit_geometry(values, settings.plan.seed)
        self.n_epochs_ = int(self.history_[-1]["epoch"]) if self.history_ else 0
        self._is_fitted = True
        context.call_on_fit_task_end(estimator=self, X=X)
        return self

    @torch_as_it_starts()
    def transform(self, X: Any, y: Any = None) -> Any:
        """Embed every series of ``X``.

        Parameters
        ----------
        X : as in `fit`
            Any length; the channels seen in `fit`, or any number of them if the encoder is
            channel-independent. A table (2D) must have as many columns as the table seen in `fit`.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_series, n_features), or DataFrame
            In the dtype of ``X``. sktime containers give a DataFrame with a row per instance.
        """
        self.check_is_fitted()
        values = check_series(self, X, reset=False)
        embedding = self._in_geometry(self._features(values, precision_of(values))).numpy()
        index = instance_index(X)
        if index is None:
            return embedding
        return pd.DataFrame(embedding, index=index, columns=self._columns(values.shape[1]))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return what the features of `transform` are, see `feature_names`.

        Parameters
        ----------
        input_features : None
            Ignored, present for scikit-learn.

        Returns
        -------
        ndarray of str
            As `feature_names`; the columns of the frames that `transform` returns.
        """
        return np.asarray(self.feature_names(), dtype=object)

    def feature_names(self) -> list[str]:
        """Return what the features of `transform` are, in their order.

        Of a series with as many channels as in `fit`.

        Returns
        -------
        list of str
            Such as "layer3_max_17", "filters_dilation4_filter12_threshold3" or "channel0_mean";
            with the channel in front if the encoder takes channels one by one.

        Examples
        --------
        >>> import numpy as np
        >>> from simmtm_sk import ConvEncoder, SimMTMTransformer
        >>> X = np.random.default_rng(0).normal(size=(20, 1, 16))
        >>> embed = SimMTMTransformer(
        ...     encoder=ConvEncoder(d_model=2, n_layers=1), pooling=("max", "scale"), num_epochs=0
        ... )
        >>> embed.fit(X).feature_names()[3:7]
        ['layer1_max_1', 'channel0_mean', 'channel0_log_std', 'neighborhood0']
        """
        self.check_is_fitted()
        return self._columns(self.n_channels_)

    def _columns(self, n_channels: int) -> list[str]:
        """Return the names of the features of series with so many channels."""
        n_rows = n_channels if self._any_channels() else 1
        names = self.embedding_.names(self.network_, self._pooling(), n_channels, n_rows)
        return names + [
            f"{f'channel{row}_' if n_rows > 1 else ''}neighborhood{i}"
            for row in range(n_rows)
            for i in range(self.geometry_.neighborhood.n_coordinates)
        ]

    def set_params(self, **params: Any) -> SimMTMTransformer:
        """Set parameters; the estimator stays fitted if a fit does not depend on any of them.

        These are ``device`` and ``verbose``.

        Parameters
        ----------
        **params
            As in scikit-learn; ``encoder__d_model`` reaches into the encoder.

        Returns
        -------
        SimMTMTransformer
            Itself.
        """
        if not set(params) <= ANSWERED_BY_A_FIT:
            changed: SimMTMTransformer = super().set_params(**params)
            return changed
        for name, value in params.items():
            setattr(self, name, value)
        return self

    @torch_as_it_starts()
    def reconstruct(self, X: Any, *, decoded: bool = False) -> Values:
        """Fill in the hidden points (NaN) of every series from its visible ones.

        What is filled in is a mean of straight lines, of what the network rebuilds, and of that
        led through the visible points. The weights, by the distance to the next visible point, are
        those that did best in `fit` on masked views of the rows held out.

        Parameters
        ----------
        X : as in `transform`
        decoded : bool, default=False
            Return what the network rebuilds, of visible points, too. So it always is where nothing
            was trained, and in artifacts that are older than the weights.

        Returns
        -------
        ndarray, shape (n_series, n_channels, length)
            In the units of ``X``; two-dimensional if ``X`` is. NaN behind the end of a series.

        Warns
        -----
        UserWarning
            If nothing was pre-trained, without ``num_epochs=0``: initial weights rebuild nothing.
        """
        self.check_is_fitted()
        self._warn_if_untrained("reconstruct")
        values = check_series(self, X, reset=False)
        rebuilt = self._reconstruct(values, decoded=decoded)
        return rebuilt[:, 0] if is_table(X) else rebuilt

    @torch_as_it_starts()
    def similarity(
        self, X: Any, Y: Any = None, *, top: int | None = None
    ) -> Values | tuple[Values, NDArray[np.int64]]:
        """Cosine similarity of the series-wise representations of pairs of series.

        Parameters
        ----------
        X : as in `transform`
        Y : as in `transform`, default=None
            What to compare with; None is ``X``.
        top : int or None, default=None
            How many of the most similar series of ``Y`` to return for every series of ``X``, in
            blocks: the matrix of all pairs is never made. Without ``Y``, no series counts as
            similar to itself.

        Returns
        -------
        similarity : ndarray, shape (n_series of X, n_series of Y), or (n_series of X, top)
            Between -1 and 1; the mean over channels if the encoder is channel-independent. With
            ``top``, the largest first.
        index : ndarray of int, shape (n_series of X, top)
            With ``top`` only: which series of ``Y`` they are.

        Raises
        ------
        ValueError
            If ``top`` is less than 1 or more than there are, or channels of ``X`` and ``Y`` differ.

        Warns
        -----
        UserWarning
            If nothing was pre-trained, without ``num_epochs=0``: representations are random.

        Examples
        --------
        >>> import numpy as np
        >>> from simmtm_sk import ConvEncoder, SimMTMTransformer
        >>> X = np.random.default_rng(0).normal(size=(20, 1, 16))
        >>> encoder = ConvEncoder(d_model=4, n_layers=1)
        >>> embed = SimMTMTransformer(encoder=encoder, num_epochs=2, random_state=0).fit(X)
        >>> embed.similarity(X, X[:3]).shape
        (20, 3)
        >>> similarity, index = embed.similarity(X, top=2)
        >>> index.shape
        (20, 2)
        """
        self.check_is_fitted()
        self._warn_if_untrained("similarity")
        given = [check_series(self, x, reset=False) for x in (X, Y) if x is not None]
        first, second = given[0], given[-1]
        if first.shape[1] != second.shape[1]:
            raise ValueError(
                f"X has {first.shape[1]} channels and Y {second.shape[1]}; pairs need the same."
            )
        most = len(second) - (Y is None)
        if top is not None and not 1 <= top <= most:
            raise ValueError(f"top must be from 1 to {most}, the series there are, got {top}.")
        dtype = precision_of(first)
        of_pairs = [directions(self.network_, self._rows(x), len(x), dtype) for x in given]
        if top is None:
            return (of_pairs[0] @ of_pairs[-1].T).numpy()
        similarity, index = most_similar(of_pairs[0], of_pairs[-1], top, same=Y is None)
        return similarity.numpy(), index.numpy()

    @torch_as_it_starts()
    def score(self, X: Any, y: Any = None) -> float:
        """Negative mean squared error of hidden points, so that settings can be tuned unlabelled.

        Half of the points of every series are hidden, always the same ones whatever the settings
        of the estimator, and rebuilt from the visible rest. The error is in units of each
        channel's standard deviation.

        Parameters
        ----------
        X : as in `transform`
        y : None
            Ignored.

        Returns
        -------
        float
            At most 0, higher is better; about -1 for rebuilding nothing but the mean.

        Warns
        -----
        UserWarning
            If nothing was pre-trained, without ``num_epochs=0``: initial weights rebuild nothing.
        """
        self.check_is_fitted()
        self._warn_if_untrained("score")
        values = check_series(self, X, reset=False)
        error = hidden_error(self.network_, self._rows(values), precision_of(values))
        if np.isnan(error):
            raise ValueError(
                "score needs series that vary, of more than one point; nothing could be hidden."
            )
        return -error

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Small settings for sktime's test suite."""
        small = {
            "encoder": ConvEncoder(d_model=4, n_layers=1),
            "num_epochs": 1,
            "projection_dim": 4,
        }
        return [small, {**small, "n_masks": 1, "constraint_weight": "learned", "layers": "last"}]
