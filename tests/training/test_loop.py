"""The training loop on problems whose course is known."""

import json
import math
import pickle
from itertools import pairwise

import pytest
import torch
from torch import nn

from simmtm_sk.training.checkpoint import load_checkpoint, save_checkpoint
from simmtm_sk.training.loop import Plan, format_record, train

CPU = torch.device("cpu")


def plan(**changes):
    settings = {"n_epochs": 6, "batch_size": 4, "lr": 0.1, "weight_decay": 0.0, "seed": 3}
    return Plan(**{**settings, **changes})


class Point(nn.Module):
    """One number, to be pulled to where a loss wants it."""

    def __init__(self, start=0.0, n=1):
        super().__init__()
        self.x = nn.Parameter(torch.full((n,), start))


def pull(model, to=1.0):
    """A loss per row with noise from the generator, so that order and masks matter."""

    def losses(index, generator):
        noise = torch.randn(len(index), generator=generator) + index
        return {"total": ((model.x - to) ** 2 + 0.01 * noise.mean() * model.x).sum()}

    return losses


# -- learning rate --------------------------------------------------------------------------------


def test_learning_rate_by_hand():
    rates = [plan(lr=2.0, warmup=0.2).learning_rate(step, 10) for step in range(10)]
    cosine = [1 + math.cos(math.pi * k / 8) for k in range(8)]
    assert rates == pytest.approx([1.0, 2.0, *cosine])


def test_learning_rate_warms_up_linearly_and_falls_to_almost_nothing():
    rates = [plan(lr=1.0).learning_rate(step, 200) for step in range(200)]
    assert rates[:20] == pytest.approx([(k + 1) / 20 for k in range(20)])
    assert all(a >= b for a, b in pairwise(rates[20:]))
    assert rates[20] == 1.0
    assert 0 < rates[-1] < 1e-3


@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_learning_rate_of_very_short_runs_is_positive(n_steps):
    assert plan().learning_rate(0, n_steps) == pytest.approx(0.1)


def test_every_step_uses_its_learning_rate():
    """With gradients of constant sign AdamW moves by the learning rate, whatever their size."""
    model = Point()
    wanted = plan(n_epochs=5, batch_size=2)
    losses = lambda index, generator: {"total": 1e-3 * model.x.sum()}  # noqa: E731
    history, _ = train(model, wanted, 6, losses, device=CPU)
    rates = [wanted.learning_rate(step, 15) for step in range(15)]
    assert model.x.item() == pytest.approx(-sum(rates), rel=1e-3)
    assert [record["lr"] for record in history] == pytest.approx(rates[2::3])


def test_the_encoder_learns_at_its_share_of_the_rate():
    """With gradients of constant sign AdamW moves by the learning rate, whatever their size."""
    model = nn.Module()
    model.backbone, model.head = Point(), Point()
    losses = lambda index, generator: {"total": model.backbone.x.sum() + model.head.x.sum()}  # noqa: E731
    train(model, plan(encoder_lr_share=0.25), 4, losses, device=CPU)
    assert model.head.x.item() < -0.1
    assert model.backbone.x.item() == pytest.approx(0.25 * model.head.x.item(), rel=1e-3)


def test_weight_decay_is_decoupled():
    model = Point(start=1.0)
    wanted = plan(weight_decay=0.5, n_epochs=4, batch_size=1)
    train(model, wanted, 1, lambda i, g: {"total": 0 * model.x.sum()}, device=CPU)
    expected = math.prod(1 - 0.5 * wanted.learning_rate(step, 4) for step in range(4))
    assert model.x.item() == pytest.approx(expected, rel=1e-5)


# -- batches and gradients ------------------------------------------------------------------------


def test_every_epoch_sees_every_row_once_in_another_order_and_in_even_parts():
    model, seen = Point(), []

    def losses(index, generator):
        seen.append(index)
        return {"total": model.x.sum()}

    train(model, plan(n_epochs=2, batch_size=4), 9, losses, device=CPU)
    assert [len(index) for index in seen] == [3, 3, 3] * 2
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(9))
    assert first.tolist() != second.tolist()


