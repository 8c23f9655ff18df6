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

from isthmus.parts.codes import held_between
from isthmus.registry import build

VARIANCES = ("fixed", "shared", "learned")
# The scale from half a gray level of 255, 0.0025, where a density says no more about bytes, to 20 times a column's
# deviation, where no error is left to explain.
LOG_SCALE = (-6.0, 3.0)


class AbstractLikelihood(nn.Module):
    """p(x | z), from the decoder's output `params` (B, channels_out(C), …)."""

    unit: str  # what `readable` gives
    range: tuple[float, float] | None = None  # targets outside of it are refused
    params_range: tuple[float, float] | None = None  # so are networks whose output may lie outside of it
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
        """The params (B, channels_out(C), …) whose `mean` is x (B, C, …): where the output bias starts."""
        return x

    def readable(self, nats_per_value: Tensor | float) -> Tensor | float:
        """Nats per value as `unit`: (nats - offset) * slope."""
        if self.slope == 1.0 and self.offset == 0.0:
            return nats_per_value  # as it is: two operations less in every step, and in its gradient
        return (nats_per_value - self.offset) * self.slope


def _per_sample(cost: Tensor, weight: Tensor | None) -> Tensor:
    return (cost if weight is None else cost * weight).flatten(1).sum(1)


class BernoulliLikelihood(AbstractLikelihood):
    """bernoulli: binary cross-entropy, -x log p - (1 - x) log(1 - p); gray values count as probabilities.

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
        self.params_range = None if self.logits else (0.0, 1.0)

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


class AbstractScaled(AbstractLikelihood):
    """p(x | z) around a mean, with a scale that is 1 (`variance="fixed"`), one learned number for all values
    (`"shared"`), or given by the decoder for each value (`"learned"`), in twice the channels.

    A learned scale weighs the cost against the penalties by itself; the cost is in nats then, since no scale of its own
    is left to read an error in. Source: Rybkin et al. 2021, Sigma VAE, arXiv:2006.13202, section 3.
    """

    nats_at_mean: float  # at scale 1
    usual_unit: str  # of a fixed scale
    usual_slope: float

    def __init__(self, *, variance: str = "fixed") -> None:
        super().__init__()
        if variance not in VARIANCES:
            raise ValueError(f"variance is {variance!r}, allowed are {', '.join(map(repr, VARIANCES))}")
        self.variance = variance
        if variance == "fixed":
            self.slope, self.offset, self.unit = self.usual_slope, self.nats_at_mean, self.usual_unit
        else:
            self.unit = "nats"
        if variance == "shared":
            self.log_scale = nn.Parameter(torch.zeros(()))

    @abstractmethod
    def distance(self, error: Tensor) -> Tensor:
        """The nats of an error at scale 1, above those at the mean."""

    def channels_out(self, C: int) -> int:
        return 2 * C if self.variance == "learned" else C

    def nll(
        self, params: Float[Tensor, "B ..."], target: Float[Tensor, "B ..."], weight: Tensor | None = None
    ) -> Tensor:
        params = params.to(target.dtype)
        if self.variance == "fixed":
            return _per_sample(self.distance(params - target) + self.nats_at_mean, weight)
        log_scale = self._log_scale(params)
        cost = self.distance((self.mean(params) - target) * (-log_scale).exp()) + log_scale + self.nats_at_mean
        return _per_sample(cost, weight)

    def mean(self, params: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return params.chunk(2, dim=1)[0] if self.variance == "learned" else params

    def from_mean(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return torch.cat([x, torch.zeros_like(x)], dim=1) if self.variance == "learned" else x

    def _log_scale(self, params: Tensor) -> Tensor:
        raw = params.chunk(2, dim=1)[1] if self.variance == "learned" else self.log_scale.to(params.dtype)
        return held_between(raw, *LOG_SCALE)


class GaussianLikelihood(AbstractScaled):
    """gaussian: squared error, (x - mean)^2 / 2 + log(2 pi) / 2 nats, the normal density of deviation 1.

    variance=shared learns one deviation, variance=learned one for every value.
    """

    usual_unit, usual_slope, nats_at_mean = "mean squared error", 2.0, 0.5 * math.log(2 * math.pi)

    def distance(self, error: Tensor) -> Tensor:
        return error.square() / 2


class LaplaceLikelihood(AbstractScaled):
    """laplace: absolute error, |x - mean| + log 2 nats, the Laplace density of scale 1; outliers pull less.

    variance=shared learns one scale, variance=learned one for every value.
    """

    usual_unit, usual_slope, nats_at_mean = "mean absolute error", 1.0, math.log(2)

    def distance(self, error: Tensor) -> Tensor:
        return error.abs()


LIKELIHOODS: dict[str, type[AbstractLikelihood]] = {
    "bernoulli": BernoulliLikelihood,
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
}


def likelihood(text: str) -> AbstractLikelihood:
    """The likelihood that `text` names, such as `"bernoulli"` or `"bernoulli,output=probabilities"`."""
    return build("likelihood", LIKELIHOODS, text)
