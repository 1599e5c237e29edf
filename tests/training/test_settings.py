"""From "auto" to numbers and devices."""

import numpy as np
import pytest
import torch

from simmtm_sk.training.settings import (
    EMBEDDING,
    FINETUNING,
    FORECASTING,
    PRETRAINING,
    autocast_dtype,
    draw_seed,
    epochs,
    resolve_device,
)


def steps(n_rows, batch_size=32):
    n_epochs, _ = epochs("auto", n_rows, batch_size, PRETRAINING)
    return n_epochs, n_epochs * -(-n_rows // batch_size)


def test_automatic_epochs_are_none_on_small_data_and_enough_on_large():
    sizes = [1, 20, 599, 600, 2000, 10_000, 1_000_000]
    n_epochs, n_steps = zip(*(steps(n) for n in sizes), strict=True)
    assert n_epochs[:3] == (0, 0, 0)
    assert n_epochs[-1] == 1  # one pass over a million series is plenty
    assert all(250 <= n <= 350 for n in n_steps[3:5])
    assert 900 <= n_steps[5] <= 1100


def test_beside_fixed_blocks_only_very_many_rows_are_trained_on():
    for n_rows in (1, 600, 7000, 9_999):
        assert epochs("auto", n_rows, 32, EMBEDDING)[0] == 0
    for n_rows in (10_000, 1_000_000):
        assert epochs("auto", n_rows, 32, EMBEDDING) == epochs("auto", n_rows, 32, PRETRAINING)


def test_a_given_number_of_epochs_is_taken():
    assert epochs(7, 1000, 32, PRETRAINING)[0] == 7
    assert epochs(0, 10, 32, PRETRAINING)[0] == 0
    assert type(epochs(torch.tensor(3).numpy()[()], 10, 32, PRETRAINING)[0]) is int


def test_numpys_numbers_become_pythons():
    n_epochs, every = epochs(np.int64(7), 1000, 32, PRETRAINING)
    assert (n_epochs, type(n_epochs), type(every)) == (7, int, int)


def test_small_data_are_not_evaluated_in_every_epoch():
    for n_rows in (1, 30, 64, 100, 320, 5000):
        _, every = epochs("auto", n_rows, 32, PRETRAINING)
        batches = -(-n_rows // 32)
        assert every >= 1
        assert every == 1 or 5 <= every * batches <= 20


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


@pytest.mark.parametrize("device", ["quantum", "cuda:99", "", "cpu:x", "meta"])
def test_unknown_devices_are_named(device):
    with pytest.raises(ValueError, match=rf"device '{device}' cannot be used .*'auto', 'cpu'"):
        resolve_device(device)


def test_precision():
    cpu = torch.device("cpu")
    assert autocast_dtype("auto", cpu) is None
    assert autocast_dtype("float32", cpu) is None
    assert autocast_dtype("bfloat16", cpu) is torch.bfloat16


# -- with labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n_steps"),
    [
        (1, 32, FINETUNING.fewest),
        (20, 32, FINETUNING.fewest),
        (64, 32, 128),  # twice as many steps as rows
        (100, 25, 200),
        (5000, 50, FINETUNING.most),
    ],
)
def test_automatic_epochs_of_fine_tuning_by_hand(n_rows, batch_size, n_steps):
    n_epochs, every = epochs("auto", n_rows, batch_size, FINETUNING)
    batches = -(-n_rows // batch_size)
    assert n_epochs * batches == n_steps
    assert every == max(1, round(10 / batches))


def test_fine_tuning_sees_every_row_at_least_once():
    assert epochs("auto", 1_000_000, 32, FINETUNING)[0] == 1


@pytest.mark.parametrize(
    ("n_windows", "batch_size", "n_steps"),
    [(1, 128, FINETUNING.fewest), (1_500, 100, 1_500), (57_600, 128, 4 * 450), (10**6, 128, 7_813)],
)
def test_automatic_epochs_of_forecasting_by_hand(n_windows, batch_size, n_steps):
    n_epochs, every = epochs("auto", n_windows, batch_size, FORECASTING)
    batches = -(-n_windows // batch_size)
    assert n_epochs * batches == n_steps
    assert every == max(1, round(10 / batches))
    assert epochs(7, n_windows, batch_size, FORECASTING)[0] == 7


def test_a_given_number_of_epochs_of_fine_tuning_is_taken():
    n_epochs, every = epochs(np.int64(7), 1000, 32, FINETUNING)
    assert (n_epochs, every) == (7, 1)
    assert type(n_epochs) is type(every) is int
    assert epochs(7, 10, 32, FINETUNING) == (7, 10)


def test_seeds_follow_from_the_random_state():
    assert draw_seed(3) == draw_seed(3) == draw_seed(np.int64(3)) != draw_seed(4)
    generator = np.random.RandomState(3)
    first, second = draw_seed(generator), draw_seed(generator)
    assert first == draw_seed(3) != second  # it moves on, as in scikit-learn
    assert type(first) is int


def test_without_a_random_state_every_seed_is_another_one():
    """Also where the caller has seeded numpy's global generator, which is left alone."""
    seeds = set()
    for _ in range(3):
        np.random.seed(0)  # noqa: NPY002
        seeds.add(draw_seed(None))
        assert np.random.randint(1000) == np.random.RandomState(0).randint(1000)  # noqa: NPY002
    assert len(seeds) == 3
