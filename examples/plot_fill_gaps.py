"""
Fill gaps, and say how sure
===========================

`SimMTMImputer` fills missing values from what was observed before, after, and in other channels.
"""

# %%
# Archive series
# --------------
# In ArrowHead, outlines of arrow heads, every test series loses a sixth of its points in one piece.
# The imputer has seen 36 whole ones.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from simmtm_sk import SimMTMImputer
from simmtm_sk.datasets import load_dataset
from simmtm_sk.plotting import ImputationDisplay

X_train, _ = load_dataset("ArrowHead", split="train")
X_test, _ = load_dataset("ArrowHead", split="test")
rng = np.random.default_rng(0)
length = X_test.shape[2]
starts = rng.integers(0, length - length // 6, len(X_test))
at = np.arange(length)
hidden = ((at >= starts[:, None]) & (at < starts[:, None] + length // 6))[:, None]
gappy = np.where(hidden, np.nan, X_test)

imputer = SimMTMImputer().fit(X_train)
filled = imputer.transform(gappy)
lines = pd.DataFrame(gappy[:, 0]).interpolate(axis=1, limit_direction="both").to_numpy()[:, None]
for name, values in {"SimMTMImputer": filled, "straight lines": lines}.items():
    print(f"{name}: mean squared error {np.mean((values - X_test)[hidden] ** 2):.3f}")

# %%
# Each gap with two standard deviations of what was filled in, and what was hidden:

figure, axes = plt.subplots(3, 1, figsize=(7, 6), layout="constrained", sharex=True)
for series, ax in enumerate(axes):
    ImputationDisplay.from_estimator(imputer, gappy, series=series, truth=X_test, ax=ax)
    ax.plot(np.where(hidden[series, 0], lines[series, 0], np.nan), ":", color="C0", label="line")
axes[0].legend(fontsize="small", ncols=3)

# %%
# One long log
# ------------
# Two sensors, one of which fails for two days. A frame with dates as index is one series; it comes
# back as a frame.

time = pd.date_range("2024-01-01", periods=24 * 90, freq="h")
hour = 2 * np.pi * np.arange(len(time)) / 24
weather = np.convolve(rng.normal(size=len(time) + 47), np.ones(48) / 7, "valid")
log = pd.DataFrame({"inside": 20 + np.sin(hour - 1) + 0.5 * weather}, index=time)
log["outside"] = 10 + 5 * np.sin(hour) + 3 * weather
log += 0.2 * rng.normal(size=log.shape)
broken = log.copy()
broken.iloc[1000:1048, 1] = np.nan
whole = SimMTMImputer().fit_transform(broken)
print(f"{np.sqrt(np.mean((whole - log).iloc[1000:1048, 1] ** 2)):.2f} degrees wrong")

# %%
# Which member counts how much, by the distance to the next observed value:

weights = pd.DataFrame(imputer.weights_, index=imputer.members_).round(2)
weights.columns = ["1", "2", "3-4", "5-8", "9-16", "17-32", "33-"]
print(weights)
