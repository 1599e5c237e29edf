"""Pre-training: what is held out, what is measured on it, and where the randomness comes from."""

import joblib
import numpy as np
import pytest
import torch

from simmtm_sk import ConvEncoder
from simmtm_sk.data import WindowDataset
from simmtm_sk.inference import panel_instance_stats
from simmtm_sk.nn.masking import geometric_mask
from simmtm_sk.objectives import SimMTMObjective
from simmtm_sk.training.plan import Plan
from simmtm_sk.training.pretraining import Pretraining, pretrain, split_rows
from tests.small import After

X = np.random.default_rng(0).normal(size=(24, 1, 16)).cumsum(2)


def settings(**changes):
    plan = {"n_epochs": 3, "batch_size": 8, "lr": 1e-2, "weight_decay": 0.0, "seed": 5}
    plan = Plan(**{**plan, **changes.pop("plan", {})})
    given = {
        "encoder": ConvEncoder(d_model=4, n_layers=2),
        "objective": SimMTMObjective(0.1, 0.1, 1.0),
        "projection_dim": 4,
        "masking": "geometric",
        "mask_ratio": 0.5,
        "mask_length": 3.0,
        "n_masks": 2,
        "max_length": None,
        "plan": plan,
        "validation_fraction": 0.25,
    }
    return Pretraining(**{**given, **changes})


def run(chosen, values=X, levels_of=None, **options):
    network = chosen.network(values.shape[1], values.shape[2])
    network.stats_scaler.fit(panel_instance_stats(values if levels_of is None else levels_of))
    history, complete = pretrain(
        network, WindowDataset(values, chosen.max_length), chosen, **options
    )
    assert complete
    return network, history


@pytest.mark.parametrize("n_rows", [1, 2, 7, 8, 19, 40])
def test_rows_are_split_without_loss(n_rows):
    train, held_out = split_rows(n_rows, 0.25, seed=1)
    assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(n_rows))
    # a single row has no neighbour to be rebuilt from
    assert len(held_out) == (int(0.25 * n_rows) if n_rows >= 8 else 0)


def test_the_split_follows_from_the_seed():
    first, second, other = (split_rows(40, 0.25, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_tiny_data_and_fraction_zero_have_no_held_out_part():
    for chosen, values in ((settings(), X[:7]), (settings(validation_fraction=0.0), X)):
        _, history = run(chosen, values)
        assert len(history) == 3
        assert not any(name.startswith("valid_") for record in history for name in record)


def test_the_criterion_is_fixed():
    """With a learning rate of nearly nothing, every evaluation gives the same number."""
    _, history = run(settings(plan={"lr": 1e-30}))
    criteria = {record["valid_criterion"] for record in history}
    assert len(criteria) == 1
    assert len({record["train_total"] for record in history}) == 3  # masks of training are not


def test_the_criterion_is_the_error_of_rebuilding():
    """Whatever the weight of the constraint, also a learned one."""
    for constraint_weight in (0.0, 3.0, "learned"):
        _, history = run(settings(objective=SimMTMObjective(0.1, constraint_weight, 0.5)))
        for record in history:
            expected = record["valid_reconstruction"] + 0.5 * record["valid_own_view"]
            assert record["valid_criterion"] == pytest.approx(expected, rel=1e-6)
    _, history = run(settings(objective=SimMTMObjective(0.1, 1.0, 0.0)))
    assert history[0]["valid_criterion"] == history[0]["valid_reconstruction"]


def test_held_out_rows_are_not_trained_on():
    """Changing them changes the criterion and no weight."""
    chosen = settings(plan={"patience": None, "n_epochs": 1})
    _, held_out = split_rows(len(X), 0.25, chosen.plan.seed)
    changed = X.copy()
    changed[held_out.numpy()] += np.sin(np.arange(16))
    (first, before), (second, after) = run(chosen), run(chosen, changed, levels_of=X)
    assert before[0]["valid_criterion"] != after[0]["valid_criterion"]
    assert same_bits(first, second)


def same_bits(a, b):
    return all(
        torch.equal(x, y)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_the_seed_decides_and_nothing_else():
    first, _ = run(settings())
    torch.manual_seed(99)
    second, _ = run(settings())
    assert same_bits(first, second)
    third, _ = run(settings(plan={"seed": 6}))
    assert not same_bits(first, third)


def test_learned_weights_are_learned():
    network, _ = run(settings(objective=SimMTMObjective(0.1, "learned", 1.0)))
    assert (network.objective.loss_weights.sigma != 1).any()


@pytest.mark.parametrize(
    "change",
    [
        {"mask_ratio": 0.3},
        {"mask_length": 1.0},
        {"n_masks": 1},
        {"masking": "random"},
        {"objective": SimMTMObjective(0.5, 0.1, 1.0)},
        {"objective": SimMTMObjective(0.1, 0.9, 1.0)},
        {"objective": SimMTMObjective(0.1, 0.1, 0.0)},
        {"plan": {"lr": 2e-2}},
        {"plan": {"batch_size": 18}},
        {"plan": {"weight_decay": 0.5}},
    ],
    ids=str,
)
def test_every_setting_arrives(change):
    assert not same_bits(run(settings())[0], run(settings(**change))[0])


def test_masks_of_the_users_own():
    calls = []

    def mask(n_rows, length, mask_ratio, mask_length, generator):
        calls.append((n_rows, length, mask_ratio, mask_length))
        return geometric_mask(n_rows, length, mask_ratio, mask_length, generator)

    own, _ = run(settings(masking=mask))
    assert same_bits(own, run(settings())[0])
    assert set(calls) == {(2 * 6, 16, 0.5, 3.0)}  # two views of batches of 6, 18 rows in 3 parts


def test_the_network_ends_on_the_cpu_ready_for_use():
    network, _ = run(settings())
    assert not network.training
    assert {p.device.type for p in network.parameters()} == {"cpu"}
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_the_result_says_whether_training_came_to_its_end():
    for stop_after, complete in ((2, False), (9, True)):
        network = settings().network(1, 16)
        stop = lambda record, n=stop_after: record["epoch"] == n  # noqa: E731
        history, ended = pretrain(network, WindowDataset(X), settings(), monitor=After(stop))
        assert ended is complete
        assert history[-1]["epoch"] == min(stop_after, 3)


def test_zero_epochs_leave_the_initial_weights():
    chosen = settings(plan={"n_epochs": 0})
    network, history = run(chosen)
    assert history == []
    initial = chosen.network(1, 16)
    initial.stats_scaler.fit(panel_instance_stats(X))
    assert same_bits(network, initial)
    assert not network.training


def test_the_length_of_windows_is_part_of_the_settings():
    """Settings name a run: two that differ in their windows alone must not have one name."""
    names = {joblib.hash(settings(max_length=max_length)) for max_length in (None, 8, 9)}
    assert len(names) == 3
    assert not same_bits(run(settings(max_length=8))[0], run(settings(max_length=9))[0])


def test_large_offsets_cost_no_digits():
    """Normalisation happens in the precision of the data."""
    chosen = settings()
    first, _ = run(chosen, np.round(X, 3))
    second, _ = run(chosen, np.round(X, 3) + 2.0**30)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)
