"""Features of classes for the tests of heads."""

import numpy as np
from sklearn.preprocessing import StandardScaler


def blobs(n, n_features, n_classes, seed=0, apart=1.0):
    """Gaussian classes of unequal size, features of very different location and scale."""
    draw = np.random.default_rng(seed)
    y = np.minimum(draw.integers(n_classes + 1, size=n), n_classes - 1)  # the last is the largest
    y[: 2 * n_classes] = np.tile(np.arange(n_classes), 2)
    centres = apart * draw.normal(size=(n_classes, n_features))
    E = centres[y] + draw.normal(size=(n, n_features))
    E = E * np.logspace(-2, 3, n_features) + 10 * np.arange(n_features)
    order = draw.permutation(n)
    return E[order], y[order]


def standardized(E):
    return StandardScaler().fit_transform(E)


def one_against_rest(y, n_classes):
    return np.stack([np.where(y == k, 1.0, -1.0) for k in range(n_classes)], 1)


def accuracy(head, E, y):
    return (head.scores(E).argmax(1) == y).mean()


def same(head, other):
    pairs = zip(vars(head).values(), vars(other).values(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
