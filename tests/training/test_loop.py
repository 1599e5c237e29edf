"""The training loop on problems whose course is known."""

import json
import math

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from simmtm_sk.training.checkpoint import Checkpoint
from simmtm_sk.training.loop import train
from simmtm_sk.training.monitor import Monitor
from simmtm_sk.training.plan import Plan
from tests.small import After

CPU = torch.device("cpu")


def plan(**changes):
    settings = {"n_epochs": 6, "batch_size": 4, "lr": 0.1, "weight_decay": 0.0, "seed": 3}
    return Plan(**{**settings, **changes})


class Point(nn.Module):
    """One number, to be pulled to where a loss wants it."""

    def __init__(self, start=0.0, n=1):
        super().__init__()
        self.x = nn.Parameter(torch.full((n,), start))


class Listener(Monitor):
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def epochs_begin(self, model, last, n_steps):
        self.told.append(("epochs", last, n_steps))

    def step_begin(self):
        self.told.append("step")

    def step_end(self, losses):
        self.told.append(losses["total"])

    def epochs_end(self, record, n_epochs, n_run):
        self.told.append(("end", record["epoch"], n_epochs, n_run))
        return False


def pull(model, to=1.0):
    """A loss per row with noise from the generator, so that order and masks matter."""

    def losses(index, generator):
        noise = torch.randn(len(index), generator=generator) + index
        return {"total": ((model.x - to) ** 2 + 0.01 * noise.mean() * model.x).sum()}

    return losses


# -- steps -----------------------------------------------------------------------------------------


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

    train(model, plan(), 8, pull(model), device=CPU, monitor=After(on_epoch))
    assert model.x.item() == seen[-1]
    assert len(seen) == 6


def test_a_monitor_stops_the_training():
    model = Point()
    history, complete = train(
        model,
        plan(),
        8,
        pull(model),
        device=CPU,
        monitor=After(lambda record: record["epoch"] == 2),
    )
    assert [record["epoch"] for record in history] == [1, 2]
    assert not complete


def test_a_monitor_is_told_of_every_step_and_evaluation():
    """Steps have losses on the device, which nobody has to read."""
    model, monitor = Point(), Listener()
    train(model, plan(n_epochs=3, evaluate_every=2), 8, pull(model), device=CPU, monitor=monitor)
    losses = [told for told in monitor.told if isinstance(told, torch.Tensor)]
    assert len(losses) == 6
    assert not any(loss.requires_grad for loss in losses)
    order = ["loss" if isinstance(told, torch.Tensor) else told for told in monitor.told]
    steps = ["step", "loss"]
    first = [("epochs", 2, 4), *steps * 4, ("end", 2, 3, 2)]
    assert order == [*first, ("epochs", 3, 2), *steps * 2, ("end", 3, 3, 1)]


def test_history_is_json():
    model = Point()
    history, _ = train(model, plan(), 8, pull(model), Evaluation(model, range(6)), device=CPU)
    assert json.loads(json.dumps(history)) == history
    names = {"epoch", "lr", "grad_norm", "clipped_share", "seconds", "train_total"}
    names.add("valid_criterion")
    assert all(set(record) == names for record in history)


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
    assert model.x.item() == 0.0  # as it was
    assert not model.training


def test_ctrl_c_without_evaluations_leaves_the_weights_of_the_last_whole_epoch():
    model, seen = Point(), []

    def on_epoch(record):
        seen.append(model.x.item())
        return False

    with pytest.warns(UserWarning, match="interrupted in epoch 4 of 6"):
        train(
            model, plan(), 8, interrupted_after(7, pull(model)), device=CPU, monitor=After(on_epoch)
        )
    assert model.x.item() == seen[-1]


# -- divergence -----------------------------------------------------------------------------------


def spoiled(losses, call, how=math.nan):
    """Let the loss of one call be ``how`` times what it was."""

    def wrapped(index, generator):
        nonlocal call
        call -= 1
        return {k: v * (how if call == -1 else 1) for k, v in losses(index, generator).items()}

    return wrapped


