"""What the parameters of `SimMTMTransformer` come to: the objects that do the work."""

from __future__ import annotations

import warnings

import torch

from .embedding import Pooling
from .encoders import ConvEncoder
from .interop import SktimeSklearnBridge
from .nn.contracts import Encoder, Objective, takes_channels_apart
from .nn.masking import mask_function
from .objectives import SimMTMObjective
from .relatives import Relatives
from .training.plan import Plan
from .training.pretraining import Pretraining
from .training.settings import (
    EMBEDDING,
    PRETRAINING,
    USUAL_RATE,
    AutomaticSteps,
    autocast_dtype,
    draw_seed,
    epochs,
    resolve_device,
)

# what only a training can pass on to the embedding; masks reach its metric, too
_OF_TRAINING = ("temperature", "constraint_weight", "own_view_weight", "objective")


class TransformerSettings(SktimeSklearnBridge):
    """Base of `SimMTMTransformer`: what depends on its parameters alone."""

    def _check_settings(self) -> None:
        """Check what limits of single parameters do not say, before any work."""
        for name in ("encoder", "objective", "masking"):
            given = getattr(self, name)
            if isinstance(given, type):
                raise TypeError(
                    f"{name} must be an object such as {given.__name__}(), got the class."
                )
        self._device()
        self._pooling()

    def _device(self) -> torch.device:
        return resolve_device(self.device)

    def _any_channels(self) -> bool:
        return takes_channels_apart(self._encoder())

    def _encoder(self) -> Encoder:
        encoder: Encoder = ConvEncoder() if self.encoder is None else self.encoder
        return encoder

    def _objective(self) -> Objective:
        if self.objective is not None:
            given: Objective = self.objective
            return given
        return SimMTMObjective(
            float(self.temperature), self.constraint_weight, float(self.own_view_weight)
        )

    def _pooling(self) -> Pooling:
        return Pooling.of(self.pooling, self.layers)

    def _longest(self) -> int | None:
        return None if self.max_length is None else int(self.max_length)

    def _pretraining(self, n_rows: int, device: torch.device) -> Pretraining:
        """Return what decides about pre-training on so many rows."""
        automatic = EMBEDDING if self._pooling().blocks else PRETRAINING
        n_epochs, evaluate_every = self._epochs(n_rows, automatic)
        plan = Plan(
            n_epochs=n_epochs,
            batch_size=int(self.batch_size),
            lr=USUAL_RATE if self.lr == "auto" else float(self.lr),
            weight_decay=float(self.weight_decay),
            seed=draw_seed(self.random_state),
            patience=self.patience,
            evaluate_every=evaluate_every,
        )
        return Pretraining(
            encoder=self._encoder(),
            objective=self._objective(),
            projection_dim=int(self.projection_dim),
            masking=self.masking,
            mask_ratio=float(self.mask_ratio),
            mask_length=float(self.mask_length),
            n_masks=int(self.n_masks),
            max_length=self._longest(),
            plan=plan,
            validation_fraction=self.validation_fraction,
            autocast=autocast_dtype(self.precision, device),
        )

    def _epochs(self, n_rows: int, automatic: AutomaticSteps) -> tuple[int, int]:
        """Return the epochs of pre-training on so many rows, and those between evaluations."""
        n_train = n_rows - int(self.validation_fraction * n_rows)
        return epochs(self.num_epochs, n_train, self.batch_size, automatic)

    def _warn_of_idle_parameters(self, n_rows: int, plan: Plan) -> None:
        """Say so where a parameter of the objective was chosen, but "auto" trains nothing."""
        if self.num_epochs != "auto" or plan.n_epochs > 0:
            return
        usual = type(self)()
        idle = [name for name in _OF_TRAINING if getattr(self, name) != getattr(usual, name)]
        if idle:
            warnings.warn(
                f"{', '.join(idle)} without effect: num_epochs='auto' does not train on {n_rows} "
                "rows, where it has not been seen to pay. Give num_epochs as a number to train.",
                UserWarning,
                stacklevel=4,
            )

    def _relatives(self, patch_length: int, seed: int) -> Relatives:
        """Return what the metric of the embedding is learned from."""
        return Relatives(
            strength=float(self.metric_strength),
            n_neighbors=int(self.metric_neighbors),
            n_views=int(self.n_masks),
            mask=mask_function(self.masking, patch_length),
            mask_ratio=float(self.mask_ratio),
            mask_length=float(self.mask_length),
            seed=seed,
            neighborhood_weight=float(self.neighborhood_weight),
        )
