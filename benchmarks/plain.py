"""A pre-training step written down the plain way, as the baseline of speed.py.

It has the habits of the published code of the method, in words of its own: every function says
which. It computes what `simmtm_sk` computes (tests/reference/test_plain_step.py): the same losses,
and from the same weights the same gradients. Windows are complete, and every channel is one of its
own: a row is (length,).
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

# of the published script for ETTh1
LENGTH, CHANNELS = 336, 7
N_MASKS, MASK_RATIO, MASK_LENGTH = 3, 0.5, 3.0
D_MODEL, N_LAYERS, N_HEADS, D_FEEDFORWARD = 32, 2, 16, 64
PROJECTION_DIM, DROPOUT = 128, 0.1
TEMPERATURE, CONSTRAINT_WEIGHT = 0.1, 0.1

# -- masks and views ------------------------------------------------------------------------------


def draw_mask(length: int, ratio: float, mean_hidden: float, rng: np.random.Generator) -> Tensor:
    """Habit: a loop of Python draws one run after the other."""
    visible = np.empty(length, bool)
    means = {True: mean_hidden * (1 - ratio) / ratio, False: mean_hidden}
    state, at = rng.random() >= ratio, 0
    while at < length:
        run = rng.geometric(min(1.0, 1 / means[state]))
        visible[at : at + run] = state
        state, at = not state, at + run
    if not visible.any():
        visible[rng.integers(length)] = True
    return torch.from_numpy(visible)


def draw_views(n_series: int, n_masks: int, length: int, rng: np.random.Generator) -> Tensor:
    """Habit: masks are drawn row by row. All first views, then all second ones, and so on."""
    rows = range(n_masks * n_series)
    return torch.stack([draw_mask(length, MASK_RATIO, MASK_LENGTH, rng) for _ in rows])


def standardised(values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Rows in units of their visible points, hidden ones zero; and what was taken away, (D, 2)."""
    count = visible.sum(1, keepdim=True)
    mean = (values * visible).sum(1, keepdim=True) / count
    centred = (values - mean) * visible
    std = (centred.square().sum(1, keepdim=True) / count).sqrt()
    stats = torch.cat([mean, std.clamp(min=1e-12).log()], 1).clamp(-5, 5)
    return centred / torch.where(std > 0, std, 1), stats


# -- network --------------------------------------------------------------------------------------


