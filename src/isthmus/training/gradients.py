"""Cost and gradients of one batch: here in one pass, in `shared_gradients.py` in parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from torch import Tensor

from isthmus.models.abstract_model import AbstractModel
from isthmus.models.costs import objective, penalty_weights, risen, with_terms
from isthmus.parts.corruptions import Pair
from isthmus.training.step_context import autocast, widest
from isthmus.training_config import TrainingConfig


class Learned(NamedTuple):
    """What a pass returns in addition to the gradients, all () and detached.

    `cost` is what the gradients are computed from, `told` the same with every penalty at its full weight, for
    reports; both are per value. `penalties` are means over the batch, in nats and unweighted.
    """

    cost: Tensor
    told: Tensor
    penalties: dict[str, Tensor]


class AbstractGradients(ABC):
    """`(pair, generator, done) -> Learned`: leaves the gradients of the whole batch in the parameters.

    `generator` is for the bottleneck and the terms. `done` is the finished share of the training; a captured step
    passes a tensor, because a number would stay constant in it.
    """

    @abstractmethod
    def __call__(self, pair: Pair, generator: torch.Generator, done: float | Tensor) -> Learned: ...

    @abstractmethod
    def look(self) -> None:
        """Reads from the device whether to stop, if only the device knows."""


@final
class WholeGradients(AbstractGradients):
    """One pass over the whole batch."""

    def __init__(self, model: AbstractModel, settings: TrainingConfig, device: torch.device) -> None:
        self.model, self.settings, self.device = model, settings, device
        self.weights = penalty_weights(model)
        self.parameters = [p for p in model.parameters() if p.requires_grad]

    def __call__(self, pair: Pair, generator: torch.Generator, done: float | Tensor) -> Learned:
        for parameter in self.parameters:  # like zero_grad, but 50 microseconds faster
            parameter.grad = None
        with autocast(self.settings, self.device):
            output = self.model(pair.x_in, sample=True, generator=generator)
        if not self.weights:
            cost = objective(self.model, pair, output, self.weights)
            cost.backward()
            return Learned(cost.detach(), cost.detach(), {})
        if self.model.terms:
            output = with_terms(self.model, pair, output, generator)
        weights, told = risen(self.weights, done, self.settings), objective(self.model, pair, output, self.weights)
        cost = told if weights is self.weights else objective(self.model, pair, output, weights)
        cost.backward()
        wide = widest(self.device)
        means = {name: p.detach().mean(dtype=wide) for name, p in output.code.penalties.items()}
        return Learned(cost.detach(), told.detach(), means)

    def look(self) -> None:
        """Nothing to do: one process knows already."""


__all__ = ["AbstractGradients", "Learned", "WholeGradients"]
