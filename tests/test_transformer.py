"""`SimMTMTransformer` keeps what the documentation promises: same bits, and what a fit leaves."""

import copy
import json
import pickle
import random
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from simmtm_sk import ConvEncoder, load, save
from tests.small import X, digest, small, torch_threads
from tests.transformers import (
    CLOSE,
    ENCODERS,
    X_NEW,
    CountingMask,
    every_encoder,
    of_channel,
)


@pytest.fixture(scope="module")
def fitted():
    return {name: small(encoder=encoder).fit(X) for name, encoder in ENCODERS.items()}


@pytest.fixture
def counted():
    """Run a function; return what it gives and whether anything was pre-trained."""

    def run(function):
        before = CountingMask.calls
        return function(), CountingMask.calls > before

    return run


# -- reproducible ----------------------------------------------------------------------------------


SCRIPT = """
import sys
import torch
torch.set_num_threads(int(sys.argv[1]))
import numpy as np
from simmtm_sk import ConvEncoder, SimMTMTransformer
X = np.random.default_rng(0).normal(size=(16, 2, 20)).cumsum(2)
embed = SimMTMTransformer(
    encoder=ConvEncoder(d_model=4, n_layers=2), num_epochs=2, batch_size=8, projection_dim=4,
    random_state=0, device="cpu",
).fit(X)
import hashlib
weights = embed.network_.state_dict().values()
print(hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights)).hexdigest())
"""


@pytest.mark.slow
def test_same_bits_in_other_processes_with_other_numbers_of_threads():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, n_threads], stdout=subprocess.PIPE, text=True
        )
        for n_threads in ("1", "3")
    ]
    digests = [process.communicate()[0].strip() for process in processes]
    assert digests == [digest(small().fit(X))] * 2


def test_same_bits_for_any_number_of_threads():
    """Weights and embeddings, of a network that is large enough for torch to share the work."""
    panel = np.random.default_rng(0).normal(size=(40, 1, 400))
    estimator = small(encoder=ConvEncoder(d_model=32, n_layers=2), num_epochs=1)
    results = []
    for n_threads in (1, 3):
        with torch_threads(n_threads):
            estimator.fit(panel)
            results.append((digest(estimator), joblib.hash(estimator.transform(panel))))
            assert torch.get_num_threads() == n_threads
    assert results[0] == results[1]


def fit_and_digest(estimator, values):
    return digest(clone(estimator).fit(values))


@pytest.mark.slow
def test_same_bits_whatever_n_jobs():
    fits = [small(encoder=encoder) for encoder in ENCODERS.values()]
    alone = [clone(one).fit(X).network_.state_dict() for one in fits]
    side_by_side = Parallel(n_jobs=2)(delayed(one.fit)(X) for one in fits)
    for a, b in zip(alone, side_by_side, strict=True):
        for name, weights in b.network_.state_dict().items():
            assert torch.equal(a[name], weights)


def test_concurrent_fits_in_threads_are_identical():
    estimator = small(encoder=ConvEncoder(d_model=16, n_layers=2, dropout=0.2), num_epochs=10)
    panel = np.tile(X, (4, 1, 5))
    ready, results, n_threads = threading.Barrier(4), [], []

    def work():
        ready.wait(20)
        results.append(fit_and_digest(estimator, panel))
        n_threads.append(torch.get_num_threads())

    with torch_threads(3):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [*n_threads, torch.get_num_threads()] == [3] * 5
    assert results == [fit_and_digest(estimator, panel)] * 4


def test_random_state_matters_and_may_be_a_generator():
    assert digest(small().fit(X)) != digest(small(random_state=1).fit(X))
    one, two = (small(random_state=np.random.RandomState(4)).fit(X) for _ in range(2))
    assert digest(one) == digest(two)


def test_without_a_random_state_every_fit_is_another_one():
    """Also where the caller has seeded numpy's global generator, which is not consulted."""
    digests = set()
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        digests.add(digest(small(random_state=None, num_epochs=0).fit(X)))
    assert len(digests) == 2


def test_fitting_twice_gives_the_same():
    estimator = small().fit(X)
    first = digest(estimator)
    assert digest(estimator.fit(X_NEW)) != first
    assert digest(estimator.fit(X)) == first


