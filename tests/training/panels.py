"""Random walks, as panels that members are fitted to."""

import numpy as np
import torch

from simmtm_sk.training.members import panel_of

CPU = torch.device("cpu")


def walks(lengths=(120, 90), seed=0):
    draw = np.random.default_rng(seed)
    return [5 + draw.normal(size=n).cumsum() for n in lengths]


def panel(series=None, share=1.0):
    series = walks() if series is None else series
    return panel_of(series, np.array([int(share * len(values)) for values in series]), CPU)
