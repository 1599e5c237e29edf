"""
Quickstart
==========

Pre-train on series without labels, embed them, put a classifier behind the embeddings, keep the
result.
"""

# %%
# The data
# --------
# ItalyPowerDemand: the electricity demand of days, hour by hour, in winter (1) and in summer (2).
# Series are an array of shape ``(n_series, n_channels, length)``.

import tempfile
from pathlib import Path

from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline

import simmtm_sk
from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import load_dataset
from simmtm_sk.plotting import EmbeddingDisplay, LossDisplay, ReconstructionDisplay

X_train, y_train = load_dataset("ItalyPowerDemand", split="train")
X_test, y_test = load_dataset("ItalyPowerDemand", split="test")
X_train.shape, X_test.shape

# %%
# Pre-train and embed
# -------------------
# ``fit`` looks at the series only. ``transform`` returns a row of features for every series. The
# default (``num_epochs="auto"``) would only learn which features matter, in closed form, because on
# few series training the encoder adds nothing to them; forty epochs show what it does.

embedder = SimMTMTransformer(num_epochs=40, random_state=0).fit(X_train)
embedder.transform(X_test).shape

# %%
# What happened in pre-training is in ``history_``. Part of the series is held out, and the weights
# that rebuild it best are kept.

LossDisplay.from_estimator(embedder)

# %%
# The task of pre-training: rebuild a series of which only some points are visible.

ReconstructionDisplay.from_estimator(embedder, X_test)

# %%
# The embeddings of the test series, which were not seen in pre-training. The classes give the
# colours; the encoder knows nothing of them.

EmbeddingDisplay.from_estimator(embedder, X_test, y_test)

# %%
# A classifier behind it
# ----------------------
# The transformer is a step of a pipeline like any other. Labels enter only in the last step.

model = make_pipeline(SimMTMTransformer(random_state=0), RidgeClassifierCV())
model.fit(X_train, y_train)
print(f"accuracy on the test part: {model.score(X_test, y_test):.3f}")

# %%
# Keep the encoder
# ----------------
# One file with the weights in safetensors format and the settings as JSON. Loading it never
# executes code from it.

with tempfile.TemporaryDirectory() as folder:
    path = simmtm_sk.save(embedder, Path(folder) / "demand")
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    loaded = simmtm_sk.load(path)

(loaded.transform(X_test) == embedder.transform(X_test)).all()
