"""
One encoder, four jobs
======================

A transformer is fitted once, without labels, and saved. Classifier, imputer and detector take the
file, and neighbours are found among its embeddings.
"""

# %%
# BasicMotions: recordings of a smart watch, six channels of 100 points, people who walk, run, stand
# or play badminton.

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.neighbors import NearestNeighbors

from simmtm_sk import SimMTMClassifier, SimMTMDetector, SimMTMImputer, SimMTMTransformer, load
from simmtm_sk.datasets import load_dataset

X_train, y_train = load_dataset("BasicMotions", split="train")
X_test, y_test = load_dataset("BasicMotions", split="test")

folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "motions"
SimMTMTransformer(num_epochs=40, random_state=0).fit(X_train).save(file)

# %%
# Classify
# --------
# With one labelled series of each kind:

labelled = [np.flatnonzero(y_train == kind)[0] for kind in np.unique(y_train)]
classifier = SimMTMClassifier(transformer=file, random_state=0)
classifier.fit(X_train[labelled], y_train[labelled])
print(f"accuracy on the test part: {classifier.score(X_test, y_test):.2f}")

# %%
# Fill
# ----
# A sixth of each channel is missing, each at another place. What the encoder rebuilds is one member
# of several; its weight is learned, and is little where others know better.

rng = np.random.default_rng(0)
starts = rng.integers(0, 84, (*X_test.shape[:2], 1))
hidden = (np.arange(100) >= starts) & (np.arange(100) < starts + 16)
gappy = np.where(hidden, np.nan, X_test)

imputer = SimMTMImputer(transformer=file).fit(X_train)
lines = [pd.DataFrame(x.T).interpolate(limit_direction="both").to_numpy().T for x in gappy]
for name, filled in {"imputer": imputer.transform(gappy), "straight lines": lines}.items():
    print(f"{name}: mean squared error {np.mean((filled - X_test)[hidden] ** 2):.2f}")
print(pd.Series(imputer.weights_.mean(1), imputer.members_).round(2).to_dict())

# %%
# Detect
# ------
# Someone walks, and for 100 points plays badminton. The detector has seen walking alone.

walking, badminton = (X_test[y_test == kind] for kind in ("Walking", "Badminton"))
log = pd.DataFrame(np.concatenate([*walking[:3], badminton[0], *walking[3:6]], axis=1).T)
detector = SimMTMDetector(transformer=file).fit(X_train[y_train == "Walking"])
scores = detector.transform_scores(log)["scores"]

fig, (above, below) = plt.subplots(2, 1, figsize=(7, 4), sharex=True, layout="constrained")
above.plot(log[0])
above.set_ylabel("first channel")
below.plot(scores, "C1")
below.axvspan(300, 400, color="0.9", label="badminton")
below.set(ylabel="score, nats", xlabel="time")
below.legend()
print(f"mean score of walking {scores.drop(range(300, 400)).mean():.1f}, ", end="")
print(f"of badminton {scores[300:400].mean():.1f}")

# %%
# Retrieve
# --------
# The training series nearest to every test series, by embedding and by what the encoder alone keeps
# together; the share that is of the same kind:

embed = load(file)
nearest = NearestNeighbors(n_neighbors=3).fit(embed.transform(X_train))
by_embedding = nearest.kneighbors(embed.transform(X_test), return_distance=False)
_, by_encoder = embed.similarity(X_test, X_train, top=3)
for name, neighbors in {"embedding": by_embedding, "encoder alone": by_encoder}.items():
    print(f"{name}: {np.mean(y_train[neighbors] == y_test[:, None]):.2f}")

folder.cleanup()
