"""`Code`, and the contract of what makes it; `bottlenecks.py` and `quantizers.py` hold those that do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from isthmus.errors import UsageError


class Code(NamedTuple):
    """The code `z` (B, z_size), its named penalties in nats, unweighted, and whatever else is worth keeping.

    A penalty is (B,), one value a sample; or (), where the samples of a batch are looked at together.
    """

    z: Tensor
    penalties: dict[str, Tensor]
    aux: dict[str, Tensor]


class AbstractBottleneck(nn.Module):
    """Makes a `Code` of h (B, width_in); `sample=False` draws nothing at random and moves no buffer."""

    penalties: Mapping[str, float] = {}  # what `forward` announces, each with its weight unless configured
    signed = True  # whether code values go both ways from zero; decides the colors of the heat strip
    continuous = True  # whether every point near a code is a code too, as edits and interpolations need
    draws = False  # whether a code is drawn at random where `sample` says so
    couples = False  # whether a penalty looks at the samples of a batch together, so that one alone has none

    def width_in(self, z_size: int) -> int:
        """How many features the encoder must give."""
        return z_size

    @abstractmethod
    def forward(self, h: Tensor, *, sample: bool, generator: torch.Generator | None = None) -> Code: ...

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size) codes from the prior. Raises: UsageError where there is none."""
        name = type(self).__name__.lower()
        raise UsageError("USAGE-PRIOR", f"the bottleneck {name!r} has no prior to sample from.", fix="encode real data")

    def statistics(self) -> dict[str, float]:
        """Numbers about its state, for the history."""
        return {}

    @property
    def has_prior(self) -> bool:
        return type(self).sample_prior is not AbstractBottleneck.sample_prior


def precise(h: Tensor) -> Tensor:
    """h in float32 at least: autocast gives bfloat16, which has two digits."""
    return h if h.dtype in (torch.float32, torch.float64) else h.float()


def straight_through(h: Tensor, value: Tensor) -> Tensor:
    """`value`, exactly, with the gradient of h. Source: Bengio et al. 2013, arXiv:1308.3432, section 4."""
    return value.detach() + (h - h.detach())


class HeldBetween(torch.autograd.Function):
    """h clamped to [low, high]; outside, the gradient passes only where a step against it leads back inside.

    A clamp's own gradient of zero would hold h outside for good; that of `straight_through` would drive it on.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(h)
        ctx.low, ctx.high = low, high
        return h.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (h,), (gradient,) = ctx.saved_tensors, gradients
        outward = ((h < ctx.low) & (gradient > 0)) | ((h > ctx.high) & (gradient < 0))
        return gradient.masked_fill(outward, 0.0), None, None


def held_between(h: Tensor, low: float, high: float) -> Tensor:
    """h clamped to [low, high], and brought back by the optimizer from outside, never driven further out."""
    return HeldBetween.apply(h, low, high)  # type: ignore[return-value]
