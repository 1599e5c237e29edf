"""What the displays draw, read back from matplotlib's artists."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMDetector,
    SimMTMForecaster,
    SimMTMImputer,
    SimMTMTransformer,
)
from simmtm_sk.datasets import load_dataset
from simmtm_sk.plotting import (
    AnomalyDisplay,
    EmbeddingDisplay,
    ForecastDisplay,
    ImputationDisplay,
    LossDisplay,
    ReconstructionDisplay,
)

pytest.importorskip("matplotlib", reason="matplotlib (extra plot) is not installed").use("agg")
pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def series():
    return load_dataset("ItalyPowerDemand", split="train")


@pytest.fixture(scope="module")
def fitted(series):
    return small().fit(series[0])


def small(**params):
    defaults = {"encoder": ConvEncoder(d_model=4, n_layers=2), "num_epochs": 12, "batch_size": 16}
    return SimMTMTransformer(random_state=0, **{**defaults, **params})


def drawn(line):
    return np.asarray(line.get_ydata(), dtype=float)


# -- losses ----------------------------------------------------------------------------------------


def test_losses_are_the_history(fitted):
    display = LossDisplay.from_estimator(fitted)
    terms = {name for name in fitted.history_[0] if name.startswith(("train_", "valid_"))}
    assert {"train_reconstruction", "valid_criterion"} <= terms
    assert set(display.lines_) == terms
    for name, line in display.lines_.items():
        assert list(line.get_xdata()) == [record["epoch"] for record in fitted.history_]
        assert list(line.get_ydata()) == [record[name] for record in fitted.history_]
        assert line.get_linestyle() == ("-" if name.startswith("train_") else "--")
        assert line.axes is display.ax_


def test_a_term_has_one_colour_and_terms_differ(fitted):
    lines = LossDisplay.from_estimator(fitted).lines_
    assert lines["train_total"].get_color() == lines["valid_total"].get_color()
    assert lines["train_total"].get_color() != lines["train_constraint"].get_color()


def test_the_kept_epoch_is_marked():
    history = [{"epoch": e, "valid_criterion": c} for e, c in [(1, 3.0), (2, 1.0), (3, 2.0)]]
    display = LossDisplay(history=history).plot()
    (marked,) = (line for line in display.ax_.lines if line.get_label() == "weights kept")
    assert list(marked.get_xdata()) == [2, 2]


def test_losses_without_held_out_series(series):
    display = LossDisplay.from_estimator(small(validation_fraction=0, num_epochs=1).fit(series[0]))
    assert all(name.startswith("train_") for name in display.lines_)
    assert len(display.ax_.lines) == len(display.lines_)  # no marked epoch


@pytest.mark.parametrize(("value", "scale"), [(0.5, "log"), (0.0, "linear")])
def test_logarithmic_only_where_all_losses_are_positive(value, scale):
    history = [{"epoch": 1, "train_total": 1.0}, {"epoch": 2, "train_total": value}]
    assert LossDisplay(history=history).plot().ax_.get_yscale() == scale


def test_nothing_trained_nothing_to_draw():
    with pytest.raises(ValueError, match="nothing was trained"):
        LossDisplay(history=[]).plot()


# -- reconstruction --------------------------------------------------------------------------------


def test_hidden_points_are_not_drawn_as_visible(fitted, series):
    display = ReconstructionDisplay.from_estimator(fitted, series[0], n_series=4)
    assert len(display.axes_) == len(display.visible_lines_) == 4
    assert 0.2 < display.visible.mean() < 0.8
    for i, line in enumerate(display.visible_lines_):
        visible = display.visible[i, 0]
        np.testing.assert_array_equal(np.isnan(drawn(line)), ~visible)
        np.testing.assert_array_equal(drawn(line)[visible], series[0][i, 0][visible])
        np.testing.assert_array_equal(drawn(display.original_lines_[i]), series[0][i, 0])


def test_rebuilt_from_the_visible_points_alone(fitted, series):
    display = ReconstructionDisplay.from_estimator(fitted, series[0])
    masked = np.where(display.visible, series[0][:3], np.nan)
    expected = fitted.reconstruct(masked, decoded=True)
    assert np.isfinite(expected).all()
    for i, line in enumerate(display.rebuilt_lines_):
        np.testing.assert_array_equal(drawn(line), expected[i, 0])


def test_channels_are_drawn_in_the_order_of_fit():
    values = np.random.default_rng(0).normal(size=(12, 2, 20)).cumsum(2)
    frames = [pd.DataFrame(x.T, columns=["acc", "gyr"]) for x in values]
    fitted = small(num_epochs=0).fit(frames)
    swapped = [frame[["gyr", "acc"]] for frame in frames]
    given, other = (ReconstructionDisplay.from_estimator(fitted, x) for x in (frames, swapped))
    for lines in ("original_lines_", "rebuilt_lines_"):
        for line, same in zip(getattr(given, lines), getattr(other, lines), strict=True):
            np.testing.assert_array_equal(drawn(line), drawn(same))


def test_mask_ratio_is_the_estimators_or_the_callers(fitted):
    X = np.random.default_rng(0).normal(size=(200, 1, 100))

    def hidden(**params):
        display = ReconstructionDisplay.from_estimator(fitted, X, n_series=200, **params)
        pyplot.close(display.figure_)
        return 1 - display.visible.mean()

    axes = pyplot.subplots(200)[1]
    assert hidden(ax=axes) == pytest.approx(fitted.mask_ratio, abs=0.03)
    assert hidden(ax=axes, mask_ratio=0.2) == pytest.approx(0.2, abs=0.03)


def test_masks_follow_random_state_and_nothing_else(fitted, series):
    def visible(random_state):
        return ReconstructionDisplay.from_estimator(
            fitted, series[0], random_state=random_state
        ).visible

    before = torch.random.get_rng_state()
    np.testing.assert_array_equal(visible(1), visible(1))
    assert (visible(1) != visible(2)).any()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_patch_masks_hide_whole_patches(series):
    encoder = PatchEncoder(patch_length=6, d_model=8, n_layers=1, n_heads=2)
    embed = small(encoder=encoder, masking="patch", num_epochs=1).fit(series[0])
    visible = ReconstructionDisplay.from_estimator(embed, series[0]).visible[:, 0]
    patches = visible.reshape(3, 4, 6)[:, :-1]  # in the last one the last point is shown
    assert (patches == patches[..., :1]).all()


def test_gaps_and_the_end_of_a_series_stay_empty(fitted, series):
    X = series[0][:3].copy()
    X[0, 0, 5:8] = np.nan  # a gap
    X[1, 0, 20:] = np.nan  # a shorter series
    display = ReconstructionDisplay.from_estimator(fitted, X)
    assert not display.visible[np.isnan(X)].any()
    assert display.visible[0, 0, -1]
    assert display.visible[1, 0, 19]  # the last observed point shows where the series ends
    assert np.isfinite(display.rebuilt[0, 0]).all()
    np.testing.assert_array_equal(np.isnan(display.rebuilt[1, 0]), np.arange(24) >= 20)


def test_the_chosen_channel_is_drawn():
    X, _ = load_dataset("BasicMotions", split="train")
    embed = small(num_epochs=1).fit(X)
    display = ReconstructionDisplay.from_estimator(embed, X, n_series=1, channel=4)
    np.testing.assert_array_equal(drawn(display.original_lines_[0]), X[0, 4])
    np.testing.assert_array_equal(drawn(display.rebuilt_lines_[0]), display.rebuilt[0, 4])


# -- embedding map ---------------------------------------------------------------------------------


def principal_components(embedding):
    """Scores by hand: centre, singular value decomposition; signs are arbitrary."""
    u, s, _ = np.linalg.svd(embedding - embedding.mean(0), full_matrices=False)
    return u[:, :2] * s[:2], s[:2] ** 2 / (s**2).sum()


def test_points_are_the_principal_components(fitted, series):
    X, y = series
    display = EmbeddingDisplay.from_estimator(fitted, X, y)
    scores, shares = principal_components(fitted.transform(X))
    scores *= np.sign((scores * display.scores).sum(0))
    np.testing.assert_allclose(display.scores, scores, atol=1e-4)
    np.testing.assert_allclose(display.explained_variance_ratio, shares, rtol=1e-6)
    assert display.ax_.get_xlabel() == f"component 1 ({shares[0]:.0%})"
    assert list(display.scatters_) == ["1", "2"]
    for name, points in display.scatters_.items():
        np.testing.assert_allclose(points.get_offsets(), display.scores[y == name])
        assert points.get_label() == name


def test_all_points_at_once_without_classes(fitted, series):
    display = EmbeddingDisplay.from_estimator(fitted, series[0])
    assert list(display.scatters_) == [None]
    np.testing.assert_allclose(display.scatters_[None].get_offsets(), display.scores)
    assert display.ax_.get_legend() is None


def test_numbers_become_shades(fitted, series):
    y = np.random.default_rng(0).normal(size=len(series[0]))
    display = EmbeddingDisplay.from_estimator(fitted, series[0], y)
    np.testing.assert_array_equal(display.scatters_[None].get_array(), y)


@pytest.mark.parametrize("n_classes", [2, 10, 11, 20, 30])
def test_every_class_has_a_colour_of_its_own(n_classes):
    y = np.arange(3 * n_classes) % n_classes
    scores = np.random.default_rng(0).normal(size=(len(y), 2))
    display = EmbeddingDisplay(scores=scores, explained_variance_ratio=(0.5, 0.2), y=y).plot()
    colors = {tuple(points.get_facecolor()[0]) for points in display.scatters_.values()}
    assert len(colors) == n_classes


def test_pandas_output_draws_the_same(fitted, series):
    plain = EmbeddingDisplay.from_estimator(fitted, series[0]).scores
    framed = small().set_output(transform="pandas").fit(series[0])
    np.testing.assert_array_equal(EmbeddingDisplay.from_estimator(framed, series[0]).scores, plain)


def test_y_of_another_length_is_refused(fitted, series):
    with pytest.raises(ValueError, match="67 series, but y has 5 values"):
        EmbeddingDisplay.from_estimator(fitted, series[0], series[1][:5])


# -- all displays ----------------------------------------------------------------------------------


def test_given_axes_are_used(fitted, series):
    figure, axes = pyplot.subplots(4)
    assert LossDisplay.from_estimator(fitted, ax=axes[0]).ax_ is axes[0]
    assert EmbeddingDisplay.from_estimator(fitted, series[0], ax=axes[1]).ax_ is axes[1]
    display = ReconstructionDisplay.from_estimator(fitted, series[0], n_series=2, ax=axes[2:])
    assert list(display.axes_) == list(axes[2:])
    assert display.figure_ is figure
    alone = ReconstructionDisplay.from_estimator(fitted, series[0], n_series=1, ax=axes[0])
    assert list(alone.axes_) == [axes[0]]
    assert pyplot.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match="3 series need as many axes, got 2"):
        ReconstructionDisplay.from_estimator(fitted, series[0], ax=axes[:2])


def test_drawing_again_draws_the_same(fitted, series):
    display = ReconstructionDisplay.from_estimator(fitted, series[0])
    before = [drawn(line) for line in display.rebuilt_lines_]
    again = display.plot()
    assert again is display
    np.testing.assert_array_equal([drawn(line) for line in again.rebuilt_lines_], before)


@pytest.mark.parametrize(
    "display",
    [
        LossDisplay(history=[{"epoch": 1, "train_total": 1.0}]),
        ReconstructionDisplay(
            original=np.zeros((1, 1, 4)),
            visible=np.ones((1, 1, 4), dtype=bool),
            rebuilt=np.zeros((1, 1, 4)),
        ),
        EmbeddingDisplay(scores=np.zeros((3, 2)), explained_variance_ratio=(0.5, 0.2)),
    ],
    ids=lambda display: type(display).__name__,
)
def test_without_matplotlib_the_error_names_the_extra(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"simmtm_sk\[plot\]"):
        display.plot()


@pytest.mark.parametrize("draw", [LossDisplay, ReconstructionDisplay, EmbeddingDisplay])
def test_an_unfitted_estimator_is_refused(draw, series):
    with pytest.raises(NotFittedError):
        draw.from_estimator(small(), *(() if draw is LossDisplay else (series[0],)))


def test_the_package_imports_without_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import simmtm_sk.plotting; assert simmtm_sk.plotting.LossDisplay"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- forecasts ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forecaster():
    draw = np.random.default_rng(0)
    season = np.sin(np.arange(160) * np.pi / 6)[:, None]
    y = pd.DataFrame(season * [1, 5] + 0.3 * draw.normal(size=(160, 2)) + [0, 40])
    return SimMTMForecaster(strategy="closed-form").fit(y, fh=range(1, 13))


def test_the_forecast_is_the_weighted_mean_of_the_members_drawn(forecaster):
    for series in (0, 1):
        display = ForecastDisplay.from_estimator(forecaster, series=series)
        lines = display.lines_
        np.testing.assert_allclose(lines["forecast"].get_ydata(), forecaster.predict()[series])
        mean = sum(display.weights[name] * display.members[name] for name in display.members)
        np.testing.assert_allclose(mean, lines["forecast"].get_ydata())
        assert lines["series"].get_xdata()[-1] == 0
        for name in lines.keys() - {"series", "forecast"}:
            np.testing.assert_array_equal(lines[name].get_ydata(), display.members[name])


def test_members_that_count_more_are_stronger_and_those_without_weight_not_drawn():
    weights = {"a": [0.8, 0.6], "b": [0.2, 0.4], "c": [0.0, 0.0]}
    members = {name: [1.0, 2.0] for name in weights}
    display = ForecastDisplay(
        recent=[0.0], forecast=[1.0, 2.0], members=members, weights=weights
    ).plot()
    assert list(display.lines_) == ["series", "forecast", "a", "b"]
    assert display.lines_["a"].get_alpha() > display.lines_["b"].get_alpha()


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_the_interval_drawn_is_that_of_the_forecaster(forecaster, coverage):
    display = ForecastDisplay.from_estimator(forecaster, series=1, coverage=coverage)
    expected = forecaster.predict_interval(coverage=coverage)[1][coverage].to_numpy()
    np.testing.assert_allclose(np.transpose(display.interval), expected)
    corners = display.band_.get_paths()[0].vertices
    for step, ends in enumerate(expected, 1):
        at_step = corners[corners[:, 0] == step, 1]
        np.testing.assert_allclose([at_step.min(), at_step.max()], ends)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert f"{coverage:.0%} interval" in labels


def test_without_an_interval(forecaster):
    display = ForecastDisplay.from_estimator(forecaster, coverage=None)
    assert display.band_ is None
    assert not display.ax_.collections
    with pytest.raises(ValueError, match=r"coverage must lie between 0 and 1, or be None, got 90"):
        ForecastDisplay.from_estimator(forecaster, coverage=90)


def test_what_is_drawn_keeps_to_the_limits_of_the_forecaster():
    y = pd.Series(np.abs(np.sin(np.arange(120.0))))
    forecaster = SimMTMForecaster(strategy="closed-form", lower=0.1, upper=0.9).fit(y, fh=[1, 2, 3])
    display = ForecastDisplay.from_estimator(forecaster, coverage=0.99)
    np.testing.assert_allclose(display.forecast, forecaster.predict())
    assert np.min(display.interval) >= 0.1
    assert np.max(display.interval) <= 0.9


def test_which_series_there_are_is_said(forecaster):
    with pytest.raises(ValueError, match="series must be from 0 to 1, got 2"):
        ForecastDisplay.from_estimator(forecaster, series=2)


def test_imputation():
    X = np.sin(np.arange(200) / 3)[None]
    gappy = X.copy()
    gappy[0, 80:90] = np.nan
    imputer = SimMTMImputer().fit(gappy)
    display = ImputationDisplay.from_estimator(imputer, gappy, truth=X)
    assert np.flatnonzero(display.std).tolist() == list(range(80, 90))
    np.testing.assert_array_equal(display.filled, imputer.transform(gappy)[0])
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["± 2 std", "hidden", "observed", "filled"]
    assert display.figure_ is display.ax_.figure


# -- what people have in hand ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier(series):
    return SimMTMClassifier(transformer=small(num_epochs=2), random_state=0).fit(*series)


def test_a_classifier_is_drawn_by_its_transformer(classifier, series):
    X, y = series
    transformer = classifier.transformer_
    drawn_by = EmbeddingDisplay.from_estimator
    np.testing.assert_array_equal(
        drawn_by(classifier, X, y).scores, drawn_by(transformer, X, y).scores
    )
    assert LossDisplay.from_estimator(classifier).history == transformer.history_
    rebuilt = ReconstructionDisplay.from_estimator(classifier, X).rebuilt
    np.testing.assert_array_equal(
        rebuilt, ReconstructionDisplay.from_estimator(transformer, X).rebuilt
    )


def test_pipelines_and_searches_are_drawn_by_theirs(series):
    X, y = series
    pipeline = make_pipeline(
        FunctionTransformer(np.negative), small(num_epochs=2), RidgeClassifier()
    )
    pipeline.fit(X, y)
    expected = EmbeddingDisplay.from_estimator(pipeline[1], -X).scores
    np.testing.assert_array_equal(EmbeddingDisplay.from_estimator(pipeline, X).scores, expected)
    search = GridSearchCV(pipeline, {"ridgeclassifier__alpha": [1.0]}, cv=2).fit(X, y)
    np.testing.assert_array_equal(EmbeddingDisplay.from_estimator(search, X).scores, expected)


def test_other_objects_are_refused(fitted, series):
    ridge = RidgeClassifier().fit(series[0][:, 0], series[1])
    for draw in (EmbeddingDisplay, ReconstructionDisplay):
        with pytest.raises(TypeError, match="RidgeClassifier holds no SimMTMTransformer"):
            draw.from_estimator(ridge, series[0])
    with pytest.raises(TypeError, match="draws a SimMTMForecaster, got SimMTMTransformer"):
        ForecastDisplay.from_estimator(fitted)
    with pytest.raises(TypeError, match="draws a SimMTMImputer, got SimMTMTransformer"):
        ImputationDisplay.from_estimator(fitted, series[0])


def test_classes_differ_in_markers_too(fitted, series):
    scatters = EmbeddingDisplay.from_estimator(fitted, *series).scatters_.values()
    shapes = {scatter.get_paths()[0].vertices.tobytes() for scatter in scatters}
    assert len(shapes) == len(scatters) > 1


# -- anomalies ------------------------------------------------------------------------------------


def test_anomalies_are_marked_where_scores_are_above_the_threshold():
    x = np.sin(np.arange(400) / 4) + 0.05 * np.random.default_rng(0).normal(size=400)
    x[300:303] += 4
    detector = SimMTMDetector().fit(x)
    display = AnomalyDisplay.from_estimator(detector, x)
    above, below = display.axes_
    np.testing.assert_array_equal(drawn(above.lines[0]), x)
    np.testing.assert_array_equal(drawn(below.lines[0]), detector.transform_scores(x)["scores"])
    assert drawn(below.lines[1]).tolist() == [detector.threshold_] * 2
    segments = detector.predict_segments(x)["ilocs"]
    marked = [(p.get_x() + 0.5, p.get_x() + p.get_width() + 0.5) for p in above.patches]
    assert marked == [(s.left, s.right) for s in segments]
    assert any(s.left <= 301 < s.right for s in segments)
    assert display.figure_ is above.figure
    assert display.plot(tuple(pyplot.subplots(2)[1])).axes_ != (above, below)
