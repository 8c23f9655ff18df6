"""What a corruption is: it makes of a batch what goes in, what should come out, and how much each value counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Shape = tuple[int, ...] | None
Denoise = Callable[[Tensor], Tensor]


class Pair(NamedTuple):
    """`x_in` goes into the encoder, `target` should come out, `weight` (or None for 1) says what counts."""

    x_in: Tensor
    target: Tensor
    weight: Tensor | None = None


class AbstractCorruption(ABC):
    """`(x, generator) -> Pair`: x is (B, ...), and stays as it was.

    `has_truth` says whether the target is the clean x; `draws_by_value`, whether the values of a sample decide how many
    random numbers are taken for it, and so which ones the samples after it get.
    """

    has_truth = True
    draws_by_value = False

    @abstractmethod
    def __call__(self, x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Pair: ...

    def training_pair(
        self, x: Float[Tensor, "B ..."], generator: torch.Generator | None, denoise: Denoise, done: float | Tensor
    ) -> Pair:
        """What a step of the training takes, after the share `done` of it: mostly the same, whatever the model's
        `denoise` makes of x by now."""
        return self(x, generator)


class AbstractNoise(AbstractCorruption):
    """A corruption whose target is x itself, where every value counts."""

    def __call__(self, x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Pair:
        return Pair(self.corrupt(x, generator), x)

    @abstractmethod
    def corrupt(self, x: Float[Tensor, "B ..."], generator: torch.Generator | None) -> Float[Tensor, "B ..."]:
        """The corrupted copy of x; x is left as it was."""
