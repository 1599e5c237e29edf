"""What `SimMTMTransformer` returns: embeddings, reconstructions, similarities, scores."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from simmtm_sk import ConvEncoder, PatchEncoder, SimMTMTransformer, load
from simmtm_sk.embedding import POOLINGS
from simmtm_sk.nn.normalization import visible_statistics
from tests.small import X, small
from tests.transformers import (
    CLOSE,
    ENCODERS,
    X_NEW,
    every_encoder,
    frames,
    multiindex,
    nested,
    ragged,
)


@pytest.fixture(scope="module")
def fitted():
    return {name: small(encoder=encoder).fit(X) for name, encoder in ENCODERS.items()}


# -- embeddings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", ["all", "last"])
@pytest.mark.parametrize("pooling", [("mean",), ("max", "ppv"), ("scale",), ["std", "scale"]])
@every_encoder
def test_size_of_the_embedding(encoder, pooling, layers):
    settings = {"pooling": pooling, "layers": layers, "num_epochs": 0, "neighborhood_weight": 0}
    estimator = small(encoder=encoder, **settings).fit(X)
    n_layers = 1 + encoder.n_layers if layers == "all" else 1
    n_statistics = len([p for p in pooling if p != "scale"])
    parts = 2 if encoder.channel_independent else 1
    expected = parts * n_layers * n_statistics * 4 + ("scale" in pooling) * 2 * 2
    assert estimator.transform(X_NEW).shape == (7, expected)
    assert len(estimator.get_feature_names_out()) == expected


@every_encoder
def test_the_neighborhood_comes_last(encoder):
    """As many coordinates as series were seen, up to 64; for every row."""
    estimator = small(encoder=encoder, num_epochs=0).fit(X)
    names, n_rows = estimator.feature_names(), 2 if encoder.channel_independent else 1
    n_coordinates = min(64, n_rows * len(X))
    plain = small(encoder=encoder, num_epochs=0, neighborhood_weight=0).fit(X)
    assert names[: -n_rows * n_coordinates] == plain.feature_names()
    assert names[-1] == ("channel1_" if n_rows > 1 else "") + f"neighborhood{n_coordinates - 1}"
    E = estimator.transform(X_NEW)
    assert E.shape == (7, len(names))
    np.testing.assert_array_equal(E[:, : -n_rows * n_coordinates], plain.transform(X_NEW))


def test_size_of_the_default_embedding():
    """As the documentation of the class says."""
    assert SimMTMTransformer().pooling == (
        *("max", "min", "std", "ppv"),
        *("filters", "kernels", "scale"),
    )
    assert set(SimMTMTransformer().pooling) < set(POOLINGS)
    # dilations of filters and of kernels together
    sizes = ((150, 8, 6 + 5), (500, 8, 7 + 6), (128, 7, 5 + 4), (20, 5, 3 + 2), (2, 1, 1 + 1))
    for length, n_layers, n_dilations in sizes:
        panel = np.random.default_rng(0).normal(size=(70, 1, length))
        default = SimMTMTransformer(num_epochs=0, random_state=0)
        n_features = default.fit(panel).transform(panel[:1]).shape[1] - 64
        assert n_features == 4 * (n_layers + 1) * 64 + 512 * n_dilations + 2
        assert n_features == 7938 or length != 150
    patch = SimMTMTransformer(
        num_epochs=0, encoder=ENCODERS["patch"], neighborhood_weight=0, random_state=0
    )
    n_dilations = (-(-X.shape[2] // 4) - 1).bit_length() + ((X.shape[2] - 1) // 8).bit_length()
    # for each of two channels
    assert patch.fit_transform(X).shape[1] == 2 * (4 * 2 * 4 + 512 * n_dilations + 2)


def test_pooling_by_hand():
    """The statistics over time of the last layer, computed from the network's own output."""
    estimator = small(layers="last", pooling=("mean", "max", "min", "std", "ppv")).fit(X)
    embedding = estimator.transform(X_NEW)

    def level(values):  # all means, then all logarithms of the standard deviations
        return np.concatenate([values.mean(2), np.log(values.std(2))], 1)

    values = (X_NEW - X_NEW.mean(2, keepdims=True)) / X_NEW.std(2, keepdims=True)
    scaled = (level(X_NEW) - level(X).mean(0)) / level(X).std(0)
    backbone = copy.deepcopy(estimator.network_.backbone).double()
    visible = torch.ones(values.shape, dtype=torch.bool)
    with torch.no_grad():
        points = backbone(torch.tensor(values), visible, None, torch.tensor(scaled))[-1]
    points = points.numpy()
    by_hand = [points.mean(1), points.max(1), points.min(1), points.std(1), (points > 0).mean(1)]
    features = torch.tensor(np.concatenate(by_hand, 1))
    np.testing.assert_allclose(embedding, estimator.geometry_(features), rtol=1e-5, atol=1e-5)


