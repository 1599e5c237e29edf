"""`SimMTMClassifier`: strategies, transformers, training, the same bits."""

import copy
import json
import pickle
import random
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMTransformer,
    save,
)
from simmtm_sk.joint_training import FEWEST_HELD_OUT, stratified_part
from simmtm_sk.probing import classification_head
from tests.classifiers import (
    X_NEW,
    X,
    classifier,
    every_strategy,
    kind,
    same_head,
    same_weights,
    small,
    y,
    y_new,
)
from tests.small import LEARNED
from tests.transformers import CountingMask


@pytest.fixture(scope="module")
def pretrained():
    return small(random_state=0).fit(X)


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, y)


# -- the four strategies --------------------------------------------------------------------------


@every_strategy
def test_every_strategy_learns(strategy):
    estimator = classifier(strategy=strategy, num_epochs=15).fit(X, y)
    assert estimator.score(X_NEW, y_new) > 0.8
    predicted, probabilities = estimator.predict(X_NEW), estimator.predict_proba(X_NEW)
    assert probabilities.shape == (12, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert predicted.tolist() == estimator.classes_[probabilities.argmax(1)].tolist()
    assert estimator.classes_.tolist() == ["a", "b"]


@every_strategy
def test_predictions_are_the_heads_scores_of_the_embedding(strategy):
    estimator = classifier(strategy=strategy, transformer=small(max_length=9)).fit(X, y)
    embedding = estimator.transformer_.transform(X_NEW.astype(np.float32))
    np.testing.assert_allclose(
        estimator.predict_proba(X_NEW), estimator.head_.probabilities(embedding), atol=1e-4
    )


@pytest.mark.parametrize("head", ["ridge", "logistic", "auto"])
def test_the_linear_probe_is_the_transformer_and_a_head(head):
    estimator = classifier(head=head, class_weight={"a": 3.0, "b": 1.0}).fit(X, y)
    by_hand = small(random_state=estimator.transformer_.random_state).fit(X)
    assert same_weights(estimator.transformer_, by_hand)
    embedding = by_hand.transform(X.astype(np.float32))
    expected = classification_head(
        embedding, kind, head, np.where(kind == 0, 3.0, 1.0)
    ).probabilities(by_hand.transform(X_NEW.astype(np.float32)))
    np.testing.assert_allclose(estimator.predict_proba(X_NEW), expected, atol=2e-3)
    assert estimator.history_ == []


@pytest.mark.parametrize("strategy", ["fine-tune", "probe-then-fine-tune", "from-scratch"])
def test_all_other_strategies_train_the_encoder(strategy, pretrained):
    estimator = classifier(strategy=strategy, transformer=FrozenEstimator(pretrained)).fit(X, y)
    assert not same_weights(estimator.transformer_, pretrained)
    assert [record["epoch"] for record in estimator.history_] == [2]  # epochs of one step


def test_from_scratch_is_fine_tuning_without_pretraining(pretrained, pretrainings):
    control = classifier(strategy="from-scratch", transformer=small(random_state=3)).fit(X, y)
    untrained = small(random_state=3, num_epochs=0)
    expected = classifier(strategy="fine-tune", transformer=untrained).fit(X, y)
    assert pretrainings() == 0
    assert same_weights(control.transformer_, expected.transformer_)
    np.testing.assert_array_equal(control.predict_proba(X_NEW), expected.predict_proba(X_NEW))
    # of a frozen transformer only the settings matter
    frozen = FrozenEstimator(small(random_state=3).fit(X_NEW))
    CountingMask.calls = 0
    again = classifier(strategy="from-scratch", transformer=frozen).fit(X, y)
    assert pretrainings() == 0
    assert same_head(again.head_, control.head_)


def test_the_probe_is_where_its_fine_tuning_starts():
    """That of the features alone: coordinates on the graph of neighbours are no map of them."""
    plain = small(neighborhood_weight=0.0)
    probe, other = (
        classifier(transformer=plain, strategy=strategy, lr=1e-9).fit(X, y).predict_proba(X_NEW)
        for strategy in ("linear-probe", "probe-then-fine-tune")
    )
    np.testing.assert_allclose(other, probe, atol=1e-4)
    without_opinion = classifier(strategy="fine-tune", lr=1e-9).fit(X, y).predict_proba(X_NEW)
    np.testing.assert_allclose(without_opinion, 0.5, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "trains"), [("linear-probe", False), ("fine-tune", True)])
def test_what_is_trained_on_is_pretrained_where_an_embedding_is_not(strategy, trains):
    series = np.random.default_rng(0).normal(size=(600, 1, 8))
    transformer = small(
        encoder=ConvEncoder(d_model=2, n_layers=1), num_epochs="auto", batch_size=128
    )
    epochs = 1 if trains else "auto"  # of fine-tuning
    estimator = classifier(transformer=transformer, strategy=strategy, num_epochs=epochs)
    used = estimator.fit(series, series[:, 0, 0] > 0).transformer_
    assert (used.n_epochs_ > 0) == trains
    assert used.num_epochs == "auto"


