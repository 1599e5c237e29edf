"""`SimMTMTransformer` keeps what the documentation promises."""

import copy
import json
import pickle
import random
import subprocess
import sys
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from torch import nn

from simmtm_sk import ConvEncoder, PatchEncoder, PointEncoder, SimMTMTransformer, load, save
from simmtm_sk.embedding import POOLINGS, Pooling
from simmtm_sk.nn.masking import geometric_mask
from tests.small import CONV, X, digest, small, torch_threads

TOKENS = {"d_model": 4, "n_layers": 1, "n_heads": 2, "d_feedforward": 4}
ENCODERS = {
    "conv": CONV,
    "patch": PatchEncoder(patch_length=4, **TOKENS),
    "point": PointEncoder(**TOKENS),
}
every_encoder = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)

X_NEW = np.random.default_rng(1).normal(size=(7, 2, 20)).cumsum(2)
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(scope="module")
def fitted():
    return {name: small(encoder=encoder).fit(X) for name, encoder in ENCODERS.items()}


def ragged(lengths=(20, 5, 9, 1)):
    return [x[:, :n] for x, n in zip(X_NEW, lengths, strict=False)]


def frames(series):
    return [pd.DataFrame(x.T) for x in series]


def multiindex(series):
    return pd.concat({f"s{i}": f for i, f in enumerate(frames(series))}, names=["id", "time"])


def nested(series):
    columns = {f"c{j}": [pd.Series(x[j]) for x in series] for j in range(len(series[0]))}
    return pd.DataFrame(columns, index=[f"s{i}" for i in range(len(series))])


# -- reproducible ---------------------------------------------------------------------------------


SCRIPT = """
import sys
import torch
torch.set_num_threads(int(sys.argv[1]))
import numpy as np
from simmtm_sk import ConvEncoder, SimMTMTransformer
X = np.random.default_rng(0).normal(size=(16, 2, 20)).cumsum(2)
embed = SimMTMTransformer(
    encoder=ConvEncoder(d_model=4, n_layers=2), num_epochs=2, batch_size=8, projection_dim=4,
    random_state=0, device="cpu",
).fit(X)
import hashlib
weights = embed.network_.state_dict().values()
print(hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights)).hexdigest())
"""


@pytest.mark.slow
def test_same_bits_in_other_processes_with_other_numbers_of_threads():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, n_threads], stdout=subprocess.PIPE, text=True
        )
        for n_threads in ("1", "3")
    ]
    digests = [process.communicate()[0].strip() for process in processes]
    assert digests == [digest(small().fit(X))] * 2


def test_same_bits_for_any_number_of_threads():
    """Weights and embeddings, of a network that is large enough for torch to share the work."""
    panel = np.random.default_rng(0).normal(size=(40, 1, 400))
    estimator = small(encoder=ConvEncoder(d_model=32, n_layers=2), num_epochs=1)
    results = []
    for n_threads in (1, 3):
        with torch_threads(n_threads):
            estimator.fit(panel)
            results.append((digest(estimator), joblib.hash(estimator.transform(panel))))
            assert torch.get_num_threads() == n_threads
    assert results[0] == results[1]


def fit_and_digest(estimator, values):
    return digest(clone(estimator).fit(values))


@pytest.mark.slow
def test_same_bits_whatever_n_jobs():
    fits = [small(encoder=encoder) for encoder in ENCODERS.values()]
    alone = [clone(one).fit(X).network_.state_dict() for one in fits]
    side_by_side = Parallel(n_jobs=2)(delayed(one.fit)(X) for one in fits)
    for a, b in zip(alone, side_by_side, strict=True):
        for name, weights in b.network_.state_dict().items():
            assert torch.equal(a[name], weights)


def test_concurrent_fits_in_threads_are_identical():
    estimator = small(encoder=ConvEncoder(d_model=16, n_layers=2, dropout=0.2), num_epochs=10)
    panel = np.tile(X, (4, 1, 5))
    ready, results, n_threads = threading.Barrier(4), [], []

    def work():
        ready.wait(20)
        results.append(fit_and_digest(estimator, panel))
        n_threads.append(torch.get_num_threads())

    with torch_threads(3):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [*n_threads, torch.get_num_threads()] == [3] * 5
    assert results == [fit_and_digest(estimator, panel)] * 4


def test_random_state_matters_and_may_be_a_generator():
    assert digest(small().fit(X)) != digest(small(random_state=1).fit(X))
    one, two = (small(random_state=np.random.RandomState(4)).fit(X) for _ in range(2))
    assert digest(one) == digest(two)


def test_without_a_random_state_every_fit_is_another_one():
    """Also where the caller has seeded numpy's global generator, which is not consulted."""
    digests = set()
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        digests.add(digest(small(random_state=None, num_epochs=0).fit(X)))
    assert len(digests) == 2


def test_fitting_twice_gives_the_same():
    estimator = small().fit(X)
    first = digest(estimator)
    assert digest(estimator.fit(X_NEW)) != first
    assert digest(estimator.fit(X)) == first