def test_dropout_and_masks_differ_between_epochs_and_not_between_runs():
    runs = []
    for _ in range(2):
        model, drawn = Point(), []

        def losses(index, generator, model=model, drawn=drawn):
            drawn.append((torch.rand(1).item(), torch.rand(1, generator=generator).item()))
            return {"total": model.x.sum()}

        with torch.random.fork_rng():
            train(model, plan(n_epochs=3), 4, losses, device=CPU)
        runs.append(drawn)
    assert runs[0] == runs[1]
    assert [len(set(numbers)) for numbers in zip(*runs[0], strict=True)] == [3, 3]


@pytest.mark.parametrize("scale", [1e6, 0.1])
def test_gradients_are_clipped(monkeypatch, scale):
    """At 4 weights, a norm of 2 * scale: the large one becomes 1, the small one stays."""
    model, norms = Point(n=4), []

    def step(self, closure=None, *, run=torch.optim.AdamW.step):
        norms.append(model.x.grad.norm().item())
        return run(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    train(model, plan(n_epochs=1), 4, lambda i, g: {"total": scale * model.x.sum()}, device=CPU)
    assert norms == pytest.approx([min(1.0, 2 * scale)], rel=1e-4)


def test_losses_are_averaged_into_the_history():
    model = Point()

    def losses(index, generator):
        value = index.sum() + model.x.sum() * 0
        return {"total": value, "part": value * 2}

    (record,), _ = train(model, plan(n_epochs=1, batch_size=1), 4, losses, device=CPU)
    assert record["train_total"] == 1.5
    assert record["train_part"] == 3.0


# -- evaluation and early stopping ----------------------------------------------------------------


class Evaluation:
    """Criteria given in advance; remembers the weights at every call."""

    def __init__(self, model, criteria):
        self.model, self.criteria, self.weights = model, list(criteria), []

    def __call__(self):
        assert not self.model.training
        assert not torch.is_grad_enabled()
        self.weights.append(self.model.x.item())
        return {"criterion": float(self.criteria[len(self.weights) - 1])}


def test_the_best_weights_are_restored():
    model = Point()
    evaluation = Evaluation(model, [5, 3, 4, 6, 7, 8])
    history, complete = train(model, plan(), 8, pull(model), evaluation, device=CPU)
    assert len(history) == 6
    assert complete
    assert model.x.item() == evaluation.weights[1]
    assert len(set(evaluation.weights)) == 6
    assert not model.training


def test_weights_that_get_worse_on_held_out_rows_are_not_kept():
    """Training runs away from what the held-out part wants, after having come close to it."""
    model = Point()
    evaluation = lambda: {"criterion": (model.x.item() - 0.5) ** 2}  # noqa: E731
    history, _ = train(model, plan(n_epochs=30), 4, pull(model, to=3.0), evaluation, device=CPU)
    criteria = [record["valid_criterion"] for record in history]
    assert criteria[-1] > 10 * min(criteria)
    assert evaluation()["criterion"] == min(criteria)


def test_patience_counts_evaluations_since_the_best():
    model = Point()
    criteria = [5, 3, 4, 2, 2, 9, 1, 0]
    history, complete = train(
        model, plan(n_epochs=8, patience=2), 8, pull(model), Evaluation(model, criteria), device=CPU
    )
    assert [record["valid_criterion"] for record in history] == [5, 3, 4, 2, 2, 9]
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5, 6]
    assert complete  # as planned


@pytest.mark.parametrize(("patience", "ends"), [(1, [1, 2, 3, 9]), (3, [3, 9]), (None, [])])
def test_patience_is_exhausted_by_as_many_stale_evaluations(patience, ends):
    wanted = plan(patience=patience)
    assert [stale for stale in (0, 1, 2, 3, 9) if wanted.exhausted(stale)] == ends


def test_without_patience_nothing_stops():
    model = Point()
    evaluation = Evaluation(model, range(6))
    history, complete = train(model, plan(), 8, pull(model), evaluation, device=CPU)
    assert len(history) == 6
    assert complete
    assert model.x.item() == evaluation.weights[0]