def test_scale_by_hand():
    """Around the usual ones; means in units of the usual standard deviation."""
    estimator = small(pooling=("scale",), num_epochs=0).fit(X)
    gaps = X_NEW.copy()
    gaps[0, 0, 3:7] = np.nan
    gaps[1, 1] = np.nan
    usual = np.sort(X.std(2), 0)[(len(X) - 1) // 2]  # torch takes the lower one of two medians
    mean = (np.nanmean(gaps[0], 1) - X.mean((0, 2))) / usual
    log_std = np.log(np.nanstd(gaps[0], 1)) - np.log(X.std(2)).mean(0)
    mean_1 = (gaps[1, 0].mean() - X[:, 0].mean()) / usual[0]
    log_std_1 = np.log(gaps[1, 0].std()) - np.log(X[:, 0].std(1)).mean()
    # of the channel that was never seen, zeros
    features = np.array([[*mean, *log_std], [mean_1, 0, log_std_1, 0]])
    got = estimator.transform(gaps)
    np.testing.assert_allclose(got[:2], estimator.geometry_(torch.tensor(features)), **CLOSE)


@every_encoder
def test_embeddings_ignore_the_units_of_all_series(encoder):
    """Other units in fit and transform alike: the level is relative to the training series."""
    settings = {"encoder": encoder, "pooling": ("mean", "max")}
    given = small(**settings).fit(X).transform(X_NEW)
    converted = small(**settings).fit(3 * X + 7).transform(3 * X_NEW + 7)
    np.testing.assert_allclose(converted, given, rtol=1e-3, atol=1e-3)


@every_encoder
def test_the_encoder_sees_offset_and_amplitude_of_a_series(encoder):
    """Also without the statistic "scale", and without any training."""
    for num_epochs in (0, 2):
        estimator = small(encoder=encoder, pooling=("mean", "max"), num_epochs=num_epochs).fit(X)
        expected = estimator.transform(X_NEW)
        for changed in (X_NEW + 7, 3 * X_NEW):
            difference = np.abs(estimator.transform(changed) - expected).max(1)
            assert (difference > 1e-3).all()


@every_encoder
def test_the_level_of_series_that_are_normalised_already_is_nothing(encoder):
    """Rounding noise in their means must not be blown up to a feature."""
    normal, new = ((x - x.mean(2, keepdims=True)) / x.std(2, keepdims=True) for x in (X, X_NEW))
    estimator = small(encoder=encoder, pooling=("mean", "max")).fit(normal)
    np.testing.assert_allclose(
        estimator.transform(3 * new + 7), estimator.transform(new), rtol=1e-6, atol=1e-8
    )


@every_encoder
def test_the_level_of_series_that_were_normalised_and_then_resampled_is_nothing(encoder):
    """They are normalised to within a few hundredths; so much must not be blown up either."""
    draw = np.random.default_rng(0)
    noise = 0.02 * draw.standard_normal((2, len(X), X.shape[1], 1))
    normal = (X - X.mean(2, keepdims=True)) / X.std(2, keepdims=True)
    nearly = normal * np.exp(noise[0]) + noise[1]
    embeddings = (
        small(encoder=encoder, num_epochs=0, pooling=("mean", "max")).fit(seen).transform(seen)
        for seen in (normal, nearly)
    )
    np.testing.assert_allclose(*embeddings, rtol=1e-6, atol=1e-8)


def test_every_pooling_is_documented_and_distinct():
    for one in POOLINGS:
        estimator = small(pooling=(one,), num_epochs=0).fit(X)
        assert np.ptp(estimator.transform(X_NEW), axis=0).max() > 0


# -- geometry --------------------------------------------------------------------------------------


def test_features_that_vary_are_centred_and_weigh_alike_in_their_block():
    E = small(num_epochs=0, metric_strength=0, neighborhood_weight=0).fit(X).transform(X)
    np.testing.assert_allclose(E.mean(0), 0, atol=1e-6)
    assert E.var(0).mean() == pytest.approx(1, rel=1e-4)


def test_no_distance_grows_with_the_strength_of_the_metric():
    """It shrinks directions, the more the stronger, and stretches none."""

    def distances(strength):
        settings = {"metric_strength": strength, "metric_neighbors": 0, "neighborhood_weight": 0}
        E = small(num_epochs=0, **settings).fit(X).transform(X_NEW)
        return np.linalg.norm(E[:, None] - E, axis=2)

    none, half, most = (distances(strength) for strength in (0, 0.5, 0.9))
    apart = ~np.eye(len(X_NEW), dtype=bool)
    assert (half < none)[apart].all()
    assert (most < half)[apart].all()


def test_the_metric_is_saved(tmp_path):
    fitted = small(num_epochs=0, metric_strength=0.8).fit(X)
    loaded = load(fitted.save(tmp_path / "model"))
    assert len(loaded.geometry_.metric.directions) > 0
    np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))
    assert loaded.metric_strength == 0.8


