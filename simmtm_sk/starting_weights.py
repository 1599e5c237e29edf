"""The weights that pre-training starts from: new ones, or those of the last fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .embedding import Embedding
from .nn.model import SimMTM
from .nn.randomness import redirected
from .training.isolation import isolated_torch
from .training.pretraining import Pretraining


@dataclass(frozen=True)
class StartingWeights:
    """Network and fixed blocks at the start of a fit, or at the end of the last one.

    Attributes
    ----------
    network : SimMTM
    embedding : Embedding
    length : int
        Of the longest row that both were built for.
    trained : bool, default=False
        Whether the network has been trained since it was drawn.
    """

    network: SimMTM
    embedding: Embedding
    length: int
    trained: bool = False

    @classmethod
    def drawn(
        cls, settings: Pretraining, blocks: tuple[str, ...], n_channels: int, length: int
    ) -> StartingWeights:
        """Return initial weights, which follow from the seed alone."""
        with isolated_torch(settings.plan.seed), redirected():
            network = settings.drawn_network(n_channels, length)
            return cls(network, Embedding(blocks, n_channels, length), length)

    def adopt(self, last: StartingWeights) -> None:
        """Take over the weights of another fit, and those of the blocks that both have.

        Raises
        ------
        ValueError
            If that network has another shape.
        """
        try:
            self.network.load_state_dict(last.network.state_dict())
        except RuntimeError as error:
            raise ValueError(
                "warm_start needs an encoder of the same shape and as many channels as in the last "
                f"fit ({str(error).splitlines()[-1].strip()})"
            ) from error
        self.embedding.adopt(last.embedding)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights of the network, which tell one warm start from another."""
        return {name: weight.numpy() for name, weight in self.network.state_dict().items()}
