"""Invisible pixels: where opacity is 0, colors are arbitrary and have no weight.

The last of C channels is transparency. Network input x may hold pairs with 2C channels; each half has its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-6  # smallest opacity: far below one level of 16 bits (1.5e-5), and above the rounding of float32
FULL = {torch.uint16: 65535.0}  # other integers are bytes, whatever their type


def cleared(x: Tensor, C: int, nothing: float) -> Tensor:
    """x (B, kC, H, W) with colors 0 where opacity is `nothing`, so that no result depends on invisible colors."""
    parts = [torch.where(_seen(part, nothing), part, torch.zeros_like(part)) for part in x.split(C, dim=1)]
    return torch.cat(parts, dim=1)


def weights(target: Tensor, nothing: float) -> Tensor:
    """The weight of each value of a target (B, C, H, W): equal for visible values, 0 for invisible ones, 1 in the mean
    of each image. The transparency channel is visible everywhere.
    """
    seen = _seen(target, nothing).to(target.dtype)
    return seen / seen.flatten(1).mean(1).reshape(-1, 1, 1, 1)


def seen_only(x: Tensor, x_hat: Tensor, nothing: float) -> Tensor:
    """x_hat, replaced by x where x is invisible."""
    return torch.where(_seen(x, nothing), x_hat, x)


def seen_share(x: Tensor, nothing: float) -> Tensor:
    """The fraction of visible values in each image (B, C, H, W), (B,) float64 on the CPU."""
    return _seen(x, nothing).flatten(1).float().mean(1).double().cpu()


def with_opaque(raw: Tensor, white: float | None) -> Tensor:
    """Raw images (N, C, H, W) with an opaque channel added at the end: `white`, or the maximum of their type."""
    of_type = 1.0 if raw.dtype.is_floating_point else FULL.get(raw.dtype, 255.0)
    opaque = torch.full_like(raw[:, :1], of_type if white is None else white)
    return torch.cat([raw, opaque], dim=1)


def _seen(x: Tensor, nothing: float) -> Tensor:
    """Which values are visible, in the shape of x."""
    colors = (x[:, -1:] > nothing + LEAST).expand(-1, x.shape[1] - 1, -1, -1)
    return torch.cat([colors, torch.ones_like(x[:, -1:], dtype=torch.bool)], dim=1)


__all__ = ["cleared", "seen_only", "seen_share", "weights", "with_opaque"]