class Overflow(torch.autograd.Function):
    """A finite number whose gradient is not."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * math.inf


@pytest.mark.parametrize("how", [math.nan, math.inf])
def test_divergence_ends_in_the_best_weights_and_a_warning(how):
    model = Point()
    evaluation = Evaluation(model, [3, 2, 4, 1])
    losses = spoiled(pull(model), 6, how)  # two steps an epoch: the first of the fourth
    rate = plan().learning_rate(6, 12)
    message = rf"step 7 of 12 \(epoch 4\): loss .*(nan|inf).*learning rate {rate:g}.*best finite"
    with pytest.warns(ConvergenceWarning, match=message):
        history, complete = train(model, plan(), 8, losses, evaluation, device=CPU)
    assert not complete
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert model.x.item() == evaluation.weights[1]
    assert not model.training


@pytest.mark.parametrize(("call", "kept"), [(8, 2), (9, 3), (4, 0), (5, 1)])
def test_divergence_without_evaluations_goes_back_to_weights_that_were_trained_from(call, kept):
    """Weights in whose first step the loss is not finite are none."""
    model, seen = Point(), []

    def on_epoch(record):
        seen.append(model.x.item())
        return False

    with pytest.warns(ConvergenceWarning, match=f"step {call + 1} of 12"):
        train(model, plan(), 8, spoiled(pull(model), call), device=CPU, monitor=After(on_epoch))
    assert model.x.item() == seen[kept]


@pytest.mark.parametrize("call", [0, 1, 2])
@pytest.mark.parametrize("evaluated", [False, True])
def test_divergence_before_there_are_weights_to_keep(call, evaluated):
    model = Point()
    evaluation = (lambda: {"criterion": math.nan}) if evaluated else None
    message = rf"step {call + 1} of 12 .*loss nan.*learning rate.*lower lr"
    with pytest.raises(FloatingPointError, match=message):
        train(model, plan(), 8, spoiled(pull(model), call), evaluation, device=CPU)


def test_gradients_that_are_not_finite_are_divergence():
    model = Point()
    losses = lambda index, generator: {"total": Overflow.apply(model.x).sum()}  # noqa: E731
    with pytest.raises(FloatingPointError, match="gradient norm inf"):
        train(model, plan(), 8, losses, device=CPU)


def test_weights_that_overflow_in_the_last_step_are_not_returned():
    model = Point(start=3e38)
    wanted = plan(n_epochs=1, batch_size=8, lr=3e38)
    losses = lambda index, generator: {"total": -model.x.sum()}  # noqa: E731
    with pytest.raises(FloatingPointError, match="weights overflow"):
        train(model, wanted, 8, losses, device=CPU)


def test_a_criterion_may_be_missing_where_the_losses_are_finite():
    model = Point()
    history, complete = train(
        model, plan(), 8, pull(model), lambda: {"criterion": math.nan}, device=CPU
    )
    assert complete
    assert len(history) == 6


def test_the_history_has_the_norm_of_the_gradients_and_the_share_that_was_clipped():
    """Three of four steps have a gradient of 4, one of 0.5."""
    model = Point()

    def losses(index, generator):
        return {"total": model.x.sum() * (0.5 if 0 in index else 4.0)}

    (record,), _ = train(model, plan(n_epochs=1, batch_size=1), 4, losses, device=CPU)
    assert record["grad_norm"] == pytest.approx(12.5 / 4)
    assert record["clipped_share"] == 0.75


def test_a_resumed_run_diverges_like_an_uninterrupted_one(tmp_path):
    """Without evaluations: what is known to be sound is in the checkpoint."""
    ends = []
    for resumed in (False, True):
        model, checkpoint = Point(), Checkpoint(tmp_path / f"{resumed}.pt")
        options = {"device": CPU, "checkpoint": checkpoint}
        call = 8
        if resumed:
            stop = lambda record: record["epoch"] == 4  # noqa: E731
            train(model, plan(), 8, pull(model), monitor=After(stop), **options)
            call = 0
        with pytest.warns(ConvergenceWarning, match="step 9 of 12"):
            train(model, plan(), 8, spoiled(pull(model), call), **options)
        ends.append(model.x.item())
    assert ends[0] == ends[1]


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
            checkpoint=Checkpoint(file),
        )
    again = Point(start=9.0)  # its weights must come from the file
    if epoch == 1:
        assert not file.exists()
        again = Point()
    evaluation = Evaluation(again, criteria[epoch - 1 :])
    resumed, complete = train(
        again, plan(), 8, pull(again), evaluation, device=CPU, checkpoint=Checkpoint(file)
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
        model,
        wanted,
        8,
        pull(model),
        Evaluation(model, criteria),
        device=CPU,
        checkpoint=Checkpoint(file),
    )
    assert len(history) == 4
    again = Point()
    evaluation = Evaluation(again, criteria[4:])
    resumed, complete = train(
        again, wanted, 8, pull(again), evaluation, device=CPU, checkpoint=Checkpoint(file)
    )
    assert resumed == history
    assert complete
    assert again.x.item() == model.x.item()
    assert evaluation.weights == []


def test_a_finished_run_is_only_read(tmp_path):
    file = tmp_path / "run.pt"
    model = Point()
    history, _ = train(model, plan(), 8, pull(model), device=CPU, checkpoint=Checkpoint(file))
    again = Point()
    read = train(again, plan(), 8, lambda *_: 1 / 0, device=CPU, checkpoint=Checkpoint(file))
    assert read == (history, True)
    assert again.x.item() == model.x.item()


def test_a_run_that_was_stopped_goes_on(tmp_path):
    """Unlike one that stopped early of itself: a monitor and Ctrl-C are not the plan's end."""
    whole = Point()
    history, _ = train(whole, plan(), 8, pull(whole), device=CPU)
    file, model = tmp_path / "run.pt", Point()
    stop = lambda record: record["epoch"] == 2  # noqa: E731
    options = {"device": CPU, "checkpoint": Checkpoint(file)}
    assert not train(model, plan(), 8, pull(model), monitor=After(stop), **options)[1]
    with pytest.warns(UserWarning, match="interrupted in epoch 5 of 6"):
        assert not train(model, plan(), 8, interrupted_after(5, pull(model)), **options)[1]
    again = Point()
    resumed, complete = train(again, plan(), 8, pull(again), **options)
    assert complete
    assert again.x.item() == whole.x.item()
    assert [{**r, "seconds": 0} for r in resumed] == [{**r, "seconds": 0} for r in history]
