"""The embedding object: its blocks, their names, and what was fitted for which."""

import numpy as np
import pytest
import torch

from simmtm_sk import ConvEncoder, PatchEncoder, load
from simmtm_sk.data import WindowDataset
from simmtm_sk.embedding import BLOCKS, Embedding, Pooling
from simmtm_sk.nn import filters
from simmtm_sk.nn.filters import FilterBank
from tests.small import CONV, X, small

PATCH = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=2, d_feedforward=4)
NEW = np.random.default_rng(1).normal(size=(7, 2, 20)).cumsum(2)
every_encoder = pytest.mark.parametrize("encoder", [CONV, PATCH], ids=["conv", "patch"])


def untrained(X=X, **params):
    return small(num_epochs=0, neighborhood_weight=0, **params).fit(X)


def features(estimator, values=NEW, pooling=None, layers=None):
    """Learned and fixed features, in double precision, before balance and metric."""
    pooling = Pooling.of(pooling or estimator.pooling, layers or estimator.layers)
    by_row = (
        values
        if isinstance(estimator.encoder, ConvEncoder)
        else values.reshape(-1, 1, values.shape[2])
    )
    rows = WindowDataset(by_row, estimator.max_length)
    return estimator.embedding_.features(estimator.network_, values, rows, pooling, torch.float64)


@every_encoder
@pytest.mark.parametrize("max_length", [None, 9])
def test_learned_then_blocks_then_scale(encoder, max_length):
    """Each part is what the features of that part alone are, whatever the order they are named."""
    names = ("std", "filters", "kernels", "scale")
    whole = untrained(encoder=encoder, max_length=max_length, pooling=names[::-1])
    alone = [features(whole, pooling=(name,)).joined() for name in names]
    parts = features(whole)
    np.testing.assert_array_equal(parts.learned, alone[0])
    np.testing.assert_array_equal(parts.fixed, np.hstack(alone[1:]))
    np.testing.assert_array_equal(parts.joined(), np.hstack(alone))


@every_encoder
def test_the_share_of_a_filter_by_hand(encoder):
    """Of the rows, normalised and in units of the usual amplitude, gaps interpolated."""
    estimator = untrained(encoder=encoder, pooling=("filters",))
    bank = estimator.embedding_.blocks["filters"].double()
    stats = estimator.network_.stats_scaler
    by_row = NEW if encoder is CONV else NEW.reshape(-1, 1, 20)
    gaps = by_row.copy()
    gaps[1, 0, 3:6] = np.nan
    gaps[1, 0, 2:7] = np.linspace(by_row[1, 0, 2], by_row[1, 0, 6], 5)
    usual = (gaps - gaps.mean(2, keepdims=True)) / stats.scale.numpy()[:, None]
    expected = bank(torch.tensor(usual), None).numpy().reshape(len(NEW), -1)
    gaps[1, 0, 3:6] = np.nan
    got = features(estimator, gaps.reshape(NEW.shape)).fixed.numpy()
    # a response that rounding moves over a threshold counts for one point
    assert (np.abs(got - expected) < 1e-9).mean() > 0.999


def test_thresholds_come_from_some_of_the_training_rows(monkeypatch):
    monkeypatch.setattr("simmtm_sk.embedding.MOST_ROWS", 4)
    few = untrained(pooling=("filters",)).embedding_.blocks["filters"]
    monkeypatch.setattr("simmtm_sk.embedding.MOST_ROWS", len(X))
    all_rows = untrained(pooling=("filters",)).embedding_.blocks["filters"]
    assert torch.equal(few.weight, all_rows.weight)
    assert not torch.equal(few.threshold, all_rows.threshold)


def test_filters_see_amplitudes_and_layers_do_not():
    sizes = np.geomspace(1, 20, len(X))[:, None, None]
    estimator = untrained(X * sizes, pooling=("max", "filters"))
    estimator.network_.backbone.stats_embedding.weight.data.zero_()
    quiet, loud = (features(estimator, scale * NEW) for scale in (1, 5))
    torch.testing.assert_close(quiet.learned, loud.learned)
    assert (quiet.fixed - loud.fixed).abs().mean() > 0.02