@pytest.mark.parametrize("random_state", [0, None])
def test_the_callers_random_states_and_threads_are_untouched(random_state):
    torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002
    before = (
        torch.get_rng_state().tolist(),
        joblib.hash(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )
    estimator = small(random_state=random_state).fit(X)
    estimator.transform(X)
    estimator.score(X)
    estimator.reconstruct(X)
    after = (
        torch.get_rng_state().tolist(),
        joblib.hash(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )
    assert before == after


def test_the_data_are_untouched(fitted):
    original = X.copy()
    for values in (X, X.astype(np.float32)):
        fitted["conv"].transform(values)
        small().fit(values)
    np.testing.assert_array_equal(X, original)


def test_read_only_data():
    frozen = X.copy()
    frozen.flags.writeable = False
    assert digest(small().fit(frozen)) == digest(small().fit(X))


def test_views_with_negative_strides():
    np.testing.assert_array_equal(
        small().fit(X[::-1]).transform(X_NEW[..., ::-1]),
        small().fit(X[::-1].copy()).transform(X_NEW[..., ::-1].copy()),
    )


# -- fitted estimators travel ----------------------------------------------------------------------


@every_encoder
def test_pickle_and_deepcopy(encoder):
    estimator = small(encoder=encoder).fit(X)
    expected = estimator.transform(X_NEW)
    for copied in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        np.testing.assert_array_equal(copied.transform(X_NEW), expected)
        assert copied.score(X_NEW) == estimator.score(X_NEW)
        assert digest(copied.fit(X)) == digest(estimator)
    np.testing.assert_array_equal(estimator.transform(X_NEW), expected)


def test_clone_forgets_what_was_fitted(fitted):
    copied = clone(fitted["conv"])
    assert copied.get_params(deep=False)["encoder"] is not ENCODERS["conv"]
    assert repr(copied.get_params()) == repr(fitted["conv"].get_params())
    with pytest.raises(NotFittedError, match="has not been fitted yet"):
        copied.transform(X)


def test_parameters_of_the_encoder_can_be_set():
    estimator = small().set_params(encoder__d_model=6, mask_ratio=0.3)
    assert estimator.fit(X).network_.backbone.d_model == 6
    assert ENCODERS["conv"].d_model == 4 or estimator.encoder is ENCODERS["conv"]
    ENCODERS["conv"].d_model = 4


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "similarity", "score", "get_feature_names_out", "save"]
)
def test_nothing_works_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(small(), method)(*([X] if method not in ("get_feature_names_out", "save") else []))


def test_what_fit_leaves():
    estimator = small(num_epochs=3).fit(X)
    assert estimator.n_epochs_ == 3
    assert estimator.n_features_in_ == estimator.n_channels_ == 2
    assert estimator.length_ == 20
    assert json.loads(json.dumps(estimator.history_)) == estimator.history_
    assert estimator.history_[-1]["epoch"] == 3
    assert small(num_epochs=0).fit(X).n_epochs_ == 0


def test_numpys_numbers_are_as_good_as_pythons():
    as_python = {
        "mask_ratio": 0.25,
        "temperature": 0.5,
        "constraint_weight": 0.25,
        "own_view_weight": 0.5,
        "mask_length": 4.0,
        "lr": 0.125,
        "weight_decay": 0.5,
        "validation_fraction": 0.25,
    }
    counts = {
        "n_masks": 3,
        "projection_dim": 5,
        "num_epochs": 3,
        "batch_size": 7,
        "patience": 2,
        "max_length": 9,
        "random_state": 11,
        "verbose": 0,
    }
    expected = small(**as_python, **counts).fit(X)
    for real, integer in ((np.float64, np.int64), (np.float32, np.int32)):
        given = {name: real(value) for name, value in as_python.items()}
        given |= {name: integer(value) for name, value in counts.items()}
        estimator = small(**given).fit(X)
        assert digest(estimator) == digest(expected)
        np.testing.assert_array_equal(estimator.transform(X_NEW), expected.transform(X_NEW))
        assert json.loads(json.dumps(estimator.history_)) == estimator.history_


def test_zero_epochs_leave_the_initial_weights():
    """Which follow from random_state alone, whatever the settings of the training."""
    untrained = small(num_epochs=0).fit(X)
    assert untrained.history_ == []
    assert untrained.n_epochs_ == 0
    other = {"lr": 0.5, "batch_size": 3, "masking": "random", "temperature": 1.0, "n_masks": 1}
    assert digest(small(num_epochs=0, **other).fit(X)) == digest(untrained)
    assert digest(small(num_epochs=0, random_state=1).fit(X)) != digest(untrained)
    assert digest(small(num_epochs=1).fit(X)) != digest(untrained)


def test_a_short_run_at_the_automatic_rate_trains_everything():
    """A run either trains or is not run at all."""
    start, short = small(num_epochs=0).fit(X), small(num_epochs=2).fit(X)
    assert digest(short) == digest(small(num_epochs=2, lr=0.003).fit(X))
    for part in ("backbone", "projector", "decoder"):
        before, after = (getattr(e.network_, part).parameters() for e in (start, short))
        moved = [(a - b).detach().abs().max() for a, b in zip(before, after, strict=True)]
        assert float(max(moved)) > 1e-3


def tiny(n_series, **params):
    given = {"encoder": ConvEncoder(d_model=2, n_layers=1), "num_epochs": "auto", "n_masks": 1}
    series = np.random.default_rng(0).normal(size=(n_series, 1, 4))
    return small(**{**given, "batch_size": 512, **params}).fit(series)


def test_nothing_is_trained_beside_fixed_blocks_unless_asked_to():
    for n_series in (20, 700):
        estimator = tiny(n_series, pooling=("max", "filters"), metric_strength=0)
        assert (estimator.n_epochs_, estimator.history_) == (0, [])
    given = {"pooling": ("max", "filters"), "metric_strength": 0, "num_epochs": 0}
    assert digest(estimator) == digest(tiny(700, **given))


