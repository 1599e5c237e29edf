"""
Many series, few labels
=======================

Series are often cheap and labels expensive. Here an embedding is learned from a pool of series
without labels, and a linear classifier from the few series of the pool that have one. Beside it:
the same classifier on MiniRocket's features, and on the values themselves.
"""

# %%
# OSULeaf: outlines of six kinds of leaves, each as a curve of 427 points. The training part is the
# pool.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler
from sktime.transformations.rocket import MiniRocket

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import load_dataset

X_pool, y_pool = load_dataset("OSULeaf", split="train")
X_test, y_test = load_dataset("OSULeaf", split="test")
X_pool.shape, X_test.shape

# %%
# Features
# --------
# The embedding is learned from all series of the pool, without labels. Its features are weighted
# already; MiniRocket's and the values are standardised.


def standardized(pool, test):
    scaler = StandardScaler().fit(pool)  # needs no labels
    return scaler.transform(pool), scaler.transform(test)


embedder = SimMTMTransformer(random_state=0).fit(X_pool)
features = {"SimMTM": (embedder.transform(X_pool), embedder.transform(X_test))}
rocket = MiniRocket(random_state=0).fit(X_pool)
pair = [rocket.transform(X).to_numpy() for X in (X_pool, X_test)]
features["MiniRocket"] = standardized(*pair)
features["raw values"] = standardized(X_pool[:, 0], X_test[:, 0])

# %%
# Few labels
# ----------
# For every number of labels, ten draws of labelled series; all three kinds of features get the same
# ones.

N_LABELS = (1, 2, 5, 10)
N_DRAWS = 10


def accuracies(pool, test, n_labels):
    scores = []
    for draw in range(N_DRAWS):
        rng = np.random.default_rng(draw)
        labelled = np.concatenate(
            [
                rng.choice(np.flatnonzero(y_pool == c), n_labels, replace=False)
                for c in np.unique(y_pool)
            ]
        )
        probe = RidgeClassifierCV(np.logspace(-3, 4, 8)).fit(pool[labelled], y_pool[labelled])
        scores.append(probe.score(test, y_test))
    return scores


results = {
    kind: np.array([accuracies(*pair, n) for n in N_LABELS]) for kind, pair in features.items()
}  # (numbers of labels, draws)

# %%
# The result
# ----------
# Mean accuracy over draws; bars span one standard deviation of them.

STYLES = {
    "SimMTM": ("#0072B2", "o-"),
    "MiniRocket": ("#D55E00", "s--"),
    "raw values": ("0.5", "^:"),
}

print("labels per class     " + "".join(f"{n:>8}" for n in N_LABELS))
fig, ax = plt.subplots(layout="constrained")
for i, (kind, scores) in enumerate(results.items()):
    mean, std = scores.mean(1), scores.std(1)
    print(f"{kind:<21}" + "".join(f"{value:8.3f}" for value in mean))
    shifted = np.array(N_LABELS) * (1 + 0.03 * (i - 1))  # so that bars do not hide one another
    color, style = STYLES[kind]
    ax.errorbar(shifted, mean, std, fmt=style, color=color, capsize=3, label=kind)
ax.set(xscale="log", xlabel="labels per class", ylabel="accuracy", title="OSULeaf", ylim=(0, 1))
ax.set_xticks(N_LABELS, N_LABELS)
ax.minorticks_off()
ax.legend(loc="lower right")

# %%
# `SimMTMClassifier` does the same in one object, and lets its head pass labels on to series without
# one. How much is gained differs from set to set, and is nothing where all series begin at the same
# moment and the values themselves say most: look at such curves on data of your own before you
# decide. Means over many sets are in :doc:`/results`.