@pytest.mark.parametrize("random_state", [0, None])
def test_the_callers_random_states_and_threads_are_untouched(random_state):
    torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002
    before = (
        torch.get_rng_state().tolist(),
        joblib.hash(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )
    estimator = small(random_state=random_state).fit(X)
    estimator.transform(X)
    estimator.score(X)
    estimator.reconstruct(X)
    after = (
        torch.get_rng_state().tolist(),
        joblib.hash(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )
    assert before == after


def test_the_data_are_untouched(fitted):
    original = X.copy()
    for values in (X, X.astype(np.float32)):
        fitted["conv"].transform(values)
        small().fit(values)
    np.testing.assert_array_equal(X, original)


def test_read_only_data():
    frozen = X.copy()
    frozen.flags.writeable = False
    assert digest(small().fit(frozen)) == digest(small().fit(X))


def test_views_with_negative_strides():
    np.testing.assert_array_equal(
        small().fit(X[::-1]).transform(X_NEW[..., ::-1]),
        small().fit(X[::-1].copy()).transform(X_NEW[..., ::-1].copy()),
    )


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


# -- dtypes, lengths, channels --------------------------------------------------------------------


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


def of_channel(estimator, E, i, n_channels=2):
    """Columns of one channel, but its scale."""
    network, pooling = estimator.network_, Pooling.of(estimator.pooling, estimator.layers)
    names = estimator.embedding_.names(network, pooling, n_channels, n_channels)
    scales = (f"channel{i}_mean", f"channel{i}_log_std")
    chosen = [name.startswith(f"channel{i}_") and name not in scales for name in names]
    return E[:, chosen]


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


# -- long series and memory maps ------------------------------------------------------------------


@every_encoder
def test_windows_are_pooled_by_their_mean(encoder):
    estimator = small(encoder=encoder, max_length=8, pooling=("mean", "ppv", "max")).fit(X)
    # 20 points: three windows, which start at 0, 6 and 12
    windows = [estimator.transform(X_NEW[:, :, s : s + 8]) for s in (0, 6, 12)]
    np.testing.assert_allclose(estimator.transform(X_NEW), np.mean(windows, 0), **CLOSE)


def test_training_sees_all_windows():
    seen = []

    def mask(n_rows, length, mask_ratio, mask_length, generator):
        seen.append((n_rows, length))
        return geometric_mask(n_rows, length, mask_ratio, mask_length, generator)

    small(
        max_length=8, masking=mask, num_epochs=1, validation_fraction=0.0, n_masks=1, batch_size=99
    ).fit(X)
    assert seen == [(16 * 3 * 2, 8)]


# -- containers -----------------------------------------------------------------------------------


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
        assert all(name.startswith("simmtmtransformer") for name in names)


def test_fit_transform_is_fit_then_transform():
    np.testing.assert_array_equal(small().fit_transform(X), small().fit(X).transform(X))
    np.testing.assert_array_equal(small().fit_transform(X, np.ones(16)), small().fit_transform(X))


# -- embeddings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", ["all", "last"])
@pytest.mark.parametrize("pooling", [("mean",), ("max", "ppv"), ("scale",), ["std", "scale"]])
@every_encoder
def test_size_of_the_embedding(encoder, pooling, layers):
    estimator = small(encoder=encoder, pooling=pooling, layers=layers, num_epochs=0).fit(X)
    n_layers = 1 + encoder.n_layers if layers == "all" else 1
    n_statistics = len([p for p in pooling if p != "scale"])
    parts = 2 if encoder.channel_independent else 1
    expected = parts * n_layers * n_statistics * 4 + ("scale" in pooling) * 2 * 2
    assert estimator.transform(X_NEW).shape == (7, expected)
    assert len(estimator.get_feature_names_out()) == expected


def test_size_of_the_default_embedding():
    """As the documentation of the class says."""
    assert SimMTMTransformer().pooling == ("max", "min", "std", "ppv", "filters", "scale")
    assert set(SimMTMTransformer().pooling) < set(POOLINGS)
    sizes = ((150, 8, 6), (500, 8, 7), (128, 7, 5), (20, 5, 3), (2, 1, 1))
    for length, n_layers, n_dilations in sizes:
        panel = np.random.default_rng(0).normal(size=(4, 1, length))
        n_features = SimMTMTransformer(num_epochs=0, random_state=0).fit_transform(panel).shape[1]
        assert n_features == 4 * (n_layers + 1) * 64 + 512 * n_dilations + 2
        assert n_features == 5378 or length != 150
    patch = SimMTMTransformer(num_epochs=0, encoder=ENCODERS["patch"], random_state=0)
    n_dilations = (-(-X.shape[2] // 4) - 1).bit_length()
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
    # the level's centre and spread are weights of the network, hence float32
    np.testing.assert_allclose(embedding, np.concatenate(by_hand, 1), rtol=1e-5, atol=1e-5)


def test_scale_by_hand():
    """Around the usual ones; means in units of the usual standard deviation."""
    estimator = small(pooling=("scale",), num_epochs=0).fit(X)
    gaps = X_NEW.copy()
    gaps[0, 0, 3:7] = np.nan
    gaps[1, 1] = np.nan
    usual = np.sort(X.std(2), 0)[(len(X) - 1) // 2]  # torch takes the lower one of two medians
    mean = (np.nanmean(gaps[0], 1) - X.mean((0, 2))) / usual
    log_std = np.log(np.nanstd(gaps[0], 1)) - np.log(X.std(2)).mean(0)
    expected = np.concatenate([mean, log_std])
    got = estimator.transform(gaps)
    np.testing.assert_allclose(got[0], expected, **CLOSE)
    assert (got[1] == 0).sum() == 2  # of the channel that was never seen


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


# -- reconstruct, similarity, score ---------------------------------------------------------------


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
        fitted["conv"].reconstruct(multiindex(X_NEW)), fitted["conv"].reconstruct(X_NEW)
    )


@pytest.mark.parametrize("make", [list, tuple, frames, multiindex, nested])
@every_encoder
def test_reconstruct_takes_every_container(encoder, make):
    """Also a list of series of one channel; the result always has three dimensions."""
    estimator = small(encoder=encoder).fit(X)
    np.testing.assert_array_equal(estimator.reconstruct(make(X_NEW)), estimator.reconstruct(X_NEW))
    single = small(encoder=encoder).fit(X[:, :1])
    expected = single.reconstruct(X_NEW[:, :1])
    assert expected.shape == (7, 1, 20)
    np.testing.assert_array_equal(single.reconstruct(make(X_NEW[:, :1])), expected)
    if make in (list, tuple):
        np.testing.assert_array_equal(single.reconstruct(make(X_NEW[:, 0])), expected)


@pytest.mark.parametrize("make", [list, frames, multiindex, nested])
@every_encoder
def test_reconstruct_unequal_lengths(encoder, make):
    estimator = small(encoder=encoder).fit(X)
    series = ragged()
    rebuilt = estimator.reconstruct(make(series))
    assert rebuilt.shape == (4, 2, 20)
    for one, row in zip(series, rebuilt, strict=True):
        np.testing.assert_array_equal(
            np.isfinite(row), np.tile(np.arange(20) < one.shape[1], (2, 1))
        )
        np.testing.assert_allclose(row[:, : one.shape[1]], estimator.reconstruct([one])[0], **CLOSE)


@pytest.mark.parametrize("max_length", [None, 8])
def test_a_channel_that_ends_early_is_rebuilt_to_the_end_of_its_series(max_length):
    """The end is that of the series, also where the encoder takes channels one by one."""
    values = X.copy()
    values[:, 0, 9:] = np.nan
    values[3, :, 15:] = np.nan
    estimator = small(encoder=PatchEncoder(patch_length=2), max_length=max_length).fit(values)
    rebuilt = estimator.reconstruct(values)
    missing = np.zeros(X.shape, bool)
    missing[3, :, 15:] = True
    np.testing.assert_array_equal(np.isnan(rebuilt), missing)
    # what is said about a series is not touched by where its channels end
    np.testing.assert_array_equal(rebuilt[:, 1], estimator.reconstruct(values[:, 1:])[:, 0])


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


# -- fitted estimators travel ---------------------------------------------------------------------


@every_encoder
def test_pickle_and_deepcopy(encoder):
    estimator = small(encoder=encoder).fit(X)
    expected = estimator.transform(X_NEW)
    for copied in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        np.testing.assert_array_equal(copied.transform(X_NEW), expected)
        assert copied.score(X_NEW) == estimator.score(X_NEW)
        assert digest(copied.fit(X)) == digest(estimator)
    np.testing.assert_array_equal(estimator.transform(X_NEW), expected)


def test_clone_forgets_what_was_fitted(fitted):
    copied = clone(fitted["conv"])
    assert copied.get_params(deep=False)["encoder"] is not ENCODERS["conv"]
    assert repr(copied.get_params()) == repr(fitted["conv"].get_params())
    with pytest.raises(NotFittedError, match="has not been fitted yet"):
        copied.transform(X)


def test_parameters_of_the_encoder_can_be_set():
    estimator = small().set_params(encoder__d_model=6, mask_ratio=0.3)
    assert estimator.fit(X).network_.backbone.d_model == 6
    assert ENCODERS["conv"].d_model == 4 or estimator.encoder is ENCODERS["conv"]
    ENCODERS["conv"].d_model = 4


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "similarity", "score", "get_feature_names_out", "save"]
)
def test_nothing_works_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(small(), method)(*([X] if method not in ("get_feature_names_out", "save") else []))


def test_what_fit_leaves():
    estimator = small(num_epochs=3).fit(X)
    assert estimator.n_epochs_ == 3
    assert estimator.n_features_in_ == estimator.n_channels_ == 2
    assert estimator.length_ == 20
    assert json.loads(json.dumps(estimator.history_)) == estimator.history_
    assert estimator.history_[-1]["epoch"] == 3
    assert small(num_epochs=0).fit(X).n_epochs_ == 0


def test_numpys_numbers_are_as_good_as_pythons():
    as_python = {
        "mask_ratio": 0.25,
        "temperature": 0.5,
        "constraint_weight": 0.25,
        "own_view_weight": 0.5,
        "mask_length": 4.0,
        "lr": 0.125,
        "weight_decay": 0.5,
        "validation_fraction": 0.25,
    }
    counts = {
        "n_masks": 3,
        "projection_dim": 5,
        "num_epochs": 3,
        "batch_size": 7,
        "patience": 2,
        "max_length": 9,
        "random_state": 11,
        "verbose": 0,
    }
    expected = small(**as_python, **counts).fit(X)
    for real, integer in ((np.float64, np.int64), (np.float32, np.int32)):
        given = {name: real(value) for name, value in as_python.items()}
        given |= {name: integer(value) for name, value in counts.items()}
        estimator = small(**given).fit(X)
        assert digest(estimator) == digest(expected)
        np.testing.assert_array_equal(estimator.transform(X_NEW), expected.transform(X_NEW))
        assert json.loads(json.dumps(estimator.history_)) == estimator.history_


def test_zero_epochs_leave_the_initial_weights():
    """Which follow from random_state alone, whatever the settings of the training."""
    untrained = small(num_epochs=0).fit(X)
    assert untrained.history_ == []
    assert untrained.n_epochs_ == 0
    other = {"lr": 0.5, "batch_size": 3, "masking": "random", "temperature": 1.0, "n_masks": 1}
    assert digest(small(num_epochs=0, **other).fit(X)) == digest(untrained)
    assert digest(small(num_epochs=0, random_state=1).fit(X)) != digest(untrained)
    assert digest(small(num_epochs=1).fit(X)) != digest(untrained)


def test_a_short_run_at_the_automatic_rate_trains_everything():
    """A run either trains or is not run at all."""
    start, short = small(num_epochs=0).fit(X), small(num_epochs=2).fit(X)
    assert digest(short) == digest(small(num_epochs=2, lr=0.003).fit(X))
    for part in ("backbone", "projector", "decoder"):
        before, after = (getattr(e.network_, part).parameters() for e in (start, short))
        moved = [(a - b).detach().abs().max() for a, b in zip(before, after, strict=True)]
        assert float(max(moved)) > 1e-3


def test_small_data_are_not_trained_on_unless_asked_to():
    estimator = small(num_epochs="auto").fit(X)
    assert (estimator.n_epochs_, estimator.history_) == (0, [])
    assert digest(estimator) == digest(small(num_epochs=0).fit(X))


@pytest.mark.slow
def test_large_data_are_trained_on():
    many = np.random.default_rng(0).normal(size=(600, 1, 8))
    estimator = small(num_epochs="auto", batch_size=64, validation_fraction=0).fit(many)
    assert estimator.n_epochs_ == estimator.history_[-1]["epoch"] > 10


# -- geometry -------------------------------------------------------------------------------------


def test_features_that_vary_are_centred_and_weigh_alike_in_their_block():
    E = small(num_epochs=0, metric_strength=0).fit(X).transform(X)
    np.testing.assert_allclose(E.mean(0), 0, atol=1e-6)
    assert E.var(0).mean() == pytest.approx(1, rel=1e-4)


def test_views_and_neighbours_come_closer():
    """In units of how far series are from each other."""
    near = X[:8] + 0.05 * np.random.default_rng(1).normal(size=X[:8].shape)

    def distance(**params):
        estimator = small(num_epochs=0, **params).fit(X)
        E, E_near = estimator.transform(X), estimator.transform(near)
        return np.linalg.norm(E[:8] - E_near) / E.std(0).max() / np.sqrt((E.var(0)).sum())

    strengths = [distance(metric_strength=s, metric_neighbors=0) for s in (0, 0.5, 0.9)]
    assert strengths == sorted(strengths, reverse=True)


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
    [("metric_strength", 1.0), ("metric_strength", -0.1), ("metric_neighbors", -1)],
)
def test_parameters_of_the_metric_are_checked(name, value):
    with pytest.raises(ValueError, match=name):
        small(**{name: value}).fit(X)


def test_one_series():
    estimator = small().fit(X[:1])
    assert np.isfinite(estimator.transform(X)).all()
    assert all(np.isfinite(v) for record in estimator.history_ for v in record.values())


# -- encoders and masks of the user's own ---------------------------------------------------------


class OwnNetwork(nn.Module):
    d_model, patch_length = 5, 1

    def __init__(self, n_channels):
        super().__init__()
        self.linear = nn.Linear(n_channels, 5)

    def forward(self, values, visible, within, level):
        n_rows, n_channels, length = values.shape
        assert visible.shape == values.shape
        assert visible.dtype == torch.bool
        assert not values[~visible].any()
        assert within is None or within.shape == (n_rows, length)
        assert level.shape == (n_rows, 2 * n_channels)
        assert level.dtype == values.dtype
        return [self.linear(values.transpose(1, 2))]


class OwnEncoder:
    """Has `build` and nothing else: no parameters, no base class, works across channels."""

    def build(self, n_channels, length):
        self.built = n_channels, length
        return OwnNetwork(n_channels)


def test_an_encoder_of_the_users_own():
    encoder = OwnEncoder()
    estimator = small(encoder=encoder, pooling=("mean",)).fit(X)
    assert encoder.built == (2, 20)
    assert estimator.transform(X_NEW).shape == (7, 5)
    untrained = small(encoder=encoder, num_epochs=0).fit(X).network_.backbone.linear.weight
    assert not torch.equal(untrained, estimator.network_.backbone.linear.weight)
    assert estimator.reconstruct(X_NEW).shape == X_NEW.shape
    with pytest.raises(ValueError, match="channel"):
        estimator.transform(X[:, 0])
    # with gaps and padding too the network is called as documented
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    series = [x[:, : 20 - i] for i, x in enumerate(gaps)]
    assert small(encoder=encoder, pooling=("mean",)).fit(series).transform(series).shape == (16, 5)


def half_mask(n_rows, length, mask_ratio, mask_length, generator):
    return torch.arange(length).expand(n_rows, length) % 2 == 0


def test_a_mask_of_the_users_own():
    first = small(masking=half_mask).fit(X)
    assert digest(first) == digest(small(masking=half_mask).fit(X))
    assert digest(first) != digest(small().fit(X))


@pytest.mark.parametrize("storage", ["checkpoint_dir", "memory"])
def test_a_mask_that_nothing_can_be_stored_for(tmp_path, storage):
    """It holds what cannot be told from its content: trained, not stored, with a word."""
    lock = threading.Lock()

    def mask(*args):
        with lock:
            return half_mask(*args)

    estimator = small(masking=mask, **{storage: str(tmp_path)})
    with pytest.warns(UserWarning, match=r"checkpoint_dir and memory are not used: the mask"):
        estimator.fit(X)
    assert not list(tmp_path.rglob("*.p*"))
    assert digest(estimator) == digest(small(masking=half_mask).fit(X))


def test_a_lambda_as_mask_where_something_is_stored(tmp_path):
    """Its code names the run."""
    keep = lambda *args: half_mask(*args)  # noqa: E731
    turn = lambda *args: ~half_mask(*args)  # noqa: E731
    first, second, other = (
        small(masking=m, memory=str(tmp_path)).fit(X) for m in (keep, keep, turn)
    )
    assert second.history_ == first.history_  # seconds included: it was read
    assert digest(other) == digest(small(masking=turn).fit(X)) != digest(first)


def test_a_lambda_as_mask_where_nothing_is_stored():
    mask = lambda *args: half_mask(*args)  # noqa: E731
    assert digest(small(masking=mask).fit(X)) == digest(small(masking=half_mask).fit(X))


def test_a_mask_of_the_wrong_shape():
    with pytest.raises(ValueError, match="masking must return a bool tensor of shape"):
        small(masking=lambda *_: torch.ones(3, 3)).fit(X)


# -- progress, callbacks, Ctrl-C ------------------------------------------------------------------


def test_verbose(capsys):
    small().fit(X).transform(X)
    assert capsys.readouterr() == ("", "")
    estimator = small(verbose=1, num_epochs=40, patience=None).fit(X)
    lines = capsys.readouterr().out.splitlines()
    epochs = [f"[SimMTM] pre-training, epoch {r['epoch']} of 40" for r in estimator.history_]
    assert [line.split(":")[0] for line in lines] == epochs
    assert len(lines) > 1
    assert all("training loss" in line and " s left" in line for line in lines)


class Recorder:
    """A scikit-learn callback that remembers its tasks and may stop the fit."""

    def __init__(self, stop_after=None):
        self.stop_after, self.began, self.ended = stop_after, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.began.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)
        return context.task_name == f"epoch {self.stop_after}"


