"""
Missing values and unequal lengths
==================================

NaN is a missing value, and series may end at different times. Nothing has to be filled in
beforehand, and nothing hidden has any influence.
"""

# %%
# Unequal lengths
# ---------------
# JapaneseVowels: nine speakers, twelve channels, 7 to 29 points. Series of unequal lengths are a
# list of arrays ``(n_channels, length)``, or any of sktime's panels.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline

from simmtm_sk import SimMTMImputer, SimMTMTransformer
from simmtm_sk.datasets import load_dataset

X_train, y_train = load_dataset("JapaneseVowels", split="train")
X_test, y_test = load_dataset("JapaneseVowels", split="test")
print([series.shape for series in X_train[:3]])

model = make_pipeline(SimMTMTransformer(random_state=0), RidgeClassifierCV(np.logspace(-3, 4, 8)))
model.fit(X_train, y_train)
print(f"accuracy on the test part: {model.score(X_test, y_test):.3f}")

# %%
# An embedding does not depend on how the end of a series is written down: a list, or an array with
# NaN behind the end.

padded = np.full((len(X_test), 12, 40), np.nan)
for row, series in zip(padded, X_test, strict=True):
    row[:, : series.shape[1]] = series
embedder = model[0]
np.abs(embedder.transform(padded) - embedder.transform(X_test)).max()

# %%
# Missing values
# --------------
# In GunPoint every series loses three stretches of ten points, at random places, in the training
# part as well as in the test part.


def with_gaps(X, seed, n_gaps=3, length=10):
    rng = np.random.default_rng(seed)
    X = X.copy()
    for series in X:
        for start in rng.integers(1, X.shape[2] - length, n_gaps):
            series[:, start : start + length] = np.nan
    return X


X_train, y_train = load_dataset("GunPoint", split="train")
X_test, y_test = load_dataset("GunPoint", split="test")
X_train_gaps, X_test_gaps = with_gaps(X_train, seed=0), with_gaps(X_test, seed=1)

model.fit(X_train_gaps, y_train)
print(f"{np.isnan(X_test_gaps).mean():.0%} of the points are missing")
print(f"accuracy on the test part: {model.score(X_test_gaps, y_test):.3f}")

# %%
# Filling gaps
# ------------
# An embedding needs no values where there are none. Where they are wanted, `SimMTMImputer` fills
# them in; it has seen no series without gaps. Straight lines across the gaps are the simple rival.

filled = SimMTMImputer().fit(X_train_gaps).transform(X_test_gaps)
missing = np.isnan(X_test_gaps)
lines = pd.DataFrame(X_test_gaps[:, 0]).interpolate(axis=1, limit_direction="both")
lines = lines.to_numpy()[:, None]
for name, values in [("SimMTMImputer", filled), ("straight lines", lines)]:
    error = np.sqrt(np.mean((values - X_test)[missing] ** 2))
    print(f"{name:<15} root mean squared error in the gaps: {error:.3f}")

# %%
# The first three series of the test part; :doc:`plot_fill_gaps` has more.

fig, axes = plt.subplots(3, 1, figsize=(6.4, 6), sharex=True, layout="constrained")
for i, ax in enumerate(axes):
    ax.plot(X_test[i, 0], "0.8", label="truth")
    ax.plot(X_test_gaps[i, 0], "k", label="observed")
    ax.plot(np.where(missing, lines, np.nan)[i, 0], ":", color="C0", label="straight lines")
    ax.plot(np.where(missing, filled, np.nan)[i, 0], color="C1", label="SimMTMImputer")
axes[0].legend(fontsize="small", ncols=2)
axes[-1].set_xlabel("time")
