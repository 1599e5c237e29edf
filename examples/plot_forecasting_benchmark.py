"""
Forecasts in sktime's benchmark
===============================

`SimMTMForecaster` is an sktime forecaster, so sktime's `ForecastingBenchmark` can measure it beside
any other: every forecaster on every task, with the same windows and metrics.
"""

# %%
# A task is a function that returns the data, a splitter, and metrics. One task is a single series,
# the other a panel of four, which one model forecasts together.

from sktime.benchmarking.forecasting import ForecastingBenchmark
from sktime.datasets import load_airline, load_hierarchical_sales_toydata
from sktime.forecasting.naive import NaiveForecaster
from sktime.performance_metrics.forecasting import (
    MeanAbsolutePercentageError,
    MeanAbsoluteScaledError,
)
from sktime.split import ExpandingWindowSplitter

from simmtm_sk import SimMTMForecaster

months = list(range(1, 13))
scorers = [MeanAbsolutePercentageError(), MeanAbsoluteScaledError(sp=12)]
benchmark = ForecastingBenchmark()
benchmark.add_task(
    load_airline,
    ExpandingWindowSplitter(initial_window=96, step_length=12, fh=months),
    scorers,
    task_id="airline",
)
benchmark.add_task(
    load_hierarchical_sales_toydata,
    ExpandingWindowSplitter(initial_window=42, step_length=6, fh=months[:6]),
    scorers,
    task_id="sales",
)

# %%
# The forecasters
# ---------------

benchmark.add_estimator(SimMTMForecaster(random_state=0), "SimMTM")
benchmark.add_estimator(NaiveForecaster(strategy="last", sp=12), "last year again")
benchmark.add_estimator(NaiveForecaster(strategy="drift"), "drift")

# %%
# The results
# -----------
# A forecaster that fails does not stop the benchmark, its error is kept in ``failed_experiments``.
# So look there before you look at the numbers.

results = benchmark.run()
assert not benchmark.failed_experiments

columns = [name for name in results if name.endswith("_mean")]
results.set_index(["validation_id", "model_id"])[columns].round(3)

# %%
# The same as a picture, a group of bars for every task:

bars = results.pivot(
    index="validation_id", columns="model_id", values="MeanAbsoluteScaledError_mean"
)
ax = bars.plot.barh(color=["#0072B2", "#D55E00", "#BBBBBB"], edgecolor="black", figsize=(7, 3))
for container, hatch in zip(ax.containers, ["", "//", ".."], strict=False):
    for bar in container:
        bar.set_hatch(hatch)
ax.set(xlabel="mean absolute scaled error", ylabel="")
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