def test_callbacks_receive_a_task_for_every_evaluation():
    callback = Recorder()
    estimator = small(num_epochs=3).set_callbacks(callback).fit(X)
    epochs = [f"epoch {record['epoch']}" for record in estimator.history_]
    evaluations = [name for name in callback.began if not name.startswith("step")]
    assert evaluations == ["fit", *epochs]
    assert [name for name in callback.ended if not name.startswith("step")] == [*epochs, "fit"]
    assert callback.began.count("step 1") == len(epochs) >= 1


def test_callbacks_stop_fit():
    whole = small(num_epochs=60, patience=None).fit(X)
    stop_after = whole.history_[1]["epoch"]
    estimator = small(num_epochs=60, patience=None).set_callbacks(Recorder(stop_after)).fit(X)
    assert estimator.n_epochs_ == stop_after < whole.n_epochs_
    assert np.isfinite(estimator.transform(X)).all()


class InterruptingMask:
    """Presses Ctrl-C after some calls."""

    def __init__(self, n_calls):
        self.n_calls = n_calls

    def __call__(self, *args):
        self.n_calls -= 1
        if self.n_calls == 0:
            raise KeyboardInterrupt
        return geometric_mask(*args)


def test_ctrl_c_leaves_a_usable_estimator(capsys):
    estimator = small(num_epochs=50, masking=InterruptingMask(40))
    with pytest.warns(UserWarning, match=r"interrupted in epoch \d+ of 50"):
        estimator.fit(X)
    assert 0 < estimator.n_epochs_ < 50
    assert np.isfinite(estimator.transform(X_NEW)).all()
    assert pickle.loads(pickle.dumps(estimator)).score(X_NEW) == estimator.score(X_NEW)