def test_a_criterion_that_is_not_a_number_is_never_the_best():
    model = Point()
    evaluation = Evaluation(model, [float("nan"), 2, float("nan"), 3, 4, 5])
    train(model, plan(), 8, pull(model), evaluation, device=CPU)
    assert model.x.item() == evaluation.weights[1]


def test_evaluations_every_few_epochs_and_after_the_last():
    model = Point()
    wanted = plan(n_epochs=7, evaluate_every=3)
    history, _ = train(model, wanted, 8, pull(model), Evaluation(model, [3, 2, 1]), device=CPU)
    assert [record["epoch"] for record in history] == [3, 6, 7]
    assert wanted.n_evaluations == 3


def test_without_evaluation_the_last_weights_stay():
    model, seen = Point(), []

    def on_epoch(record):
        seen.append(model.x.item())
        return False

    train(model, plan(), 8, pull(model), device=CPU, on_epoch=on_epoch)
    assert model.x.item() == seen[-1]
    assert len(seen) == 6


def test_on_epoch_stops_the_training():
    model = Point()
    history, complete = train(
        model, plan(), 8, pull(model), device=CPU, on_epoch=lambda record: record["epoch"] == 2
    )
    assert [record["epoch"] for record in history] == [1, 2]
    assert not complete


def test_history_is_json():
    model = Point()
    history, _ = train(model, plan(), 8, pull(model), Evaluation(model, range(6)), device=CPU)
    assert json.loads(json.dumps(history)) == history
    names = {"epoch", "lr", "seconds", "train_total", "valid_criterion"}
    assert all(set(record) == names for record in history)
    assert format_record({**history[0], "train_total": 0.25}).startswith(
        "epoch 1: train_total 0.2500, valid_criterion 0.0000 ("
    )


def test_zero_epochs_train_nothing():
    model = Point(start=0.7)
    start = model.x.item()
    assert train(model, plan(n_epochs=0), 8, pull(model), device=CPU) == ([], True)
    assert model.x.item() == start
    assert plan(n_epochs=0).n_evaluations == 0
    assert not model.training


# -- Ctrl-C ---------------------------------------------------------------------------------------


def interrupted_after(n_batches, losses):
    def wrapped(index, generator):
        nonlocal n_batches
        if n_batches == 0:
            raise KeyboardInterrupt
        n_batches -= 1
        return losses(index, generator)

    return wrapped


def test_ctrl_c_warns_and_leaves_the_best_weights():
    model = Point()
    evaluation = Evaluation(model, [2, 1, 5, 6])
    losses = interrupted_after(7, pull(model))  # in the middle of the fourth epoch
    with pytest.warns(UserWarning, match=r"interrupted in epoch 4 of 6.*best weights so far"):
        history, complete = train(model, plan(), 8, losses, evaluation, device=CPU)
    assert len(history) == 3
    assert not complete
    assert model.x.item() == evaluation.weights[1]
    assert not model.training


def test_ctrl_c_before_the_first_evaluation():
    model = Point()
    with pytest.warns(UserWarning, match="interrupted in epoch 1 of 6"):
        result = train(model, plan(), 8, interrupted_after(1, pull(model)), device=CPU)
    assert result == ([], False)
    assert math.isfinite(model.x.item())
    assert not model.training


# -- checkpoints ----------------------------------------------------------------------------------


class Killed(BaseException):
    """What no handler of the loop may catch, as no handler catches kill -9."""


def killed_in(epoch, losses):
    batches = 2 * (epoch - 1) + 1  # eight rows are two batches

    def wrapped(index, generator):
        nonlocal batches
        if batches == 0:
            raise Killed
        batches -= 1
        return losses(index, generator)

    return wrapped


