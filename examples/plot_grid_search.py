"""
Searching over r, M, τ and λ
============================

All parameters of pre-training, and the sizes of the encoder, are parameters that scikit-learn's
searches reach by name. Here are two grids over those of the method: the share of hidden points r
with the temperature τ, and the number of masked views M with the weight λ of the constraint.
"""

# %%
# What is searched
# ----------------
# Every setting and fold pre-trains anew on the training folds, so no series of the fold that scores
# has been seen before. ``num_epochs`` is given: with its default, "auto", an encoder is not trained
# on so few series, and τ and λ would change nothing. The embedding is what the encoder has learned
# alone. In the default one, fixed filters and kernels stand beside it and outweigh it.

import time

import numpy as np
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.datasets import load_dataset

X, y = load_dataset("OSULeaf", split="train")
X = X[:, :, ::6]  # every sixth point

learned = SimMTMTransformer(
    encoder=ConvEncoder(d_model=16, n_layers=4),
    pooling=("max", "min", "std", "ppv"),
    neighborhood_weight=0.0,
    num_epochs=4,
    random_state=0,
)
pipeline = Pipeline([("embed", learned), ("ridge", RidgeClassifierCV(np.logspace(-3, 3, 7)))])
grids = [
    {"embed__mask_ratio": [0.25, 0.5, 0.75], "embed__temperature": [0.02, 0.1, 0.5]},
    {"embed__n_masks": [1, 3], "embed__constraint_weight": [0.0, 0.1, 1.0]},
]
folds = StratifiedKFold(2, shuffle=True, random_state=0)
search = GridSearchCV(pipeline, grids, cv=folds, n_jobs=2, refit=False, error_score="raise")
search.set_callbacks(ProgressBar(max_propagation_depth=0))

start = time.perf_counter()
search.fit(X, y)
results = search.cv_results_
n_pretrainings = len(results["params"]) * search.n_splits_
print(f"{n_pretrainings} pre-trainings in {time.perf_counter() - start:.0f} s")

# %%
# What was found
# --------------
# The second number of a cell is the standard deviation over the folds. Cells that differ by less
# are no reason to prefer one: another seed would order them otherwise. :doc:`/scaling` has a study
# of these parameters with the noise of a seed beside them.


def heat_map(ax, rows, columns):
    """Draw the scores of a grid over two parameters, with mean and deviation in every cell."""
    cells = [
        (params[f"embed__{rows}"], params[f"embed__{columns}"], mean, std)
        for params, mean, std in zip(
            results["params"], results["mean_test_score"], results["std_test_score"], strict=True
        )
        if f"embed__{rows}" in params
    ]
    row_values, column_values = (sorted({cell[i] for cell in cells}) for i in range(2))
    image = np.zeros((len(row_values), len(column_values)))
    for row, column, mean, std in cells:
        i, j = row_values.index(row), column_values.index(column)
        image[i, j] = mean
        ax.text(j, i, f"{mean:.3f}\n± {std:.3f}", ha="center", va="center")
    ax.imshow(image, cmap="YlGn", vmin=image.min() - 0.02, vmax=image.max() + 0.02)
    ax.set_xticks(range(len(column_values)), column_values)
    ax.set_yticks(range(len(row_values)), row_values)
    ax.set(xlabel=columns, ylabel=rows)


fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
heat_map(axes[0], "mask_ratio", "temperature")
heat_map(axes[1], "n_masks", "constraint_weight")
fig.suptitle("accuracy in cross-validation")

# %%
# Without labels
# --------------
# The transformer's own ``score`` is the negative error of hidden points, which are the same for
# every setting. It can choose a setting without any label. About -1 is the error of rebuilding
# nothing but the mean.

longer = clone(learned).set_params(num_epochs=12)
unlabelled = GridSearchCV(longer, {"mask_ratio": [0.25, 0.5, 0.75]}, cv=2, refit=False).fit(X)
for params, score in zip(
    unlabelled.cv_results_["params"], unlabelled.cv_results_["mean_test_score"], strict=True
):
    print(params, f"{score:.3f}")