# -- memory and checkpoints -----------------------------------------------------------------------


class CountingMask:
    """Counts calls; equal to itself in every run, so that it does not change a cache's key."""

    calls = 0

    def __call__(self, *args):
        CountingMask.calls += 1
        return geometric_mask(*args)


@pytest.fixture
def counted():
    """Run a function; return what it gives and whether anything was pre-trained."""

    def run(function):
        before = CountingMask.calls
        return function(), CountingMask.calls > before

    return run


def test_memory_reuses_pretraining(tmp_path, counted):
    estimator = small(masking=CountingMask(), memory=joblib.Memory(tmp_path, verbose=0))
    first, trained = counted(lambda: clone(estimator).fit(X))
    assert trained
    second, trained = counted(lambda: clone(estimator).fit(X))
    assert not trained
    assert digest(first) == digest(second)
    assert first.history_ == second.history_
    np.testing.assert_array_equal(first.transform(X_NEW), second.transform(X_NEW))
    # what only concerns the embedding re-uses it too
    other, trained = counted(
        lambda: clone(estimator).set_params(pooling=("max",), layers="last", verbose=0).fit(X)
    )
    assert not trained
    assert digest(other) == digest(first)
    for change in ({"mask_ratio": 0.3}, {"random_state": 1}, {"temperature": 0.3}, {"lr": 0.1}):
        assert counted(lambda change=change: clone(estimator).set_params(**change).fit(X))[1]
    assert counted(lambda: clone(estimator).fit(X_NEW))[1]


