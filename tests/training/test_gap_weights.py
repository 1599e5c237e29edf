import numpy as np
import torch

from simmtm_sk.data import WindowDataset
from simmtm_sk.training.gap_weights import PRIOR, gap_weights
from simmtm_sk.training.pretraining import split_rows

RNG = np.random.default_rng(0)


class Decoding:
    """A network that rebuilds certain series, in units of what is visible."""

    def __init__(self, decoded):
        self.decoded = decoded

    def rebuild(self, values, visible, within):
        mean = (values * visible).sum(-1, keepdim=True) / visible.sum(-1, keepdim=True)
        variance = ((values - mean) ** 2 * visible).sum(-1, keepdim=True)
        std = (variance / visible.sum(-1, keepdim=True)).sqrt()
        return (self.decoded(values) - mean) / std


def weights(values, decoded, **params):
    rows = WindowDataset(values, None, torch.device("cpu"))
    with torch.inference_mode():
        params = {"validation_fraction": 0.0, "seed": 0, **params}
        return gap_weights(Decoding(decoded), rows, **params).numpy()


def noise(n_series=40, length=120):
    return RNG.normal(size=(n_series, 1, length))


def test_a_decoder_that_knows_everything_leaves_nothing_to_straight_lines():
    found = weights(noise(), lambda values: values)
    assert found[0].max() < 0.01
    np.testing.assert_allclose(found.sum(0), 1)


def test_straight_series_are_left_to_straight_lines():
    lines = RNG.normal(size=(40, 1, 1)) * np.arange(120) + RNG.normal(size=(40, 1, 1))
    wrong = torch.tensor(noise(1))
    found = weights(lines, lambda values: wrong.expand(values.shape))
    assert found[0, 0] > 0.98  # longer gaps reach the ends, where lines are level


def test_a_decoder_that_is_wrong_by_a_line_is_led_through_what_is_visible():
    ramp = torch.linspace(-9, 9, 120)
    found = weights(noise(), lambda values: values + ramp)
    assert found[2, :3].min() > 0.9


def test_only_rows_that_the_training_has_held_out_are_looked_at():
    values, wrong = noise(), torch.tensor(3 * noise(1))
    trained_on = split_rows(40, 0.1, 3)[0].numpy()
    values[trained_on] += 100

    def by_heart(values):
        return torch.where(values > 50, values, wrong)

    known = weights(values, by_heart, validation_fraction=0.0, seed=3)
    found = weights(values, by_heart, validation_fraction=0.1, seed=3)
    assert found[0].min() > known[0].max() + 0.2


def test_where_nothing_can_be_hidden_weights_are_the_prior_ones():
    np.testing.assert_allclose(weights(np.ones((5, 1, 20)), lambda x: x), np.tile(PRIOR, (7, 1)).T)
