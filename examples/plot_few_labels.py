"""
Many series, few labels
=======================

Series are often cheap and labels expensive. Here an embedding is learned from a pool of series
without labels, and a linear classifier from the few series of the pool that have one. Two rivals
show what it is worth: the same embedding with nothing learned, and the values themselves.
"""

# %%
# ItalyPowerDemand: electricity demand of a day by hour, winter against summer. It is the largest of
# the sets that come with sktime. A third of it is the pool, the rest tests.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import load_dataset

X, y = load_dataset("ItalyPowerDemand")
X_pool, X_test, y_pool, y_test = train_test_split(X, y, test_size=2 / 3, stratify=y, random_state=0)
X_pool.shape, X_test.shape

# %%
# Features
# --------
# With ``num_epochs=0`` and ``metric_strength=0`` nothing is learned from the series, and everything
# else is the same. The default learns the metric of the embedding from views and neighbours of the
# pool, without labels. Three random states show how much depends on chance.

SEEDS = range(3)


def standardized(pool, test):
    scaler = StandardScaler().fit(pool)  # needs no labels
    return scaler.transform(pool), scaler.transform(test)


def embeddings(seed, **params):
    embedder = SimMTMTransformer(random_state=seed, **params).fit(X_pool)
    return embedder.transform(X_pool), embedder.transform(X_test)


features = {
    "raw values": [standardized(X_pool[:, 0], X_test[:, 0]) for _ in SEEDS],
    "nothing learned": [embeddings(seed, num_epochs=0, metric_strength=0) for seed in SEEDS],
    "default": [embeddings(seed) for seed in SEEDS],
}

# %%
# Few labels
# ----------
# For every number of labels, ten draws of labelled series; all three kinds of features get the same
# ones.

N_LABELS = (1, 2, 5, 10, 20)
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
    kind: np.array([[accuracies(*pair, n) for n in N_LABELS] for pair in pairs])
    for kind, pairs in features.items()
}  # (seeds, numbers of labels, draws)

# %%
# The result
# ----------
# Mean accuracy over seeds and draws; bars span one standard deviation of all of them.

print("labels per class     " + "".join(f"{n:>8}" for n in N_LABELS))
fig, ax = plt.subplots(layout="constrained")
for i, (kind, scores) in enumerate(results.items()):
    mean, std = scores.mean((0, 2)), scores.std((0, 2))
    print(f"{kind:<21}" + "".join(f"{value:8.3f}" for value in mean))
    shifted = np.array(N_LABELS) * (1 + 0.04 * (i - 1))  # so that bars do not hide one another
    ax.errorbar(shifted, mean, std, marker="o", capsize=3, label=kind)
ax.set(xscale="log", xlabel="labels per class", ylabel="accuracy", title="ItalyPowerDemand")
ax.set_xticks(N_LABELS, N_LABELS)
ax.legend()

# %%
# What learning without labels adds is the difference between the two embeddings. The same labelled
# series are behind both, so the difference is steadier than either.

gain = results["default"] - results["nothing learned"]
for n, values in zip(N_LABELS, np.moveaxis(gain, 1, 0), strict=True):
    print(f"{n:>3} labels per class: {values.mean():+.3f} ± {values.std():.3f}")

# %%
# One small set settles nothing, and this one is of a kind that an embedding cannot win: every day
# begins at midnight, so that the values themselves say most, and what views and neighbours share is
# not what tells summer from winter. Look at the three curves on your own data before you decide.