def test_what_does_not_decide_the_result_is_no_part_of_the_memorys_key(tmp_path, counted, capsys):
    estimator = small(masking=CountingMask(), memory=str(tmp_path / "cache"))
    first, _ = counted(lambda: clone(estimator).fit(X))
    changes = [
        {"verbose": 1},
        {"checkpoint_dir": tmp_path / "checkpoints"},
        {"memory": joblib.Memory(str(tmp_path / "cache"), verbose=0)},
        {"n_masks": np.int64(2), "mask_ratio": np.float64(0.5), "max_length": 512},
    ]
    for change in changes:
        again, trained = counted(lambda c=change: clone(estimator).set_params(**c).fit(X))
        assert not trained, change
        assert digest(again) == digest(first)
    again, trained = counted(lambda: clone(estimator).set_callbacks(Recorder()).fit(X.copy()))
    assert not trained
    assert counted(lambda: clone(estimator).fit(X.astype(np.float32)))[1]
    assert counted(lambda: clone(estimator).fit(np.flip(X, 0).copy()))[1]


def test_memory_never_keeps_an_interrupted_run(tmp_path):
    settings = {"num_epochs": 20, "memory": str(tmp_path)}
    with pytest.warns(UserWarning, match="interrupted"):
        cut = small(masking=StopOnce(30), **settings).fit(X)
    assert 0 < cut.n_epochs_ < 20
    whole = small(masking=StopOnce(None), **settings).fit(X)
    assert whole.n_epochs_ == 20
    assert digest(whole) == digest(small(num_epochs=20, masking=StopOnce(None)).fit(X))
    # and that one is kept
    assert small(masking=StopOnce(1), **settings).fit(X).history_ == whole.history_
    StopOnce.left = None


