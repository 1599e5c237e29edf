"""
A classifier for few labels
===========================

`SimMTMClassifier` takes labelled and unlabelled series at once: it learns an embedding from all of
them and solves for a linear head on those that have a label. The head gives probabilities, and
the encoder can be kept while everything behind it is tuned.
"""

# %%
# The data
# --------
# ItalyPowerDemand: electricity demand of a day by hour, winter against summer. Half of the days are
# the pool, the other half tests. Ten days of each class have a label, all others None.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split

from simmtm_sk import ConvEncoder, SimMTMClassifier, SimMTMTransformer
from simmtm_sk.datasets import load_dataset

X, y = load_dataset("ItalyPowerDemand")
X_pool, X_test, y_pool, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

rng = np.random.default_rng(0)
labelled = np.concatenate(
    [rng.choice(np.flatnonzero(y_pool == c), 10, replace=False) for c in np.unique(y_pool)]
)
y_few = np.full(len(y_pool), None)
y_few[labelled] = y_pool[labelled]
print(f"{len(X_pool)} series to learn from, {len(labelled)} of them with a label")

# %%
# Fit
# ---
# The embedding is learned from all series of the pool, the head from those with a label and, as far
# as it helps, from their neighbours. The encoder is small here, so that the example is short;
# without ``transformer=`` the classifier takes the default one.

transformer = SimMTMTransformer(encoder=ConvEncoder(d_model=32, n_layers=4))
classifier = SimMTMClassifier(transformer=transformer, random_state=0)
classifier.fit(X_pool, y_few)
print(f"accuracy on the test part: {classifier.score(X_test, y_test):.3f}")

# %%
# One draw of labels settles nothing; :doc:`plot_few_labels` has others, with rivals.
#
# Probabilities
# -------------
# Columns are in the order of ``classes_``. The histogram shows how the probability of the right
# class is spread over the test series; those on the left of the line are classified wrongly.

probabilities = classifier.predict_proba(X_test)
right = probabilities[np.arange(len(y_test)), np.searchsorted(classifier.classes_, y_test)]
print(f"log loss on the test part: {log_loss(y_test, probabilities):.3f}")

fig, ax = plt.subplots(layout="constrained")
ax.hist(right, bins=20, range=(0, 1))
ax.axvline(0.5, color="black", linewidth=1)
ax.set(xlabel="probability of the right class", ylabel="test series", title="ItalyPowerDemand")

# %%
# Tune what is behind the encoder
# -------------------------------
# A search clones its estimator for every candidate and fold, and a clone is pre-trained again.
# ``FrozenEstimator`` keeps the encoder that is there already: the search only fits heads, or
# fine-tunes copies of the encoder. The labelled series are enough for it, because the encoder has
# seen the pool.

frozen = FrozenEstimator(classifier.transformer_)
search = GridSearchCV(
    SimMTMClassifier(transformer=frozen, random_state=0),
    [
        {"strategy": ["linear-probe"], "head": ["ridge", "logistic"]},
        {"strategy": ["fine-tune", "probe-then-fine-tune"], "lr": [1e-3]},
    ],
    scoring="neg_log_loss",
    cv=5,
)
search.fit(X_pool[labelled], y_pool[labelled])
print(search.best_params_)
print(f"accuracy on the test part: {search.best_estimator_.score(X_test, y_test):.3f}")

# %%
# The times are those of one fit. With so few labels, differences between the candidates are small
# beside their spread over the folds.

columns = ["param_strategy", "param_head", "mean_test_score", "std_test_score", "mean_fit_time"]
pd.DataFrame(search.cv_results_)[columns].round(3)

# %%
# The encoder itself has seen the series of every fold, without their labels. That is how it is used
# later, on a pool that is known beforehand. To measure what happens on series that the encoder
# has never met, give the transformer unfitted and let every fold pre-train anew.
