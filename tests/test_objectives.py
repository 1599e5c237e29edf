"""Objectives as objects: the one of the paper, and others without a line inside the package."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from simmtm_sk import SimMTMClassifier, SimMTMObjective, load
from simmtm_sk.nn.masking import geometric_mask
from simmtm_sk.nn.objective import neighbor_weights
from tests.small import X, digest, small


class OwnViews(BaseEstimator):
    """Rebuild every series from each of its masked views alone, hidden points only."""

    def __init__(self, *, power=2.0, needs_points=False):
        self.power = power
        self.needs_points = needs_points

    def build(self):
        return OwnViewsLoss(self.power, self.needs_points)


class OwnViewsLoss(nn.Module):
    def __init__(self, power, needs_points):
        super().__init__()
        self.power = power
        self.needs_points = needs_points
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, views):
        n_series = views.n_series
        rebuilt = views.decode(views.rows[n_series:])
        target = views.target.repeat(len(rebuilt) // n_series, 1, 1)
        hidden = views.observed.repeat(len(rebuilt) // n_series, 1, 1) & ~views.visible[n_series:]
        error = (self.scale * rebuilt - target)[hidden].abs().pow(self.power).mean()
        return {"hidden": error, "total": error}


class Judged(OwnViews):
    """Judges epochs by something else."""

    def build(self):
        loss = super().build()
        loss.criterion = lambda means: -means["hidden"]
        return loss


# -- the objective of the paper -------------------------------------------------------------------


def test_the_parameters_of_the_transformer_are_those_of_the_objective():
    plain = small(temperature=0.3, constraint_weight=0.5, own_view_weight=0.2).fit(X)
    objective = SimMTMObjective(temperature=0.3, constraint_weight=0.5, own_view_weight=0.2)
    assert digest(small(objective=objective).fit(X)) == digest(plain)
    assert digest(small(objective=SimMTMObjective()).fit(X)) == digest(small().fit(X))
    # and have no effect beside one
    assert digest(small(objective=objective, temperature=9.0).fit(X)) == digest(plain)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"constraint_weight": -1}, "constraint_weight"),
        ({"constraint_weight": "learnt"}, "constraint_weight"),
        ({"own_view_weight": -0.1}, "own_view_weight"),
    ],
)
def test_parameters_outside_their_limits(params, name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of SimMTMObjective must be"):
        small(objective=SimMTMObjective(**params)).fit(X)


def test_it_is_cloned_tuned_and_shown():
    objective = SimMTMObjective(constraint_weight="learned")
    copied = clone(objective)
    assert copied is not objective
    assert copied.get_params() == objective.get_params()
    assert repr(objective) == "SimMTMObjective(constraint_weight='learned')"
    search = GridSearchCV(small(objective=objective), {"objective__temperature": [0.1, 1.0]}, cv=2)
    assert search.fit(X).best_params_["objective__temperature"] in (0.1, 1.0)


def test_what_it_learns_is_saved(tmp_path):
    fitted = small(objective=SimMTMObjective(constraint_weight="learned")).fit(X)
    sigma = fitted.network_.objective.loss_weights.sigma
    assert (sigma != 1).all()
    loaded = load(fitted.save(tmp_path / "model"))
    assert torch.equal(loaded.network_.objective.loss_weights.sigma, sigma)
    assert loaded.objective.constraint_weight == "learned"


# -- one of a user's ------------------------------------------------------------------------------


def test_an_objective_of_the_users_own():
    fitted = small(objective=OwnViews(), num_epochs=30, lr=0.01, patience=None).fit(X)
    first, last = fitted.history_[0], fitted.history_[-1]
    assert last["train_hidden"] < first["train_hidden"]
    for record in fitted.history_:
        assert record["train_total"] == record["train_hidden"]
        assert "train_constraint" not in record
    assert fitted.network_.objective.scale != 1  # its parameters are learned
    assert np.isfinite(fitted.transform(X)).all()
    assert digest(fitted) != digest(small(num_epochs=30, lr=0.01, patience=None).fit(X))


@pytest.mark.parametrize(("objective", "sign"), [(OwnViews(), 1), (Judged(), -1)])
def test_epochs_are_judged_by_the_total_or_the_objectives_criterion(objective, sign):
    settings = {"num_epochs": 12, "validation_fraction": 0.25, "patience": None}
    fitted = small(objective=objective, **settings).fit(X)
    for record in fitted.history_:
        assert record["valid_criterion"] == pytest.approx(sign * record["valid_total"])


class Points(OwnViews):
    def build(self):
        loss = super().build()
        loss.register_forward_pre_hook(lambda module, args: self.seen(*args))
        return loss

    def seen(self, views):
        Points.shapes = (
            views.rows.shape,
            views.series.shape,
            views.target.shape,
            views.visible.shape,
        )


@pytest.mark.parametrize(("needs_points", "row"), [(False, (2, 20)), (True, (20, 4))])
def test_what_an_objective_sees(needs_points, row):
    """Rows that are decoded where that is narrower, or representations where it asks for them."""
    objective = Points(needs_points=needs_points)
    small(objective=objective, num_epochs=1, validation_fraction=0, batch_size=16).fit(X)
    assert Points.shapes == ((48, *row), (48, 4), (16, 2, 20), (48, 2, 20))


def test_both_forms_of_rows_give_the_same_losses():
    a, b = (small(objective=OwnViews(needs_points=needs)).fit(X) for needs in (False, True))
    for one, other in zip(a.history_, b.history_, strict=True):
        assert one["train_total"] == pytest.approx(other["train_total"], rel=1e-5)


def test_rows_of_views_are_in_the_order_that_is_described():
    """With weights of neighbours: each original is rebuilt from all other rows, itself left out."""

    class Neighbours(OwnViews):
        def build(self):
            class Loss(nn.Module):
                def forward(self, views):
                    weights = neighbor_weights(views.series, views.n_series, 0.1)
                    rebuilt = views.decode((weights @ views.rows.flatten(1)).view(16, 2, 20))
                    error = (rebuilt - views.target)[views.observed].square().mean()
                    return {"reconstruction": error, "total": error}

            return Loss()

    settings = {"num_epochs": 2, "validation_fraction": 0, "batch_size": 16}
    own = small(objective=Neighbours(), **settings).fit(X)
    ours = SimMTMObjective(temperature=0.1, constraint_weight=0.0, own_view_weight=0.0)
    paper = small(objective=ours, **settings).fit(X)
    for one, other in zip(own.history_, paper.history_, strict=True):
        assert one["train_total"] == pytest.approx(other["train_total"], rel=1e-4)


def test_it_works_downstream_and_is_given_to_load(tmp_path):
    y = np.arange(16) % 2
    classifier = SimMTMClassifier(transformer=small(objective=OwnViews()), random_state=0)
    assert np.isfinite(classifier.fit(X, y).predict_proba(X)).all()
    fitted = small(objective=OwnViews()).fit(X)
    path = fitted.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"objective.*OwnViews.*load\(path, objective="):
        load(path)
    loaded = load(path, objective=OwnViews())
    np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))


@pytest.mark.parametrize("given", [3, "simmtm", SimMTMObjective, OwnViews])
def test_what_is_no_objective(given):
    with pytest.raises((ValueError, TypeError), match="objective"):
        small(objective=given).fit(X)


# -- masks that see the series --------------------------------------------------------------------


class Shared:
    """The same points are hidden in all channels."""

    def draw(self, values, observed, generator):
        n_series, n_channels, length = values.shape
        hidden = geometric_mask(n_series, length, 0.5, 3.0, generator)
        return hidden[:, None].expand(n_series, n_channels, length)


class Peaks:
    """The largest values are hidden."""

    def draw(self, values, observed, generator):
        return values <= values.median(-1, keepdim=True).values


def drawn_views(mask, **params):
    """What a callback could not see: the views of a batch, by the objective."""
    seen = []

    class Watching(OwnViews):
        def build(self):
            loss = super().build()
            loss.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
            return loss

    settings = {"num_epochs": 1, "validation_fraction": 0, "batch_size": 16, **params}
    fitted = small(masking=mask, objective=Watching(), **settings).fit(X)
    return fitted, seen[-1]


def test_a_mask_that_all_channels_share():
    _, views = drawn_views(Shared())
    visible = views.visible[16:]
    assert (visible[:, 0] == visible[:, 1]).float().mean() > 0.98  # some points are rescued
    assert 0.3 < visible.float().mean() < 0.7
    assert not torch.equal(visible[:16], visible[16:])  # every view has its own
    _, views = drawn_views("geometric")
    visible = views.visible[16:]
    assert (visible[:, 0] == visible[:, 1]).float().mean() < 0.7


def test_a_mask_that_sees_values():
    _, views = drawn_views(Peaks())
    target, visible = views.target.repeat(2, 1, 1), views.visible[16:]
    assert target[visible].max() < target[~visible].max()
    for row, seen in zip(target.flatten(0, 1), visible.flatten(0, 1), strict=True):
        assert row[seen].max() <= row[~seen].min()
