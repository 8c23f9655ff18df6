"""What turns the decoder's output into a cost in nats per sample, and into a picture.

Inside, `nll` is in nats, summed over the dimensions of a sample. What people read, and what the optimizer sees, is
`readable`: an exact affine map of the nats per value onto the number that the field reports (binary cross-entropy,
mean squared error, mean absolute error).
"""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from isthmus.registry import build


class AbstractLikelihood(nn.Module):
    """p(x | z), from the decoder's output `params` (B, channels_out(C), …)."""

    unit: str  # what `readable` gives
    range: tuple[float, float] | None = None  # targets outside of it are refused
    slope, offset = 1.0, 0.0

    def channels_out(self, C: int) -> int:
        """How many channels the decoder must give for C channels of data."""
        return C

    @abstractmethod
    def nll(self, params: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """-log p(target | params) in nats, (B,): summed over dimensions, each value weighted by `weight`."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """The expected x: the reconstruction, in the shape of the target."""

    def from_mean(self, x: Tensor) -> Tensor:
        """The params whose `mean` is x: where the output bias starts."""
        return x

    def readable(self, nats_per_value: Tensor | float) -> Tensor | float:
        """Nats per value as `unit`: (nats - offset) * slope."""
        return (nats_per_value - self.offset) * self.slope


def _per_sample(cost: Tensor, weight: Tensor | None) -> Tensor:
    return (cost if weight is None else cost * weight).flatten(1).sum(1)


class Bernoulli(AbstractLikelihood):
    """bernoulli: binary cross-entropy, -x log p - (1 - x) log(1 - p); grey values count as probabilities.

    `output="logits"` reads the decoder's output as log p/(1-p), which is exact where p saturates;
    `output="probabilities"` is for networks that end in a sigmoid of their own.
    """

    unit = "binary cross-entropy"
    range = (0.0, 1.0)

    def __init__(self, *, output: str = "logits") -> None:
        super().__init__()
        if output not in {"logits", "probabilities"}:
            raise ValueError(f"output is {output!r}, allowed are 'logits' and 'probabilities'")
        self.logits = output == "logits"

    def nll(
        self, params: Float[Tensor, "B ..."], target: Float[Tensor, "B ..."], weight: Tensor | None = None
    ) -> Tensor:
        cost = F.binary_cross_entropy_with_logits if self.logits else F.binary_cross_entropy
        return _per_sample(cost(params.to(target.dtype), target, reduction="none"), weight)

    def mean(self, params: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return params.sigmoid() if self.logits else params

    def from_mean(self, x: Tensor) -> Tensor:
        # A pixel that is black in every image would start at -inf; 0.001 is below 1/255, so it shows as black.
        return torch.logit(x, eps=1e-3) if self.logits else x


class Gaussian(AbstractLikelihood):
    """gaussian: squared error, (x - mean)^2 / 2 + log(2 pi) / 2 nats, the normal density of deviation 1."""

    unit = "mean squared error"
    slope, offset = 2.0, 0.5 * math.log(2 * math.pi)

    def nll(
        self, params: Float[Tensor, "B ..."], target: Float[Tensor, "B ..."], weight: Tensor | None = None
    ) -> Tensor:
        return _per_sample((params.to(target.dtype) - target).square() / 2 + self.offset, weight)

    def mean(self, params: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return params


class Laplace(AbstractLikelihood):
    """laplace: absolute error, |x - mean| + log 2 nats, the Laplace density of scale 1; outliers pull less."""

    unit = "mean absolute error"
    offset = math.log(2)

    def nll(
        self, params: Float[Tensor, "B ..."], target: Float[Tensor, "B ..."], weight: Tensor | None = None
    ) -> Tensor:
        return _per_sample((params.to(target.dtype) - target).abs() + self.offset, weight)

    def mean(self, params: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return params


LIKELIHOODS: dict[str, type[AbstractLikelihood]] = {"bernoulli": Bernoulli, "gaussian": Gaussian, "laplace": Laplace}


def likelihood(text: str) -> AbstractLikelihood:
    """The likelihood that `text` names, such as `"bernoulli"` or `"bernoulli,output=probabilities"`."""
    return build("likelihood", LIKELIHOODS, text)
