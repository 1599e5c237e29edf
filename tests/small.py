"""A panel and a transformer that take no time, and what tests of fits compare."""

import contextlib
import hashlib

import numpy as np
import torch

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.data import WindowDataset
from simmtm_sk.embedding import Pooling
from simmtm_sk.nn.contracts import takes_channels_apart
from simmtm_sk.training.monitor import Monitor

X = np.random.default_rng(0).normal(size=(16, 2, 20)).cumsum(2)
CONV = ConvEncoder(d_model=4, n_layers=2)
LEARNED = ("max", "min", "std", "ppv", "scale")  # filters would drown so few features


def small(**params):
    given = {
        "encoder": CONV,
        "num_epochs": 2,
        "batch_size": 8,
        "projection_dim": 4,
        "random_state": 0,
        "device": "cpu",
    }
    return SimMTMTransformer(**{**given, **params})


def rows_of(estimator, values):
    """What the network sees: windows of the series, or of their channels."""
    apart = estimator.encoder is not None and takes_channels_apart(estimator.encoder)
    by_row = values.reshape(-1, 1, values.shape[2]) if apart else values
    return WindowDataset(by_row, estimator.max_length)


def features_of(estimator, values):
    """The features of series before balance and metric, learned and fixed."""
    pooling = Pooling.of(estimator.pooling, estimator.layers)
    return estimator.embedding_.features(
        estimator.network_, values, rows_of(estimator, values), pooling, torch.float32
    )


def fixed(estimator, values):
    """The features of series that training does not change, as fine-tuning takes them."""
    return features_of(estimator, values).fixed.clone()


def statistics_of(estimator):
    """Which statistics of which layers, as fine-tuning takes them."""
    pooling = Pooling.of(estimator.pooling, estimator.layers)
    return pooling.statistics, pooling.all_layers


class After(Monitor):
    """Calls a function with the record of every evaluation; it may stop the training."""

    def __init__(self, function):
        self.function = function

    def epochs_end(self, record, n_epochs, n_run):
        return self.function(record)


class StopAtOnce:
    """A callback that ends the training with the first evaluation."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return context.task_name.startswith("epoch")


def digest(estimator):
    weights = estimator.network_.state_dict()
    return hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights.values())).hexdigest()


@contextlib.contextmanager
def torch_threads(n_threads):
    """Let torch use that many threads, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
