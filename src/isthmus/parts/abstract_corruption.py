"""The contract of corruptions: from a batch to the network's input, the target, and the weight of each value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.errors import UsageError

Shape = tuple[int, ...] | None
Denoise = Callable[[Tensor], Tensor]


class Pair(NamedTuple):
    """`x_in` is the encoder's input, `target` the desired output, `weight` (None for 1) the weight of each value."""

    x_in: Tensor
    target: Tensor
    weight: Tensor | None = None


def unfit(noise: str, needed: str) -> UsageError:
    """The error for a noise that cannot be added to the data, which is not `needed`."""
    return UsageError("USAGE-PART", f"{noise} noise needs {needed}.", fix="choose another noise, such as gaussian:0.1")


class AbstractCorruption(ABC):
    """`(x, generator) -> Pair`: x is (B, ...), and is not changed.

    `has_truth`: whether the target is the clean x. `draws_by_value`: whether the number of random numbers for a sample
    depends on its values, so that it changes the random numbers of later samples.
    """

    has_truth = True
    draws_by_value = False

    @abstractmethod
    def __call__(self, x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Pair: ...

    def training_pair(
        self, x: Float[Tensor, "B ..."], generator: torch.Generator | None, denoise: Denoise, done: float | Tensor
    ) -> Pair:
        """The pair for a training step after the share `done` of the training. Most corruptions ignore `done` and
        `denoise`, the current model."""
        return self(x, generator)


class AbstractNoise(AbstractCorruption):
    """A corruption whose target is x itself, with weight 1 for every value."""

    def __call__(self, x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Pair:
        return Pair(self.corrupt(x, generator), x)

    @abstractmethod
    def corrupt(self, x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Float[Tensor, "B ..."]:
        """A corrupted copy of x; x is not changed."""
