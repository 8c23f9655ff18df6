"""`Code`, and the contract of bottlenecks, which are in `bottlenecks.py` and `quantizers.py`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from isthmus.errors import UsageError


class Code(NamedTuple):
    """The code `z` (B, z_size), its penalties by name in nats, unweighted, and additional values.

    A penalty is (B,), one value per sample; or (), if it is computed from all samples of a batch together.
    """

    z: Tensor
    penalties: dict[str, Tensor]
    aux: dict[str, Tensor]


class AbstractBottleneck(nn.Module):
    """Makes a `Code` from h (B, width_in); with `sample=False`, nothing is random and no buffer changes."""

    penalties: Mapping[str, float] = {}  # the penalties of `forward`, with their default weights
    signed = True  # whether code values can be negative, which decides the colors of the heat strip
    continuous = True  # whether every point near a code is also a code, as edits and interpolations need
    draws = False  # whether the code is random with `sample`
    couples = False  # whether a penalty needs several samples of a batch at a time

    def width_in(self, z_size: int) -> int:
        """How many features the encoder must return."""
        return z_size

    @abstractmethod
    def forward(self, h: Tensor, *, sample: bool, generator: torch.Generator | None = None) -> Code: ...

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size) codes from the prior. Raises: UsageError if there is none."""
        name = type(self).__name__.lower()
        raise UsageError("USAGE-PRIOR", f"the bottleneck {name!r} has no prior to sample from.", fix="encode real data")

    def statistics(self) -> dict[str, float]:
        """Numbers about the state, for the history."""
        return {}

    @property
    def has_prior(self) -> bool:
        return type(self).sample_prior is not AbstractBottleneck.sample_prior


def precise(h: Tensor) -> Tensor:
    """h in at least float32: autocast returns bfloat16, which has two digits."""
    return h if h.dtype in (torch.float32, torch.float64) else h.float()


def straight_through(h: Tensor, value: Tensor) -> Tensor:
    """`value`, exactly, with the gradient of h. Source: Bengio et al. 2013, arXiv:1308.3432, section 4."""
    return value.detach() + (h - h.detach())


class HeldBetween(torch.autograd.Function):
    """h clamped to [low, high]; outside, the gradient passes only if a step against it leads back inside.

    The zero gradient of a clamp would keep h outside forever; that of `straight_through` could move it further out.
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
    """h clamped to [low, high]; from outside, the optimizer can bring h back, but never move it further out."""
    return HeldBetween.apply(h, low, high)  # type: ignore[return-value]
