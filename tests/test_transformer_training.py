"""Training a `SimMTMTransformer`: own encoders and masks, callbacks, Ctrl-C, cache, checkpoints."""

import pickle
import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from simmtm_sk import ConvEncoder
from simmtm_sk.nn.masking import geometric_mask
from tests.small import X, digest, small
from tests.transformers import (
    X_NEW,
    CountingMask,
)

# -- encoders and masks of the user's own ----------------------------------------------------------


class OwnNetwork(nn.Module):
    d_model, patch_length = 5, 1

    def __init__(self, n_channels):
        super().__init__()
        self.linear = nn.Linear(n_channels, 5)

    def forward(self, values, visible, within, level):
        n_rows, n_channels, length = values.shape
        assert visible.shape == values.shape
        assert visible.dtype == torch.bool
        assert not values[~visible].any()
        assert within is None or within.shape == (n_rows, length)
        assert level.shape == (n_rows, 2 * n_channels)
        assert level.dtype == values.dtype
        return [self.linear(values.transpose(1, 2))]


class OwnEncoder:
    """Has `build` and nothing else: no parameters, no base class, works across channels."""

    def build(self, n_channels, length):
        self.built = n_channels, length
        return OwnNetwork(n_channels)


def test_an_encoder_of_the_users_own():
    encoder, plain = OwnEncoder(), {"pooling": ("mean",), "neighborhood_weight": 0.0}
    estimator = small(encoder=encoder, **plain).fit(X)
    assert encoder.built == (2, 20)
    assert estimator.transform(X_NEW).shape == (7, 5)
    untrained = small(encoder=encoder, num_epochs=0).fit(X).network_.backbone.linear.weight
    assert not torch.equal(untrained, estimator.network_.backbone.linear.weight)
    assert estimator.reconstruct(X_NEW).shape == X_NEW.shape
    with pytest.raises(ValueError, match="channel"):
        estimator.transform(X[:, 0])
    # with gaps and padding too the network is called as documented
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    series = [x[:, : 20 - i] for i, x in enumerate(gaps)]
    assert small(encoder=encoder, **plain).fit(series).transform(series).shape == (16, 5)


def half_mask(n_rows, length, mask_ratio, mask_length, generator):
    return torch.arange(length).expand(n_rows, length) % 2 == 0


def test_a_mask_of_the_users_own():
    first = small(masking=half_mask).fit(X)
    assert digest(first) == digest(small(masking=half_mask).fit(X))
    assert digest(first) != digest(small().fit(X))


@pytest.mark.parametrize("storage", ["checkpoint_dir", "memory"])
def test_a_mask_that_nothing_can_be_stored_for(tmp_path, storage):
    """It holds what cannot be told from its content: trained, not stored, with a word."""
    lock = threading.Lock()

    def mask(*args):
        with lock:
            return half_mask(*args)

    estimator = small(masking=mask, **{storage: str(tmp_path)})
    with pytest.warns(UserWarning, match=r"checkpoint_dir and memory are not used: the mask"):
        estimator.fit(X)
    assert not list(tmp_path.rglob("*.p*"))
    assert digest(estimator) == digest(small(masking=half_mask).fit(X))


def test_a_lambda_as_mask_where_something_is_stored(tmp_path):
    """Its code names the run."""
    keep = lambda *args: half_mask(*args)  # noqa: E731
    turn = lambda *args: ~half_mask(*args)  # noqa: E731
    first, second, other = (
        small(masking=m, memory=str(tmp_path)).fit(X) for m in (keep, keep, turn)
    )
    assert second.history_ == first.history_  # seconds included: it was read
    assert digest(other) == digest(small(masking=turn).fit(X)) != digest(first)


def test_a_lambda_as_mask_where_nothing_is_stored():
    mask = lambda *args: half_mask(*args)  # noqa: E731
    assert digest(small(masking=mask).fit(X)) == digest(small(masking=half_mask).fit(X))


def test_a_mask_of_the_wrong_shape():
    with pytest.raises(ValueError, match="masking must return a bool tensor of shape"):
        small(masking=lambda *_: torch.ones(3, 3)).fit(X)


# -- progress, callbacks, Ctrl-C -------------------------------------------------------------------


def test_verbose(capsys):
    small().fit(X).transform(X)
    assert capsys.readouterr() == ("", "")
    estimator = small(verbose=1, num_epochs=40, patience=None).fit(X)
    lines = capsys.readouterr().out.splitlines()
    epochs = [f"[SimMTM] pre-training, epoch {r['epoch']} of 40" for r in estimator.history_]
    assert [line.split(":")[0] for line in lines] == epochs
    assert len(lines) > 1
    assert all("training loss" in line and " s left" in line for line in lines)


class Recorder:
    """A scikit-learn callback that remembers its tasks and may stop the fit."""

    def __init__(self, stop_after=None):
        self.stop_after, self.began, self.ended = stop_after, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.began.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)
        return context.task_name == f"epoch {self.stop_after}"


