"""
From one data set to another
============================

An encoder can be pre-trained where series are plentiful and used where they are not. If it takes
every channel for itself, neither the length nor the number of channels has to agree.
"""

# %%
# Two data sets
# -------------
# BasicMotions: six channels of a smart watch, 100 points. JapaneseVowels: twelve channels of speech
# of 7 to 29 points, one class for each speaker.

import tempfile
from pathlib import Path

from sklearn.frozen import FrozenEstimator

from simmtm_sk import ConvEncoder, SimMTMClassifier, SimMTMTransformer, load, save
from simmtm_sk.datasets import load_dataset
from simmtm_sk.plotting import EmbeddingDisplay

X_source, _ = load_dataset("BasicMotions")
X_train, y_train = load_dataset("JapaneseVowels", split="train")
X_test, y_test = load_dataset("JapaneseVowels", split="test")
print(f"source: {X_source.shape}")
print(f"target: {len(X_train)} series from {X_train[0].shape} to {X_train[-1].shape}")

# %%
# Pre-train, save, use
# --------------------
# Three lines. The classifier takes the path of a saved encoder and leaves its weights as they are.

encoder = ConvEncoder(d_model=16, n_layers=5, channel_independent=True)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "motions"

statistics = ("max", "min", "std", "ppv", "scale")  # what the encoder says, without fixed filters
transformer = SimMTMTransformer(
    encoder=encoder, pooling=statistics, num_epochs=5, random_state=0
).fit(X_source)
save(transformer, path)
classifier = SimMTMClassifier(transformer=path, random_state=0).fit(X_train, y_train)
print(f"accuracy on the test part: {classifier.score(X_test, y_test):.3f}")

# %%
# Go on in the target
# -------------------
# With ``warm_start``, ``fit`` starts from the weights of the file instead of new ones. Labels take
# no part in it.

continued = load(path, warm_start=True, num_epochs=2).fit(X_train)
classifier = SimMTMClassifier(transformer=FrozenEstimator(continued), random_state=0)
classifier.fit(X_train, y_train)
print(f"accuracy on the test part: {classifier.score(X_test, y_test):.3f}")

# %%
# What the motions' encoder makes of speech
# -----------------------------------------
# The embedding that it gives the recordings of the test part, none of which it has seen, with a
# colour and a marker for each speaker.

transformer = load(path)
folder.cleanup()
EmbeddingDisplay.from_estimator(transformer, X_test, y_test)

# %%
# Whether a source is worth more than initial weights depends on both data sets: put an encoder with
# ``num_epochs=0`` beside it. What was measured on many pairs is in :doc:`/when_not`.
