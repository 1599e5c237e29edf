"""Balance and metric of embeddings, against slow obvious ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from simmtm_sk.geometry import Geometry
from simmtm_sk.nn.masking import geometric_mask
from simmtm_sk.relatives import Relatives, neighbor_differences, views

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(24, 2, 15)).cumsum(2)
RELATIVES = Relatives(
    strength=0.6,
    n_neighbors=2,
    n_views=2,
    mask=geometric_mask,
    mask_ratio=0.5,
    mask_length=3.0,
    seed=0,
)
SIZES = {"learned": 3, "filters": 5, "scale": 4}
MAPS = DRAW.normal(size=(2, 15, 12))


def embed(values):
    """Twelve features of a series, all channels together."""
    return torch.einsum("ncl,clk->nk", torch.tensor(values), torch.tensor(MAPS))


def fitted(**changes):
    return Geometry(SIZES).fit(X, replace(RELATIVES, **changes), embed)


def test_blocks_have_their_shares_of_the_variance():
    variance = fitted(strength=0.0)(embed(X)).var(0, correction=0)
    shares = [float(block.sum()) for block in variance.split([3, 5, 4])]
    np.testing.assert_allclose(shares, 12 * np.array([0.3, 1, 0.7]) / 2, rtol=1e-6)
    assert float(variance[:3].std()) == pytest.approx(0, abs=1e-12)


def test_no_block_is_no_feature():
    assert Geometry({"learned": 0, "filters": 5}).sizes == {"filters": 5}


@pytest.mark.parametrize("n_neighbors", [0, 2])
def test_the_metric_by_hand(n_neighbors):
    """Scatter of views, then three times of these and of the neighbours in the last metric."""
    balanced = fitted(strength=0.0)(embed(X)).numpy()
    plain = fitted(strength=0.0)
    of_views = plain(embed(views(X, RELATIVES))).numpy()
    D = of_views - np.tile(balanced, (4, 1))
    scatter = D.T @ D

    def shrinking(scatter):
        values, vectors = np.linalg.eigh(scatter / len(D))
        low, high = 1e-9, 1e9
        for _ in range(200):
            middle = np.sqrt(low * high)
            left = (values / (1 + values / middle)).sum() / values.sum()
            low, high = (low, middle) if left > 0.4 else (middle, high)
        return vectors @ np.diag((1 + values / low) ** -0.5) @ vectors.T

    expected = shrinking(scatter)
    for _ in range(3 if n_neighbors else 0):
        near = balanced @ expected
        near = near / np.linalg.norm(near, axis=1, keepdims=True)
        cosine = near @ near.T - 9 * np.eye(len(near))
        pairs = {tuple(sorted((i, j))) for i in range(24) for j in np.argsort(-cosine[i])[:2]}
        N = np.array([balanced[i] - balanced[j] for i, j in pairs])
        expected = shrinking(scatter + 3 * np.trace(scatter) / np.trace(N.T @ N) * N.T @ N)
    embedding = fitted(n_neighbors=n_neighbors)(embed(X)).numpy()
    np.testing.assert_allclose(embedding, balanced @ expected, atol=1e-6)


def test_a_linear_map_of_embeddings_is_one_of_features():
    geometry = fitted()
    features = embed(DRAW.normal(size=(5, 2, 15)))
    coef = torch.tensor(DRAW.normal(size=(3, 12)))
    of_features, intercept = geometry.of_features(coef)
    torch.testing.assert_close(
        features @ of_features.T + intercept, geometry(features) @ coef.T, atol=1e-6, rtol=1e-6
    )


def test_coordinates_on_the_graph_follow_the_features():
    """They have their share of the variance, and `linear` is what there was without them."""
    geometry, plain = fitted(neighborhood_weight=0.5), fitted()
    features = embed(DRAW.normal(size=(5, 2, 15)))
    torch.testing.assert_close(geometry(features)[:, :12], plain(features))
    torch.testing.assert_close(geometry.linear()(features), plain(features))
    variance = geometry(embed(X)).var(0, correction=0)
    assert float(variance[12:].sum() / variance[:12].sum()) == pytest.approx(0.5, rel=1e-4)


def test_channels_as_rows_share_their_geometry():
    """Block by block, row by row; means of all channels, then their log standard deviations."""

    def by_channel(values):
        n, n_channels, _ = values.shape
        rows = torch.tensor(values).reshape(n * n_channels, -1)
        block = (rows @ torch.tensor(MAPS[0, :, :5])).reshape(n, -1)
        stats = torch.stack([rows.mean(1), rows.std(1).log()]).reshape(2, n, n_channels)
        return torch.cat([block, stats.transpose(0, 1).flatten(1)], 1)

    relatives = replace(RELATIVES, neighborhood_weight=0.3)
    geometry = Geometry({"filters": 5, "scale": 2}).fit(X, relatives, by_channel)
    both, alone = geometry(by_channel(X)), geometry(by_channel(X[:, 1:]))
    torch.testing.assert_close(both[:, [5, 6, 7, 8, 9, 11, 13]], alone[:, :7])
    n_coordinates = geometry.neighborhood.n_coordinates
    assert n_coordinates > 0
    torch.testing.assert_close(both[:, 14 + n_coordinates :], alone[:, 7:])


def test_views_leave_gaps_and_ends_where_they_are():
    values = X.copy()
    values[0, :, 9:] = np.nan
    values[1, 0] = np.nan
    values[2, 1, 4:6] = np.nan
    made = views(values, RELATIVES).reshape(4, *X.shape)
    assert np.isnan(made[:, 0, :, 9:]).all()
    assert np.isnan(made[:, 1, 0]).all()
    assert np.isfinite(made[:, 2:]).all()  # gaps are interpolated
    assert np.isfinite(made[:, 0, :, :9]).all()
    assert not np.isnan(values[3]).any()
    np.testing.assert_array_equal(views(values, RELATIVES), made.reshape(-1, 2, 15))


def test_neighbours_scatter_as_all_their_pairs_do():
    E = torch.tensor(DRAW.normal(size=(12, 4)))
    D = neighbor_differences(E, E, 3)
    cosine = torch.nn.functional.normalize(E, dim=1)
    cosine = (cosine @ cosine.T).fill_diagonal_(-2)
    pairs = {tuple(sorted((i, int(j)))) for i in range(12) for j in cosine[i].topk(3).indices}
    expected = sum(torch.outer(E[i] - E[j], E[i] - E[j]) for i, j in pairs)
    torch.testing.assert_close(D.T @ D, expected)


@pytest.mark.parametrize("n_series", [1, 2, 4, 5, 9])
def test_few_series_have_few_neighbours(n_series):
    """With all series as neighbours nothing would be left of what tells them apart."""
    geometry = Geometry(SIZES).fit(X[:n_series], RELATIVES, embed)
    E = geometry(embed(X))
    assert bool(E.isfinite().all())
    if n_series < 5:
        alone = Geometry(SIZES).fit(X[:n_series], replace(RELATIVES, n_neighbors=0), embed)
        torch.testing.assert_close(E, alone(embed(X)), atol=0, rtol=0)


def test_long_and_many_series_cost_no_more():
    """Views are of fewer series where these are long, rows of a bounded number are looked at."""
    seen = []

    def counting(values):
        seen.append(np.asarray(values).size)
        return torch.tensor(np.asarray(values)[:, 0, :12])

    long = DRAW.normal(size=(600, 1, 3000))
    Geometry(SIZES).fit(long, RELATIVES, counting)
    assert seen[0] == 512 * 3000
    assert seen[1] <= 1 << 17


def test_many_channels_as_rows_cost_no_more():
    """Graphs of series x series: of no more rows than that, however many channels are rows."""

    def by_channel(values):
        n, n_channels, _ = np.asarray(values).shape
        return torch.tensor(np.asarray(values)[:, :, :3].reshape(n, 3 * n_channels))

    many = DRAW.normal(size=(40, 50, 4))
    relatives = replace(RELATIVES, neighborhood_weight=0.3)
    geometry = Geometry({"filters": 3}).fit(many, relatives, by_channel)
    assert len(geometry.neighborhood.directions) == 512
