"""
Forecasting
===========

`SimMTMForecaster` is an sktime forecaster: a weighted mean of ridges on windows and of profiles of
the season, solved in closed form, and of a forecast by an encoder where one is given and helps.
"""

# %%
# One series
# ----------
# Monthly numbers of airline passengers; the last two years are what is to be forecast. Which season
# there is, and how much each member counts at which step, the forecaster finds out itself, by
# forecasts from origins within the series that it is given.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sktime.datasets import load_airline, load_hierarchical_sales_toydata
from sktime.forecasting.naive import NaiveForecaster
from sktime.performance_metrics.forecasting import mean_absolute_percentage_error
from sktime.split import temporal_train_test_split

from simmtm_sk import SimMTMForecaster
from simmtm_sk.plotting import ForecastDisplay

y = load_airline()
y_train, y_test = temporal_train_test_split(y, test_size=24)
fh = np.arange(1, 25)

forecaster = SimMTMForecaster().fit(y_train, fh=fh)
y_pred = forecaster.predict()
naive = NaiveForecaster(strategy="last", sp=12).fit(y_train, fh=fh)
for name, forecast in (("SimMTM", y_pred), ("last year again", naive.predict())):
    print(f"{name:<16} MAPE {mean_absolute_percentage_error(y_test, forecast):.3f}")
print(pd.DataFrame(forecaster.choices_["weights"]).round(2))

# %%
# Intervals
# ---------
# They come from the errors at the same origins.

interval = forecaster.predict_interval(coverage=0.9)

fig, ax = plt.subplots(figsize=(8, 3), layout="constrained")
shown = y[-72:].to_timestamp()
ax.plot(shown, color="black", label="passengers (thousands)")
ax.plot(y_pred.to_timestamp(), label="forecast")
lower, upper = interval.to_numpy().T
ax.fill_between(interval.index.to_timestamp(), lower, upper, alpha=0.2, label="90 % interval")
ax.legend(loc="upper left")

# %%
# `ForecastDisplay` draws the same, with the members and what they count.

ForecastDisplay.from_estimator(forecaster)

# %%
# Many series
# -----------
# `pretrain` takes a panel or a hierarchy and learns the encoder from all of its series. What it has
# learned survives `fit`, cloning and searches. Here the panel are monthly sales of four groups of
# products, and the series to forecast is the total of them.

sales = load_hierarchical_sales_toydata()
total = sales.groupby("Date").sum()

forecaster = SimMTMForecaster(context_length=24, random_state=0)
forecaster.pretrain(sales)
forecaster.fit(total[:-6], fh=np.arange(1, 7))
pd.concat([total[-6:], forecaster.predict()], axis=1, keys=["sold", "forecast"]).round(0)

# %%
# One model can also forecast all instances of a panel at once: fit it to the panel.

forecaster.fit(sales, fh=[1, 2, 3]).predict().unstack("Date").round(0)

# %%
# Other strategies, which train the encoder for the forecast, are measured in :doc:`/forecasting`.
