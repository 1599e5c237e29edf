import torch

from simmtm_sk.nn.combination import Combination
from simmtm_sk.nn.members import Member, context_of
from tests.training.forecasts import CONTEXT, HORIZON, forecast_model


def contexts(n=5, length=24, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, length, generator=draw, dtype=torch.float64)


def fill(ridge, seed=0):
    draw = torch.Generator().manual_seed(seed)
    ridge.coef = torch.randn(ridge.coef.shape, generator=draw, dtype=torch.float64)


MEMBERS = (
    Member("ridge", 8, n_recent=8),
    Member("ridge", 20, anchored=False, n_recent=4, fineness=2, n_maps=2),
    Member("profile", 12, period=4, n_periods=3, memory=0.5, level_memory=0.8),
    Member("profile", 1, period=1, n_periods=1),
)


def combination():
    made = Combination(MEMBERS, HORIZON, 2, 6)
    fill(made.members[0])
    fill(made.members[1], 1)
    made.center = torch.tensor([10.0, -3.0], dtype=torch.float64)
    made.scale = torch.tensor([2.0, 0.5], dtype=torch.float64)
    return made


def test_combination_is_the_weighted_mean_in_the_unit_of_the_series():
    made, series = combination(), torch.tensor([0, 1, 0, 1, 1])
    draw = torch.rand(4, HORIZON, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    made.weights = draw / draw.sum(0)
    values = contexts()
    center, scale = made.center[series, None], made.scale[series, None]
    standard = context_of((values - center) / scale, series)
    expected = sum(
        weight * (member(standard) * scale + center)
        for weight, member in zip(made.weights, made.members, strict=True)
    )
    torch.testing.assert_close(made.predict(values, series), expected)


def test_combination_looks_as_far_back_as_its_members():
    made = combination()
    assert made.context_length == 20
    values, series = contexts(), torch.zeros(5, dtype=torch.int64)
    torch.testing.assert_close(made.predict(values[:, -20:], series), made.predict(values, series))


def test_state_is_complete():
    made, values, series = combination(), contexts(), torch.tensor([0, 1, 0, 1, 1])
    again = Combination(made.specs, HORIZON, 2, 6)
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.predict(values, series), made.predict(values, series))


def test_encoder_counts_beside_the_members():
    made, series, values = combination(), torch.tensor([0, 1, 0, 1, 1]), contexts()
    mean = made.predict(values, series)
    made.encoder = forecast_model()
    made.encoder_share = torch.tensor([0.0, 0.5, 1.0, 0.2], dtype=torch.float64)
    other = made.encoder.predict(values[:, -CONTEXT:], series)
    forecast = made.predict(values, series)
    torch.testing.assert_close(forecast, torch.lerp(mean, other, made.encoder_share))


def test_weights_by_step():
    made = combination()
    made.weights = torch.full((4, 4), 0.25, dtype=torch.float64)
    made.encoder = forecast_model()
    made.encoder_share = torch.tensor([0.0, 0.5, 0.5, 1.0], dtype=torch.float64)
    described = made.weights_by_step()
    assert list(described) == ["1", "2-3", "4"]
    assert list(described["1"].values()) == [0.25, 0.25, 0.25, 0.25, 0.0]
    assert described["2-3"]["encoder"] == 0.5
    assert described["4"] == {member.name: 0.0 for member in MEMBERS} | {"encoder": 1.0}


def test_level_shifts_are_continued():
    made, series = combination(), torch.tensor([0, 1, 0, 1, 1])
    made.usual_jump = torch.full((2,), 3.0, dtype=torch.float64)
    values = made.center[series, None] + 0.1 * contexts()
    shifted, size = values.clone(), 20 * made.scale[series, None]
    shifted[:, -2:] += size
    torch.testing.assert_close(
        made.predict(shifted, series), made.predict(values, series) + size, rtol=0, atol=1.5
    )


def test_the_unit_of_errors_has_no_level_shift():
    made, series = combination(), torch.tensor([0, 1, 0, 1, 1])
    values = made.center[series, None] + 0.1 * contexts()
    values[0, -6] = torch.nan
    made.usual_jump = torch.full((2,), 3.0, dtype=torch.float64)
    found = made.context_std(values, series)
    recent = values[:, -made.look_back :]
    torch.testing.assert_close(found[1:], recent[1:].std(1, keepdim=True, correction=0))
    expected = recent[0, 1:].std(0, correction=0)
    torch.testing.assert_close(found[0, 0], expected)
    shifted = values.clone()
    shifted[:, -2:] += 20 * made.scale[series, None]
    lag = 4  # the period of the profile
    doubt = (recent[:, lag:] - recent[:, :-lag]).square().nanmean(1, keepdim=True).sqrt()
    within = made.context_std(shifted, series)
    assert (within > 0.5 * doubt).all()
    assert (within < 3 * (found + doubt)).all()
    assert (shifted[:, -made.look_back :].nan_to_num(0).std(1, keepdim=True) > 5 * within).all()
