import numpy as np
import torch

from simmtm_sk.nn.gaps import N_CLASSES, NEAREST, distance_classes, filled, ways_to_fill

RNG = np.random.default_rng(0)


def test_classes_of_distances_equal_a_slow_version():
    visible = RNG.random((6, 2, 90)) < 0.04
    visible[0, 0] = False
    classes = distance_classes(torch.tensor(visible)).numpy()
    for index in np.ndindex(visible.shape):
        places = np.flatnonzero(visible[index[:-1]])
        distance = np.abs(places - index[-1]).min(initial=10**6)
        assert classes[index] == sum(distance > bound for bound in NEAREST)
    assert set(classes.ravel()) == set(range(N_CLASSES))


def test_what_was_decoded_is_led_through_the_visible_points():
    values, decoded = (torch.tensor(RNG.normal(size=(4, 2, 30))) for _ in range(2))
    visible = torch.tensor(RNG.random((4, 2, 30)) < 0.4)
    straight, plain, bent = ways_to_fill(decoded, values, visible).numpy()
    np.testing.assert_array_equal(plain, decoded)
    at = np.arange(30)
    for index in np.ndindex(4, 2):
        places = np.flatnonzero(visible[index])
        lines = [np.interp(at, places, x[index].numpy()[places]) for x in (values, decoded)]
        np.testing.assert_allclose(straight[index], lines[0], atol=1e-12)
        np.testing.assert_allclose(bent[index], lines[0] + plain[index] - lines[1], atol=1e-12)


def test_gaps_are_filled_with_the_weights_of_their_distance_and_the_rest_stays():
    values, decoded = (torch.tensor(RNG.normal(size=(4, 2, 90))) for _ in range(2))
    visible = torch.tensor(RNG.random((4, 2, 90)) < 0.1)
    visible[:, :, 0] = True
    hidden = values.masked_fill(~visible, torch.nan)
    weights = torch.tensor(RNG.dirichlet(np.ones(3), N_CLASSES).T)
    result = filled(decoded, hidden, visible, weights)
    ways, classes = ways_to_fill(decoded, values, visible), distance_classes(visible)
    for index in zip(*np.nonzero(~visible.numpy()), strict=True):
        expected = sum(weights[k, classes[index]] * ways[k][index] for k in range(3))
        np.testing.assert_allclose(result[index], expected, rtol=1e-12)
    torch.testing.assert_close(result[visible], values[visible], rtol=0, atol=0)
