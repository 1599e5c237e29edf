"""Fine-tuning: what is learned, what is held out, and what is left alone."""

import copy
import random

import joblib
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.data import WindowDataset
from simmtm_sk.nn.supervised import Supervised
from simmtm_sk.training.finetuning import cross_entropy, finetune, squared_error
from simmtm_sk.training.plan import Plan
from tests.small import LEARNED, After, fixed, statistics_of


def waves(n=24, seed=0):
    """Two kinds of series that differ in their period."""
    draw = np.random.default_rng(seed)
    y = np.arange(n) % 2
    period = np.where(y, 5, 9)[:, None, None]
    X = np.sin(2 * np.pi * np.arange(18) / period + draw.uniform(0, 6, (n, 1, 1)))
    return X + 0.3 * draw.normal(size=X.shape), torch.tensor(y)


X, y = waves()
NOBODY = torch.zeros(0, dtype=torch.int64)


@pytest.fixture(scope="module")
def transformer():
    encoder = ConvEncoder(d_model=4, n_layers=2, dropout=0.1)
    return SimMTMTransformer(
        encoder=encoder,
        pooling=LEARNED,
        num_epochs=0,
        neighborhood_weight=0.0,  # training changes what it is learned from
        projection_dim=4,
        random_state=0,
        device="cpu",
    ).fit(X)


CERTAIN = torch.eye(2)  # every member of a class belongs to it


def model_of(transformer, dropout=0.0, n_outputs=2):
    """Return a network of our own with a head that has no opinion."""
    transformer = copy.deepcopy(transformer)
    embedding = torch.tensor(transformer.transform(X.astype(np.float32)))
    model = Supervised(
        transformer.network_,
        *statistics_of(transformer),
        1,
        embedding.mean(0),
        embedding.std(0) + 1e-3,
        n_outputs,
        dropout,
    )
    for p in model.head.parameters():
        torch.nn.init.zeros_(p)
    return model


def plan(**changes):
    given = {"n_epochs": 8, "batch_size": 8, "lr": 0.01, "weight_decay": 0.0, "seed": 5}
    return Plan(**{**given, **changes})


def run(model, transformer, values=X, target=y, held_out=NOBODY, loss=None, weight=None, **changes):
    rows = WindowDataset(values, changes.pop("max_length", None))
    options = {k: changes.pop(k) for k in ("monitor",) if k in changes}
    extra = fixed(transformer, values)
    loss = cross_entropy(CERTAIN) if loss is None else loss
    weight = torch.ones(len(target)) if weight is None else weight
    return finetune(model, rows, extra, target, weight, loss, held_out, plan(**changes), **options)


def weights(model):
    return {name: w.clone() for name, w in model.state_dict().items()}


def changed(before, after):
    return {name for name, w in before.items() if not torch.equal(w, after[name])}


def test_the_loss_goes_down_and_classes_are_told_apart(transformer):
    model = model_of(transformer)
    history, complete = run(model, transformer, n_epochs=25)
    losses = [record["train_total"] for record in history]
    assert complete
    assert [record["epoch"] for record in history] == list(range(1, 26))
    assert losses[0] == pytest.approx(np.log(2), rel=0.1)  # no opinion yet
    assert losses[-1] < 0.3 * losses[0]
    assert not any(name.startswith("valid") for name in history[0])
    assert not model.training


def test_a_regression_approaches_its_target(transformer):
    model = model_of(transformer, n_outputs=1)
    target = y.float() * 2 - 1
    history, _ = run(model, transformer, target=target, loss=squared_error, n_epochs=25)
    assert history[0]["train_total"] == pytest.approx(1, rel=0.3)
    assert history[-1]["train_total"] < 0.2


def test_losses_by_hand():
    scores = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.5, 0.5]])
    target = torch.tensor([0, 1, 1])
    log_likelihood = [-np.log(1 + np.exp(-1.0)), -np.log(1 + np.exp(-2.0)), -np.log(2)]
    even, uneven = torch.ones(3), torch.tensor([3.0, 1.0, 1.0])
    plain = cross_entropy(CERTAIN)(scores, target, even).item()
    assert plain == pytest.approx(-np.mean(log_likelihood))
    weighted = cross_entropy(CERTAIN)(scores, target, uneven).item()
    assert weighted == pytest.approx(-np.dot(log_likelihood, [3, 1, 1]) / 5)
    half = torch.full((2, 2), 0.5)
    unsure = -scores.log_softmax(1).mean(1).mean().item()
    assert cross_entropy(half)(scores, target, even).item() == pytest.approx(unsure)
    values = torch.tensor([0.0, 0.0, 1.5])
    assert squared_error(scores[:, :1], values, even).item() == pytest.approx(2 / 3)
    assert squared_error(scores[:, :1], values, uneven).item() == pytest.approx(4 / 5)


def test_held_out_series_are_never_trained_on(transformer):
    """Other values there, and other labels, change no weight; other series do."""
    held_out = torch.tensor([1, 4, 5, 16])
    results = []
    for series in (None, held_out, torch.tensor([2])):
        values, target = X.copy(), y.clone()
        if series is not None:
            values[series] *= np.linspace(-2, 3, 18)
            target[series] = 1 - target[series]
        model = model_of(transformer)
        # a single evaluation, so that there is no best epoch to choose
        run(model, transformer, values, target, held_out, n_epochs=3, evaluate_every=3)
        results.append(weights(model))
    assert not changed(results[0], results[1])
    assert {"head.weight", "head.bias"} < changed(results[0], results[2])