def test_an_encoder_without_a_share_of_the_rate_stays_as_it_is(pretrained):
    frozen = FrozenEstimator(pretrained)
    estimator = classifier(strategy="fine-tune", transformer=frozen, encoder_lr_share=0.0)
    assert same_weights(estimator.fit(X, y).transformer_, pretrained)
    assert np.abs(estimator.head_.coef).max() > 0


@every_strategy
def test_any_encoder_and_any_pooling(strategy):
    encoder = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=2, d_feedforward=4)
    for params in ({"encoder": encoder}, {"pooling": ("scale",)}, {"pooling": ("mean",)}):
        estimator = classifier(strategy=strategy, transformer=small(**params)).fit(X, y)
        assert np.isfinite(estimator.predict_proba(X_NEW)).all()


def test_class_weights_matter_in_fine_tuning():
    encoder = small(pooling=LEARNED)
    shares = [
        classifier(
            transformer=encoder,
            strategy="fine-tune",
            class_weight={"a": w, "b": 1.0},
            num_epochs=5,
        )
        .fit(X, y)
        .predict_proba(X_NEW)[:, 0]
        .mean()
        for w in (0.1, 1.0, 10.0)
    ]
    assert shares == sorted(shares)
    assert shares[2] - shares[0] > 0.1
    rare = np.r_[0:24:2, 1:8:2]  # 12 of "a", 4 of "b"
    heads = [
        classifier(class_weight=w).fit(X[rare], y[rare]).head_
        for w in ("balanced", {"a": 16 / 24, "b": 2.0}, None)
    ]
    assert same_head(heads[0], heads[1])
    assert not same_head(heads[0], heads[2])


# -- where the encoder comes from -----------------------------------------------------------------


@every_strategy
def test_a_frozen_transformer_and_a_saved_one_are_the_same(strategy, tmp_path):
    """Neither is trained again (or changed), and unlabelled training finds its weights there."""
    given = small(random_state=0, masking="geometric").fit(X)
    path = save(given, tmp_path / "encoder")
    before = copy.deepcopy(given), path.read_bytes()
    results = [
        classifier(strategy=strategy, transformer=transformer).fit(X_NEW, y_new)
        for transformer in (FrozenEstimator(given), path, str(path))
    ]
    for one in results:
        np.testing.assert_array_equal(one.predict_proba(X), results[0].predict_proba(X))
        assert one.transformer_ is not given
        assert same_weights(one.transformer_, given) == (strategy == "linear-probe")
    assert same_weights(given, before[0])
    np.testing.assert_array_equal(given.transform(X), before[0].transform(X))
    assert path.read_bytes() == before[1]


def test_a_frozen_transformer_is_not_trained(pretrained, pretrainings):
    for strategy in ("linear-probe", "fine-tune", "probe-then-fine-tune"):
        classifier(strategy=strategy, transformer=FrozenEstimator(pretrained)).fit(X, y)
    assert pretrainings() == 0
    classifier().fit(X, y)
    assert pretrainings() == 1


def test_an_own_transformer_is_cloned():
    """Also a fitted one: without a FrozenEstimator around it, its weights are not meant."""
    own = small()
    estimator = classifier(transformer=own).fit(X, y)
    assert estimator.transformer is own
    assert not hasattr(own, "network_")
    assert own.random_state is None
    with pytest.warns(UserWarning, match=r"fitted already.*FrozenEstimator"):
        again = classifier(transformer=small().fit(X_NEW)).fit(X, y)
    assert same_weights(again.transformer_, estimator.transformer_)


def test_the_seed_is_the_transformers_unless_it_has_its_own():
    other = classifier(random_state=1).fit(X, y)
    same = classifier(random_state=0).fit(X, y)
    assert not same_weights(other.transformer_, same.transformer_)
    with_own = [
        classifier(transformer=small(random_state=5), random_state=s).fit(X, y) for s in (0, 1)
    ]
    assert same_weights(with_own[0].transformer_, with_own[1].transformer_)


# -- held-out part and history --------------------------------------------------------------------


def test_every_class_gives_its_share_to_the_held_out_part():
    strata = np.repeat([0, 1, 2], [50, 26, 4])
    part = stratified_part(strata, 0.2, seed=0)
    assert np.bincount(strata[part], minlength=3).tolist() == [10, 5, 0]
    assert len(set(part.tolist())) == 15
    assert part.tolist() == stratified_part(strata, 0.2, seed=0).tolist()
    assert part.tolist() != stratified_part(strata, 0.2, seed=1).tolist()
    assert len(stratified_part(np.zeros(49, int), 0.2, seed=0)) == 0  # too few to decide anything
    assert len(stratified_part(np.zeros(50, int), 0.2, seed=0)) == FEWEST_HELD_OUT == 10
    assert len(stratified_part(strata, 0.0, seed=0)) == 0