@pytest.mark.slow
def test_an_encoder_without_fixed_blocks_is_trained_from_600_rows_on():
    few, many = (
        tiny(n, pooling=("max",), batch_size=64, validation_fraction=0) for n in (599, 600)
    )
    assert (few.n_epochs_, few.history_) == (0, [])
    assert many.n_epochs_ == many.history_[-1]["epoch"] > 10


@pytest.mark.parametrize("method", ["reconstruct", "similarity", "score"])
def test_what_uses_an_untrained_network_says_so(method, tmp_path):
    says = rf"nothing was pre-trained .*{method} uses initial, random weights.*num_epochs=20"
    getattr(small(num_epochs=0).fit(X), method)(X)  # asked for: a warning would be an error
    untrained = small(num_epochs="auto").fit(X)
    for estimator in (untrained, load(save(untrained, tmp_path / "untrained"))):
        with pytest.warns(UserWarning, match=says):
            getattr(estimator, method)(X)
    trained = save(small(num_epochs=1).fit(X), tmp_path / "trained")
    continued = load(trained, warm_start=True, num_epochs=0).fit(X)
    for estimator in (load(trained), continued, load(save(continued, tmp_path / "continued"))):
        estimator.num_epochs = "auto"
        getattr(estimator, method)(X)
    cold = load(trained, num_epochs="auto").fit(X)
    with pytest.warns(UserWarning, match=says):
        getattr(cold, method)(X)


# -- warm start ------------------------------------------------------------------------------------


def test_a_warm_start_continues_from_the_last_weights(tmp_path):
    first = small().fit(X)
    loaded = load(save(first, tmp_path / "model"), warm_start=True, num_epochs=0)
    assert digest(loaded.fit(X)) == digest(first)
    trained = load(tmp_path / "model", warm_start=True).fit(X)
    assert digest(trained) != digest(first)
    cold = load(tmp_path / "model", num_epochs=0).fit(X)
    assert digest(cold) == digest(small(num_epochs=0).fit(X))


def test_a_warm_start_takes_other_lengths_and_standardises_their_levels_anew(tmp_path):
    save(small().fit(X), tmp_path / "model")
    longer = np.concatenate([X_NEW, X_NEW], axis=2) * 1000 + 7
    continued = load(tmp_path / "model", warm_start=True).fit(longer)
    assert continued.length_ == 40
    assert continued.network_.stats_scaler.center[0] == pytest.approx(longer[:, 0].mean(), rel=1e-6)


def test_the_first_fit_of_a_warm_start_is_a_cold_one():
    assert digest(small(warm_start=True).fit(X)) == digest(small().fit(X))


def test_a_warm_start_needs_the_same_shape(tmp_path):
    save(small().fit(X), tmp_path / "model")
    with pytest.raises(ValueError, match=r"warm_start needs an encoder of the same shape"):
        load(tmp_path / "model", warm_start=True).fit(X[:, :1])
    wider = load(tmp_path / "model", warm_start=True)
    wider.encoder = ConvEncoder(d_model=8, n_layers=2)
    with pytest.raises(ValueError, match=r"warm_start needs an encoder of the same shape"):
        wider.fit(X)


def test_a_warm_start_is_a_run_of_its_own_for_the_cache(tmp_path, counted):
    save(small().fit(X), tmp_path / "model")
    save(small(random_state=1).fit(X), tmp_path / "other")
    options = {
        "warm_start": True,
        "memory": str(tmp_path),
        "masking": CountingMask(),
        "metric_strength": 0,
    }
    first, trained = counted(lambda: load(tmp_path / "model", **options).fit(X))
    again, repeated = counted(lambda: load(tmp_path / "model", **options).fit(X))
    _, other = counted(lambda: load(tmp_path / "other", **options, random_state=0).fit(X))
    assert trained
    assert not repeated
    assert other
    assert digest(first) == digest(again)


def test_a_conv_encoder_may_take_channels_one_by_one():
    encoder = ConvEncoder(d_model=4, n_layers=2, channel_independent=True)
    estimator = small(encoder=encoder).fit(X)
    both = estimator.transform(X[:, [0, 1]])
    swapped = estimator.transform(X[:, [1, 0]])
    for i in (0, 1):
        got = of_channel(estimator, swapped, 1 - i)
        np.testing.assert_allclose(got, of_channel(estimator, both, i), **CLOSE)
    assert estimator.transform(X[:, [0, 1, 1]]).shape[0] == len(X)


@pytest.mark.parametrize("length", [10, 60])
def test_a_warm_start_keeps_the_blocks_of_the_first_fit(tmp_path, length):
    """A short series would get fewer, a long one more; the artifact knows how many there are."""
    deep = small(encoder=ConvEncoder(d_model=4, n_layers=8)).fit(X)
    other = np.random.default_rng(0).normal(size=(8, 2, length)).cumsum(2)
    continued = load(save(deep, tmp_path / "deep"), warm_start=True).fit(other)
    assert len(continued.network_.backbone.blocks) == len(deep.network_.backbone.blocks) == 5
    again = load(save(continued, tmp_path / "again"))
    np.testing.assert_array_equal(again.transform(other), continued.transform(other))
