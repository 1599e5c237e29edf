import numpy as np
import torch

from simmtm_sk.data.forecast_windows import ForecastWindows
from simmtm_sk.nn.combination import Combination
from simmtm_sk.nn.members import Member
from simmtm_sk.training.members import panel_of
from simmtm_sk.training.ridges import solve_ridges
from simmtm_sk.training.rolling import CUTS, MOST_ROLLING, roll

CPU = torch.device("cpu")
HORIZON = 3
MEMBERS = (Member("ridge", 6, n_recent=6), Member("profile", 1, period=1, n_periods=1))


def season(length=100, seed=0):
    draw = np.random.default_rng(seed)
    return np.sin(np.arange(length)) + 0.3 * draw.normal(size=length)


def rolled(series, train=0.8, members=MEMBERS):
    panel = panel_of(series, np.array([int(train * len(values)) for values in series]), CPU)
    made = Combination(members, HORIZON, len(series), 6)
    made.center, made.scale = panel.center, panel.scale
    return roll(made, panel, ForecastWindows(series, made.context_length, HORIZON)), panel, made


def test_errors_are_those_of_members_fitted_to_what_lies_before():
    series = [season(), season(80, 1)]
    rolling, panel, made = rolled(series)
    assert len(rolling.series) > 50
    for row in range(0, len(rolling.series), 7):
        number, origin = rolling.series[row], rolling.origin[row]
        share = CUTS[rolling.fold[row]]
        solve_ridges(made, panel, (share * panel.train).long())
        standard = (series[number] - panel.center[number].item()) / panel.scale[number].item()
        context = torch.as_tensor(series[number][origin - 6 : origin])[None]
        forecast = made.forecasts(context, torch.tensor([number]))[:, 0]
        expected = forecast - torch.as_tensor(standard[origin : origin + HORIZON])
        torch.testing.assert_close(rolling.errors[:, row].double(), expected, rtol=1e-4, atol=1e-6)


def test_origins_lie_behind_the_cut_and_before_the_next():
    rolling, panel, _ = rolled([season(200)])
    cuts = [int(share * panel.train) for share in CUTS]
    for fold, (start, end) in enumerate(zip(cuts, [*cuts[1:], 200], strict=True)):
        origins = rolling.origin[rolling.fold == fold]
        assert origins.min() == start
        assert origins.max() == min(end - 1, 200 - HORIZON)


def test_independent_forecasts_are_counted():
    rolling, _, _ = rolled([season(100)] * 3)
    counts = [len(np.unique(rolling.origin[rolling.fold == fold])) for fold in range(len(CUTS))]
    assert rolling.n_independent == sum(counts) / HORIZON


def test_missing_targets_have_no_error():
    series = season()
    series[[50, 51, 70]] = np.nan
    rolling, _, _ = rolled([series])
    for row, origin in enumerate(rolling.origin):
        expected = ~np.isnan(series[origin : origin + HORIZON])
        assert (rolling.observed[row].numpy() == expected).all()
    assert not rolling.errors[:, ~rolling.observed].any()
    assert rolling.errors.isfinite().all()


def test_too_short_for_any_fold():
    rolling, _, _ = rolled([season(8)])
    assert rolling.errors.shape == (2, 0, HORIZON)
    assert rolling.observed.shape == (0, HORIZON)


def test_many_series_are_sampled():
    rolling, _, _ = rolled([season(60, seed) for seed in range(200)])
    assert len(rolling.series) <= MOST_ROLLING
    assert len(np.unique(rolling.series)) == 200
