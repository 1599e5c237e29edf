"""Running a network over rows and putting windows together, against slow loops."""

import numpy as np
import pytest
import torch

from simmtm_sk import ConvEncoder, inference
from simmtm_sk.data import WindowDataset
from simmtm_sk.nn.model import SimMTM
from simmtm_sk.nn.normalization import normalize
from simmtm_sk.objectives import SimMTMObjective

CPU = torch.device("cpu")


def panel(n=5, n_channels=2, length=20, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_channels, length)).cumsum(2)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    backbone = ConvEncoder(d_model=4, n_layers=2).build(2, 20)
    return SimMTM(backbone, 2, 4, SimMTMObjective(0.1, 0.1, 1.0)).eval()


def project(model, x, observed, within):
    return (model.project(x, observed, within),)


def test_batches_do_not_matter(network, monkeypatch):
    rows = WindowDataset(panel(9))
    (whole,) = inference.over_rows(network, rows, torch.float64, project)
    monkeypatch.setattr(inference, "_POINTS_PER_BATCH", 50)  # two rows a batch
    (parts,) = inference.over_rows(network, rows, torch.float64, project)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(inference, "_POINTS_PER_BATCH", 1)
    torch.testing.assert_close(
        inference.over_rows(network, rows, torch.float64, project)[0], whole, rtol=1e-12, atol=1e-12
    )


def test_the_network_itself_stays_as_it_was(network):
    before = {name: w.clone() for name, w in network.state_dict().items()}
    (out,) = inference.over_rows(network, WindowDataset(panel()), torch.float64, project)
    assert out.dtype == torch.float64
    assert not out.requires_grad
    assert {weights.dtype for weights in network.parameters()} == {torch.float32}
    for name, weights in network.state_dict().items():
        assert weights.dtype == before[name].dtype
        assert torch.equal(weights, before[name])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_network_runs_in_the_dtype_asked_for_and_its_scaler_in_float64(network, dtype):
    seen = []

    def remember(model, x, observed, within):
        seen.append(model)
        return (model.project(x, observed, within),)

    values = panel().astype(np.float32 if dtype == torch.float32 else np.float64)
    assert inference.over_rows(network, WindowDataset(values), dtype, remember)[0].dtype == dtype
    assert all(model is not network and not model.training for model in seen)
    assert {weights.dtype for model in seen for weights in model.parameters()} == {dtype}
    scalers = [model.stats_scaler for model in seen] + [network.stats_scaler]
    assert {x.dtype for scaler in scalers for x in scaler.buffers()} == {torch.float64}


def test_dropout_is_off():
    backbone = ConvEncoder(d_model=4, n_layers=2, dropout=0.9).build(2, 20)
    model = SimMTM(backbone, 2, 4, SimMTMObjective(0.1, 0.1, 1.0)).train()
    rows = WindowDataset(panel())
    a, b = (inference.over_rows(model, rows, torch.float64, project)[0] for _ in range(2))
    assert torch.equal(a, b)


@pytest.mark.parametrize("max_length", [None, 6, 20, 7])
def test_mean_over_windows_equals_a_loop(max_length):
    values = panel()
    values[1, :, 4:] = np.nan
    rows = WindowDataset(values, max_length)
    results = torch.randn(len(rows), 3, dtype=torch.float64)
    pooled = inference.mean_over_windows(results, rows)
    for i in range(5):
        mine = [k for k in range(len(rows)) if rows.series[k] == i]
        torch.testing.assert_close(pooled[i], results[mine].mean(0))


def test_series_without_windows_get_zeros():
    values = panel(4, 1)
    values[[0, 2]] = np.nan
    rows = WindowDataset(values)
    pooled = inference.mean_over_windows(torch.ones(len(rows), 3), rows)
    assert pooled.tolist() == [[0.0] * 3, [1.0] * 3, [0.0] * 3, [1.0] * 3]


def test_the_network_gets_raw_values():
    values = panel() * 100 + 7
    values[1, :, 5:] = np.nan
    rows = WindowDataset(values, 8)
    given, observed, within = rows.gather(torch.arange(len(rows)))
    got = inference.over_rows(Perfect(), rows, torch.float64, lambda _, *given: given)
    for x, expected in zip(got, (given, observed, within), strict=True):
        assert x.equal(expected)


