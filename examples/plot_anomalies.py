"""
Find anomalies
==============

`SimMTMDetector` learns what is normal and says, in nats, how strange every point of a series is.
"""

# %%
# A week of hourly load, again and again, with a weekend that differs a little. In a later stretch
# three things go wrong: two values jump, the sensor hangs for a day, and for two days there is
# hardly any swing. What windows of 48 points show is found in all their middle parts, so that
# segments reach a little farther than what is wrong.

import numpy as np
import pandas as pd

from simmtm_sk import SimMTMDetector
from simmtm_sk.plotting import AnomalyDisplay

rng = np.random.default_rng(0)
hours = np.arange(24 * 7 * 16)
day = np.sin(2 * np.pi * hours / 24) + 0.4 * np.cos(4 * np.pi * hours / 24)
weekend = np.where(hours // 24 % 7 >= 5, 0.6, 1.0)
load = pd.DataFrame(
    {"load": 10 + weekend * day + 0.1 * rng.normal(size=len(hours))},
    pd.date_range("2024-01-01", periods=len(hours), freq="h"),
)
normal, later = load.iloc[:2016], load.iloc[2016:].copy()
later.iloc[100:102] += 2
later.iloc[300:324] = later.iloc[300]
later.iloc[500:548] = 10 + 0.2 * (later.iloc[500:548] - 10)

detector = SimMTMDetector(false_alarm_rate=0.005).fit(normal)
print(detector.predict_segments(later))

# %%
# The anomalies, and the scores with their threshold, which one normal point in 200 exceeds:

AnomalyDisplay.from_estimator(detector, later)

# %%
# Which member found what:

members = detector.scores_by_member(later)
for name, where in {
    "jump": [100, 101],
    "hanging": range(300, 324),
    "swing": range(500, 548),
}.items():
    print(f"{name:8}", members.iloc[where].mean().round(1).to_dict())
