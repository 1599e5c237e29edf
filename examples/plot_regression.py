"""
Regression
==========

`SimMTMRegressor` predicts a number for every series: an embedding is learned without the numbers,
and a ridge regression on it makes the prediction.
"""

# %%
# Tecator: spectra of chopped meat at 100 wave lengths in the near infrared; the number is the
# fat content in percent.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from simmtm_sk import SimMTMRegressor
from simmtm_sk.datasets import load_dataset

X_train, y_train = load_dataset("Tecator", split="train")
X_test, y_test = load_dataset("Tecator", split="test")
X_train.shape, X_test.shape

# %%
# Fit and predict
# ---------------
# The rival is a ridge regression on the values themselves, which is hard to beat where every
# position of a series has a meaning of its own, as in spectra.

models = {
    "ridge on the values": make_pipeline(
        FunctionTransformer(lambda X: X[:, 0]), StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))
    ),
    "SimMTMRegressor": SimMTMRegressor(random_state=0),
}
print(f"{'':<22}{'RMSE':>8}{'MAE':>8}{'R²':>8}")
predicted = {}
for name, model in models.items():
    predicted[name] = model.fit(X_train, y_train).predict(X_test)
    rmse = root_mean_squared_error(y_test, predicted[name])
    mae = mean_absolute_error(y_test, predicted[name])
    print(f"{name:<22}{rmse:8.2f}{mae:8.2f}{model.score(X_test, y_test):8.3f}")

# %%
# Errors are in percent of fat. Points on the line are right.

fig, axes = plt.subplots(1, 2, figsize=(7, 3.6), sharex=True, sharey=True, layout="constrained")
for ax, (name, values) in zip(axes, predicted.items(), strict=True):
    ax.axline((20, 20), slope=1, color="black", linewidth=1)
    ax.plot(y_test, values, "o", markersize=4)
    ax.set(title=name, xlabel="measured fat (%)")
axes[0].set_ylabel("predicted fat (%)")

# %%
# Series without a number are marked by NaN; the embedding is learned from them, too. ``strategy``
# is that of the classifier: with ``strategy="fine-tune"`` the numbers train the encoder as well.
#
# Forty-three test series are few. Before you choose on data of your own, compare models in
# cross-validation, with several random states; :doc:`/results` has another set.