def test_the_criterion_is_the_loss_of_held_out_series(transformer):
    """Their mean, although they come in batches of unequal size."""
    model, held_out = model_of(transformer), torch.tensor([0, 3, 8, 9, 20])
    history, _ = run(model, transformer, held_out=held_out, batch_size=2, n_epochs=1)
    batch = WindowDataset(X).gather(held_out)
    with torch.no_grad():
        scores = model(*batch, torch.arange(5), fixed(transformer, X)[held_out])
    expected = F.cross_entropy(scores, y[held_out]).item()
    assert history[0]["valid_criterion"] == pytest.approx(expected, rel=1e-5)


def test_the_criterion_is_weighted_as_the_loss_is(transformer):
    """Over all held-out series, whatever their batches."""
    model, held_out = model_of(transformer), torch.tensor([0, 3, 8, 9, 20])
    weight = torch.linspace(0.1, 4, len(y))
    options = {"weight": weight, "batch_size": 2, "n_epochs": 1}
    history, _ = run(model, transformer, held_out=held_out, **options)
    batch = WindowDataset(X).gather(held_out)
    with torch.no_grad():
        scores = model(*batch, torch.arange(5), fixed(transformer, X)[held_out])
    losses = F.cross_entropy(scores, y[held_out], reduction="none")
    expected = float(losses @ weight[held_out] / weight[held_out].sum())
    assert history[0]["valid_criterion"] == pytest.approx(expected, rel=1e-5)


def test_all_windows_of_a_held_out_series_are_held_out(transformer):
    held_out = torch.tensor([1, 4, 5, 16])
    results = []
    for factor in (1.0, np.linspace(-2, 3, 18)):
        values = X.copy()
        values[held_out] *= factor
        model = model_of(transformer)
        run(
            model,
            transformer,
            values,
            held_out=held_out,
            n_epochs=2,
            evaluate_every=2,
            max_length=7,
        )
        results.append(weights(model))
    assert not changed(*results)


def test_the_best_weights_are_restored(transformer):
    """Labels of the held-out series are wrong, so that learning soon makes them less likely."""
    model, held_out, seen = model_of(transformer), torch.arange(0, 8), []
    target = y.clone()
    target[held_out] = 1 - target[held_out]

    def on_epoch(record):
        seen.append(weights(model))
        return False

    history, _ = run(
        model, transformer, target=target, held_out=held_out, n_epochs=10, monitor=After(on_epoch)
    )
    criteria = [record["valid_criterion"] for record in history]
    best = int(np.argmin(criteria))
    assert best < 9
    assert criteria[-1] > 1.2 * criteria[best]
    assert not changed(seen[best], weights(model))
    assert changed(seen[-1], weights(model))


def test_patience_ends_it(transformer):
    held_out = torch.arange(0, 8)
    target = y.clone()
    target[held_out] = 1 - target[held_out]
    model = model_of(transformer)
    history, _ = run(model, transformer, target=target, held_out=held_out, n_epochs=30, patience=2)
    assert len(history) == int(np.argmin([r["valid_criterion"] for r in history])) + 3 < 30


def test_an_encoder_without_a_share_of_the_rate_stays_as_it_is(transformer):
    model = model_of(transformer)
    before = weights(model)
    run(model, transformer, encoder_lr_share=0.0, weight_decay=0.1, n_epochs=2)
    assert changed(before, weights(model)) == {"head.weight", "head.bias"}


def test_what_is_trained(transformer):
    """The whole encoder and the head; nothing else of the network of pre-training."""
    model = model_of(transformer)
    before = weights(model)
    run(model, transformer, weight_decay=0.1, n_epochs=3)
    moved = changed(before, weights(model))
    encoder = {n for n, _ in model.named_parameters() if n.startswith("network.backbone")}
    assert {"head.weight", "head.bias"} < moved <= encoder | {"head.weight", "head.bias"}
    assert len(moved & encoder) >= len(encoder) - 2


def test_the_same_seed_gives_the_same_bits(transformer):
    results = []
    for seed in (5, 5, 6):
        model = model_of(transformer, dropout=0.3)
        torch.manual_seed(len(results))  # whatever the state of the caller's generator
        history, _ = run(model, transformer, seed=seed, n_epochs=2, held_out=torch.arange(6))
        results.append((weights(model), [{**r, "seconds": 0} for r in history]))
    assert not changed(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert {"head.weight", "head.bias"} < changed(results[0][0], results[2][0])


def test_the_callers_random_states_and_threads_are_untouched(transformer):
    def states():
        return (
            torch.get_rng_state().tolist(),
            joblib.hash(np.random.get_state()),  # noqa: NPY002
            random.getstate(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
        )

    model = model_of(transformer, dropout=0.3)
    before = states()
    run(model, transformer, n_epochs=1, held_out=torch.arange(6))
    assert states() == before


def test_a_callback_stops_it(transformer):
    seen = []

    def on_epoch(record):
        seen.append(record["epoch"])
        return len(seen) == 2

    history, complete = run(model_of(transformer), transformer, monitor=After(on_epoch))
    assert seen == [1, 2]
    assert len(history) == 2
    assert not complete
