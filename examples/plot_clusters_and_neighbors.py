"""
Clusters, neighbours, and a map
===============================

Distances between embeddings mean something: what finds groups and neighbours among rows of numbers
finds them among series, without labels and without a scaler.
"""

# %%
# BasicMotions: 80 recordings of a smart watch, six channels, people who walk, run, stand or play
# badminton. The labels are only looked at in the end.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.neighbors import NearestNeighbors

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import load_dataset

X, kinds = load_dataset("BasicMotions")
embedding = SimMTMTransformer(random_state=0).fit_transform(X)
raw = X.reshape(len(X), -1)

# %%
# Groups
# ------
# The adjusted Rand index is 1 where groups are the kinds, and 0 for groups by chance.

methods = {
    "k-means": KMeans(4, n_init=10, random_state=0),
    "agglomerative": AgglomerativeClustering(4),
    "HDBSCAN": HDBSCAN(min_cluster_size=5, copy=True),
}
for name, method in methods.items():
    scores = [adjusted_rand_score(kinds, method.fit_predict(x)) for x in (embedding, raw)]
    print(f"{name:14s} embedding {scores[0]:.2f}   raw values {scores[1]:.2f}")

# %%
# How many groups? The silhouette asks how much nearer a series is to its own group than to the
# next one.

sizes = range(2, 11)
groupings = [KMeans(k, n_init=10, random_state=0).fit_predict(embedding) for k in sizes]
silhouettes = [silhouette_score(embedding, labels) for labels in groupings]
print("most distinct:", sizes[int(np.argmax(silhouettes))], "groups")

# %%
# Neighbours
# ----------
# Which series resemble a given one? The share of neighbours of the same kind, among the first five:

for name, x in {"embedding": embedding, "raw values": raw}.items():
    nearest = NearestNeighbors(n_neighbors=5).fit(x).kneighbors(return_distance=False)
    print(f"{name}: {np.mean(kinds[nearest] == kinds[:, None]):.2f}")

# %%
# A map
# -----

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
places = TSNE(perplexity=15, random_state=0).fit_transform(embedding)
for marker, kind in zip("os^D", np.unique(kinds), strict=True):
    left.scatter(*places[kinds == kind].T, s=14, marker=marker, label=kind)
left.legend(fontsize="small")
left.set(title="t-SNE of the embedding", xticks=[], yticks=[])
nearest = NearestNeighbors(n_neighbors=4).fit(embedding).kneighbors(return_distance=False)
for row, kind in enumerate(("Badminton", "Running", "Walking")):
    series = np.flatnonzero(kinds == kind)[0]
    right.plot(X[series, 0] + 40 * row, color="k", lw=1.5)
    right.plot(X[nearest[series], 0].T + 40 * row, color="C0", lw=0.6)
    right.text(101, 40 * row, kind)
right.set(title="three series (black), their nearest", xlabel="time", xlim=(0, 130), yticks=[])
