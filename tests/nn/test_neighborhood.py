"""Coordinates on the graph of neighbours, against a slow obvious one."""

import numpy as np
import pytest
import torch

from simmtm_sk.nn.neighborhood import FEWEST_SERIES, Neighborhood

DRAW = np.random.default_rng(0)
SIDE = np.repeat([0, 1], 30)


def bumps(noise):
    """Bumps and dips beside a bump, each somewhere: those of a kind form a chain."""
    time, place = np.linspace(0, 1, 24), np.tile(np.linspace(0.2, 0.8, 30), 2)[:, None]
    bump = np.exp(-((time - place) ** 2) / 0.02)
    dip = np.exp(-((time - place - 0.1) ** 2) / 0.02)
    rows = bump - SIDE[:, None] * dip
    return torch.tensor(rows + noise * DRAW.normal(size=rows.shape))


ROWS = bumps(0.02)


def fitted(rows=ROWS, variance=1.0):
    return Neighborhood(rows.shape[1]).fit(rows, variance)


def test_by_hand():
    """Inner products are those of (I - .97 S)^-1, with the graph made series by series."""
    E = ROWS.numpy()
    center = E.mean(0)
    D = 1 - np.array([[a @ b / np.sqrt((a @ a) * (b @ b)) for b in E - center] for a in E - center])
    reach = np.sort(D, 1)[:, 7]
    W = np.array(
        [
            [max(0, 1 - D[i, j] / (1.5 * np.sqrt(reach[i] * reach[j]))) ** 2 for j in range(60)]
            for i in range(60)
        ]
    )
    S = W / np.sqrt(np.outer(W.sum(1), W.sum(1)))
    gram = S @ np.linalg.inv(np.eye(60) - 0.97 * S) @ S
    middle = np.eye(60) - 1 / 60
    gram = middle @ gram @ middle
    coordinates = fitted()(ROWS).numpy()
    np.testing.assert_allclose(
        coordinates @ coordinates.T, 60 * gram / np.trace(gram), atol=1e-6, rtol=1e-6
    )


@pytest.mark.parametrize("variance", [0.3, 7.0])
def test_centred_with_the_variance_asked_for(variance):
    coordinates = fitted(variance=variance)(ROWS)
    torch.testing.assert_close(coordinates.mean(0), torch.zeros(60, dtype=torch.float64))
    assert float(coordinates.var(0, correction=0).sum()) == pytest.approx(variance)


def test_two_labels_reach_what_hangs_together():
    """Which of two labelled series is nearer by angle: of the same kind far more often."""
    rows, new = ROWS - ROWS.mean(0), bumps(0.02) - ROWS.mean(0)
    pairs = [(i, j) for i in range(0, 30, 3) for j in range(30, 60, 3)]

    def right(E, E_new):
        E, E_new = (torch.nn.functional.normalize(x, dim=1) for x in (E, E_new))
        nearer = [(E_new @ (E[j] - E[i]) > 0).numpy() == SIDE for i, j in pairs]
        return np.mean(nearer)

    neighborhood = fitted()
    assert right(rows, new) < 0.8
    assert right(neighborhood(ROWS), neighborhood(new + ROWS.mean(0))) > 0.9


def test_a_series_is_what_it_is_in_any_company_and_moves_little_with_a_small_change():
    neighborhood = fitted()
    together = neighborhood(ROWS)
    torch.testing.assert_close(torch.cat([neighborhood(row[None]) for row in ROWS]), together)
    moved = neighborhood(ROWS + 1e-6) - together
    assert float(moved.norm() / together.norm()) < 1e-3


def test_far_from_everything_is_finite():
    coordinates = fitted()(torch.tensor([[1e6] * 24, [0.0] * 24], dtype=torch.float64))
    assert bool(coordinates.isfinite().all())


@pytest.mark.parametrize("rows", [ROWS[: FEWEST_SERIES - 1], torch.ones(20, 3)])
def test_no_neighbours_no_coordinates(rows):
    assert fitted(rows)(rows).shape == (len(rows), 0)


def test_twins_are_finite_and_in_one_place():
    twins = ROWS[:10].repeat(3, 1)
    coordinates = fitted(twins)(twins)
    torch.testing.assert_close(coordinates[:10], coordinates[10:20])
