"""
Tuning in a pipeline
====================

All settings of pre-training, and the sizes of the encoder, are parameters that scikit-learn's
searches reach by name.
"""

# %%
# With labels: score the classifier
# ---------------------------------
# Every setting and fold pre-trains anew on the training folds, so no series of the fold that scores
# has been seen before. A small encoder and few epochs keep the search short.

import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.datasets import load_dataset

X, y = load_dataset("ItalyPowerDemand", split="train")
X_test, y_test = load_dataset("ItalyPowerDemand", split="test")

small = SimMTMTransformer(encoder=ConvEncoder(d_model=16), num_epochs=20, random_state=0)
pipeline = Pipeline([("embed", small), ("clf", RidgeClassifierCV())])
search = GridSearchCV(
    pipeline,
    {
        "embed__mask_ratio": [0.25, 0.5, 0.75],
        "embed__encoder__n_layers": [2, 4],
    },
    cv=5,
)
search.fit(X, y)
print(search.best_params_)
print(f"accuracy in cross-validation: {search.best_score_:.3f}")
print(f"accuracy on the test part: {search.score(X_test, y_test):.3f}")

# %%
# The bars span one standard deviation over the folds. Differences far smaller than that are no
# reason to prefer a setting.

results = pd.DataFrame(search.cv_results_)
fig, ax = plt.subplots(layout="constrained")
for n_layers, rows in results.groupby("param_embed__encoder__n_layers"):
    ax.errorbar(
        rows["param_embed__mask_ratio"] + 0.005 * (n_layers - 3),
        rows["mean_test_score"],
        rows["std_test_score"],
        marker="o",
        capsize=3,
        label=f"n_layers={n_layers}",
    )
ax.set(xlabel="mask_ratio", ylabel="accuracy in cross-validation")
ax.legend()

# %%
# Without labels: score the reconstruction
# ----------------------------------------
# The transformer's own ``score`` is the negative error of hidden points, which are the same for
# every setting. It can choose a setting without any label; whether a classifier agrees is another
# question.

unlabelled = GridSearchCV(small, {"mask_ratio": [0.25, 0.5, 0.75]}, cv=3).fit(X)
pd.DataFrame(unlabelled.cv_results_)[["param_mask_ratio", "mean_test_score", "std_test_score"]]

# %%
# ``Pipeline(..., memory="a_folder")`` remembers pre-training for settings that differ only behind
# the transformer, and ``n_jobs=2`` searches with two processes; the scores stay the same.
