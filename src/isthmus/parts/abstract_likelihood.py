"""The contract of likelihoods: from the decoder's output to a cost in nats per sample, and to a reconstruction.

Internally, `nll` is in nats, summed over the dimensions of a sample. Users and the optimizer see `readable`: an exact
affine map from nats per value to the usual number of the field (binary cross-entropy, mean squared error, mean
absolute error).
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class AbstractLikelihood(nn.Module):
    """p(x | z), from the decoder's output `params` (B, channels_out(C), …)."""

    unit: str  # the unit of `readable`
    range: tuple[float, float] | None = None  # targets outside of it are refused
    params_range: tuple[float, float] | None = None  # networks whose output may lie outside of it are refused
    slope, offset = 1.0, 0.0
    logits = False  # whether params are log m / (1 - m) of the mean m

    def channels_out(self, C: int) -> int:
        """How many channels the decoder must return for C channels of data."""
        return C

    @abstractmethod
    def nll(self, params: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """-log p(target | params) in nats, (B,): summed over dimensions, each value weighted by `weight`."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """The expected x: the reconstruction, in the shape of the target."""

    def from_mean(self, x: Tensor) -> Tensor:
        """The params (B, channels_out(C), …) whose `mean` is x (B, C, …), used to initialize the output bias."""
        return x

    def errors(self, params: Tensor, x: Tensor) -> Tensor:
        """The error, (B, …): the squared error of each value, or the cost of each column by its kind."""
        return (self.mean(params) - x).square()

    def readable(self, nats_per_value: Tensor | float) -> Tensor | float:
        """Nats per value as `unit`: (nats - offset) * slope."""
        if self.slope == 1.0 and self.offset == 0.0:
            return nats_per_value  # saves two operations in every step, and in its gradient
        return (nats_per_value - self.offset) * self.slope


def per_sample(cost: Tensor, weight: Tensor | None) -> Tensor:
    return (cost if weight is None else cost * weight).flatten(1).sum(1)
