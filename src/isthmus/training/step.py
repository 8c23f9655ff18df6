"""One step of training: a batch, its cost and gradients, the update. Everything stays on the device."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from isthmus.data.batching.batches import AbstractBatches
from isthmus.models.abstract_model import AbstractModel
from isthmus.parts.corruptions import Pair
from isthmus.randomness import generator_for, seed_of
from isthmus.training.adamw import AdamW
from isthmus.training.gradients import Learned
from isthmus.training.halving import HalvingGradients
from isthmus.training_config import TrainingConfig


class Stepped(NamedTuple):
    """The result of a step: costs as in `Learned`; `bad` is 1 if a value was not finite and the update was skipped."""

    told: Tensor
    penalties: dict[str, Tensor]
    bad: Tensor | float


class AbstractStep(ABC):
    """`(rows, step, done, share) -> Stepped`: trains on these samples.

    Random numbers come from (seed, `step`); `done` is the finished share of the training, `share` the share of the
    peak learning rate. `notes` tells the user which settings could not be followed.
    """

    notes: list[str]

    @abstractmethod
    def __call__(self, rows: Tensor, step: int, done: float, share: float) -> Stepped: ...

    @abstractmethod
    def look(self) -> None:
        """Reads from the device whether to stop, if only the device knows."""


@final
class EagerStep(AbstractStep):
    """Runs one operation after the other."""

    def __init__(
        self,
        model: AbstractModel,
        batches: AbstractBatches,
        settings: TrainingConfig,
        optimizer: AdamW,
        gradients: HalvingGradients,
    ) -> None:
        self.model, self.batches, self.settings = model, batches, settings
        self.optimizer, self.gradients, self.device = optimizer, gradients, batches.device
        # On the CPU a number is available at once, and reading it saves the extra operations of the other way.
        self.never_waits = optimizer.is_fused and self.device.type != "cpu"
        drops = any(isinstance(m, nn.modules.dropout._DropoutNd) for m in model.modules())
        self.shakes = drops or model.own is not None
        self.notes = []

    def __call__(self, rows: Tensor, step: int, done: float, share: float) -> Stepped:
        generator = generator_for(self.settings.seed, step, "step", device=self.device)
        self.shake(step)
        pair = self.pair(rows, generator, done, augmented=self.batches.augments(done))
        return self.stepped(self.gradients(pair, generator, done), share)

    def shake(self, step: int) -> None:
        """Seeds PyTorch's global generator, which dropout and custom modules use."""
        if not self.shakes:
            return
        seed = seed_of(self.settings.seed, step, "layers")
        if self.device.type == "cpu":  # `torch.manual_seed` records a stack trace at every step
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def pair(self, rows: Tensor, generator: torch.Generator, done: float | Tensor, *, augmented: bool) -> Pair:
        """The input and the target for these samples."""
        x = self.batches.take(rows, generator, augmented=augmented, own=True)
        pair = self.model.training_pair(x, generator, done)
        return self.model.with_gaps(pair, self.settings.hide, generator)

    def stepped(self, learned: Learned, share: float) -> Stepped:
        """Updates the weights with the gradients of the parameters."""
        update = self.update_unseen if self.never_waits else self._update
        return Stepped(learned.told, learned.penalties, update(learned.cost, share))

    def update_unseen(self, cost: Tensor, share: float | Tensor) -> Tensor:
        """Clips and applies the gradients, unless one is not finite; then it returns 1, else 0, on the device: ()."""
        norm, clip = self.optimizer.norm(), self.settings.clip
        bad = (norm + cost).isfinite().logical_not_().float()
        self.optimizer.step(share, grad_scale=(norm / clip).clamp_(min=1.0) if clip else None, found_inf=bad)
        return bad

    def _update(self, cost: Tensor, share: float) -> float:
        """The same for devices on which reading a number costs nothing."""
        norm, clip = self.optimizer.norm(), self.settings.clip
        if not math.isfinite(float(norm) + float(cost)):
            return 1.0
        self.optimizer.step(share, grad_scale=norm / clip if clip and float(norm) > clip else None)
        return 0.0

    def look(self) -> None:
        self.gradients.look()


__all__ = ["AbstractStep", "EagerStep", "Stepped"]
