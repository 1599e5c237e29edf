"""The strategies: what happens to network and head when there is something to predict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Strategy:
    """What the name of a strategy stands for.

    Attributes
    ----------
    pretrains : bool
        Whether the network starts pre-trained, or as it was given, and not from initial weights.
    solves : bool
        Whether a head is solved for in closed form.
    trains : bool
        Whether network and head are trained together, the head from that solution or from zero.
    """

    pretrains: bool
    solves: bool
    trains: bool


STRATEGIES = {
    "linear-probe": Strategy(pretrains=True, solves=True, trains=False),
    "fine-tune": Strategy(pretrains=True, solves=False, trains=True),
    "probe-then-fine-tune": Strategy(pretrains=True, solves=True, trains=True),
    "from-scratch": Strategy(pretrains=False, solves=False, trains=True),
}
