"""The contract of likelihoods: what turns the decoder's output into a cost in nats per sample, and into a picture.

Inside, `nll` is in nats, summed over the dimensions of a sample. What people read, and what the optimizer sees, is
`readable`: an exact affine map of the nats per value onto the number that the field reports (binary cross-entropy,
mean squared error, mean absolute error).
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class AbstractLikelihood(nn.Module):
    """p(x | z), from the decoder's output `params` (B, channels_out(C), …)."""

    unit: str  # what `readable` gives
    range: tuple[float, float] | None = None  # targets outside of it are refused
    params_range: tuple[float, float] | None = None  # so are networks whose output may lie outside of it
    slope, offset = 1.0, 0.0
    logits = False  # whether params are log m / (1 - m) of the mean m

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

    def errors(self, params: Tensor, x: Tensor) -> Tensor:
        """How far off the answer is, (B, …): the squared error of each value, or a cost of each column by kind."""
        return (self.mean(params) - x).square()

    def readable(self, nats_per_value: Tensor | float) -> Tensor | float:
        """Nats per value as `unit`: (nats - offset) * slope."""
        if self.slope == 1.0 and self.offset == 0.0:
            return nats_per_value  # as it is: two operations less in every step, and in its gradient
        return (nats_per_value - self.offset) * self.slope


def per_sample(cost: Tensor, weight: Tensor | None) -> Tensor:
    return (cost if weight is None else cost * weight).flatten(1).sum(1)
