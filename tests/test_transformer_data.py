"""What `SimMTMTransformer` makes of data: gaps, dtypes, lengths, channels, containers."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from simmtm_sk.nn.masking import geometric_mask
from tests.small import X, digest, small
from tests.transformers import (
    CLOSE,
    ENCODERS,
    X_NEW,
    every_encoder,
    frames,
    multiindex,
    nested,
    of_channel,
    ragged,
)


@pytest.fixture(scope="module")
def fitted():
    return {name: small(encoder=encoder).fit(X) for name, encoder in ENCODERS.items()}


# -- nothing hidden, missing or beside it influences anything --------------------------------------


@every_encoder
def test_hidden_values_change_no_output_bit(encoder):
    """Whatever stands at the points that are not visible: other numbers, infinite, NaN."""
    network = small(encoder=encoder).fit(X).network_
    n_channels = 1 if encoder.channel_independent else 2
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(6, n_channels, 20, generator=generator)
    within = torch.arange(20).expand(6, 20) < torch.tensor([20, 20, 11, 9, 20, 2])[:, None]
    observed = (torch.rand(values.shape, generator=generator) < 0.8) & within[:, None]
    observed[..., 0] = True
    views = (torch.rand(12, n_channels, 20, generator=generator) < 0.5) & observed.repeat(2, 1, 1)
    views[..., 0] = True

    def outputs(filled):
        with torch.no_grad():
            yield network.embed(
                filled, observed, within, ("mean", "max", "min", "std", "ppv"), True
            )
            yield network.project(filled, observed, within)
            yield network.rebuild(filled, observed, within)
            yield from network.losses(filled, observed, within, views).values()

    reference = list(outputs(values))
    for other in (1e6, -3.0, float("inf"), float("nan")):
        changed = values.masked_fill(~observed, other)
        for a, b in zip(reference, outputs(changed), strict=True):
            assert torch.equal(a, b)


@every_encoder
def test_masked_points_do_not_enter_their_view(encoder):
    """A view of two series that agree where it looks is the same for both."""
    network = small(encoder=encoder).fit(X).network_
    n_channels = 1 if encoder.channel_independent else 2
    values = torch.randn(2, n_channels, 20, generator=torch.Generator().manual_seed(0))
    visible = torch.arange(20) % 7 < 4
    values[1] = torch.where(visible, values[0], values[1])
    shown = visible.expand(values.shape)
    with torch.no_grad():
        first, second = network.rebuild(values, shown, None)
    assert torch.equal(first, second)


def test_missing_values_in_fit_are_not_zeros(fitted):
    gaps = X.copy()
    gaps[::2, :, 5:9] = np.nan
    assert digest(small().fit(gaps)) != digest(small().fit(np.nan_to_num(gaps)))
    embedding = fitted["conv"].transform(gaps)
    assert np.isfinite(embedding).all()
    assert not np.allclose(embedding[0], fitted["conv"].transform(np.nan_to_num(gaps))[0])


@every_encoder
def test_gaps_in_smooth_series_hardly_change_the_embedding(encoder):
    """A fifth of the points gone at random: the neighbours of an embedding stay what they were."""
    draw = np.random.default_rng(0)
    time = np.linspace(0, 1, 60)
    phase, speed = draw.uniform(0, 6, (2, 30, 1, 1))
    smooth = np.sin(phase + (4 + speed) * time)
    smooth = (smooth - smooth.mean(2, keepdims=True)) / smooth.std(2, keepdims=True)
    gappy = np.where(draw.random(smooth.shape) < 0.2, np.nan, smooth)
    for seen in (smooth, gappy):
        estimator = small(encoder=encoder, num_epochs=0, pooling=("max", "std", "ppv")).fit(seen)
        one, other = estimator.transform(smooth), estimator.transform(gappy)
        nearest = np.square(one[:, None] - other).sum(2).argmin(0)
        assert (nearest == np.arange(30)).mean() > 0.85


@every_encoder
def test_permuting_series_permutes_embeddings(encoder, fitted):
    estimator = small(encoder=encoder).fit(X)
    order = np.random.default_rng(2).permutation(len(X))
    np.testing.assert_allclose(
        estimator.transform(X[order]), estimator.transform(X)[order], **CLOSE
    )


@every_encoder
@pytest.mark.parametrize("max_length", [None, 8])
def test_a_series_is_embedded_alone_as_among_others(encoder, max_length):
    """Whatever the others, their number, their lengths and gaps, hence whatever the padding."""
    estimator = small(encoder=encoder, max_length=max_length).fit(X)
    series = ragged()
    series[0] = series[0].copy()
    series[0][:, 6:9] = np.nan  # a window of 8 points ends in this gap
    series += [np.where(np.arange(20) % 19 < 3, X_NEW[5], np.nan)]  # and one lies within this one
    together = estimator.transform(series)
    assert np.isfinite(together).all()
    for one, expected in zip(series, together, strict=True):
        np.testing.assert_allclose(estimator.transform([one])[0], expected, **CLOSE)
        padded = np.pad(one, ((0, 0), (0, 13)), constant_values=np.nan)
        np.testing.assert_allclose(estimator.transform([padded])[0], expected, **CLOSE)
    np.testing.assert_allclose(estimator.transform(series * 3), np.tile(together, (3, 1)), **CLOSE)


def test_padding_in_fit_changes_nothing():
    padded = np.pad(X, ((0, 0), (0, 0), (0, 4)), constant_values=np.nan)
    a, b = (small(max_length=20, num_epochs=1).fit(values) for values in (X, padded))
    np.testing.assert_allclose(a.transform(X_NEW), b.transform(X_NEW), rtol=1e-4, atol=1e-5)


def test_a_large_offset_costs_no_digits():
    """Of all series alike, it says nothing about any of them."""
    settings = {"num_epochs": 0, "pooling": ("mean", "max")}
    given = small(**settings).fit(X).transform(X_NEW)
    shifted = small(**settings).fit(X + 1e9).transform(X_NEW + 1e9)
    np.testing.assert_allclose(shifted, given, rtol=1e-3, atol=1e-3)


# -- dtypes, lengths, channels ---------------------------------------------------------------------


@every_encoder
def test_the_dtype_of_the_data_is_kept(encoder, fitted):
    estimator = small(encoder=encoder).fit(X)
    double = estimator.transform(X_NEW)
    single = estimator.transform(X_NEW.astype(np.float32))
    assert double.dtype == np.float64
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-4)
    assert estimator.transform(np.round(X_NEW).astype(int)).dtype == np.float64
    assert {w.dtype for w in estimator.network_.parameters()} == {torch.float32}


@every_encoder
@pytest.mark.parametrize("length", [1, 2, 7, 33])
def test_another_length_at_transform(encoder, length):
    estimator = small(encoder=encoder).fit(X)
    other = np.random.default_rng(3).normal(size=(3, 2, length))
    from_array = estimator.transform(other)
    assert from_array.shape == (3, estimator.transform(X).shape[1])
    assert np.isfinite(from_array).all()
    np.testing.assert_array_equal(estimator.transform(list(other)), from_array)
    np.testing.assert_array_equal(estimator.transform(frames(other)), from_array)


def test_a_table_of_another_width_is_refused_with_advice():
    estimator = small().fit(X[:, 0])
    with pytest.raises(
        ValueError, match=r"X has 10 features, but .* 20 .*another length.*3D array"
    ):
        estimator.transform(X[:, 0, :10])
    assert estimator.transform(X[:, :1, :10]).shape == (16, estimator.transform(X[:, 0]).shape[1])
    assert len(estimator.transform([x[0, :10] for x in X])) == 16


def test_a_table_behind_3d_data_has_one_channel():
    estimator = small().fit(X[:, :1])
    np.testing.assert_array_equal(estimator.transform(X[:, 0]), estimator.transform(X[:, :1]))
    assert len(estimator.transform(X[:, 0, :9])) == 16


def test_other_channels_where_the_encoder_allows_them(fitted):
    three = np.concatenate([X_NEW, X_NEW[:, :1]], 1)
    for name in ("patch", "point"):
        both, more = fitted[name].transform(X_NEW), fitted[name].transform(three)
        assert 2 * more.shape[1] == 3 * both.shape[1]
        for i, same in enumerate((0, 1, 0)):
            got = of_channel(fitted[name], more, i, 3)
            np.testing.assert_allclose(got, of_channel(fitted[name], both, same), **CLOSE)
        framed = fitted[name].transform([pd.DataFrame(x.T) for x in three])
        np.testing.assert_array_equal(framed, more)
        assert fitted[name].reconstruct(three).shape == three.shape
        assert fitted[name].similarity(three).shape == (7, 7)


@pytest.mark.parametrize("method", ["transform", "reconstruct", "similarity", "score"])
def test_other_channels_where_it_does_not(fitted, method):
    with pytest.raises(ValueError, match=r"X has 3 channel.*was fitted on 2.*PatchEncoder"):
        getattr(fitted["conv"], method)(np.zeros((2, 3, 20)))
    with pytest.raises(ValueError, match=r"X has 1 channel"):
        getattr(fitted["conv"], method)(X[:, 0])


@every_encoder
def test_unequal_lengths_in_fit(encoder):
    series = [x[:, : 5 + i] for i, x in enumerate(X)]
    estimator = small(encoder=encoder).fit(series)
    assert np.isfinite(estimator.transform(series)).all()
    assert estimator.length_ == 20
    padded = np.full_like(X, np.nan)
    for row, x in zip(padded, series, strict=True):
        row[:, : x.shape[1]] = x
    assert digest(small(encoder=encoder).fit(padded)) == digest(estimator)


@every_encoder
def test_an_all_missing_channel(encoder):
    gaps = X.copy()
    gaps[3, 1] = gaps[4, 0] = np.nan
    estimator = small(encoder=encoder).fit(gaps)
    assert np.isfinite(estimator.transform(gaps)).all()
    assert np.isfinite(estimator.score(gaps))
    assert np.isfinite(estimator.similarity(gaps)).all()
    if encoder.channel_independent:  # nothing of the other channel is lost
        got, whole = estimator.transform(gaps)[3:4], estimator.transform(X)[3:4]
        for i, same in enumerate((True, False)):
            kept = of_channel(estimator, got, i) == pytest.approx(of_channel(estimator, whole, i))
            assert kept is same


@every_encoder
def test_awkward_series(encoder):
    awkward = X.copy()
    awkward[0] = 5.0
    awkward[1, 0] = 0.0
    awkward[2] *= 1e-30
    awkward[3] *= 1e30
    awkward[4, :, 1:] = np.nan
    estimator = small(encoder=encoder).fit(awkward)
    assert np.isfinite(estimator.transform(awkward)).all()
    assert all(np.isfinite(v) for record in estimator.history_ for v in record.values())


# -- long series and memory maps -------------------------------------------------------------------


@every_encoder
def test_windows_are_pooled_by_their_mean(encoder):
    settings = {"max_length": 8, "pooling": ("mean", "ppv", "max"), "neighborhood_weight": 0}
    estimator = small(encoder=encoder, **settings).fit(X)
    # 20 points: three windows, which start at 0, 6 and 12
    windows = [estimator.transform(X_NEW[:, :, s : s + 8]) for s in (0, 6, 12)]
    np.testing.assert_allclose(estimator.transform(X_NEW), np.mean(windows, 0), **CLOSE)


def test_training_sees_all_windows():
    seen = []

    def mask(n_rows, length, mask_ratio, mask_length, generator):
        seen.append((n_rows, length))
        return geometric_mask(n_rows, length, mask_ratio, mask_length, generator)

    small(
        max_length=8,
        masking=mask,
        num_epochs=1,
        validation_fraction=0.0,
        n_masks=1,
        batch_size=99,
        metric_strength=0,
    ).fit(X)
    assert seen == [(16 * 3 * 2, 8)]


# -- containers ------------------------------------------------------------------------------------


def test_every_container_gives_the_same_embedding(fitted):
    expected = fitted["conv"].transform(X_NEW)
    for container in (list(X_NEW), frames(X_NEW), multiindex(X_NEW), nested(X_NEW)):
        np.testing.assert_array_equal(fitted["conv"].transform(container), expected)
        assert digest(small().fit(container)) == digest(small().fit(X_NEW))


def test_sktime_containers_give_a_frame_with_the_instances(fitted):
    estimator = fitted["conv"]
    names = estimator.get_feature_names_out()
    for container, index in (
        (multiindex(X_NEW), [f"s{i}" for i in range(7)]),
        (nested(X_NEW), [f"s{i}" for i in range(7)]),
        (frames(X_NEW), range(7)),
    ):
        embedding = estimator.transform(container)
        assert isinstance(embedding, pd.DataFrame)
        assert embedding.index.tolist() == list(index)
        np.testing.assert_array_equal(embedding.columns, names)
    shuffled = pd.concat([multiindex(X_NEW).loc[[name]] for name in ("s4", "s0", "s2")])
    assert estimator.transform(shuffled).index.tolist() == ["s4", "s0", "s2"]
    deep = pd.concat({("g", 2): frames(X_NEW)[0], ("a", 1): frames(X_NEW)[1]})
    assert estimator.transform(deep).index.tolist() == [("g", 2), ("a", 1)]
    by_time = pd.DataFrame(X_NEW[0].T, index=pd.date_range("2024-01-01", periods=20))
    np.testing.assert_array_equal(estimator.transform(by_time), estimator.transform(X_NEW[:1]))


def test_arrays_and_tables_give_arrays(fitted):
    for values in (X_NEW, list(X_NEW)):
        assert type(fitted["conv"].transform(values)) is np.ndarray
    table = pd.DataFrame(X[:, 0], columns=[f"t{i}" for i in range(20)])
    estimator = small().fit(table)
    assert type(estimator.transform(table)) is np.ndarray
    assert estimator.feature_names_in_.tolist() == table.columns.tolist()
    with pytest.raises(ValueError, match="feature names"):
        estimator.transform(table.rename(columns={"t0": "other"}))


def test_set_output_pandas():
    estimator = small().set_output(transform="pandas").fit(X)
    names = estimator.get_feature_names_out().tolist()
    embedding = estimator.transform(X_NEW)
    assert embedding.columns.tolist() == names
    assert embedding.index.tolist() == list(range(7))
    np.testing.assert_array_equal(embedding, small().fit(X).transform(X_NEW))
    assert estimator.transform(multiindex(X_NEW)).index.tolist() == [f"s{i}" for i in range(7)]
    table = pd.DataFrame(X[:, 0], index=[f"r{i}" for i in range(16)])
    table.columns = table.columns.astype(str)
    assert estimator.fit_transform(table).index.tolist() == table.index.tolist()
    assert isinstance(clone(estimator).fit_transform(X), pd.DataFrame)


def test_feature_names(fitted):
    for estimator in fitted.values():
        names = estimator.get_feature_names_out()
        assert len(set(names)) == len(names) == estimator.transform(X).shape[1]
        assert names.tolist() == estimator.feature_names()
        assert any(name.startswith("neighborhood") or "_max_" in name for name in names)


def test_fit_transform_is_fit_then_transform():
    np.testing.assert_array_equal(small().fit_transform(X), small().fit(X).transform(X))
    np.testing.assert_array_equal(small().fit_transform(X, np.ones(16)), small().fit_transform(X))