def test_callbacks_receive_a_task_for_every_evaluation():
    callback = Recorder()
    estimator = small(num_epochs=3).set_callbacks(callback).fit(X)
    epochs = [f"epoch {record['epoch']}" for record in estimator.history_]
    evaluations = [name for name in callback.began if not name.startswith("step")]
    assert evaluations == ["fit", *epochs]
    assert [name for name in callback.ended if not name.startswith("step")] == [*epochs, "fit"]
    assert callback.began.count("step 1") == len(epochs) >= 1


def test_callbacks_stop_fit():
    whole = small(num_epochs=60, patience=None).fit(X)
    stop_after = whole.history_[1]["epoch"]
    estimator = small(num_epochs=60, patience=None).set_callbacks(Recorder(stop_after)).fit(X)
    assert estimator.n_epochs_ == stop_after < whole.n_epochs_
    assert np.isfinite(estimator.transform(X)).all()


class InterruptingMask:
    """Presses Ctrl-C after some calls."""

    def __init__(self, n_calls):
        self.n_calls = n_calls

    def __call__(self, *args):
        self.n_calls -= 1
        if self.n_calls == 0:
            raise KeyboardInterrupt
        return geometric_mask(*args)


def test_ctrl_c_leaves_a_usable_estimator(capsys):
    estimator = small(num_epochs=50, masking=InterruptingMask(40))
    with pytest.warns(UserWarning, match=r"interrupted in epoch \d+ of 50"):
        estimator.fit(X)
    assert 0 < estimator.n_epochs_ < 50
    assert np.isfinite(estimator.transform(X_NEW)).all()
    assert pickle.loads(pickle.dumps(estimator)).score(X_NEW) == estimator.score(X_NEW)


def test_ctrl_c_after_the_training_leaves_its_weights():
    """Balance and metric are learned then; their views are the only ones without an epoch."""
    estimator = small(num_epochs=0, masking=InterruptingMask(1))
    with pytest.warns(UserWarning, match=r"interrupted after the training, .* num_epochs=0"):
        estimator.fit(X)
    plain = small(num_epochs=0, metric_strength=0).fit(X)
    for name, weight in plain.network_.state_dict().items():
        assert torch.equal(estimator.network_.state_dict()[name], weight)
    assert np.isfinite(estimator.transform(X_NEW)).all()
    # what the warning says to do
    again = estimator.set_params(warm_start=True, masking=geometric_mask).fit(X)
    whole = small(num_epochs=0).fit(X)
    np.testing.assert_array_equal(again.transform(X_NEW), whole.transform(X_NEW))


# -- memory and checkpoints ------------------------------------------------------------------------


@pytest.fixture
def counted():
    """Run a function; return what it gives and whether anything was pre-trained."""

    def run(function):
        before = CountingMask.calls
        return function(), CountingMask.calls > before

    return run


def test_memory_reuses_pretraining(tmp_path, counted):
    estimator = small(
        masking=CountingMask(), metric_strength=0, memory=joblib.Memory(tmp_path, verbose=0)
    )
    first, trained = counted(lambda: clone(estimator).fit(X))
    assert trained
    second, trained = counted(lambda: clone(estimator).fit(X))
    assert not trained
    assert digest(first) == digest(second)
    assert first.history_ == second.history_
    np.testing.assert_array_equal(first.transform(X_NEW), second.transform(X_NEW))
    # what only concerns the embedding re-uses it too
    other, trained = counted(
        lambda: clone(estimator).set_params(pooling=("max",), layers="last", verbose=0).fit(X)
    )
    assert not trained
    assert digest(other) == digest(first)
    for change in ({"mask_ratio": 0.3}, {"random_state": 1}, {"temperature": 0.3}, {"lr": 0.1}):
        assert counted(lambda change=change: clone(estimator).set_params(**change).fit(X))[1]
    assert counted(lambda: clone(estimator).fit(X_NEW))[1]


def test_what_does_not_decide_the_result_is_no_part_of_the_memorys_key(tmp_path, counted, capsys):
    estimator = small(masking=CountingMask(), metric_strength=0, memory=str(tmp_path / "cache"))
    first, _ = counted(lambda: clone(estimator).fit(X))
    changes = [
        {"verbose": 1},
        {"checkpoint_dir": tmp_path / "checkpoints"},
        {"memory": joblib.Memory(str(tmp_path / "cache"), verbose=0)},
        {"n_masks": np.int64(2), "mask_ratio": np.float64(0.5), "max_length": 512},
    ]
    for change in changes:
        again, trained = counted(lambda c=change: clone(estimator).set_params(**c).fit(X))
        assert not trained, change
        assert digest(again) == digest(first)
    again, trained = counted(lambda: clone(estimator).set_callbacks(Recorder()).fit(X.copy()))
    assert not trained
    assert counted(lambda: clone(estimator).fit(X.astype(np.float32)))[1]
    assert counted(lambda: clone(estimator).fit(np.flip(X, 0).copy()))[1]