@every_encoder
@pytest.mark.parametrize("layers", ["all", "last"])
def test_every_feature_has_a_name_of_its_own(encoder, layers):
    pooling = ("max", "ppv", "filters", "scale")
    estimator = untrained(encoder=encoder, pooling=pooling, layers=layers)
    names = estimator.feature_names()
    E = features(estimator).joined().numpy()
    assert len(set(names)) == len(names) == E.shape[1] == estimator.transform(NEW).shape[1]
    column = dict(zip(names, E.T, strict=True))
    # the scale is free of units: around that of the training series
    stats = estimator.network_.stats_scaler
    center, unit = stats.center.numpy(), stats.scale.numpy()
    mean, log_std = NEW[:, 1].mean(1), np.log(NEW[:, 0].std(1))
    np.testing.assert_allclose(column["channel1_mean"], (mean - center[1 % len(unit)]) / unit[-1])
    np.testing.assert_allclose(column["channel0_log_std"], log_std - center[len(unit)])
    prefix = "channel1_" if encoder is PATCH else ""
    last = features(estimator, pooling=("ppv",), layers="last").learned.numpy()
    d_model = 4
    offset = d_model if encoder is PATCH else 0
    for i in range(d_model):
        name = f"{prefix}layer{estimator.network_.n_layers() - 1}_ppv_{i}"
        np.testing.assert_array_equal(column[name], last[:, offset + i])


def test_the_name_of_a_filter():
    bank = FilterBank(1, 40)
    bank.fit(torch.tensor(X[:, :1], dtype=torch.float32), None)
    names = list(bank.names())
    assert len(names) == bank.n_features
    threshold = bank.threshold
    bank.threshold = torch.full_like(threshold, torch.inf)
    bank.threshold[2, 11, 5] = -torch.inf
    shares = bank(torch.tensor(X[:, :1], dtype=torch.float32), None)
    assert [name for name, x in zip(names, shares[0], strict=True) if x > 0] == [
        "filters_dilation4_filter11_threshold5"
    ]
    assert filters.N_FILTERS > 11


@pytest.mark.parametrize("change", [{"pooling": ("max",)}, {"layers": "last"}, {"mask_ratio": 0.3}])
def test_what_a_fit_depends_on_makes_it_necessary(change):
    """Balance and metric were learned for the features that there were."""
    fitted = untrained()
    with pytest.raises(ValueError, match="not been fitted"):
        fitted.set_params(**change).transform(NEW)
    assert fitted.fit(X).transform(NEW).shape[0] == len(NEW)


def test_an_attribute_that_was_set_by_hand_is_noticed():
    fitted = untrained(pooling=("max",))
    for pooling in (("max", "min"), ("min",)):  # more features, and as many others
        fitted.pooling = pooling
        with pytest.raises(ValueError, match="pooling or layers have changed since fit"):
            fitted.transform(NEW)
    fitted.pooling = ("max", "filters")
    with pytest.raises(ValueError, match=r"pooling names \['filters'\].* not part of pooling in"):
        fitted.transform(NEW)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="pooling must name some of"):
        untrained(pooling=("max", "median"))


@pytest.mark.parametrize(
    "pooling", [("max",), ("filters", "kernels"), ("max", "filters", "scale")], ids=str
)
def test_what_is_fitted_is_what_is_saved(tmp_path, pooling):
    fitted = untrained(pooling=pooling)
    loaded = load(fitted.save(tmp_path / "model"))
    assert loaded.embedding_.fitted == fitted.embedding_.fitted
    np.testing.assert_array_equal(loaded.transform(NEW), fitted.transform(NEW))
    assert loaded.feature_names() == fitted.feature_names()


def test_a_warm_start_keeps_the_random_filters():
    fitted = small(pooling=("filters",), warm_start=True).fit(X)
    weight = fitted.embedding_.blocks["filters"].weight
    fitted.random_state = 1
    again = fitted.fit(2 * X + NEW[0])
    assert torch.equal(again.embedding_.blocks["filters"].weight, weight)


class Sums(torch.nn.Module):
    """The simplest block there could be."""

    n_features = 1

    def __init__(self, n_channels, length):
        super().__init__()
        self.register_buffer("usual", torch.zeros(n_channels))

    def fit(self, values, within):
        self.usual = values.sum(2).abs().mean(0)

    def forward(self, values, within):
        return values.square().sum((1, 2))[:, None]

    def names(self):
        return ["sum"]


def test_a_block_more_is_a_class_and_a_line(monkeypatch):
    monkeypatch.setitem(BLOCKS, "sums", Sums)
    monkeypatch.setattr("simmtm_sk.embedding.POOLINGS", ("sums", "scale"))
    estimator = untrained(encoder=ConvEncoder(d_model=2, n_layers=1), pooling=("sums",))
    assert estimator.geometry_.sizes == {"sums": 1}
    amplitude = NEW.std(2) / estimator.network_.stats_scaler.scale.numpy()
    expected = 20 * (amplitude**2).sum(1, keepdims=True)
    np.testing.assert_allclose(features(estimator).fixed, expected, rtol=1e-5)
    assert estimator.feature_names() == ["sum"]
    assert isinstance(estimator.embedding_, Embedding)