def test_the_history_can_be_written_as_json():
    settings = {"strategy": "fine-tune", "validation_fraction": 0.5, "batch_size": 2}
    estimator = classifier(**settings).fit(X, y)
    assert json.loads(json.dumps(estimator.history_)) == estimator.history_
    assert [record["epoch"] for record in estimator.history_] == [2]
    names = {"epoch", "lr", "grad_norm", "clipped_share", "seconds", "train_total"}
    assert set(estimator.history_[0]) == {*names, "valid_criterion"}
    without = classifier(**{**settings, "validation_fraction": 0.0}).fit(X, y)
    assert not any("valid_criterion" in record for record in without.history_)
    assert estimator.fit(X, y).set_params(strategy="linear-probe").fit(X, y).history_ == []


def test_verbose_prints_a_line_per_evaluation(capsys):
    estimator = classifier(strategy="fine-tune", num_epochs=20, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    fine_tuning = [line for line in lines if "fine-tuning" in line]
    assert len(fine_tuning) == len(estimator.history_) == 2
    assert fine_tuning[0].startswith("[SimMTM] fine-tuning, epoch 10 of 20: training loss ")
    classifier(strategy="fine-tune").fit(X, y)
    assert capsys.readouterr().out == ""


# -- reproducible ---------------------------------------------------------------------------------


@every_strategy
def test_the_same_random_state_gives_the_same_bits(strategy):
    settings = {"strategy": strategy, "dropout": 0.2}
    first = classifier(**settings).fit(X, y)
    for other in (classifier(**settings), clone(first), copy.deepcopy(first)):
        other.fit(X, y)
        assert same_weights(first.transformer_, other.transformer_)
        assert same_head(first.head_, other.head_)
    other = clone(first)
    other.set_params(random_state=1).fit(X, y)
    assert not same_head(first.head_, other.head_)
    assert same_head(first.fit(X_NEW, y_new).fit(X, y).head_, clone(first).fit(X, y).head_)


def test_generators_and_none_as_random_state():
    one, two = (classifier(random_state=np.random.RandomState(4)).fit(X, y).head_ for _ in range(2))
    assert same_head(one, two)
    heads = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        heads.append(classifier(random_state=None).fit(X, y).head_)
    assert not same_head(*heads)


@every_strategy
def test_the_callers_random_states_and_data_are_untouched(strategy):
    def states():
        return (
            torch.get_rng_state().tolist(),
            joblib.hash(np.random.get_state()),  # noqa: NPY002
            random.getstate(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            joblib.hash((X, y)),
        )

    before = states()
    estimator = classifier(strategy=strategy, dropout=0.1, random_state=None).fit(X, y)
    estimator.predict(X)
    assert states() == before


SCRIPT = """
import sys
import torch
torch.set_num_threads(int(sys.argv[1]))
import numpy as np
from simmtm_sk import ConvEncoder, SimMTMClassifier, SimMTMTransformer
X = np.random.default_rng(0).normal(size=(16, 2, 20)).cumsum(2)
encoder = SimMTMTransformer(
    encoder=ConvEncoder(d_model=4, n_layers=2), num_epochs=1, projection_dim=4, device="cpu"
)
classifier = SimMTMClassifier(
    transformer=encoder, strategy="probe-then-fine-tune", num_epochs=2, random_state=0
).fit(X, np.arange(16) % 2)
print(classifier.predict_proba(X).tobytes().hex())
"""


@pytest.mark.slow
def test_same_bits_in_other_processes_with_other_numbers_of_threads():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, n_threads], stdout=subprocess.PIPE, text=True
        )
        for n_threads in ("1", "2")
    ]
    first, second = (process.communicate()[0] for process in processes)
    assert first == second
    assert len(first) > 500


def test_pickles(fitted):
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.predict_proba(X_NEW), fitted.predict_proba(X_NEW))


# -- transfer -------------------------------------------------------------------------------------


def test_a_level_that_the_source_did_not_have_is_seen(tmp_path):
    """An encoder pre-trained on normalised series takes every level for noise."""
    draw = np.random.default_rng(0)
    source = draw.normal(size=(20, 1, 24)).cumsum(2)
    source = (source - source.mean(2, keepdims=True)) / source.std(2, keepdims=True)
    encoder = ConvEncoder(d_model=4, n_layers=2)
    frozen = SimMTMTransformer(encoder=encoder, pooling=LEARNED, num_epochs=1, random_state=0).fit(
        source
    )
    labels = np.tile([0, 1], 20)
    values = draw.normal(size=(40, 1, 16)) + 3 * labels[:, None, None]
    before = {k: w.clone() for k, w in frozen.network_.state_dict().items()}
    classifier = SimMTMClassifier(transformer=FrozenEstimator(frozen), random_state=0).fit(
        values[:20], labels[:20]
    )
    assert classifier.score(values[20:], labels[20:]) >= 0.9  # chance without the level
    assert all(torch.equal(w, before[k]) for k, w in frozen.network_.state_dict().items())
    by_path = SimMTMClassifier(transformer=save(frozen, tmp_path / "source"), random_state=0)
    np.testing.assert_array_equal(
        by_path.fit(values[:20], labels[:20]).predict_proba(values),
        classifier.predict_proba(values),
    )
