"""Pixels that nobody sees: where transparency is 0, colors are whatever a program left there, and weigh nothing.

The last of C channels is transparency. Network input x may be of pairs, 2C channels; each half has its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-6  # above nothing: far below one level of 16 bits (1.5e-5), and above the rounding of float32
FULL = {torch.uint16: 65535.0}  # other whole numbers are bytes, in whatever type


def cleared(x: Tensor, C: int, nothing: float) -> Tensor:
    """x (B, kC, H, W) with colors 0 where transparency is `nothing`, so that no answer depends on what stood there."""
    parts = [torch.where(_seen(part, nothing), part, torch.zeros_like(part)) for part in x.split(C, dim=1)]
    return torch.cat(parts, dim=1)


def weights(target: Tensor, nothing: float) -> Tensor:
    """How much each value of a target (B, C, H, W) counts: alike where it is seen, not at all where not; 1 in the mean
    of each image. Transparency itself is seen everywhere.
    """
    seen = _seen(target, nothing).to(target.dtype)
    return seen / seen.flatten(1).mean(1).reshape(-1, 1, 1, 1)


def seen_only(x: Tensor, x_hat: Tensor, nothing: float) -> Tensor:
    """x_hat with x where x is not seen."""
    return torch.where(_seen(x, nothing), x_hat, x)


def seen_share(x: Tensor, nothing: float) -> Tensor:
    """The share of the values of each image (B, C, H, W) that are seen, (B,) float64 on the processor."""
    return _seen(x, nothing).flatten(1).float().mean(1).double().cpu()


def with_opaque(raw: Tensor, white: float | None) -> Tensor:
    """Raw images (N, C, H, W) with a channel of full opacity behind the others: `white`, or as their type has it."""
    of_type = 1.0 if raw.dtype.is_floating_point else FULL.get(raw.dtype, 255.0)
    opaque = torch.full_like(raw[:, :1], of_type if white is None else white)
    return torch.cat([raw, opaque], dim=1)


def _seen(x: Tensor, nothing: float) -> Tensor:
    """Which values are seen, of the shape of x."""
    colors = (x[:, -1:] > nothing + LEAST).expand(-1, x.shape[1] - 1, -1, -1)
    return torch.cat([colors, torch.ones_like(x[:, -1:], dtype=torch.bool)], dim=1)


__all__ = ["cleared", "seen_only", "seen_share", "weights", "with_opaque"]
