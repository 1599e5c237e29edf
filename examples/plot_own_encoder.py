"""
An encoder of your own
======================

``encoder=`` takes any object with a method ``build(n_channels, length)`` that returns a torch
module. Here it is a recurrent network, a GRU.
"""

# %%
# The network
# -----------
# It is called as ``network(values, visible, within, instance_stats)``:
#
# * ``values`` (n_rows, n_channels, length): normalised, zero where hidden;
# * ``visible``, of the same shape: False where a mask, a gap or padding hides the point;
# * ``within`` (n_rows, length): False behind the end of a shorter series; None if all are complete;
# * ``instance_stats`` (n_rows, 2 n_channels): mean and log scale of every channel, which the
#   normalisation took away, standardised over the training series.
#
# It returns a list with a tensor (n_rows, n_tokens, d_model) per layer. ``d_model`` is the width,
# and ``patch_length`` the number of points that a token stands for.
#
# What lies behind the end of a series must not change what comes before. A GRU that runs from left
# to right keeps this promise by itself, so ``within`` is not needed here.

import torch
from sklearn.base import BaseEstimator
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from torch import nn

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import load_dataset
from simmtm_sk.plotting import EmbeddingDisplay


class GRUNetwork(nn.Module):
    patch_length = 1

    def __init__(self, n_channels, d_model, n_layers):
        super().__init__()
        self.d_model = d_model
        sizes = [4 * n_channels] + [d_model] * n_layers
        self.layers = nn.ModuleList(nn.GRU(d_in, d_model, batch_first=True) for d_in in sizes[:-1])

    def forward(self, values, visible, within, instance_stats):
        # a hidden point and an average one both have the value 0: say which is which
        hidden = (~visible).to(values.dtype)
        instance_stats = instance_stats[..., None].expand(-1, -1, values.shape[2])
        x = torch.cat([values, hidden, instance_stats], 1).transpose(1, 2)
        outputs = []
        for layer in self.layers:
            x, _ = layer(x)
            outputs.append(x)
        return outputs


# %%
# The object that builds it
# -------------------------
# A ``BaseEstimator`` that stores its arguments, so that searches can set them.
# ``channel_independent = True`` would hand every channel to the network as a series of its own.


class GRUEncoder(BaseEstimator):
    channel_independent = False

    def __init__(self, *, d_model=32, n_layers=2):
        self.d_model = d_model
        self.n_layers = n_layers

    def build(self, n_channels, length):
        return GRUNetwork(n_channels, self.d_model, self.n_layers)


# %%
# Everything else is as with the encoders of the package. BasicMotions: six channels of a wrist-worn
# sensor, four activities.

X_train, y_train = load_dataset("BasicMotions", split="train")
X_test, y_test = load_dataset("BasicMotions", split="test")
embedder = SimMTMTransformer(encoder=GRUEncoder(), num_epochs=20, random_state=0)
model = make_pipeline(embedder, RidgeClassifierCV()).fit(X_train, y_train)
print(f"accuracy on the test part: {model.score(X_test, y_test):.3f}")

# %%
# The embedding of the test part, by its two largest components:

EmbeddingDisplay.from_estimator(model, X_test, y_test)

# %%
# Its sizes are parameters of the search.

pipeline = Pipeline(
    [
        ("embed", SimMTMTransformer(encoder=GRUEncoder(), num_epochs=2, random_state=0)),
        ("clf", RidgeClassifierCV()),
    ]
)
search = GridSearchCV(pipeline, {"embed__encoder__d_model": [8, 32]}, cv=2).fit(X_train, y_train)
search.best_params_

# %%
# The class is not part of a saved file, only the weights are. Give an object of it to ``load``:
# ``simmtm_sk.load("a_file", encoder=GRUEncoder())``.
