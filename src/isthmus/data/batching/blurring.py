"""Gaussian blurs of a batch, each image by a width of its own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

REACH = 3  # pixels on each side: of a Gaussian of 1.5 pixels, the widest that is used, 95 % lie within


def blurred(x: Float[Tensor, "B C H W"], width: Tensor, *, unit: str) -> Float[Tensor, "B C H2 W2"]:
    """x through a Gaussian of `width` pixels, () or (B, 1, 1, 1), three pixels smaller on each side.

    The taps of `unit` "sum" add up to 1, which keeps what is flat; of "norm" their squares do, which keeps white noise
    as strong as it was.
    """
    B, C, _, _ = x.shape
    places = torch.arange(-REACH, REACH + 1.0, device=x.device, dtype=x.dtype)
    taps = torch.exp(-places.square() / (2 * width.reshape(-1, 1).square()))
    taps = taps / (taps.sum(1, keepdim=True) if unit == "sum" else taps.square().sum(1, keepdim=True).sqrt())
    taps = taps.expand(B, -1).repeat_interleave(C, 0)[:, None]
    planes = x.reshape(1, B * C, *x.shape[2:])
    rows = F.conv2d(planes, taps[..., None], groups=B * C)
    return F.conv2d(rows, taps[:, :, None], groups=B * C).reshape(B, C, x.shape[2] - 2 * REACH, -1)
