"""Conditional means of mixtures against the textbook, window by window."""

import numpy as np
import pytest

from simmtm_sk.filling.mixture import SHARPNESS, WindowMixture

C, LENGTH = 2, 6


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(size=(600, C, LENGTH)), -1).reshape(600, -1)


@pytest.fixture(scope="module")
def mixture(windows):
    return WindowMixture.fit(windows, C, 3)


def textbook(mixture, window, gone):
    """Mean and variance of the hidden points, by inverting what is visible."""
    there = ~gone
    means, variances, logs = [], [], []
    for mean, cov, log in zip(mixture.means, mixture.covariances, mixture.log_shares, strict=True):
        rest = window[there] - mean[there]
        inverse = np.linalg.inv(cov[np.ix_(there, there)])
        across = cov[np.ix_(gone, there)]
        means.append(mean[gone] + across @ inverse @ rest)
        variances.append(np.diag(cov[np.ix_(gone, gone)] - across @ inverse @ across.T))
        half = 0.5 * np.linalg.slogdet(cov[np.ix_(there, there)])[1] if there.any() else 0
        logs.append(log - half - 0.5 * rest @ inverse @ rest)
    shares = np.exp(SHARPNESS * (np.array(logs) - max(logs)))
    shares /= shares.sum()
    mean = shares @ means
    return mean, shares @ (np.array(variances) + np.square(means)) - mean**2


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8, 1.0])
def test_expected_is_the_conditional_mean(windows, mixture, share):
    rng = np.random.default_rng(1)
    hidden = rng.random((30, C * LENGTH)) < share
    hidden[3] = hidden[4]  # the same gaps
    given = np.where(hidden, np.nan, windows[:30])
    expected = mixture.expected(given, hidden)
    for window, gone, mean, variance in zip(
        windows[:30], hidden, expected.mean, expected.variance, strict=True
    ):
        assert (mean[~gone] == window[~gone]).all()
        assert not variance[~gone].any()
        if gone.any():
            wanted = textbook(mixture, window, gone)
            np.testing.assert_allclose((mean[gone], variance[gone]), wanted, atol=1e-6)


def test_windows_do_not_depend_on_each_other(windows, mixture):
    rng = np.random.default_rng(2)
    hidden = rng.random((50, C * LENGTH)) < rng.random((50, 1))
    together = mixture.expected(windows[:50], hidden)
    for i in range(50):
        alone = mixture.expected(windows[i : i + 1], hidden[i : i + 1])
        np.testing.assert_allclose(together.mean[i], alone.mean[0], atol=1e-9)


def test_groups_are_found():
    """What is hidden follows the size of what is visible, whatever its sign: no line does."""
    rng = np.random.default_rng(3)
    slope = np.concatenate([rng.uniform(1, 2, 9000), rng.uniform(-2, -1, 9000)])[:, None]
    ramp = np.arange(4)
    windows = np.hstack([slope * ramp, 6 + np.abs(slope) * ramp])
    windows += 0.01 * rng.normal(size=windows.shape)
    hidden = np.tile(np.arange(8) > 4, (18000, 1))
    errors = [
        np.mean((WindowMixture.fit(windows, 1, n).expected(windows, hidden).mean - windows) ** 2)
        for n in (1, 2)
    ]
    assert errors[1] < 0.25 * errors[0]


def test_levels_are_free():
    """A window far above all others is filled at its own level."""
    rng = np.random.default_rng(4)
    windows = np.sin(np.arange(12) / 2 + rng.uniform(0, 6, (1000, 1)))
    far = windows[:1] + 30
    hidden = np.zeros((1, 12), bool)
    hidden[0, 5] = True
    assert abs(WindowMixture.fit(windows, 1, 1).expected(far, hidden).mean - far).max() < 0.3


@pytest.mark.parametrize("n_components", [1, 5])
def test_few_equal_windows_are_no_error(n_components):
    mixture = WindowMixture.fit(np.ones((7, 4)), 2, n_components)
    hidden = np.array([[True, False, False, False]])
    np.testing.assert_allclose(mixture.expected(np.ones((1, 4)), hidden).mean, 1, atol=1e-2)
