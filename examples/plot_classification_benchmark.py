"""
In sktime's benchmark
=====================

`SimMTMClassifier` is an sktime classifier, so `sktime.benchmarking.ClassificationBenchmark` can
measure it beside any other: every classifier on every set, with the same parts and metrics.
"""

# %%
# A task is a function that returns the series and their labels, a splitter, and metrics. The two
# sets are small and have an original training and test part, which the splitter keeps.

import warnings
from functools import partial

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import PredefinedSplit
from sktime.benchmarking.classification import ClassificationBenchmark
from sktime.classification.interval_based import TimeSeriesForestClassifier

from simmtm_sk import SimMTMClassifier
from simmtm_sk.datasets import load_dataset


def macro_f1(y_true, y_pred):
    return f1_score(y_true, y_pred, average="macro")


benchmark = ClassificationBenchmark()
for name, n_train, n_test in (("GunPoint", 50, 150), ("ItalyPowerDemand", 67, 1029)):
    original = PredefinedSplit(np.repeat([-1, 0], [n_train, n_test]))
    load = partial(load_dataset, name)
    benchmark.add_task(load, original, [accuracy_score, macro_f1], task_id=name)

# %%
# The classifiers
# ---------------
# By default `SimMTMClassifier` learns an embedding of the training series and fits a linear head on
# it. The rival is a forest of trees on statistics of random intervals.

benchmark.add_estimator(SimMTMClassifier(random_state=0), "SimMTM, linear probe")
benchmark.add_estimator(TimeSeriesForestClassifier(random_state=0), "time series forest")

# %%
# The results
# -----------
# A classifier that fails does not stop the benchmark, its error is kept in ``failed_experiments``.
# So look there before you look at the numbers.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)  # one part has no spread over parts
    results = benchmark.run()
assert not benchmark.failed_experiments

columns = ["accuracy_score_mean", "macro_f1_mean", "fit_time_mean", "pred_time_mean"]
results.set_index(["validation_id", "model_id"])[columns].round(3)

# %%
# The same as a picture, a group of bars for every task. ItalyPowerDemand, days that all begin at
# midnight, is a set of the kind on which simpler methods are as good, see :doc:`/when_not`.

bars = results.pivot(index="validation_id", columns="model_id", values="accuracy_score_mean")
ax = bars.plot.barh(color=["#0072B2", "#D55E00", "#BBBBBB"], edgecolor="black", figsize=(7, 3))
for container, hatch in zip(ax.containers, ["", "//", ".."], strict=False):
    for bar in container:
        bar.set_hatch(hatch)
ax.set(xlabel="accuracy", ylabel="")
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
