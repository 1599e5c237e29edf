"""`SimMTMTransformer`: learn to embed time series without labels."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_memory
from sktime.transformations.base import BaseTransformer
from torch import Tensor

from .data import Panel, WindowDataset, series_ends
from .embedding import BLOCKS, Embedding, Features, Pooling
from .encoders import ConvEncoder, PatchEncoder, PointEncoder
from .geometry import Geometry, Relatives
from .inference import (
    hidden_error,
    missing_shares,
    over_series,
    panel_instance_stats,
    rebuilt_values,
)
from .interop import SktimeSklearnBridge, check_series, instance_index, is_table
from .nn.contracts import Encoder, Mask, Objective, takes_channels_apart
from .nn.masking import MaskFunction, mask_function
from .nn.model import SimMTM
from .nn.randomness import redirected
from .objectives import SimMTMObjective
from .persistence import SafeArtifactMixin, StateReader, TensorReader
from .training.footprint import check_memory_suffices
from .training.isolation import isolated_torch, modules_of_our_own, torch_as_it_starts
from .training.monitor import EstimatorMonitor
from .training.plan import Plan
from .training.pretraining import Pretraining
from .training.runs import run
from .training.settings import (
    PRETRAINING,
    USUAL_RATE,
    autocast_dtype,
    draw_seed,
    epochs,
    resolve_device,
)

Values = NDArray[np.floating[Any]]

# what `set_params` may change without a new fit
ANSWERED_BY_A_FIT = {"device", "verbose"}
DEFAULT_POOLING = ("max", "min", "std", "ppv", "filters", "kernels", "scale")


class SimMTMTransformer(
    SktimeSklearnBridge,
    SafeArtifactMixin,
    TransformerMixin,
    BaseTransformer,
    BaseEstimator,
):
    """Embed time series without labels: pre-train an encoder in ``fit``, use it in ``transform``.

    Pre-training follows SimMTM [1]_: several masked views of every series are encoded, each series
    is rebuilt from a similarity-weighted average of all other rows' representations, and views of
    one series are kept together. The embedding consists of statistics over time of the encoder's
    layers and of fixed blocks beside them. Its features are standardised, blocks weigh alike
    whatever their size, and directions that tell relatives apart are shrunk: distances mean
    something, for nearest neighbours and k-means as for a linear model.

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
    layers : {"all", "last"}, default="all"
        Layers whose statistics are taken.
    num_epochs : int >= 0 or "auto", default="auto"
        Passes over the training rows. "auto" trains for 300 to 1000 steps where there are 600 rows
        or more, and not at all on fewer: there it has not been seen to pay. 0 leaves the initial
        weights, which is the control that a gain of pre-training has to be measured against.
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
        The pre-trained network, on the CPU.
    embedding_ : simmtm_sk.embedding.Embedding
        What was fitted beside it: the blocks of ``pooling`` that training does not change.
    geometry_ : simmtm_sk.geometry.Geometry
        Balance of the blocks, and the metric of the relatives.
    history_ : list of dict
        A record per evaluation: "epoch", "lr", "seconds", the mean losses ``train_...`` and
        ``valid_...``, "grad_norm" (the mean norm of the gradients) and "clipped_share" (of the
        steps in which it was lowered to 1); can be written as JSON.
    n_epochs_ : int
        Epochs that were run.
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
    channels for the scale: 7938 for one channel of 150 points; for channel-independent encoders,
    that many for each channel.

    *Geometry of the embedding.* Blocks have fixed shares of the total variance over the training
    series, learned .3 : filters 1 : kernels 1 : scale .1, which served few and many labels best. An
    embedding x in balance then becomes (I + W/λ)^(-1/2) x, with W the scatter of relatives around
    their series [2]_: pre-training in closed form. λ leaves ``1 - metric_strength`` of the
    relatives' scatter. It is learned from 512 series at most.

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
    (50, 5922)
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "mask_ratio": [Interval(Real, 0, 1, closed="neither")],
        "n_masks": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "constraint_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"learned"})],
        "own_view_weight": [Interval(Real, 0, None, closed="left")],
        "objective": [HasMethods("build"), None],
        "masking": [StrOptions({"geometric", "patch", "random"}), HasMethods("draw"), callable],
        "mask_length": [Interval(Real, 1, None, closed="left")],
        "encoder": [HasMethods("build"), None],
        "projection_dim": [Interval(Integral, 1, None, closed="left")],
        "pooling": [tuple, list],
        "metric_strength": [Interval(Real, 0, 1, closed="left")],
        "metric_neighbors": [Interval(Integral, 0, None, closed="left")],
        "layers": [StrOptions({"all", "last"})],
        "num_epochs": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "max_length": [Interval(Integral, 2, None, closed="left"), None],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "compile": ["boolean"],
        "device": [str],
        "checkpoint_dir": [str, Path, None],
        "memory": [str, HasMethods("cache"), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        mask_ratio: float = 0.5,
        n_masks: int = 2,
        temperature: float = 0.1,
        constraint_weight: float | str = 0.1,
        own_view_weight: float = 1.0,
        objective: Objective | None = None,
        masking: str | MaskFunction | Mask = "geometric",
        mask_length: float = 5.0,
        encoder: Encoder | None = None,
        projection_dim: int = 64,
        pooling: tuple[str, ...] = DEFAULT_POOLING,
        metric_strength: float = 0.65,
        metric_neighbors: int = 4,
        layers: str = "all",
        num_epochs: int | str = "auto",
        batch_size: int = 32,
        lr: float | str = "auto",
        weight_decay: float = 0.01,
        validation_fraction: float = 0.1,
        patience: int | None = 5,
        max_length: int | None = 512,
        precision: str = "auto",
        compile: bool = False,
        device: str = "auto",
        checkpoint_dir: str | Path | None = None,
        memory: str | joblib.Memory | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
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

    @with_callbacks
    @torch_as_it_starts()
    def fit(self, X: Any, y: Any = None) -> SimMTMTransformer:
        """Pre-train on the series of ``X``.

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
        """
        last = getattr(self, "network_", None) if self.warm_start else None
        last_embedding: Embedding | None = getattr(self, "embedding_", None)
        built_length = getattr(self, "_built_length", 0)
        self.reset()
        self._validate_params()
        device = self._check_settings()
        pooling = self._pooling()
        values = check_series(self, X, reset=True)
        rows = self._rows(values, device)
        settings = self._pretraining(len(rows), device)
        self._built_length = rows.length if last is None else built_length
        check_memory_suffices(settings, rows.n_channels, rows.length, len(rows), device)
        network, embedding = _drawn(settings, pooling.blocks, rows.n_channels, self._built_length)
        if last is not None:
            _load_weights(network, last)
            embedding.adopt(last_embedding)
        by_row = self._by_row(values)
        network.stats_scaler.fit(
            panel_instance_stats(by_row), None if rows.complete else missing_shares(by_row)
        )
        embedding.fit(network, rows)  # depends on nothing that is trained
        context = self._init_callback_context(max_subtasks=settings.plan.n_evaluations)
        context.call_on_fit_task_begin(estimator=self, X=X)

        self.history_ = run(
            network,
            rows,
            settings,
            values
            if last is None
            else (values, {k: w.numpy() for k, w in last.state_dict().items()}),
            memory=None if self.memory is None else check_memory(self.memory),
            checkpoint_dir=None if self.checkpoint_dir is None else Path(self.checkpoint_dir),
            compile=self.compile,
            monitor=EstimatorMonitor(self, context, "pre-training", self.verbose, X),
        )
        self.network_ = network
        self.embedding_ = embedding
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
        embedding = self._in_geometry(self._features(values, _dtype(values))).numpy()
        index = instance_index(X)
        if index is None:
            return embedding
        return pd.DataFrame(embedding, index=index, columns=_numbered(embedding.shape[1]))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the columns of the frames that `transform` returns: numbered.

        Parameters
        ----------
        input_features : None
            Ignored, present for scikit-learn.

        Returns
        -------
        ndarray of str
            "simmtmtransformer0", "simmtmtransformer1", ...; what they are says `feature_names`.
        """
        return _numbered(len(self.feature_names()))

    def feature_names(self) -> list[str]:
        """Return what the features of `transform` are, in their order.

        Of a series with as many channels as in `fit`. The columns of a frame are numbered instead.

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
        >>> embed.fit(X).feature_names()[3:]
        ['layer1_max_1', 'channel0_mean', 'channel0_log_std']
        """
        self.check_is_fitted()
        n_rows = self.n_channels_ if self._any_channels() else 1
        return self.embedding_.names(self.network_, self._pooling(), self.n_channels_, n_rows)

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
    def reconstruct(self, X: Any) -> Values:
        """Rebuild every series from its visible points; hidden ones (NaN) are filled in.

        Parameters
        ----------
        X : as in `transform`

        Returns
        -------
        ndarray, shape (n_series, n_channels, length)
            In the units of ``X``; two-dimensional if ``X`` is. NaN behind the end of a series.
        """
        self.check_is_fitted()
        values = check_series(self, X, reset=False)
        rebuilt = self._reconstruct(values)
        return rebuilt[:, 0] if is_table(X) else rebuilt

    @torch_as_it_starts()
    def similarity(self, X: Any) -> Values:
        """Cosine similarity of the series-wise representations of every pair of series.

        Parameters
        ----------
        X : as in `transform`

        Returns
        -------
        ndarray, shape (n_series, n_series)
            Between -1 and 1; the mean over channels if the encoder is channel-independent.
        """
        self.check_is_fitted()
        values = check_series(self, X, reset=False)
        rows = self._rows(values, resolve_device(self.device))
        (projected,) = over_series(self.network_, rows, _dtype(values), _projected)
        projected = projected.reshape(len(values), -1, projected.shape[1])
        projected = torch.nn.functional.normalize(projected, dim=-1)
        similarity: Values = torch.einsum("icp,jcp->ij", projected, projected).numpy()
        return similarity / projected.shape[1]

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
        """
        self.check_is_fitted()
        values = check_series(self, X, reset=False)
        error = hidden_error(
            self.network_, self._rows(values, resolve_device(self.device)), _dtype(values)
        )
        if np.isnan(error):
            raise ValueError(
                "score needs series that vary, of more than one point; nothing could be hidden."
            )
        return -error

    # -- the parts that the public methods are made of --------------------------------------------

    def _check_settings(self) -> torch.device:
        """Check what depends on more than one parameter, before any work; return the device."""
        for name in ("encoder", "objective", "masking"):
            given = getattr(self, name)
            if isinstance(given, type):
                raise TypeError(
                    f"{name} must be an object such as {given.__name__}(), got the class."
                )
        return resolve_device(self.device)

    def _any_channels(self) -> bool:
        return takes_channels_apart(self._encoder())

    def _encoder(self) -> Encoder:
        return ConvEncoder() if self.encoder is None else self.encoder

    def _objective(self) -> Objective:
        if self.objective is not None:
            objective: Objective = self.objective
            return objective
        return SimMTMObjective(
            float(self.temperature), self.constraint_weight, float(self.own_view_weight)
        )

    def _by_row(self, values: Panel) -> Panel:
        """Make every channel a series if the encoder takes them one by one; without a copy."""
        return values.reshape(-1, 1, values.shape[2]) if self._any_channels() else values

    def _rows(self, values: Panel, device: torch.device) -> WindowDataset:
        return WindowDataset(self._by_row(values), self._longest(), device)

    def _longest(self) -> int | None:
        return None if self.max_length is None else int(self.max_length)

    def _pretraining(self, n_rows: int, device: torch.device) -> Pretraining:
        n_train = n_rows - int(self.validation_fraction * n_rows)
        n_epochs, evaluate_every = epochs(self.num_epochs, n_train, self.batch_size, PRETRAINING)
        plan = Plan(
            n_epochs=n_epochs,
            batch_size=int(self.batch_size),
            lr=USUAL_RATE if self.lr == "auto" else float(self.lr),
            weight_decay=float(self.weight_decay),
            seed=draw_seed(self.random_state),
            patience=self.patience,
            evaluate_every=evaluate_every,
        )
        return Pretraining(
            encoder=self._encoder(),
            objective=self._objective(),
            projection_dim=int(self.projection_dim),
            masking=self.masking,
            mask_ratio=float(self.mask_ratio),
            mask_length=float(self.mask_length),
            n_masks=int(self.n_masks),
            max_length=self._longest(),
            plan=plan,
            validation_fraction=self.validation_fraction,
            autocast=autocast_dtype(self.precision, device),
        )

    def _pooling(self) -> Pooling:
        return Pooling.of(self.pooling, self.layers)

    def _features(self, values: Panel, dtype: torch.dtype) -> Features:
        """Return the features of series, learned and fixed ones apart."""
        rows = self._rows(values, resolve_device(self.device))
        return self.embedding_.features(self.network_, values, rows, self._pooling(), dtype)

    def _in_geometry(self, features: Features) -> Tensor:
        """Return what `transform` does: (n_series, n_features)."""
        if self._pooling() != self._pooling_of_geometry:
            raise ValueError(
                "pooling or layers have changed since fit, and balance and metric were learned for "
                "other features. Fit again."
            )
        with torch.inference_mode():
            embedding: Tensor = self.geometry_(features.joined())
        return embedding

    def _fit_geometry(self, values: Panel, seed: int) -> None:
        """Learn balance and metric from some of the series."""
        relatives = Relatives(
            strength=float(self.metric_strength),
            n_neighbors=int(self.metric_neighbors),
            n_views=int(self.n_masks),
            mask=mask_function(self.masking, self.network_.patch_length),
            mask_ratio=float(self.mask_ratio),
            mask_length=float(self.mask_length),
            seed=seed,
        )

        def embed(some: Panel) -> Tensor:
            return self._features(some, torch.float32).joined()

        try:
            with isolated_torch(seed), torch.inference_mode():
                self.geometry_ = self._new_geometry().fit(values, relatives, embed)
        except KeyboardInterrupt:
            self.geometry_ = self._new_geometry()
            warnings.warn(
                "interrupted after the training, while balance and metric were learned: embeddings "
                "are without them. set_params(warm_start=True, num_epochs=0).fit(X) learns them.",
                UserWarning,
                stacklevel=2,
            )
        self._pooling_of_geometry = self._pooling()

    def _new_geometry(self, n_directions: int = 0) -> Geometry:
        n_channels = 1 if self._any_channels() else self.n_channels_
        sizes = self.embedding_.sizes(self.network_, self._pooling(), n_channels)
        return Geometry(sizes, n_directions)

    def _adopt_instance_stats(self, values: Panel) -> None:
        """Standardise levels anew if those of ``values`` are foreign to the pre-training series."""
        by_row = self._by_row(values)
        stats, missing = panel_instance_stats(by_row), missing_shares(by_row)
        scaler = self.network_.stats_scaler
        if scaler.is_foreign(stats, missing):
            scaler.fit(stats, missing)
            self._fit_geometry(values, draw_seed(self.random_state))

    def _reconstruct(self, values: Panel) -> Values:
        by_row, device = self._by_row(values), resolve_device(self.device)
        ends = np.repeat(series_ends(values), len(by_row) // len(values))
        rows = WindowDataset(by_row, self._longest(), device, ends)
        rebuilt = rebuilt_values(self.network_, by_row, rows, _dtype(values))
        return np.asarray(rebuilt.numpy().reshape(values.shape))

    # -- saving, see persistence.py ---------------------------------------------------------------

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        state = {
            name: getattr(self, name)
            for name in (
                "n_features_in_",
                "n_channels_",
                "length_",
                "_built_length",
                "n_epochs_",
                "history_",
            )
        }
        if hasattr(self, "feature_names_in_"):
            state["feature_names_in_"] = list(self.feature_names_in_)
        tensors = {
            f"{part}.{name}": weight
            for part in ("embedding", "geometry")
            for name, weight in getattr(self, f"{part}_").state_dict().items()
        }
        return state, {**self.network_.state_dict(), **tensors}

    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        self._pooling()  # checks it
        self.n_features_in_ = state.integer("n_features_in_", 1)
        self.n_channels_ = state.integer("n_channels_", 1)
        self.length_ = state.integer("length_", 1)
        self._built_length = state.integer("_built_length", 1)
        self.n_epochs_ = state.integer("n_epochs_", 0)
        self.history_ = state.records("history_")
        if "feature_names_in_" in state:
            names = state.items("feature_names_in_", str, int, float, length=self.n_features_in_)
            self.feature_names_in_ = np.asarray(names, dtype=object)
        self.embedding_ = self._restored_embedding(tensors.under("embedding."))
        geometry = _taken_geometry(tensors.under("geometry."))
        self.network_ = self._restored_network(tensors)
        self.geometry_ = self._restored_geometry(geometry)
        self._pooling_of_geometry = self._pooling()
        self._is_fitted = True

    def _restored_network(self, tensors: TensorReader) -> SimMTM:
        """Build the network when it is known to have the sizes of the tensors that there are."""
        n_channels = 1 if self._any_channels() else self.n_channels_
        tensors.check_shape("stats_scaler.center", (2 * n_channels,))
        tensors.check_shape("projector.out.bias", (self.projection_dim,))
        settings = self._pretraining(1, torch.device("cpu"))
        encoder = settings.encoder
        if isinstance(encoder, ConvEncoder | PatchEncoder | PointEncoder):
            n_layers = min(encoder.n_layers, len(tensors))
            bounded = replace(settings, encoder=clone(encoder).set_params(n_layers=n_layers))
            with torch.device("meta"):
                shapes = bounded.drawn_network(n_channels, self._built_length).state_dict()
            tensors.check_shapes(shapes)
            with modules_of_our_own(0):
                network = settings.drawn_network(n_channels, self._built_length)
        else:  # of another class, which came from the caller and not from a file
            network = settings.network(n_channels, self._built_length)
        tensors.fill(network.state_dict())
        return network.eval()

    def _restored_embedding(self, tensors: TensorReader) -> Embedding:
        """Build the blocks that there are, when they are known to have the sizes of the tensors."""
        blocks = tuple(name for name in BLOCKS if len(tensors.under(f"blocks.{name}.")))
        n_channels = 1 if self._any_channels() else self.n_channels_
        with torch.device("meta"):
            shapes = Embedding(blocks, n_channels, self._built_length).state_dict()
        tensors.check_shapes(shapes)
        with modules_of_our_own(0):
            embedding = Embedding(blocks, n_channels, self._built_length)
        tensors.fill(embedding.state_dict())
        return embedding

    def _restored_geometry(self, tensors: dict[str, Tensor] | None) -> Geometry:
        """Build balance and metric; before there were any, embeddings were what features are."""
        if tensors is None:
            return self._new_geometry()
        geometry = self._new_geometry(len(tensors["metric.gain"]))
        for name, target in geometry.state_dict().items():
            if tensors[name].shape != target.shape:
                raise ValueError(
                    f"size mismatch: tensor 'geometry.{name}' must have shape "
                    f"{tuple(target.shape)}, got {tuple(tensors[name].shape)}; the metric belongs "
                    "to pooling and layers as they were in fit: load without others, set them "
                    "then, and fit again"
                )
        geometry.load_state_dict(tensors)
        return geometry

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Small settings for sktime's test suite."""
        small = {
            "encoder": ConvEncoder(d_model=4, n_layers=1),
            "num_epochs": 1,
            "projection_dim": 4,
        }
        return [small, {**small, "n_masks": 1, "constraint_weight": "learned", "layers": "last"}]


def _drawn(
    settings: Pretraining, blocks: tuple[str, ...], n_channels: int, length: int
) -> tuple[SimMTM, Embedding]:
    """Return network and embedding with initial weights that follow from the seed alone."""
    with isolated_torch(settings.plan.seed), redirected():
        network = settings.drawn_network(n_channels, length)
        return network, Embedding(blocks, n_channels, length)


def _projected(
    network: SimMTM, values: Tensor, observed: Tensor, within: Tensor | None
) -> tuple[Tensor]:
    return (network.project(values, observed, within),)


def _load_weights(network: SimMTM, last: SimMTM) -> None:
    try:
        network.load_state_dict(last.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "warm_start needs an encoder of the same shape and as many channels as in the last fit "
            f"({str(error).splitlines()[-1].strip()})"
        ) from error


def _taken_geometry(tensors: TensorReader) -> dict[str, Tensor] | None:
    if not len(tensors):
        return None
    names: dict[str, tuple[tuple[None, ...], torch.dtype]] = {
        "balance.center": ((None,), torch.float64),
        "balance.std": ((None,), torch.float64),
        "metric.directions": ((None, None), torch.float32),
        "metric.gain": ((None,), torch.float32),
    }
    return {name: tensors.take(name, *kind) for name, kind in names.items()}


def _dtype(values: Panel) -> torch.dtype:
    return torch.float32 if values.dtype == np.float32 else torch.float64


def _numbered(n_features: int) -> NDArray[Any]:
    return np.asarray([f"simmtmtransformer{i}" for i in range(n_features)], dtype=object)