def test_memory_never_keeps_an_interrupted_run(tmp_path):
    settings = {"num_epochs": 20, "memory": str(tmp_path), "metric_strength": 0}
    with pytest.warns(UserWarning, match="interrupted"):
        cut = small(masking=StopOnce(30), **settings).fit(X)
    assert 0 < cut.n_epochs_ < 20
    whole = small(masking=StopOnce(None), **settings).fit(X)
    assert whole.n_epochs_ == 20
    assert digest(whole) == digest(small(num_epochs=20, masking=StopOnce(None)).fit(X))
    # and that one is kept
    assert small(masking=StopOnce(1), **settings).fit(X).history_ == whole.history_
    StopOnce.left = None


def test_an_early_stopped_run_does_not_train_on(tmp_path, counted):
    """When it is read from the memory: patience is part of the plan."""
    settings = {"num_epochs": 200, "patience": 1, "validation_fraction": 0.5, "lr": 0.1}
    estimator = small(masking=CountingMask(), metric_strength=0, **settings, memory=str(tmp_path))
    first, trained = counted(lambda: clone(estimator).fit(X))
    assert trained
    assert first.n_epochs_ < 200
    second, trained = counted(lambda: clone(estimator).fit(X))
    assert not trained
    assert second.history_ == first.history_
    assert digest(second) == digest(first)


def test_memory_as_a_path(tmp_path):
    a, b = (small(memory=str(tmp_path / "cache")).fit(X) for _ in range(2))
    assert a.history_ == b.history_  # seconds included: the second one was read
    assert digest(a) == digest(b) == digest(small().fit(X))
    assert not b.network_.training


def test_memory_never_keeps_a_run_that_was_cut_short(tmp_path):
    settings = {"num_epochs": 60, "patience": None, "memory": str(tmp_path)}
    small(**settings).set_callbacks(Recorder(stop_after=10)).fit(X)
    whole = small(**settings).fit(X)
    assert whole.n_epochs_ == 60


@pytest.mark.parametrize("storage", ["memory", "checkpoint_dir"])
def test_runs_on_other_windows_are_other_runs(tmp_path, storage):
    """Two windows for each series either way, but not the same ones."""
    for max_length in (10, 12):
        stored = small(max_length=max_length, **{storage: str(tmp_path)}).fit(X)
        assert digest(stored) == digest(small(max_length=max_length).fit(X))


def test_checkpoints_belong_to_one_run(tmp_path):
    plain = small().fit(X)
    stored = small(checkpoint_dir=tmp_path).fit(X)
    assert digest(plain) == digest(stored)
    assert set(tmp_path.iterdir()) == set()  # a finished run leaves nothing
    interrupted(small(), X, tmp_path)
    (file,) = tmp_path.glob("*.pt")
    content = file.read_bytes()
    assert digest(small(checkpoint_dir=str(tmp_path)).fit(X)) == digest(plain)
    assert not file.exists()
    file.write_bytes(content)  # it stays beside all others
    others = [
        (small(random_state=1), X),
        (small(mask_ratio=0.3), X),
        (small(encoder=ConvEncoder(d_model=4, n_layers=2, dropout=0.5)), X),
        (small(max_length=8), X),
        (small(), X_NEW),
    ]
    for other, values in others:
        expected = digest(clone(other).fit(values))
        interrupted(other, values, tmp_path)
        assert len(list(tmp_path.glob("*.pt"))) == 2
        assert digest(other.set_params(checkpoint_dir=tmp_path).fit(values)) == expected
        assert list(tmp_path.glob("*.pt")) == [file]


def interrupted(estimator, values, folder):
    """Fit a clone that leaves a checkpoint: a callback stops it after the first evaluation."""
    stopped = clone(estimator).set_params(checkpoint_dir=folder, verbose=0)
    stopped.set_callbacks(StopAtOnce()).fit(values)


class StopAtOnce(Recorder):
    """Stops after the first evaluation, whichever epoch it is."""

    def on_fit_task_end(self, estimator, context):
        return context.task_name.startswith("epoch")


def test_an_interrupted_fit_is_continued(tmp_path):
    whole = small(num_epochs=20, masking=StopOnce(None)).fit(X)
    estimator = small(num_epochs=20, masking=StopOnce(30), checkpoint_dir=tmp_path)
    with pytest.warns(UserWarning, match="interrupted"):
        estimator.fit(X)
    assert estimator.n_epochs_ < 20
    resumed = small(num_epochs=20, masking=StopOnce(None), checkpoint_dir=tmp_path).fit(X)
    assert list(tmp_path.iterdir()) == []
    assert digest(resumed) == digest(whole)
    strip = [{**record, "seconds": 0} for record in resumed.history_]
    assert strip == [{**record, "seconds": 0} for record in whole.history_]


class StopOnce:
    """Ctrl-C at a call; the number is no part of its state, so that all name the same run."""

    left = None

    def __init__(self, n_calls):
        StopOnce.left = n_calls

    def __call__(self, *args):
        if StopOnce.left is not None:
            StopOnce.left -= 1
            if StopOnce.left == 0:
                StopOnce.left = None
                raise KeyboardInterrupt
        return geometric_mask(*args)
