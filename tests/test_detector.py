"""The detector as its users meet it: anomalies of all kinds, containers, artifacts, errors."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from simmtm_sk import ArtifactError, SimMTMDetector, load
from tests.persistence.edited import edit
from tests.small import small

LENGTH, PERIOD = 1200, 24


def season(length=LENGTH, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(length)
    shape = np.sin(2 * np.pi * time / PERIOD) + 0.5 * np.cos(4 * np.pi * time / PERIOD)
    return shape + 0.1 * rng.normal(size=length)


def with_anomaly(kind, start=600, length=30):
    x = season(seed=1)
    labels = np.zeros(LENGTH, int)
    labels[start : start + (2 if kind == "spike" else length)] = 1
    at = labels == 1
    match kind:
        case "spike":
            x[at] += 3
        case "level":
            x[at] += 2
        case "frozen":
            x[at] = x[start]
        case "period":
            x[at] = season(seed=2)[start : start + 2 * length : 2]
        case "amplitude":
            x[at] *= 0.2
    return x, labels


@pytest.fixture(scope="module")
def fitted():
    return SimMTMDetector().fit(season())


@pytest.mark.parametrize("kind", ["spike", "level", "frozen", "period", "amplitude"])
def test_anomalies_of_every_kind(fitted, kind):
    x, labels = with_anomaly(kind)
    scores = fitted.transform_scores(x)["scores"]
    assert roc_auc_score(labels, scores) > 0.9
    assert average_precision_score(labels, scores) > 0.5
    assert labels[fitted.predict(x)["ilocs"]].any()


def test_unsupervised_on_the_series_itself():
    x, labels = with_anomaly("level")
    detector = SimMTMDetector().fit(x)
    assert roc_auc_score(labels, detector.transform_scores(x)["scores"]) > 0.9
    assert labels[detector.predict(x)["ilocs"]].any()


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_rate_of_false_alarms_on_new_series(rate):
    detector = SimMTMDetector(false_alarm_rate=rate).fit(season(3000))
    share = np.mean([len(detector.predict(season(3000, seed))) / 3000 for seed in (3, 4, 5)])
    assert 0.3 * rate < share < 2 * rate


def test_score_is_the_root_mean_square_of_the_members(fitted):
    x, _ = with_anomaly("spike")
    members = fitted.scores_by_member(x)
    assert list(members) == fitted.members_
    assert fitted.members_[-1] == "season"
    assert fitted.period_ == PERIOD
    expected = np.sqrt((members**2).mean(axis=1))
    np.testing.assert_allclose(fitted.transform_scores(x)["scores"], expected, rtol=1e-12)


def test_surprise_is_what_few_stretches_have(fitted):
    """One stretch of 24 points in two is beyond the median, one in four beyond the quantile."""
    members = fitted.scores_by_member(season())
    largest = members.to_numpy().reshape(-1, 24, len(fitted.members_)).max(1)
    at = {0.5: np.log1p(2), 0.25: np.log1p(4)}  # log(1 + e ** surprise): zero is reached smoothly
    for share, surprise in at.items():
        np.testing.assert_allclose((largest > surprise - 1e-9).mean(0), share, atol=0.03)
    assert members.to_numpy().min() >= 0
    assert members.to_numpy().max() <= 8


def test_stillness_sees_what_is_frozen(fitted):
    x, labels = with_anomaly("frozen")
    stillness = fitted.scores_by_member(x)["stillness"]
    assert stillness[labels == 1].min() > 5
    assert stillness[:550].max() < stillness[labels == 1].min()


def test_no_season_no_member():
    detector = SimMTMDetector().fit(np.random.default_rng(0).normal(size=600))
    assert detector.period_ == 0
    assert "season" not in detector.members_


def test_segments_are_runs_of_points(fitted):
    x, _ = with_anomaly("level")
    points = fitted.predict_points(x)["ilocs"].tolist()
    segments = fitted.predict_segments(x)["ilocs"]
    assert len(segments) < len(points)
    assert [i for s in segments for i in range(s.left, s.right)] == points
    dense = fitted.transform(x)["labels"]
    assert np.flatnonzero(dense).tolist() == points


def test_scores_of_points(fitted):
    x, _ = with_anomaly("spike")
    scores = fitted.predict_scores(x)["scores"].to_numpy()
    assert (scores > fitted.threshold_).all()
    assert len(scores) == len(fitted.predict(x))


def test_one_channel_of_several():
    """The second follows the first: where it does not, both are in their range."""
    first, other = season(), season(seed=7)
    normal = pd.DataFrame({"a": first, "b": 2 * first + 0.05 * season(seed=8)})
    x = pd.DataFrame({"a": other, "b": 2 * other + 0.05 * season(seed=9)})
    x.loc[600:605, "b"] -= 1.5
    detector = SimMTMDetector().fit(normal)
    conditional = detector.scores_by_member(x)["conditional"]
    assert conditional[600:606].max() == conditional.max()
    labels = np.isin(np.arange(LENGTH), np.arange(600, 606))
    assert roc_auc_score(labels, detector.transform_scores(x)["scores"]) > 0.98


def test_panels_teach_single_series_and_are_scored_series_by_series():
    panel = np.stack([season(400, seed)[None] for seed in range(4)])
    detector = SimMTMDetector(false_alarm_rate=0.1).fit(panel)
    x, labels = with_anomaly("level")
    assert roc_auc_score(labels, detector.transform_scores(x)["scores"]) > 0.9
    frames = {name: pd.DataFrame(x.T) for name, x in zip("abcd", panel, strict=True)}
    for method in (
        detector.predict,
        detector.predict_segments,
        detector.predict_scores,
        detector.transform,
        detector.transform_scores,
        detector.scores_by_member,
    ):
        named = method(pd.concat(frames, names=["sensor", "time"]))
        assert named.index.names[0] == "sensor"
        for name, frame in frames.items():
            expected = method(frame)
            np.testing.assert_array_equal(named.loc[name].to_numpy(), expected.to_numpy())
        np.testing.assert_array_equal(method(panel).to_numpy(), named.to_numpy())


def test_a_large_panel_is_scored_in_part():
    """The threshold is taken from 50 of 60 series."""
    rng = np.random.default_rng(0)
    detector = SimMTMDetector(false_alarm_rate=0.02).fit(rng.normal(size=(60, 1, 2000)))
    share = np.mean([len(detector.predict(x)) / 2000 for x in rng.normal(size=(10, 2000))])
    assert 0.01 < share < 0.04


def test_containers_give_the_same(fitted):
    x, _ = with_anomaly("level")
    expected = fitted.transform_scores(x)["scores"].to_numpy()
    index = pd.date_range("2024", periods=LENGTH, freq="h")
    for given in (x[:, None], pd.Series(x, index), pd.DataFrame({"load": x}, index)):
        scores = fitted.transform_scores(given)
        np.testing.assert_array_equal(scores["scores"], expected)
        if hasattr(given, "index"):
            assert scores.index.equals(index)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_units_do_not_matter(fitted, scale):
    x, _ = with_anomaly("level")
    other = SimMTMDetector().fit(season() * scale).transform_scores(x * scale)
    np.testing.assert_allclose(other, fitted.transform_scores(x), rtol=1e-4, atol=1e-6)


def test_gaps_are_nothing(fitted):
    x, labels = with_anomaly("spike")
    x[100:104] = np.nan
    scores = fitted.transform_scores(x)["scores"].to_numpy()
    assert (scores[100:104] == 0).all()
    assert scores[labels == 1].max() == scores.max()


def test_same_bits_twice(fitted):
    x, _ = with_anomaly("level")
    again = SimMTMDetector().fit(season())
    assert again.threshold_ == fitted.threshold_
    pd.testing.assert_frame_equal(again.transform_scores(x), fitted.transform_scores(x))


@pytest.mark.parametrize("length", [1, 2, 10, 60])
def test_short_series(fitted, length):
    x = season(length)
    assert np.isfinite(fitted.transform_scores(x)["scores"]).all()
    assert np.isfinite(SimMTMDetector().fit(x).transform_scores(x)["scores"]).all()


def test_constant_series_have_no_anomalies():
    detector = SimMTMDetector().fit(np.full(300, 7.0))
    assert len(detector.predict(np.full(300, 7.0))) == 0
    assert 150 in detector.predict(np.where(np.arange(300) == 150, 9.0, 7.0))["ilocs"].tolist()


def test_updates_are_fits_to_all_series(fitted, tmp_path):
    x, _ = with_anomaly("level")
    first, second, third = season(), season(500, seed=4), season(400, seed=6)
    updated = SimMTMDetector().fit(first).update(second).update(third)
    whole = SimMTMDetector().fit([pd.DataFrame(v) for v in (first, second, third)])
    assert updated.threshold_ == whole.threshold_ != fitted.threshold_
    pd.testing.assert_frame_equal(updated.transform_scores(x), whole.transform_scores(x))
    with pytest.raises(ValueError, match="2 channels, but fit has seen 1"):
        updated.update(np.zeros((50, 2)))
    with pytest.raises(ValueError, match="from a file"):
        load(fitted.save(tmp_path / "detector")).update(second)


def test_artifacts_give_the_same_bits(fitted, tmp_path):
    x, _ = with_anomaly("level")
    loaded = load(fitted.save(tmp_path / "detector"))
    pd.testing.assert_frame_equal(loaded.transform_scores(x), fitted.transform_scores(x))
    assert loaded.threshold_ == fitted.threshold_


@pytest.mark.parametrize(
    "changes",
    [
        {"n_channels_": 2},
        {"threshold_": "high"},
        {"scorer": {"period": -1}},
        {"scorer": {"period": 10**9}},
        {"scorer": {}},
    ],
)
def test_edited_artifacts_are_refused(fitted, tmp_path, changes):
    path = fitted.save(tmp_path / "detector")
    edit(path, config=lambda config: config["state"].update(changes))
    with pytest.raises(ArtifactError):
        load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda named: named["long"].mul_(np.nan),
        lambda named: named["units.std"].mul_(0),
        lambda named: named["tails.rolling.scale"].mul_(0),
        lambda named: named.pop("tails.season.start"),
        lambda named: named.update(long=named["long"][:0]),
        lambda named: named.update(short=named["short"][:, :, :0]),
        lambda named: named.update(more=named["long"].clone()),
    ],
)
def test_edited_tensors_are_refused(fitted, tmp_path, change):
    path = fitted.save(tmp_path / "detector")
    edit(path, tensors=change)
    with pytest.raises(ArtifactError):
        load(path)


def test_bad_input_is_refused(fitted):
    with pytest.raises(ValueError, match="2 channels, but fit has seen 1"):
        fitted.predict(np.zeros((50, 2)))
    with pytest.raises(ValueError, match="infinite"):
        SimMTMDetector().fit(np.array([0.0, np.inf, 1.0]))
    with pytest.raises(ValueError, match="without any value"):
        SimMTMDetector().fit(np.full(100, np.nan))
    with pytest.raises(ValueError, match="false_alarm_rate"):
        SimMTMDetector(false_alarm_rate=1.0).fit(season())


# -- with an encoder -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embed():
    windows = np.lib.stride_tricks.sliding_window_view(season(), 48)[::12][:, None]
    return small(num_epochs=0, pooling=("filters", "scale")).fit(windows)


@pytest.fixture(scope="module")
def with_encoder(embed):
    return SimMTMDetector(transformer=FrozenEstimator(embed)).fit(season())


def test_neighbours_are_those_of_embeddings(embed, with_encoder):
    """The surprise of a window rises with the distance to its sixth neighbour among embeddings."""
    x, labels = with_anomaly("period")
    seen, new = (np.lib.stride_tricks.sliding_window_view(v, 48)[:, None] for v in (season(), x))
    seen, new = seen[:: -(-len(seen) // 1000)], new[::4]
    nearest = NearestNeighbors(n_neighbors=6).fit(embed.transform(seen.astype(np.float32)))
    distances = nearest.kneighbors(embed.transform(new.astype(np.float32)))[0][:, -1]
    said = with_encoder.scores_by_member(x)["neighbors"].to_numpy()
    centers = 23 + 4 * np.arange(len(new))
    below = said[centers] < 8  # where surprise ends
    assert spearmanr(distances[below], said[centers][below]).statistic > 0.9999
    assert roc_auc_score(labels, said) > 0.9


def test_other_members_do_not_know_of_the_encoder(fitted, with_encoder):
    x, _ = with_anomaly("level")
    plain, encoded = fitted.scores_by_member(x), with_encoder.scores_by_member(x)
    assert list(plain) == list(encoded)
    pd.testing.assert_frame_equal(
        plain.drop(columns="neighbors"), encoded.drop(columns="neighbors")
    )
    assert not np.allclose(plain["neighbors"], encoded["neighbors"])


def test_encoders_come_from_files_and_travel_in_artifacts(embed, with_encoder, tmp_path):
    x, _ = with_anomaly("level")
    expected = with_encoder.transform_scores(x)
    of_file = SimMTMDetector(transformer=embed.save(tmp_path / "encoder")).fit(season())
    pd.testing.assert_frame_equal(of_file.transform_scores(x), expected)
    for detector in (with_encoder, of_file):
        loaded = load(detector.save(tmp_path / "detector"))
        pd.testing.assert_frame_equal(loaded.transform_scores(x), expected)


def test_an_encoder_of_other_channels_is_refused(embed):
    with pytest.raises(ValueError, match="channel"):
        SimMTMDetector(transformer=FrozenEstimator(embed)).fit(np.zeros((200, 2)))
    with pytest.raises(ValueError, match="transformer"):
        SimMTMDetector(transformer=embed).fit(season())


# -- gaps ------------------------------------------------------------------------------------------


def test_long_gaps_are_no_anomalies(fitted):
    """Neither in them nor beside them, though a bridge is as still as a sensor that hangs."""
    x = season(seed=1)
    x[500:700] = np.nan
    members = fitted.scores_by_member(x)
    assert (members.iloc[500:700] == 0).all(axis=None)
    assert len(fitted.predict(x)) < 0.03 * len(x)
    assert (members.iloc[480:720].max() <= members.drop(index=range(470, 730)).max() + 1).all()


def test_a_gap_in_one_channel_leaves_the_other_to_be_looked_at():
    normal = pd.DataFrame({"a": season(), "b": season(seed=5)})
    x = pd.DataFrame({"a": season(seed=1), "b": season(seed=2)})
    x.loc[500:699, "a"] = np.nan
    detector = SimMTMDetector(false_alarm_rate=0.005).fit(normal)
    assert not detector.predict(x)["ilocs"].between(450, 750).any()
    x.loc[600:602, "b"] += 4
    assert detector.predict(x)["ilocs"].between(600, 602).any()


def test_bridges_over_gaps_of_fit_are_not_learned():
    """A sensor that hangs where the bridge has been is as strange as without the gap."""
    gappy, x = season(), season(seed=1)
    bridge = np.linspace(gappy[499], gappy[700], 202)[1:-1]
    gappy[500:700] = np.nan
    x[500:700] = bridge
    members = SimMTMDetector().fit(gappy).scores_by_member(x)
    assert members["neighbors"][550:650].min() > 7


def test_half_of_the_series_may_be_missing_in_fit():
    seen = season(2400)
    gappy = seen.copy()
    gappy[1200:] = np.nan
    x, labels = with_anomaly("frozen")
    detector = SimMTMDetector().fit(gappy)
    assert roc_auc_score(labels, detector.transform_scores(x)["scores"]) > 0.9
