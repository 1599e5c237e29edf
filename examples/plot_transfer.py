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

import numpy as np
from matplotlib import pyplot as plt
from sklearn.frozen import FrozenEstimator

from simmtm_sk import ConvEncoder, SimMTMClassifier, SimMTMTransformer, load, save
from simmtm_sk.datasets import load_dataset

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

transformer = SimMTMTransformer(encoder=encoder, num_epochs=5, random_state=0).fit(X_source)
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
# Is it worth it?
# ---------------
# The control is an encoder of the same shape with initial weights, which has never seen the source.

SEEDS = range(3)
N_LABELS = (1, 3, 10)


def encoders(seed):
    given = {"encoder": encoder, "random_state": seed}
    source = SimMTMTransformer(**given, num_epochs=5).fit(X_source)
    file = save(source, path)
    return {
        "untrained": SimMTMTransformer(**given, num_epochs=0).fit(X_train),
        "source": source,
        "source, then target": load(file, warm_start=True, num_epochs=2).fit(X_train),
    }


# %%
# Every encoder is given to a classifier as `FrozenEstimator`, with few labels per speaker and None
# for all other series. The draws of labels are the same for all three.


def accuracies(fitted, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y_train))
    scores = []
    for n in N_LABELS:
        chosen = np.concatenate([order[y_train[order] == c][:n] for c in np.unique(y_train)])
        y_few = np.full(len(y_train), None, dtype=object)
        y_few[chosen] = y_train[chosen]
        head = SimMTMClassifier(transformer=FrozenEstimator(fitted), head="ridge")
        head.fit(X_train, y_few)
        scores.append(head.score(X_test, y_test))
    return scores


results = {}
for seed in SEEDS:
    for kind, fitted in encoders(seed).items():
        results.setdefault(kind, []).append(accuracies(fitted, seed))
folder.cleanup()

# %%
# Means and standard deviations over three random states, which decide the weights and the labels.

print("labels per class         " + "".join(f"{n:>14}" for n in N_LABELS))
fig, ax = plt.subplots(layout="constrained")
for i, (kind, scores) in enumerate(results.items()):
    mean, spread = np.mean(scores, 0), np.std(scores, 0)
    cells = (f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True))
    print(f"{kind:<25}" + "".join(f"{cell:>14}" for cell in cells))
    shifted = np.array(N_LABELS) * (1 + 0.03 * (i - 1))  # so that bars do not hide one another
    ax.errorbar(shifted, mean, spread, marker="o", capsize=3, label=kind)
ax.set(xscale="log", xlabel="labels per class", ylabel="accuracy", title="JapaneseVowels")
ax.set_xticks(N_LABELS, N_LABELS)
ax.legend()

# %%
# Motions are not speech, and a source of eighty series is small; whether a source helps is a
# property of the pair of data sets. Always put the untrained encoder beside it.
