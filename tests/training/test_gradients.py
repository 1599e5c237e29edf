"""Gradients of batches, whole or in halves."""

import numpy as np
import pytest
import torch

from simmtm_sk import ConvEncoder
from simmtm_sk.training.gradients import gradients
from simmtm_sk.training.loop import train
from simmtm_sk.training.plan import Plan
from tests.small import X, small

CPU = torch.device("cpu")


class Memory:
    n_slices = 1


OUT_OF_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
]


def problem(fits=100, error=OUT_OF_MEMORY[0]):
    """Squares of rows times a weight; more than ``fits`` rows do not fit."""
    weight = torch.nn.Parameter(torch.tensor(2.0))
    rows = torch.arange(1.0, 8.0)
    seen = []

    def losses(index, generator):
        if len(index) > fits:
            raise error
        seen.append(index.tolist())
        return {"total": (weight * rows[index]).square().mean(), "first": rows[index].mean()}

    return weight, losses, seen, torch.optim.SGD([weight])


def test_gradients_and_losses_of_a_whole_batch():
    weight, losses, seen, optimizer = problem()
    weight.grad = torch.tensor(5.0)  # of another step
    terms = gradients(optimizer, Memory(), losses, torch.arange(3), torch.Generator())
    assert seen == [[0, 1, 2]]
    assert weight.grad.item() == pytest.approx(2 * 2 * (1 + 4 + 9) / 3)
    assert terms["total"].item() == pytest.approx(4 * (1 + 4 + 9) / 3)
    assert terms["first"].item() == pytest.approx(2)
    assert not terms["total"].requires_grad


@pytest.mark.parametrize(("n_rows", "error"), [(6, OUT_OF_MEMORY[0]), (7, OUT_OF_MEMORY[1])])
def test_a_batch_that_does_not_fit_is_computed_in_halves_from_then_on(n_rows, error):
    """For a mean over rows the halves give the gradient of the whole."""
    whole, losses, _, optimizer = problem()
    expected = gradients(optimizer, Memory(), losses, torch.arange(n_rows), torch.Generator())
    halves, losses, seen, optimizer = problem(4, error)
    memory = Memory()
    with pytest.warns(UserWarning, match=f"{n_rows} rows does not fit.*two halves"):
        terms = gradients(optimizer, memory, losses, torch.arange(n_rows), torch.Generator())
    assert [len(rows) for rows in seen] == [n_rows - n_rows // 2, n_rows // 2]
    assert halves.grad.item() == pytest.approx(whole.grad.item())
    assert terms["total"].item() == pytest.approx(expected["total"].item())
    assert terms["first"].item() == pytest.approx(expected["first"].item())
    assert memory.n_slices == 2
    gradients(optimizer, memory, losses, torch.arange(2), torch.Generator())  # without a word
    assert seen[2:] == [[0], [1]]


def test_halves_that_do_not_fit_are_an_error_that_names_what_to_lower():
    _, losses, _, optimizer = problem(fits=2)
    with (
        pytest.warns(UserWarning, match="two halves"),
        pytest.raises(MemoryError, match=r"7 rows.*batch_size.*d_model"),
    ):
        gradients(optimizer, Memory(), losses, torch.arange(7), torch.Generator())


def test_other_errors_come_through():
    _, _, _, optimizer = problem()

    def losses(index, generator):
        raise RuntimeError("of another kind")

    with pytest.raises(RuntimeError, match="of another kind"):
        gradients(optimizer, Memory(), losses, torch.arange(7), torch.Generator())


def test_a_training_warns_once():
    model = torch.nn.Linear(1, 1)
    plan = Plan(n_epochs=3, batch_size=4, lr=0.1, weight_decay=0.0, seed=0)

    def losses(index, generator):
        if len(index) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return {"total": model(index[:, None].float()).square().mean()}

    with pytest.warns(UserWarning, match="two halves") as caught:
        history, complete = train(model, plan, 8, losses, device=CPU)
    assert len(caught) == 1
    assert complete
    assert len(history) == 3


def test_an_encoder_for_which_a_batch_is_too_large():
    """As on a GPU, with a network of a user's that says so."""

    class Small:
        def build(self, n_channels, length):
            backbone = ConvEncoder(d_model=4, n_layers=1).build(n_channels, length)
            backbone.register_forward_pre_hook(self.check)
            return backbone

        def check(self, module, args):
            if module.training and len(args[0]) > 15:  # of 8 series, three rows each
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.warns(UserWarning, match="two halves") as caught:
        fitted = small(encoder=Small(), num_epochs=4, validation_fraction=0).fit(X)
    assert len(caught) == 1
    expected = small(encoder=ConvEncoder(d_model=4, n_layers=1), num_epochs=4, batch_size=4)
    assert np.isfinite(fitted.transform(X)).all()
    assert fitted.transform(X).shape == expected.fit(X).transform(X).shape