@pytest.mark.parametrize("n_series", [1, 2, 3, 5])
def test_geometry_of_few_series(n_series):
    estimator = small(num_epochs=0).fit(X[:n_series])
    E = estimator.transform(X)
    assert np.isfinite(E).all()
    assert len(np.unique(E, axis=0)) == len(X)


def test_constant_series_have_no_geometry():
    estimator = small(num_epochs=0).fit(np.ones((6, 2, 20)))
    assert np.isfinite(estimator.transform(X)).all()


def test_any_number_of_channels_has_the_same_geometry():
    """Rows of a channel-independent encoder share balance and metric."""
    encoder = ConvEncoder(d_model=4, n_layers=1, channel_independent=True)
    estimator = small(num_epochs=0, encoder=encoder).fit(X)
    alone = estimator.transform(X[:, 1:])
    both = dict(zip(estimator.feature_names(), estimator.transform(X).T, strict=True))
    assert alone.shape[1] == len(both) // 2
    names = [name for name in both if name.startswith("channel1_")]
    np.testing.assert_allclose(np.stack([both[n] for n in names], 1), alone, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metric_strength", 1.0),
        ("metric_strength", -0.1),
        ("metric_neighbors", -1),
        ("neighborhood_weight", -0.1),
    ],
)
def test_parameters_of_the_metric_are_checked(name, value):
    with pytest.raises(ValueError, match=name):
        small(**{name: value}).fit(X)


def test_one_series():
    estimator = small().fit(X[:1])
    assert np.isfinite(estimator.transform(X)).all()
    assert all(np.isfinite(v) for record in estimator.history_ for v in record.values())


# -- reconstruct, similarity, score ----------------------------------------------------------------


@every_encoder
@pytest.mark.parametrize("max_length", [None, 8])
def test_reconstruct_is_in_the_units_of_the_data(encoder, max_length):
    estimator = small(encoder=encoder, max_length=max_length).fit(X)
    gaps = X_NEW.copy()
    gaps[0, 0, 3:6] = np.nan
    rebuilt = estimator.reconstruct(gaps)
    assert rebuilt.shape == gaps.shape
    assert np.isfinite(rebuilt).all()  # also where values were missing
    converted = small(encoder=encoder, max_length=max_length).fit(4 * X - 9)
    np.testing.assert_allclose(
        converted.reconstruct(4 * gaps - 9), 4 * rebuilt - 9, rtol=1e-3, atol=1e-2
    )