@pytest.mark.parametrize("epoch", [1, 2, 4, 6])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, epoch):
    criteria = [5, 3, 4, 6, 2, 8]
    whole = Point()
    history, complete = train(
        whole, plan(), 8, pull(whole), Evaluation(whole, criteria), device=CPU
    )

    file = tmp_path / "run.pt"
    dead = Point()
    with pytest.raises(Killed):
        train(
            dead,
            plan(),
            8,
            killed_in(epoch, pull(dead)),
            Evaluation(dead, criteria),
            device=CPU,
            checkpoint=file,
        )
    again = Point(start=9.0)  # its weights must come from the file
    if epoch == 1:
        assert not file.exists()
        again = Point()
    evaluation = Evaluation(again, criteria[epoch - 1 :])
    resumed, complete = train(
        again, plan(), 8, pull(again), evaluation, device=CPU, checkpoint=file
    )
    assert again.x.item() == whole.x.item()
    assert complete
    assert len(evaluation.weights) == 6 - epoch + 1
    for a, b in zip(resumed, history, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_a_run_that_stopped_early_is_not_continued(tmp_path):
    """Killed after its last checkpoint: the result is that of the run, not of a longer one."""
    file = tmp_path / "run.pt"
    criteria = [5, 3, 4, 6, 0, 0]
    model = Point()
    wanted = plan(patience=2)
    history, complete = train(
        model, wanted, 8, pull(model), Evaluation(model, criteria), device=CPU, checkpoint=file
    )
    assert len(history) == 4
    again = Point()
    evaluation = Evaluation(again, criteria[4:])
    resumed, complete = train(
        again, wanted, 8, pull(again), evaluation, device=CPU, checkpoint=file
    )
    assert resumed == history
    assert complete
    assert again.x.item() == model.x.item()
    assert evaluation.weights == []


def test_a_finished_run_is_only_read(tmp_path):
    file = tmp_path / "run.pt"
    model = Point()
    history, _ = train(model, plan(), 8, pull(model), device=CPU, checkpoint=file)
    again = Point()
    read = train(again, plan(), 8, lambda *_: 1 / 0, device=CPU, checkpoint=file)
    assert read == (history, True)
    assert again.x.item() == model.x.item()


def test_a_checkpoint_is_replaced_as_a_whole(tmp_path, monkeypatch):
    file = tmp_path / "deep" / "run.pt"
    save_checkpoint(file, {"x": torch.ones(2), "n": 1})
    monkeypatch.setattr(torch, "save", broken_save)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(file, {"x": torch.zeros(2), "n": 2})
    state = load_checkpoint(file, CPU)
    assert state["n"] == 1
    assert torch.equal(state["x"], torch.ones(2))


def broken_save(state, path):
    path.write_bytes(b"half of it")
    raise OSError("disk full")


class Payload:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def test_a_run_that_was_stopped_goes_on(tmp_path):
    """Unlike one that stopped early of itself: ``on_epoch`` and Ctrl-C are not the plan's end."""
    whole = Point()
    history, _ = train(whole, plan(), 8, pull(whole), device=CPU)
    file, model = tmp_path / "run.pt", Point()
    stop = lambda record: record["epoch"] == 2  # noqa: E731
    options = {"device": CPU, "checkpoint": file}
    assert not train(model, plan(), 8, pull(model), on_epoch=stop, **options)[1]
    with pytest.warns(UserWarning, match="interrupted in epoch 5 of 6"):
        assert not train(model, plan(), 8, interrupted_after(5, pull(model)), **options)[1]
    again = Point()
    resumed, complete = train(again, plan(), 8, pull(again), **options)
    assert complete
    assert again.x.item() == whole.x.item()
    assert [{**r, "seconds": 0} for r in resumed] == [{**r, "seconds": 0} for r in history]


def test_code_in_a_checkpoint_is_refused_not_run(tmp_path):
    proof = tmp_path / "executed"
    file = tmp_path / "run.pt"
    torch.save({"model": Payload(proof)}, file)
    model = Point()
    with pytest.raises(pickle.UnpicklingError):
        train(model, plan(), 8, pull(model), device=CPU, checkpoint=file)
    assert not proof.exists()
    pickle.loads(pickle.dumps(Payload(proof))).close()
    assert proof.exists()  # it would have worked
