"""Gaussian blur of a batch, with a separate width for each image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

REACH = 3  # pixels on each side: they hold 95 % of a Gaussian of 1.5 pixels, the widest in use


def blurred(x: Float[Tensor, "B C H W"], width: Tensor, *, unit: str) -> Float[Tensor, "B C H2 W2"]:
    """x blurred by a Gaussian of `width` pixels, () or (B, 1, 1, 1), three pixels smaller on each side.

    With `unit` "sum", the taps add up to 1, which keeps flat areas; with "norm", their squares do, which keeps the
    standard deviation of white noise.
    """
    B, C, _, _ = x.shape
    places = torch.arange(-REACH, REACH + 1.0, device=x.device, dtype=x.dtype)
    taps = torch.exp(-places.square() / (2 * width.reshape(-1, 1).square()))
    taps = taps / (taps.sum(1, keepdim=True) if unit == "sum" else taps.square().sum(1, keepdim=True).sqrt())
    taps = taps.expand(B, -1).repeat_interleave(C, 0)[:, None]
    planes = x.reshape(1, B * C, *x.shape[2:])
    rows = F.conv2d(planes, taps[..., None], groups=B * C)
    return F.conv2d(rows, taps[:, :, None], groups=B * C).reshape(B, C, x.shape[2] - 2 * REACH, -1)
