"""
Regression
==========

`SimMTMRegressor` predicts a number for every series: the encoder is pre-trained without the
numbers, a ridge regression on its embeddings makes the prediction.
"""

# %%
# Tecator: spectra of chopped meat at 100 wave lengths in the near infrared; the number is the
# fat content in percent.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simmtm_sk import ConvEncoder, SimMTMRegressor, SimMTMTransformer
from simmtm_sk.datasets import load_dataset

X_train, y_train = load_dataset("Tecator", split="train")
X_test, y_test = load_dataset("Tecator", split="test")
X_train.shape, X_test.shape

# %%
# Rivals
# ------
# A ridge regression on the values themselves is hard to beat where every position of a series has
# a meaning of its own, as in spectra. The other rival is the same encoder with its initial weights.

SEEDS = range(3)


def regressor(seed, **params):
    encoder = ConvEncoder(d_model=32, n_layers=6)
    transformer = SimMTMTransformer(encoder=encoder, **params)
    return SimMTMRegressor(transformer=transformer, random_state=seed)


raw = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13)))
models = {
    "ridge on the values": [raw.fit(X_train[:, 0], y_train)],
    "untrained encoder": [regressor(s, num_epochs=0).fit(X_train, y_train) for s in SEEDS],
    "pre-trained encoder": [regressor(s, num_epochs=20).fit(X_train, y_train) for s in SEEDS],
}

# %%
# The result
# ----------
# Errors in percent of fat; means over three random states (the ridge on the values has none).

print(f"{'':<22}{'RMSE':>8}{'MAE':>8}{'R²':>8}")
predicted = {}
for name, fitted in models.items():
    panel = X_test[:, 0] if name == "ridge on the values" else X_test
    each = [model.predict(panel) for model in fitted]
    rmse = np.mean([root_mean_squared_error(y_test, p) for p in each])
    mae = np.mean([mean_absolute_error(y_test, p) for p in each])
    r2 = np.mean([model.score(panel, y_test) for model in fitted])
    print(f"{name:<22}{rmse:8.2f}{mae:8.2f}{r2:8.3f}")
    predicted[name] = each[0]

# %%
# Predictions of the first random state. Points on the line are right.

fig, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharex=True, sharey=True, layout="constrained")
for ax, (name, values) in zip(axes, predicted.items(), strict=True):
    ax.axline((20, 20), slope=1, color="black", linewidth=1)
    ax.plot(y_test, values, "o", markersize=4)
    ax.set(title=name, xlabel="measured fat (%)")
axes[0].set_ylabel("predicted fat (%)")

# %%
# Series without a number are marked by NaN and take part in pre-training only. ``strategy`` is that
# of the classifier: with ``strategy="fine-tune"`` the numbers train the encoder as well.
#
# Forty-three test series are few. Before you choose among the three on data of your own, compare
# them in cross-validation, with several random states.