def test_all_levels_by_hand():
    """Means of all channels, then logarithms of their standard deviations."""
    values = np.array([[[1.0, 3.0, np.nan], [5.0, 5.0, 5.0]], [[np.nan] * 3, [0.0, 0.0, 6.0]]])
    expected = [[2, 5, 0, -np.inf], [np.nan, 2, np.nan, np.log(np.sqrt(8))]]
    np.testing.assert_allclose(inference.panel_instance_stats(values), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_levels_in_chunks(dtype, monkeypatch):
    values = panel(9).astype(dtype)
    values[2, 0, 3:] = np.nan
    whole = inference.panel_instance_stats(values)
    assert whole.dtype == (torch.float32 if dtype == np.float32 else torch.float64)
    parts = torch.cat([inference.panel_instance_stats(v[None]) for v in values])
    assert torch.equal(whole, parts)
    monkeypatch.setattr(
        "simmtm_sk.data.panel.CHUNK", 4 * values[0].size
    )  # four series, then four, then one
    assert torch.equal(inference.panel_instance_stats(values), whole)


def test_missing_shares_by_hand(monkeypatch):
    """Padding is not missing, and a channel that a series does not have counts for nothing."""
    nan = np.nan
    values = np.array(
        [
            [[1, nan, 3, 4], [1, 2, nan, nan]],
            [[1, 2, nan, nan], [nan, 2, nan, nan]],
            [[nan, nan, nan, 4], [nan, nan, nan, nan]],
        ]
    )
    expected = [(1 / 4 + 0 + 3 / 4) / 3, (2 / 4 + 1 / 2) / 2]
    np.testing.assert_allclose(inference.missing_shares(values), expected)
    monkeypatch.setattr("simmtm_sk.data.panel.CHUNK", values[0].size)
    np.testing.assert_allclose(inference.missing_shares(values), expected)
    assert (inference.missing_shares(np.zeros((3, 2, 5))) == 0).all()


class Perfect(torch.nn.Module):
    """Stands for a network whose decoder gives back what it was shown, and `fill` elsewhere."""

    def __init__(self, fill=0.0):
        super().__init__()
        self.fill = fill

    def rebuild(self, values, visible, within):
        return normalize(values, visible).masked_fill(~visible, self.fill)


@pytest.mark.parametrize("max_length", [None, 8, 7])
def test_what_is_rebuilt_is_in_its_own_units_and_place(max_length):
    values = panel(4) * 100 + 7
    values[2, :, 9:] = np.nan
    rows = WindowDataset(values, max_length)
    rebuilt = inference.rebuilt_values(Perfect(), values, rows, torch.float64)
    np.testing.assert_allclose(rebuilt.numpy(), values, rtol=1e-9)


def test_missing_points_are_filled_with_what_the_network_says():
    values = panel(3)
    values[0, 1, 4:7] = np.nan
    rebuilt = inference.rebuilt_values(
        Perfect(2.0), values, WindowDataset(values), torch.float64
    ).numpy()
    seen = values[0, 1][~np.isnan(values[0, 1])]
    np.testing.assert_allclose(rebuilt[0, 1, 4:7], seen.mean() + 2 * seen.std())


@pytest.mark.parametrize("max_length", [4, 5, 20, None])
def test_a_gap_longer_than_a_window_gets_the_mean_and_the_end_nothing(max_length):
    values = panel(2, 1) * 100 + 7
    values[0, :, 5:14] = np.nan
    values[0, :, 17:] = np.nan
    rows = WindowDataset(values, max_length)
    assert rows.ends.tolist() == [17, 20]
    rebuilt = inference.rebuilt_values(Perfect(), values, rows, torch.float64).numpy()
    seen = ~np.isnan(values)
    np.testing.assert_allclose(rebuilt[seen], values[seen], rtol=1e-9)
    assert np.isnan(rebuilt[0, 0, 17:]).all()
    covered = np.zeros(17, bool)
    for series, start in zip(rows.series, rows.start, strict=True):
        if series == 0:
            covered[start : start + rows.length] = True
    assert covered.all() == (max_length in (20, None))
    np.testing.assert_allclose(rebuilt[0, 0, :17][~covered], np.nanmean(values[0]), rtol=1e-9)


def test_hidden_error_of_the_mean_is_about_one():
    values = np.random.default_rng(0).normal(size=(300, 1, 200)) * 50 - 3
    error = inference.hidden_error(Perfect(), WindowDataset(values), torch.float64)
    assert error == pytest.approx(1.0, abs=0.05)


def test_hidden_error_looks_at_hidden_points_alone():
    """They are rebuilt as their standard deviation here, hence 1 + 1; visible ones perfectly."""
    values = np.random.default_rng(0).normal(size=(300, 1, 200))
    error = inference.hidden_error(Perfect(1.0), WindowDataset(values), torch.float64)
    assert error == pytest.approx(2.0, abs=0.1)


def test_hidden_error_ignores_offset_scale_gaps_and_padding():
    values = panel(30, 1, 40)
    error = inference.hidden_error(Perfect(), WindowDataset(values), torch.float64)
    scaled = inference.hidden_error(Perfect(), WindowDataset(values * 1000 + 3), torch.float64)
    assert scaled == pytest.approx(error, rel=1e-6)
    gaps = values.copy()
    gaps[:, :, ::3] = np.nan
    assert np.isfinite(inference.hidden_error(Perfect(), WindowDataset(gaps), torch.float64))
    assert np.isnan(
        inference.hidden_error(Perfect(), WindowDataset(values[:, :, :1]), torch.float64)
    )


def test_hidden_error_is_the_same_every_time(network):
    rows = WindowDataset(panel(20))
    first, second = (inference.hidden_error(network, rows, torch.float64) for _ in range(2))
    assert first == second
