"""
An objective and a mask of your own
===================================

``objective=`` takes any object with a method ``build()`` that returns a torch module, and
``masking=`` any with a method ``draw``. Here pre-training becomes that of PatchTST: every series is
rebuilt from its own visible points, by the error at hidden points alone, and all channels are
hidden at the same times. The loss is a Huber loss in units of a scale that is learned.
"""

# %%
# The loss
# --------
# The module is called with a batch of `simmtm_sk.nn.contracts.EncodedViews`. Of N series and M
# masked views of each:
#
# * ``rows``: the point-wise representations of N originals, then of all first views, then of all
#   second ones, and so on; ``series``: their series-wise ones, by the projector;
# * ``decode(rows)``: values, (n_rows, n_channels, length);
# * ``target``: the N originals, normalised; ``observed``: where they have a value;
# * ``visible``: the points that each row was encoded from.
#
# It returns scalars by name. "total" is minimised, all of them are in ``history_``. Its parameters
# are learned with the network. ``criterion`` says by what an epoch is judged on held-out series;
# without this method it is the total.

import torch
from sklearn.base import BaseEstimator
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from torch import nn

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.datasets import load_dataset
from simmtm_sk.nn.masking import geometric_mask
from simmtm_sk.plotting import LossDisplay


class HuberLoss(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, views):
        n_series = views.n_series
        rebuilt = views.decode(views.rows[n_series:])
        n_views = len(rebuilt) // n_series
        hidden = views.observed.repeat(n_views, 1, 1) & ~views.visible[n_series:]
        error = (rebuilt - views.target.repeat(n_views, 1, 1))[hidden]
        huber = nn.functional.huber_loss(error, torch.zeros_like(error), delta=self.width)
        total = huber / self.log_scale.exp() + self.log_scale  # least where the scale is the error
        return {"total": total, "huber": huber}

    def criterion(self, means):
        return means["huber"]


# %%
# The object that builds it
# -------------------------
# A ``BaseEstimator`` that stores its arguments, so that searches can set them.


class HuberObjective(BaseEstimator):
    def __init__(self, *, width=1.0):
        self.width = width

    def build(self):
        return HuberLoss(self.width)


# %%
# The mask
# --------
# A plain function, such as `simmtm_sk.nn.masking.geometric_mask`, hides points of every channel for
# itself. An object sees values and channels.


class SharedMask(BaseEstimator):
    def __init__(self, *, ratio=0.5, span=5.0):
        self.ratio = ratio
        self.span = span

    def draw(self, values, observed, generator):
        n_series, n_channels, length = values.shape
        visible = geometric_mask(n_series, length, self.ratio, self.span, generator)
        return visible[:, None].expand(n_series, n_channels, length)


# %%
# BasicMotions: six channels of a wrist-worn sensor, four activities. Both embeddings are the same
# but for what the encoder has learned.

X_train, y_train = load_dataset("BasicMotions", split="train")
X_test, y_test = load_dataset("BasicMotions", split="test")

ours = {"objective": HuberObjective(), "masking": SharedMask()}
for name, params in [("SimMTM", {}), ("own objective and mask", ours)]:
    embedder = SimMTMTransformer(
        encoder=ConvEncoder(d_model=32), num_epochs=30, random_state=0, **params
    )
    model = make_pipeline(embedder, RidgeClassifierCV())
    model.fit(X_train, y_train)
    print(f"{name:<22} accuracy on the test part: {model.score(X_test, y_test):.3f}")

# %%
LossDisplay.from_estimator(model[0])

# %%
# Classes are not part of a saved file, only the weights are. Give objects of them to ``load``:
# ``simmtm_sk.load("a_file", objective=HuberObjective(), masking=SharedMask())``.