def test_reconstruct_keeps_shape_and_dtype(fitted):
    table = small().fit(X[:, 0])
    assert table.reconstruct(X[:3, 0]).shape == (3, 20)
    assert table.reconstruct(pd.DataFrame(X[:3, 0])).shape == (3, 20)
    assert table.reconstruct(X[:3, :1]).shape == (3, 1, 20)
    assert fitted["conv"].reconstruct(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(
        fitted["conv"].reconstruct(multiindex(X_NEW), decoded=True),
        fitted["conv"].reconstruct(X_NEW, decoded=True),
    )


@pytest.mark.parametrize("make", [list, tuple, frames, multiindex, nested])
@every_encoder
def test_reconstruct_takes_every_container(encoder, make):
    """Also a list of series of one channel; the result always has three dimensions."""
    estimator = small(encoder=encoder).fit(X)
    np.testing.assert_array_equal(
        estimator.reconstruct(make(X_NEW), decoded=True), estimator.reconstruct(X_NEW, decoded=True)
    )
    single = small(encoder=encoder).fit(X[:, :1])
    expected = single.reconstruct(X_NEW[:, :1], decoded=True)
    assert expected.shape == (7, 1, 20)
    np.testing.assert_array_equal(single.reconstruct(make(X_NEW[:, :1]), decoded=True), expected)
    if make in (list, tuple):
        np.testing.assert_array_equal(single.reconstruct(make(X_NEW[:, 0]), decoded=True), expected)


@pytest.mark.parametrize("make", [list, frames, multiindex, nested])
@every_encoder
def test_reconstruct_unequal_lengths(encoder, make):
    estimator = small(encoder=encoder).fit(X)
    series = ragged()
    rebuilt = estimator.reconstruct(make(series), decoded=True)
    assert rebuilt.shape == (4, 2, 20)
    for one, row in zip(series, rebuilt, strict=True):
        np.testing.assert_array_equal(
            np.isfinite(row), np.tile(np.arange(20) < one.shape[1], (2, 1))
        )
        np.testing.assert_allclose(
            row[:, : one.shape[1]], estimator.reconstruct([one], decoded=True)[0], **CLOSE
        )


@pytest.mark.parametrize("max_length", [None, 8])
def test_a_channel_that_ends_early_is_rebuilt_to_the_end_of_its_series(max_length):
    """The end is that of the series, also where the encoder takes channels one by one."""
    values = X.copy()
    values[:, 0, 9:] = np.nan
    values[3, :, 15:] = np.nan
    estimator = small(encoder=PatchEncoder(patch_length=2), max_length=max_length).fit(values)
    rebuilt = estimator.reconstruct(values, decoded=True)
    missing = np.zeros(X.shape, bool)
    missing[3, :, 15:] = True
    np.testing.assert_array_equal(np.isnan(rebuilt), missing)
    # what is said about a series is not touched by where its channels end
    np.testing.assert_array_equal(
        rebuilt[:, 1], estimator.reconstruct(values[:, 1:], decoded=True)[:, 0]
    )


@every_encoder
def test_visible_points_stay(encoder):
    gaps = np.where(np.isin(np.arange(20), range(3, 9)), np.nan, X_NEW)
    rebuilt = small(encoder=encoder).fit(X).reconstruct(gaps)
    visible = ~np.isnan(gaps)
    np.testing.assert_array_equal(rebuilt[visible], gaps[visible])
    assert np.isfinite(rebuilt).all()


def test_what_was_decoded_can_be_had():
    estimator = small().fit(X)
    gaps = torch.tensor(np.where(np.isin(np.arange(20), range(3, 9)), np.nan, X_NEW))
    mean, std = visible_statistics(gaps, ~gaps.isnan())
    network = copy.deepcopy(estimator.network_).double()
    with torch.inference_mode():
        expected = network.rebuild(gaps, ~gaps.isnan(), None) * std + mean
    np.testing.assert_allclose(estimator.reconstruct(gaps.numpy(), decoded=True), expected, **CLOSE)


def test_gaps_are_filled_hardly_worse_than_by_straight_lines():
    """Also where so little was learned that the decoder alone would be far worse."""
    phase = np.random.default_rng(0).uniform(0, 6, size=(80, 1, 1))
    waves = np.sin(phase + np.arange(60) / 8)
    estimator = small().fit(waves[:40])
    gaps = waves[40:].copy()
    gaps[:, :, 20:30] = np.nan
    lines = pd.DataFrame(gaps[:, 0]).interpolate(axis=1).to_numpy()[:, None]
    errors = [
        np.square(filled - waves[40:]).sum()
        for filled in (
            estimator.reconstruct(gaps),
            lines,
            estimator.reconstruct(gaps, decoded=True),
        )
    ]
    assert errors[0] < 1.2 * errors[1]
    assert errors[2] > 50 * errors[1]


def test_without_training_gaps_are_what_was_decoded():
    untrained = small(num_epochs=0).fit(X)
    np.testing.assert_array_equal(
        untrained.reconstruct(X_NEW), untrained.reconstruct(X_NEW, decoded=True)
    )


def test_reconstruct_across_a_long_gap():
    """Also where a whole window is missing, every point before the end is filled in."""
    estimator = small(max_length=8).fit(X)
    series = np.where((np.arange(40) < 4) | (np.arange(40) > 36), 1.0 + np.arange(40) % 3, np.nan)
    rebuilt = estimator.reconstruct([np.stack([series, series]), X[0]])
    assert np.isfinite(rebuilt[0]).all()


@every_encoder
def test_similarity(encoder):
    estimator = small(encoder=encoder).fit(X)
    similarity = estimator.similarity(X_NEW)
    assert similarity.shape == (7, 7)
    np.testing.assert_allclose(similarity, similarity.T, **CLOSE)
    np.testing.assert_allclose(np.diag(similarity), 1.0)
    assert (np.abs(similarity) <= 1 + 1e-9).all()
    np.testing.assert_allclose(estimator.similarity(X_NEW[3:])[0, 1], similarity[3, 4], **CLOSE)
    twice = estimator.similarity(np.concatenate([X_NEW[:1], X_NEW[:1]]))
    np.testing.assert_allclose(twice, 1.0, rtol=1e-6)
    converted = small(encoder=encoder).fit(5 * X + 2).similarity(5 * X_NEW + 2)
    np.testing.assert_allclose(converted, similarity, rtol=1e-3, atol=1e-3)


def test_similarity_of_two_collections():
    estimator = small().fit(X)
    both = estimator.similarity(np.concatenate([X_NEW, X[:5]]))
    between = estimator.similarity(X_NEW, X[:5])
    np.testing.assert_allclose(between, both[:7, 7:], **CLOSE)
    similarity, index = estimator.similarity(X_NEW, X[:5], top=2)
    np.testing.assert_array_equal(index, np.argsort(-between, axis=1)[:, :2])
    np.testing.assert_allclose(similarity, -np.sort(-between, axis=1)[:, :2], **CLOSE)


def test_most_similar_of_one_collection_are_others(monkeypatch):
    """In blocks of three rows, too."""
    estimator = small().fit(X)
    whole = estimator.similarity(X_NEW)
    np.fill_diagonal(whole, -np.inf)
    expected = np.argsort(-whole, axis=1)[:, :3]
    np.testing.assert_array_equal(estimator.similarity(X_NEW, top=3)[1], expected)
    monkeypatch.setattr("simmtm_sk.inference._PAIRS_OF", 3)
    np.testing.assert_array_equal(estimator.similarity(X_NEW, top=3)[1], expected)


@pytest.mark.parametrize(("Y", "top"), [(None, 0), (None, 7), (X[:2], 3)])
def test_there_are_only_so_many_others(Y, top):
    with pytest.raises(ValueError, match=f"top must be from 1 to .*, got {top}"):
        small().fit(X).similarity(X_NEW, Y, top=top)


def sinusoids(n, seed):
    draw = np.random.default_rng(seed)
    phase, period = draw.uniform(0, 2 * np.pi, (n, 1, 1)), draw.uniform(8, 12, (n, 1, 1))
    return np.sin(2 * np.pi * np.arange(40) / period + phase)


@pytest.fixture(scope="module")
def learned():
    encoder = ConvEncoder(d_model=16, n_layers=4)
    settings = {"encoder": encoder, "lr": 1e-2, "batch_size": 32}
    panel = sinusoids(160, 0)
    return (
        small(num_epochs=0, **settings).fit(panel),
        small(num_epochs=50, mask_ratio=0.4, **settings).fit(panel),
        small(num_epochs=50, mask_ratio=0.6, **settings).fit(panel),
    )


def test_training_learns_to_rebuild_what_is_hidden(learned):
    untrained, trained, _ = learned
    held_out = sinusoids(60, 1)
    assert untrained.score(held_out) <= -0.9
    assert -0.5 < trained.score(held_out) <= 0
    first, last = trained.history_[0], trained.history_[-1]
    assert last["train_reconstruction"] < 0.7 * first["train_reconstruction"]


def test_score_is_comparable_between_settings(learned):
    """The estimator's own mask parameters do not enter: same weights, same score."""
    _, trained, other = learned
    held_out = sinusoids(60, 1)
    score = trained.score(held_out)
    changed = copy.deepcopy(trained)
    changed.mask_ratio, changed.mask_length, changed.n_masks = 0.9, 1.0, 5
    changed.masking, changed.temperature = "random", 1.0
    changed.random_state = 7
    assert changed.score(held_out) == score == trained.score(held_out)
    assert other.score(held_out) != score


def test_score_is_in_units_of_each_series(learned):
    _, trained, _ = learned
    held_out = sinusoids(60, 1)
    gaps = held_out.copy()
    gaps[:, :, ::9] = np.nan
    assert trained.score(gaps) < 0
    # a constant series has no unit: it counts as little as one with nothing to hide
    constant, single = held_out.copy(), held_out.copy()
    constant[50:], single[50:, :, 1:] = 7.0, np.nan
    assert trained.score(constant) == pytest.approx(trained.score(single), rel=1e-9)
    assert trained.score(constant) != trained.score(held_out)
    with pytest.raises(ValueError, match="score needs series that vary"):
        trained.score(np.zeros((3, 1, 40)))
    assert trained.score(held_out, y=np.zeros(60)) == trained.score(held_out)


def test_score_needs_more_than_one_point(fitted):
    with pytest.raises(ValueError, match="score needs series that vary, of more than one point"):
        fitted["conv"].score(X[:, :, :1])
