"""
What the masks look like
========================

Pre-training hides part of every series, several times over. ``masking=`` chooses the kind of mask,
``mask_ratio`` the hidden share and ``mask_length`` the mean length of a hidden run.
"""

# %%
# Three kinds
# -----------
# * ``"geometric"``: visible and hidden runs alternate; their lengths are random.
# * ``"patch"``: the same over whole patches, for encoders whose tokens are patches.
# * ``"random"``: every point for itself.

from functools import partial

import numpy as np
import torch
from matplotlib import pyplot as plt

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import load_dataset
from simmtm_sk.nn.masking import geometric_mask, masked_views, patch_mask, random_mask
from simmtm_sk.plotting import ReconstructionDisplay

X, _ = load_dataset("GunPoint", split="train")
length = X.shape[2]

kinds = {
    "geometric": geometric_mask,
    "patch": partial(patch_mask, patch_length=8),
    "random": random_mask,
}


def visible_points(mask, observed, n_masks=2, mask_ratio=0.5, mask_length=5.0):
    generator = torch.Generator().manual_seed(0)
    views = masked_views(torch.tensor(observed), n_masks, mask, mask_ratio, mask_length, generator)
    return views.numpy()


# %%
# Two views of one series: the visible points in black, the hidden ones in grey.

fig, axes = plt.subplots(3, 2, figsize=(8, 5), sharex=True, sharey=True, layout="constrained")
for row, (name, mask) in zip(axes, kinds.items(), strict=True):
    views = visible_points(mask, np.ones((1, 1, length), dtype=bool))
    row[0].set_ylabel(name)
    for ax, view in zip(row, views[:, 0], strict=True):
        ax.plot(X[0, 0], "0.8")
        ax.plot(np.where(view, X[0, 0], np.nan), "k.-", markersize=3)

# %%
# Share and length of hidden runs
# -------------------------------
# Measured on 500 series. In the long run a mask hides the share it is asked for, in runs of the
# length it is asked for. Runs that start or end with the series are left out.


def hidden_runs(visible):
    """Lengths of the hidden runs between two visible points."""
    steps = np.diff(visible.astype(int), axis=1)
    lengths = []
    for step in steps:
        starts, ends = np.flatnonzero(step == -1), np.flatnonzero(step == 1)
        ends = ends[ends > starts[0]] if len(starts) else ends[:0]
        lengths.extend(ends - starts[: len(ends)])
    return np.array(lengths)


observed = np.ones((500, 1, 600), dtype=bool)
for name, mask in kinds.items():
    for ratio in (0.25, 0.5, 0.75):
        visible = visible_points(mask, observed, n_masks=1, mask_ratio=ratio)[:, 0]
        print(
            f"{name:<10} mask_ratio={ratio}: {1 - visible.mean():.3f} hidden, "
            f"runs of {hidden_runs(visible).mean():.1f} points"
        )

# %%
# Patches of eight points cannot be hidden in runs of five: theirs are longer, and to hide three
# quarters of the patches they must be longer still. Random masks ignore ``mask_length``.
#
# Missing values stay hidden
# --------------------------
# Whatever the mask, a missing value is visible in no view, and a view of a series that has any
# observed point shows at least one.

observed = np.ones((1, 1, length), dtype=bool)
observed[..., 40:60] = False
views = visible_points(geometric_mask, observed, n_masks=6)[:, 0]
fig, ax = plt.subplots(figsize=(8, 2), layout="constrained")
ax.imshow(views, aspect="auto", cmap="gray", interpolation="none")
ax.set(xlabel="time", ylabel="view", title="visible points in white; 40 to 59 are missing")

# %%
# Harder and easier tasks
# -----------------------
# The same encoder rebuilds the same series from a quarter, a half and three quarters of its points.

embedder = SimMTMTransformer(num_epochs=40, random_state=0).fit(X)
fig, axes = plt.subplots(3, 1, figsize=(8, 5), sharex=True, layout="constrained")
for ax, ratio in zip(axes, (0.75, 0.5, 0.25), strict=True):
    ReconstructionDisplay.from_estimator(embedder, X, n_series=1, mask_ratio=ratio, ax=ax)
    ax.set_title(f"mask_ratio={ratio}")
    if ax is not axes[0]:
        ax.get_legend().remove()
    if ax is not axes[-1]:
        ax.set_xlabel("")

# %%
# Your own
# --------
# ``masking=`` also takes a function of the same signature. This one hides the end of every series,
# a forecaster's task.


def hide_the_end(n_series, length, mask_ratio, mask_length, generator):
    return (torch.arange(length) < round((1 - mask_ratio) * length)).repeat(n_series, 1)


own = SimMTMTransformer(masking=hide_the_end, mask_ratio=0.2, num_epochs=5, random_state=0).fit(X)
own.history_[-1]["train_own_view"]