def test_an_early_stopped_run_does_not_train_on(tmp_path, counted):
    """When it is read from the memory: patience is part of the plan."""
    settings = {"num_epochs": 200, "patience": 1, "validation_fraction": 0.5, "lr": 0.1}
    estimator = small(masking=CountingMask(), **settings, memory=str(tmp_path))
    first, trained = counted(lambda: clone(estimator).fit(X))
    assert trained
    assert first.n_epochs_ < 200
    second, trained = counted(lambda: clone(estimator).fit(X))
    assert not trained
    assert second.history_ == first.history_
    assert digest(second) == digest(first)


def test_memory_as_a_path(tmp_path):
    a, b = (small(memory=str(tmp_path / "cache")).fit(X) for _ in range(2))
    assert a.history_ == b.history_  # seconds included: the second one was read
    assert digest(a) == digest(b) == digest(small().fit(X))


def test_memory_never_keeps_a_run_that_was_cut_short(tmp_path):
    settings = {"num_epochs": 60, "patience": None, "memory": str(tmp_path)}
    small(**settings).set_callbacks(Recorder(stop_after=10)).fit(X)
    whole = small(**settings).fit(X)
    assert whole.n_epochs_ == 60


@pytest.mark.parametrize("storage", ["memory", "checkpoint_dir"])
def test_runs_on_other_windows_are_other_runs(tmp_path, storage):
    """Two windows for each series either way, but not the same ones."""
    for max_length in (10, 12):
        stored = small(max_length=max_length, **{storage: str(tmp_path)}).fit(X)
        assert digest(stored) == digest(small(max_length=max_length).fit(X))


def test_checkpoints_belong_to_one_run(tmp_path):
    plain = small().fit(X)
    stored = small(checkpoint_dir=tmp_path).fit(X)
    assert digest(plain) == digest(stored)
    assert set(tmp_path.iterdir()) == set()  # a finished run leaves nothing
    interrupted(small(), X, tmp_path)
    (file,) = tmp_path.glob("*.pt")
    content = file.read_bytes()
    assert digest(small(checkpoint_dir=str(tmp_path)).fit(X)) == digest(plain)
    assert not file.exists()
    file.write_bytes(content)  # it stays beside all others
    others = [
        (small(random_state=1), X),
        (small(mask_ratio=0.3), X),
        (small(encoder=ConvEncoder(d_model=4, n_layers=2, dropout=0.5)), X),
        (small(max_length=8), X),
        (small(), X_NEW),
    ]
    for other, values in others:
        expected = digest(clone(other).fit(values))
        interrupted(other, values, tmp_path)
        assert len(list(tmp_path.glob("*.pt"))) == 2
        assert digest(other.set_params(checkpoint_dir=tmp_path).fit(values)) == expected
        assert list(tmp_path.glob("*.pt")) == [file]


def interrupted(estimator, values, folder):
    """Fit a clone that leaves a checkpoint: a callback stops it after the first evaluation."""
    stopped = clone(estimator).set_params(checkpoint_dir=folder, verbose=0)
    stopped.set_callbacks(StopAtOnce()).fit(values)


class StopAtOnce(Recorder):
    """Stops after the first evaluation, whichever epoch it is."""

    def on_fit_task_end(self, estimator, context):
        return context.task_name.startswith("epoch")


def test_an_interrupted_fit_is_continued(tmp_path):
    whole = small(num_epochs=20, masking=StopOnce(None)).fit(X)
    estimator = small(num_epochs=20, masking=StopOnce(30), checkpoint_dir=tmp_path)
    with pytest.warns(UserWarning, match="interrupted"):
        estimator.fit(X)
    assert estimator.n_epochs_ < 20
    resumed = small(num_epochs=20, masking=StopOnce(None), checkpoint_dir=tmp_path).fit(X)
    assert list(tmp_path.iterdir()) == []
    assert digest(resumed) == digest(whole)
    strip = [{**record, "seconds": 0} for record in resumed.history_]
    assert strip == [{**record, "seconds": 0} for record in whole.history_]


class StopOnce:
    """Ctrl-C at a call; the number is no part of its state, so that all name the same run."""

    left = None

    def __init__(self, n_calls):
        StopOnce.left = n_calls

    def __call__(self, *args):
        if StopOnce.left is not None:
            StopOnce.left -= 1
            if StopOnce.left == 0:
                StopOnce.left = None
                raise KeyboardInterrupt
        return geometric_mask(*args)


# -- input that cannot work -----------------------------------------------------------------------