class PlainBlock(nn.Module):
    """Habit: attention holds the scores of all pairs of points, with dropout on them."""

    def __init__(self, d_model: int, n_heads: int, d_feedforward: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_attention = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.norm_feedforward = nn.LayerNorm(d_model)
        self.feedforward = nn.Sequential(
            nn.Linear(d_model, d_feedforward), nn.GELU(), nn.Linear(d_feedforward, d_model)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        n_rows, n_points, d_model = x.shape
        qkv = self.qkv(self.norm_attention(x)).reshape(n_rows, n_points, 3, self.n_heads, -1)
        q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
        scores = q @ k.transpose(2, 3) / math.sqrt(d_model // self.n_heads)
        mixed = self.dropout(scores.softmax(-1)) @ v
        x = x + self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.feedforward(self.norm_feedforward(x)))


class PlainEncoder(nn.Module):
    """Habit: every point is a token. Its weights are named as those of `PointEncoder`'s network."""

    def __init__(
        self, d_model: int, n_layers: int, n_heads: int, d_feedforward: int, dropout: float
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(2, d_model)
        self.stats_embedding = nn.Linear(2, d_model)
        self.blocks = nn.ModuleList(
            PlainBlock(d_model, n_heads, d_feedforward, dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, visible: Tensor, stats: Tensor) -> Tensor:
        """(n_rows, length) -> (n_rows, length, d_model)."""
        pairs = torch.stack([values, (~visible).to(values.dtype)], 2)
        positions = sinusoids(values.shape[1], self.embed.out_features).to(values.dtype)
        x = self.dropout(self.embed(pairs) + positions + self.stats_embedding(stats)[:, None])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def sinusoids(length: int, d_model: int) -> Tensor:
    position = torch.arange(length, dtype=torch.float64)[:, None]
    even = torch.arange(0, d_model, 2, dtype=torch.float64)
    angle = position * torch.exp(-math.log(10_000.0) * even / d_model)
    return torch.cat([angle.sin(), angle.cos()], 1)


class FlatProjector(nn.Module):
    """Habit: all points of a row, laid flat, go through one wide layer."""

    def __init__(self, length: int, d_model: int, projection_dim: int) -> None:
        super().__init__()
        width = length * d_model
        self.hidden = nn.Linear(width, width // 2)
        self.norm = nn.BatchNorm1d(width // 2)
        self.out = nn.Linear(width // 2, projection_dim)

    def forward(self, points: Tensor, tokens: Tensor | None = None) -> Tensor:
        """(n_rows, length, d_model) -> (n_rows, projection_dim)."""
        return self.out(self.norm(self.hidden(points.flatten(1))).relu())


class FlatDecoder(nn.Module):
    """Habit: all points of a row, laid flat, make every value of it."""

    def __init__(self, length: int, d_model: int) -> None:
        super().__init__()
        self.linear = nn.Linear(length * d_model, length)

    def forward(self, points: Tensor, length: int) -> Tensor:
        """(n_rows, length, d_model) -> (n_rows, 1, length)."""
        return self.linear(points.flatten(1))[:, None]


# -- objective ------------------------------------------------------------------------------------


def similarities(series: Tensor) -> Tensor:
    """Habit: the whole D × D matrix."""
    unit = series / series.norm(dim=1, keepdim=True)
    return unit @ unit.T


def aggregated(points: Tensor, similarity: Tensor, temperature: float) -> Tensor:
    """Habit: every row is made from all others, although only the originals are compared."""
    itself = torch.eye(len(points), dtype=torch.bool)
    weights = (similarity / temperature).masked_fill(itself, -1e12).softmax(1)
    return (weights @ points.flatten(1)).reshape(points.shape)


def constraint(similarity: Tensor, n_series: int, temperature: float) -> Tensor:
    """Habit: boolean masks pick positives and negatives out of the whole matrix."""
    n_rows = len(similarity)
    owner = torch.arange(n_rows) % n_series
    same = owner[:, None] == owner[None]
    itself = torch.eye(n_rows, dtype=torch.bool)
    positives = similarity[same & ~itself].reshape(n_rows, -1)
    negatives = similarity[~same].reshape(n_rows, -1)
    scores = torch.cat([positives, negatives], 1) / temperature
    return -scores.log_softmax(1)[:, : positives.shape[1]].sum(1).mean()


# -- step -----------------------------------------------------------------------------------------


class PlainSimMTM(nn.Module):
    """Encoder and flat heads; the weights are named as those of `simmtm_sk.nn.model.SimMTM`."""

    def __init__(
        self,
        length: int = LENGTH,
        d_model: int = D_MODEL,
        n_layers: int = N_LAYERS,
        n_heads: int = N_HEADS,
        d_feedforward: int = D_FEEDFORWARD,
        projection_dim: int = PROJECTION_DIM,
        dropout: float = DROPOUT,
    ) -> None:
        super().__init__()
        self.backbone = PlainEncoder(d_model, n_layers, n_heads, d_feedforward, dropout)
        self.projector = FlatProjector(length, d_model, projection_dim)
        self.decoder = FlatDecoder(length, d_model)

    def losses(self, values: Tensor, views: Tensor) -> dict[str, Tensor]:
        """Habits: M copies of the values; all rows are aggregated, kept and decoded.

        ``values`` (N, length), ``views`` (M N, length), True where a view may see.
        """
        n_series, n_views = len(values), len(views) // len(values)
        visible = torch.cat([torch.ones_like(values, dtype=torch.bool), views])
        rows, stats = standardised(values.repeat(n_views + 1, 1), visible)
        points = self.backbone(rows, visible, stats)
        similarity = similarities(self.projector(points))
        rebuilt = self.decoder(aggregated(points, similarity, TEMPERATURE), values.shape[1])
        reconstruction = (rebuilt[:n_series, 0] - rows[:n_series]).square().mean()
        agreement = constraint(similarity, n_series, TEMPERATURE)
        total = reconstruction + CONSTRAINT_WEIGHT * agreement
        return {"reconstruction": reconstruction, "constraint": agreement, "total": total}


def endless(windows: Tensor, batch_size: int):
    """Habit: a DataLoader stacks the windows of a batch one by one."""
    while True:
        yield from DataLoader(TensorDataset(windows), batch_size, shuffle=True, drop_last=True)


class PlainTraining:
    """Habit: an optimiser that goes through the weights tensor by tensor.

    ``windows`` (n, channels, length); a step takes ``batch_size`` of them.
    """

    def __init__(self, windows: Tensor, batch_size: int) -> None:
        torch.manual_seed(0)
        self.model = PlainSimMTM(length=windows.shape[2])
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, foreach=False)
        self.batches = endless(windows, batch_size)
        self.rng = np.random.default_rng(0)

    def step(self) -> dict[str, Tensor]:
        (batch,) = next(self.batches)
        values = batch.flatten(0, 1)
        views = draw_views(len(values), N_MASKS, values.shape[1], self.rng)
        losses = self.model.losses(values, views)
        self.optimizer.zero_grad()
        losses["total"].backward()
        self.optimizer.step()
        return losses
