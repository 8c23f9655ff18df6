"""The likelihoods: Bernoulli, Gaussian, Laplace, and one for columns of several kinds; see `AbstractLikelihood`."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from isthmus.data.batching.encoding import Encoding
from isthmus.parts.abstract_likelihood import AbstractLikelihood, per_sample
from isthmus.parts.codes import held_between
from isthmus.parts.column_likelihood import ColumnsLikelihood
from isthmus.registry import build

VARIANCES = ("fixed", "shared", "learned")
OUTPUTS = ("linear", "sigmoid")
BLACKEST = 1e-3  # a pixel that is black in every image would start at -inf; this is below 1/255, so it shows as black
# The scale, from half a gray level of 255, 0.0025, below which a density says nothing more about bytes, to 20 times a
# column's standard deviation, beyond which no error is left to explain.
LOG_SCALE = (-6.0, 3.0)


class BernoulliLikelihood(AbstractLikelihood):
    """bernoulli: binary cross-entropy, -x log p - (1 - x) log(1 - p); gray values count as probabilities.

    `output="logits"` interprets the decoder's output as log p/(1-p), which stays exact if p saturates;
    `output="probabilities"` is for networks that end in their own sigmoid.
    """

    unit = "binary cross-entropy"
    range = (0.0, 1.0)

    def __init__(self, *, output: str = "logits") -> None:
        super().__init__()
        if output not in {"logits", "probabilities"}:
            raise ValueError(f"output is {output!r}, but must be 'logits' or 'probabilities'")
        self.logits = output == "logits"
        self.params_range = None if self.logits else (0.0, 1.0)

    def nll(
        self, params: Float[Tensor, "B ..."], target: Float[Tensor, "B ..."], weight: Tensor | None = None
    ) -> Tensor:
        params = params.to(target.dtype)
        if self.logits:
            return per_sample(cast(Tensor, LogitsCost.apply(params, target)), weight)
        return per_sample(F.binary_cross_entropy(params, target, reduction="none"), weight)

    def mean(self, params: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return params.sigmoid() if self.logits else params

    def from_mean(self, x: Tensor) -> Tensor:
        return torch.logit(x, eps=BLACKEST) if self.logits else x


class LogitsCost(torch.autograd.Function):
    """Binary cross-entropy of each value from logits l: log(1 + e^l) - x l, with the slope sigmoid(l) - x.

    Cost and slope share one sigmoid, which takes half the time of PyTorch's own two passes.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        p = logits.sigmoid()
        ctx.save_for_backward(p, target)
        # log(1 + e^l) = max(l, 0) - log sigmoid(|l|), and sigmoid(|l|) is the larger of p and 1 - p.
        return logits.clamp(min=0).addcmul_(logits, target, value=-1).sub_(torch.maximum(p, 1 - p).log_())

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        p, target = ctx.saved_tensors
        return (p - target) * slope, None


class AbstractScaled(AbstractLikelihood):
    """p(x | z) around a mean, with a scale that is 1 (`variance="fixed"`), one learned number for all values
    (`"shared"`), or an output of the decoder for each value (`"learned"`), which doubles the channels.

    A learned scale balances the cost and the penalties automatically. Then the cost is in nats, because without a fixed
    scale there is no unit for an error. Source: Rybkin et al. 2021, Sigma VAE, arXiv:2006.13202, section 3.

    `output="sigmoid"` interprets the decoder's output as log m/(1-m) of the mean m, for images between black 0 and
    white 1, so that an even background is easy for the network. Targets may lie outside, means do not.
    """

    nats_at_mean: float  # at scale 1
    usual_unit: str  # with a fixed scale
    usual_slope: float

    def __init__(self, *, variance: str = "fixed", output: str = "linear") -> None:
        super().__init__()
        for name, given, allowed in (("variance", variance, VARIANCES), ("output", output, OUTPUTS)):
            if given not in allowed:
                raise ValueError(f"{name} is {given!r}, but must be one of {', '.join(map(repr, allowed))}")
        self.variance, self.logits = variance, output == "sigmoid"
        if variance == "fixed":
            self.slope, self.offset, self.unit = self.usual_slope, self.nats_at_mean, self.usual_unit
        else:
            self.unit = "nats"
        if variance == "shared":
            self.log_scale = nn.Parameter(torch.zeros(()))

    @abstractmethod
    def distance(self, error: Tensor) -> Tensor:
        """The nats of an error at scale 1, in addition to those at the mean."""

    def channels_out(self, C: int) -> int:
        return 2 * C if self.variance == "learned" else C

    def nll(
        self, params: Float[Tensor, "B ..."], target: Float[Tensor, "B ..."], weight: Tensor | None = None
    ) -> Tensor:
        params = params.to(target.dtype)
        error = self.mean(params) - target
        if self.variance == "fixed":
            return per_sample(self.distance(error) + self.nats_at_mean, weight)
        log_scale = self._log_scale(params)
        cost = self.distance(error * (-log_scale).exp()) + log_scale + self.nats_at_mean
        return per_sample(cost, weight)

    def mean(self, params: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        raw = params.chunk(2, dim=1)[0] if self.variance == "learned" else params
        return raw.sigmoid() if self.logits else raw

    def from_mean(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        x = torch.logit(x, eps=BLACKEST) if self.logits else x
        return torch.cat([x, torch.zeros_like(x)], dim=1) if self.variance == "learned" else x

    def _log_scale(self, params: Tensor) -> Tensor:
        raw = params.chunk(2, dim=1)[1] if self.variance == "learned" else self.log_scale.to(params.dtype)
        return held_between(raw, *LOG_SCALE)


class GaussianLikelihood(AbstractScaled):
    """gaussian: squared error, (x - mean)^2 / 2 + log(2 pi) / 2 nats, the normal density with standard deviation 1.

    variance=shared learns one standard deviation, variance=learned one for every value; output=sigmoid is for images
    between black and white.
    """

    usual_unit, usual_slope, nats_at_mean = "mean squared error", 2.0, 0.5 * math.log(2 * math.pi)

    def distance(self, error: Tensor) -> Tensor:
        return error.square() / 2


class LaplaceLikelihood(AbstractScaled):
    """laplace: absolute error, |x - mean| + log 2 nats, the Laplace density of scale 1; less sensitive to outliers.

    variance=shared learns one scale, variance=learned one for every value; output=sigmoid as for gaussian.
    """

    usual_unit, usual_slope, nats_at_mean = "mean absolute error", 1.0, math.log(2)

    def distance(self, error: Tensor) -> Tensor:
        return error.abs()


LIKELIHOODS: dict[str, type[AbstractLikelihood]] = {
    "bernoulli": BernoulliLikelihood,
    "columns": ColumnsLikelihood,
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
}


def likelihood(text: str, encoding: Encoding | None = None) -> AbstractLikelihood:
    """The likelihood that `text` names, such as `"bernoulli"` or `"bernoulli,output=probabilities"`; for `"columns"`,
    `encoding` describes the values of the columns.
    """
    return build("likelihood", LIKELIHOODS, text, encoding=encoding)