@pytest.fixture
def no_training(monkeypatch):
    """Fail if anything is trained."""

    def train(*args, **kwargs):
        pytest.fail("pre-training was started")

    monkeypatch.setattr("simmtm_sk.training.runs.pretrain", train)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"mask_ratio": 0}, "mask_ratio"),
        ({"mask_ratio": 1}, "mask_ratio"),
        ({"mask_ratio": 1.5}, "mask_ratio"),
        ({"mask_ratio": -0.1}, "mask_ratio"),
        ({"mask_ratio": float("nan")}, "mask_ratio"),
        ({"mask_ratio": "half"}, "mask_ratio"),
        ({"n_masks": 0}, "n_masks"),
        ({"n_masks": 1.5}, "n_masks"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"constraint_weight": -0.1}, "constraint_weight"),
        ({"constraint_weight": "much"}, "constraint_weight"),
        ({"own_view_weight": -1}, "own_view_weight"),
        ({"device": "quantum"}, "device 'quantum' cannot be used here"),
        ({"device": "cuda:77"}, "device 'cuda:77' cannot be used here"),
        ({"device": "meta"}, "device"),
        ({"device": 0}, "device"),
        ({"masking": "blocks"}, "masking"),
        ({"masking": None}, "masking"),
        ({"mask_length": 0.5}, "mask_length"),
        ({"pooling": ("mean", "median")}, r"pooling must name some of .* got \['mean', 'median'\]"),
        ({"pooling": ()}, "pooling"),
        ({"pooling": "mean"}, "pooling"),
        ({"layers": "first"}, "layers"),
        ({"encoder": 3}, "encoder"),
        ({"encoder": "conv"}, "encoder"),
        ({"encoder": ConvEncoder}, "encoder"),
        ({"encoder": PatchEncoder(patch_length=21)}, "patch_length=21 .*longer than .*20"),
        ({"encoder": PatchEncoder(d_model=6, n_heads=4)}, "d_model.*n_heads|n_heads.*d_model"),
        ({"encoder": ConvEncoder(kernel_size=4)}, "kernel_size"),
        ({"projection_dim": 0}, "projection_dim"),
        ({"num_epochs": -1}, "num_epochs"),
        ({"num_epochs": "many"}, "num_epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"lr": 0}, "lr"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"patience": 0}, "patience"),
        ({"max_length": 1}, "max_length"),
        ({"precision": "float8"}, "precision"),
        ({"random_state": "seed"}, "random_state"),
        ({"verbose": -1}, "verbose"),
        ({"checkpoint_dir": 3}, "checkpoint_dir"),
        ({"memory": 3}, "memory"),
    ],
    ids=str,
)
def test_parameters_that_cannot_work(no_training, params, message):
    with pytest.raises((ValueError, TypeError), match=message):
        small(**params).fit(X)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"encoder": ConvEncoder}, TypeError, r"such as ConvEncoder\(\), got the class"),
        ({"encoder": PatchEncoder}, TypeError, r"such as PatchEncoder\(\), got the class"),
        ({"device": "meta"}, ValueError, "device 'meta' cannot be used here"),
        *(
            (
                {"encoder": family(d_model=6, n_heads=4)},
                ValueError,
                "d_model=6 must be a multiple of n_heads=4",
            )
            for family in (PatchEncoder, PointEncoder)
        ),
    ],
    ids=["class", "other class", "meta", "patch heads", "point heads"],
)
def test_the_kind_of_error(no_training, params, error, message):
    with pytest.raises(error, match=message):
        small(**params).fit(X)


@pytest.mark.parametrize("kind", [str, np.str_, object])
@pytest.mark.parametrize("container", ["table", "3D", "list", "nested list"])
def test_strings_are_refused_even_if_they_look_like_numbers(no_training, fitted, container, kind):
    table = np.array([["1.5", "2", "3"], ["4", "5", "-6e1"]], dtype=kind)
    values = {
        "table": table,
        "3D": table[:, None],
        "list": list(table),
        "nested list": table.tolist(),
    }[container]
    with pytest.raises(ValueError, match=r"number"):
        small().fit(values)
    with pytest.raises(ValueError, match=r"number|channel"):
        fitted["point"].transform(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (X[0, 0], "1D array|1 dimension"),
        (X[None], "4 dimension"),
        (np.array([["a", "b"], ["c", "d"]]), "number|string"),
        (np.array([[["a", "b"]]]), "number"),
        (pd.DataFrame({"a": ["u", "v"], "b": [1.0, 2.0]}), "non-numeric"),
        (X.astype(complex), "Complex data not supported"),
        (np.where(np.arange(16)[:, None, None] == 5, np.nan, X), "series 5 .*no observed value"),
        (np.where(np.arange(16)[:, None] == 5, np.nan, X[:, 0]), "series 5 .*no observed value"),
        (np.where(np.arange(16)[:, None, None] == 5, np.inf, X), "infinity"),
        (np.empty((0, 1, 5)), "empty"),
        (np.empty((3, 1, 0)), "empty"),
        ([], "empty|dimension|1D array"),
        ([np.zeros((1, 3)), np.zeros((2, 3))], "same channels"),
        (None, "dimension|number|0D|scalar|NoneType"),
        ("GunPoint", "dimension|number|string|scalar"),
        ({"a": [1, 2]}, "dimension|number|0D|scalar"),
    ],
    ids=[
        "1D", "4D", "strings", "strings 3D", "text column", "complex", "missing series",
        "missing row", "infinite", "no series", "no points", "empty list", "channels", "None",
        "str", "dict",
    ],
)  # fmt: skip
def test_data_that_cannot_work(no_training, fitted, values, message):
    estimator = small()
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.fit(values)
    assert not hasattr(estimator, "network_")
    if message != "same channels":
        with pytest.raises((ValueError, TypeError)):
            fitted["point"].transform(values)


