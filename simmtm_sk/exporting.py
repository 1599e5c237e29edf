"""`export`: the embedding as a program of torch or ONNX, which runs without this package."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from .nn.contracts import shortest_series
from .nn.normalization import normalized_rows
from .training.isolation import torch_as_it_starts
from .transformer import SimMTMTransformer

FORMATS = (".onnx", ".pt2")
_FEWEST = 2  # exporters take sizes of 0 and 1 for fixed: of patches, and of differences of points
_MOST = 2**24  # series, and points; without any limit torch 2.6 gives up
_EXAMPLE = 3, 16  # series and least points of the batch that is followed
# of torch and onnx among themselves
_NOTICES = (r"`isinstance\(treespec, LeafSpec\)` is deprecated", "overflow encountered in cast")


def export(transformer: SimMTMTransformer, path: str | Path) -> Path:
    """Write what `transform` computes as a program that runs without this package.

    All of it is in there: normalisation, encoder, pooling, filters, kernels, scale, and the
    geometry that was learned. Batches may have any number of series, and these any length.

    Parameters
    ----------
    transformer : SimMTMTransformer
        Fitted; that of a classifier is ``classifier.transformer_``.
    path : str or Path
        Ends with ".onnx" for ONNX, which needs the extra ``export``, or with ".pt2" for
        `torch.export`. An existing file is replaced.

    Returns
    -------
    Path
        The file. Its input "values" is float32 of shape (n_series, n_channels, length), with the
        channels seen in `fit`; its output "embedding" is float32, (n_series, n_features).

    Raises
    ------
    TypeError, ValueError
        If there is another estimator, or no format that ``path`` stands for.
    ImportError
        If ONNX is asked for, and is not installed.
    RuntimeError
        If the network does what the format does not have, as an encoder of your own may, or what
        an old torch cannot follow: `PatchEncoder` needs a newer one than 2.6.

    Notes
    -----
    A program has no way to interpolate or to average over windows: a series with a missing value,
    or of more than ``max_length`` points, is embedded as NaN. Series of unequal lengths go in
    batches of one length each. A series has two points more than a patch has, or three.

    Differences to `transform` are roundings, below 1e-4. A share of time (of "ppv", "filters" and
    "kernels") may differ by one point where a response equals its threshold up to rounding.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import torch
    >>> from simmtm_sk import ConvEncoder, SimMTMTransformer, export
    >>> X = np.random.default_rng(0).normal(size=(20, 1, 16)).astype(np.float32)
    >>> embed = SimMTMTransformer(encoder=ConvEncoder(d_model=4, n_layers=1), pooling=("max",))
    >>> embed = embed.set_params(random_state=0, num_epochs=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     program = torch.export.load(export(embed, folder + "/embedding.pt2"))
    >>> longer = np.tile(X, 2)
    >>> embedding = program.module()(torch.from_numpy(longer))
    >>> bool(np.abs(embedding.numpy() - embed.transform(longer)).max() < 1e-4)
    True
    """
    path = Path(path)
    if not isinstance(transformer, SimMTMTransformer):
        raise TypeError(
            f"export takes a SimMTMTransformer, got {type(transformer).__name__}; that of a "
            "classifier, regressor or forecaster is its transformer_."
        )
    if path.suffix not in FORMATS:
        raise ValueError(f"path must end with one of {FORMATS}, the formats, got {str(path)!r}.")
    transformer.check_is_fitted()
    if path.suffix == ".onnx":
        _check_onnx()
    module = EmbeddingModule(transformer)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        for notice in _NOTICES:
            warnings.filterwarnings("ignore", notice)
        try:
            program = _followed(module)
            if path.suffix == ".pt2":
                torch.export.save(program, path)
            else:
                _save_onnx(program, path)
        except Exception as error:
            raise RuntimeError(
                f"{type(transformer._encoder()).__name__} cannot be exported to {path.suffix}: "
                f"{error!s:.500}"
            ) from error
    return path


class EmbeddingModule(nn.Module):
    """What `SimMTMTransformer.transform` does, as one torch module.

    Parameters
    ----------
    transformer : SimMTMTransformer
        Fitted; its parts are copied.
    """

    def __init__(self, transformer: SimMTMTransformer) -> None:
        super().__init__()
        self.pooling = transformer._fitted_pooling()
        self.network = copy.deepcopy(transformer.network_)
        self.embedding = copy.deepcopy(transformer.embedding_)
        self.geometry = copy.deepcopy(transformer.geometry_)
        self.row_channels = transformer._row_channels()
        self.n_channels = transformer.n_channels_
        self.shortest = _FEWEST + shortest_series(transformer._encoder())
        self.longest = transformer._longest()
        self.requires_grad_(False).eval()

    def forward(self, values: Tensor) -> Tensor:
        """(n_series, n_channels, length) -> (n_series, n_features); NaN where it cannot be told."""
        n_series, _, length = values.shape
        series = normalized_rows(values, torch.ones_like(values, dtype=torch.bool), None)
        rows = series
        if self.row_channels < self.n_channels:
            by_row = values.reshape(-1, 1, length)
            rows = normalized_rows(by_row, torch.ones_like(by_row, dtype=torch.bool), None)
        blocks = self.embedding.of_rows(self.network, rows, self.pooling)
        features = [block.reshape(n_series, -1) for block in blocks]
        if self.pooling.scale:
            features.append(self.network.stats_scaler.relative(series.stats).to(values))
        embedding: Tensor = self.geometry(torch.cat(features, 1))
        known = values.isfinite().all(-1).all(-1)
        if self.longest is not None:
            known = known & (torch.arange(length)[-1] < self.longest)
        return embedding.masked_fill(~known[:, None], torch.nan)


def _followed(module: EmbeddingModule) -> torch.export.ExportedProgram:
    """Return the program that a batch is put through, for any numbers of series and points."""
    n_series, n_points = _EXAMPLE
    n_points = max(n_points, 2 * module.shortest)
    sizes = {
        0: torch.export.Dim("n_series", min=1, max=_MOST),
        2: torch.export.Dim("length", min=module.shortest, max=_MOST),
    }
    with torch_as_it_starts():  # where gradients are recorded, GELU does not depend on sizes
        example = torch.zeros(n_series, module.n_channels, n_points)
        return torch.export.export(
            module, (example,), dynamic_shapes={"values": sizes}, strict=True
        )


def _save_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    written = torch.onnx.export(
        program, dynamo=True, input_names=["values"], output_names=["embedding"], verbose=False
    )
    assert written is not None  # as it is with dynamo
    written.save(path)


def _check_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "ONNX needs onnx and onnxscript, which come with the extra: "
            "pip install 'simmtm_sk[export]'"
        ) from error