def test_a_failed_fit_leaves_nothing_of_an_earlier_one():
    estimator = small().fit(X)
    with pytest.raises(ValueError, match="mask_ratio"):
        estimator.set_params(mask_ratio=2.0).fit(X)
    with pytest.raises(NotFittedError):
        estimator.transform(X)


def test_embeddings_are_of_use():
    """Two kinds of series that differ in shape alone are told apart."""
    time = np.arange(40)
    draw = np.random.default_rng(0)
    phase = draw.uniform(0, 40, (60, 1, 1))
    y = np.arange(60) % 2
    wave = np.where(y[:, None, None], np.sin(0.9 * (time + phase)), np.sin(0.35 * (time + phase)))
    panel = wave + 0.1 * draw.normal(size=wave.shape)
    embedding = small(encoder=ConvEncoder(d_model=8, n_layers=3)).fit(panel).transform(panel)
    assert RidgeClassifier().fit(embedding[:30], y[:30]).score(embedding[30:], y[30:]) >= 0.95


def test_nothing_heavy_is_imported():
    """The import must stay under three seconds; torch and sktime need most of them."""
    code = "import sys, simmtm_sk; print('loaded', *sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert modules.startswith("loaded")
    assert not {"matplotlib", "numba", "pytest", "sktime.forecasting"} & set(modules.split())


def test_without_training_no_compiler_is_imported():
    """It takes longer to import than small data to embed."""
    code = """
import sys, numpy as np
from simmtm_sk import SimMTMTransformer
X = np.random.default_rng(0).normal(size=(20, 1, 30))
SimMTMTransformer(num_epochs=0, random_state=0).fit(X).transform(X)
print('loaded', *sys.modules)
"""
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert modules.startswith("loaded")
    assert "torch._dynamo" not in modules.split()


# -- warm start -----------------------------------------------------------------------------------


def test_a_warm_start_continues_from_the_last_weights(tmp_path):
    first = small().fit(X)
    loaded = load(save(first, tmp_path / "model"), warm_start=True, num_epochs=0)
    assert digest(loaded.fit(X)) == digest(first)
    trained = load(tmp_path / "model", warm_start=True).fit(X)
    assert digest(trained) != digest(first)
    cold = load(tmp_path / "model", num_epochs=0).fit(X)
    assert digest(cold) == digest(small(num_epochs=0).fit(X))


def test_a_warm_start_takes_other_lengths_and_standardises_their_levels_anew(tmp_path):
    save(small().fit(X), tmp_path / "model")
    longer = np.concatenate([X_NEW, X_NEW], axis=2) * 1000 + 7
    continued = load(tmp_path / "model", warm_start=True).fit(longer)
    assert continued.length_ == 40
    assert continued.network_.stats_scaler.center[0] == pytest.approx(longer[:, 0].mean(), rel=1e-6)


def test_the_first_fit_of_a_warm_start_is_a_cold_one():
    assert digest(small(warm_start=True).fit(X)) == digest(small().fit(X))


def test_a_warm_start_needs_the_same_shape(tmp_path):
    save(small().fit(X), tmp_path / "model")
    with pytest.raises(ValueError, match=r"warm_start needs an encoder of the same shape"):
        load(tmp_path / "model", warm_start=True).fit(X[:, :1])
    wider = load(tmp_path / "model", warm_start=True)
    wider.encoder = ConvEncoder(d_model=8, n_layers=2)
    with pytest.raises(ValueError, match=r"warm_start needs an encoder of the same shape"):
        wider.fit(X)


def test_a_warm_start_is_a_run_of_its_own_for_the_cache(tmp_path, counted):
    save(small().fit(X), tmp_path / "model")
    save(small(random_state=1).fit(X), tmp_path / "other")
    options = {"warm_start": True, "memory": str(tmp_path), "masking": CountingMask()}
    first, trained = counted(lambda: load(tmp_path / "model", **options).fit(X))
    again, repeated = counted(lambda: load(tmp_path / "model", **options).fit(X))
    _, other = counted(lambda: load(tmp_path / "other", **options, random_state=0).fit(X))
    assert trained
    assert not repeated
    assert other
    assert digest(first) == digest(again)


def test_a_conv_encoder_may_take_channels_one_by_one():
    encoder = ConvEncoder(d_model=4, n_layers=2, channel_independent=True)
    estimator = small(encoder=encoder).fit(X)
    both = estimator.transform(X[:, [0, 1]])
    swapped = estimator.transform(X[:, [1, 0]])
    for i in (0, 1):
        got = of_channel(estimator, swapped, 1 - i)
        np.testing.assert_allclose(got, of_channel(estimator, both, i), **CLOSE)
    assert estimator.transform(X[:, [0, 1, 1]]).shape[0] == len(X)


@pytest.mark.parametrize("length", [10, 60])
def test_a_warm_start_keeps_the_blocks_of_the_first_fit(tmp_path, length):
    """A short series would get fewer, a long one more; the artifact knows how many there are."""
    deep = small(encoder=ConvEncoder(d_model=4, n_layers=8)).fit(X)
    other = np.random.default_rng(0).normal(size=(8, 2, length)).cumsum(2)
    continued = load(save(deep, tmp_path / "deep"), warm_start=True).fit(other)
    assert len(continued.network_.backbone.blocks) == len(deep.network_.backbone.blocks) == 5
    again = load(save(continued, tmp_path / "again"))
    np.testing.assert_array_equal(again.transform(other), continued.transform(other))
