"""Whether what a denoiser removed has structure: the only test if no clean image is known."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from isthmus.models.removal_bound import CELL, LEAST_SEEN, MOST_CLIPPED, clipped_share, ends_of

BLOCK = CELL  # 8 pixels: the variance of 64 values is known to a sixth, and a block is either on an edge or beside it
DEGREE, ENOUGH = 2, 16  # of the parabola, and the blocks needed for it: fewer could fit it by chance
DETAIL = 1.5  # pixels: the detail of the denoised picture is what a blur of this width changes


class Removed(NamedTuple):
    """Statistics of what was removed, on the scale of x: its standard deviation `sd`; `beside` and `below`, the
    correlation of its neighboring pixels in rows and in columns; `with_detail`, its correlation with the detail of the
    denoised picture; `at_detail`, the correlation of its strength with that of the detail, over blocks that are not
    clipped, with the effect of brightness removed. Both are 0 for noise that is independent of the picture, or that
    depends only on brightness, as photon noise does.
    """

    sd: float
    beside: float
    below: float
    with_detail: float
    at_detail: float


def look_at_removed(noisy: Float[Tensor, "N C H W"], denoised: Float[Tensor, "N C H W"]) -> Removed:
    """Means over images; all 0 for images smaller than a block."""
    removed = (noisy - denoised).double()
    removed = removed - removed.mean((2, 3), keepdim=True)
    power = removed.square().mean()
    if not len(noisy) or float(power) <= 0:
        return Removed(0.0, 0.0, 0.0, 0.0, 0.0)
    beside = (removed[..., 1:] * removed[..., :-1]).mean() / power
    below = (removed[..., 1:, :] * removed[..., :-1, :]).mean() / power
    blurred = torch.from_numpy(ndimage.gaussian_filter(denoised.double().numpy(), (0, 0, DETAIL, DETAIL)))
    detail = denoised.double() - blurred
    strength = [_log_variances(each) for each in (removed, detail)]
    return Removed(
        math.sqrt(float(power)),
        float(beside),
        float(below),
        _correlation(removed, detail),
        _beyond_brightness(strength[0], strength[1], denoised.double(), _seen(noisy)) if strength[0].numel() else 0.0,
    )


def _log_variances(x: Tensor) -> Tensor:
    """(N, blocks): the log of the variance in each block, averaged over channels."""
    if min(x.shape[2:]) < BLOCK:
        return x.new_zeros((len(x), 0))
    blocks = x.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK)
    return blocks.var((-1, -2), correction=0).mean(1).flatten(1).clamp_min(1e-12).log()


def _seen(noisy: Tensor) -> Tensor:
    """(N, blocks): 0 for clipped blocks, which cannot show noise, else 1; all 1 if nearly all blocks are clipped."""
    H, W = (side // BLOCK * BLOCK for side in noisy.shape[2:])
    shares = clipped_share(noisy[..., :H, :W].float(), ends_of(noisy)).flatten(1)
    seen = shares <= MOST_CLIPPED
    return (seen | (seen.double().mean(1, keepdim=True) < LEAST_SEEN)).double()


def _beyond_brightness(removed: Tensor, detail: Tensor, picture: Tensor, seen: Tensor) -> float:
    """The correlation of strengths (N, blocks) after subtracting from `removed` a parabola fitted to the brightness of
    the blocks, or its mean if there are few blocks. Blocks that are not `seen` do not count.

    Nothing is subtracted from `detail`: in a picture with few gray levels, the rest would be remaining noise.
    """
    brightness = picture.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK).mean((1, -2, -1)).flatten(1)
    powers = DEGREE + 1 if float(seen.sum(1).min()) >= ENOUGH else 1
    basis = torch.stack([_centered(brightness, seen) ** k * seen for k in range(powers)], 2)
    told = (basis @ (torch.linalg.pinv(basis) @ (removed * seen)[..., None]))[..., 0]
    return _correlation(removed * seen - told, _centered(detail, seen))


def _centered(values: Tensor, seen: Tensor) -> Tensor:
    """The values minus their mean over the blocks that are seen; 0 for the others."""
    return (values - (values * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True)) * seen


def _correlation(a: Tensor, b: Tensor) -> float:
    scale = (a.square().mean() * b.square().mean()).sqrt()
    return float((a * b).mean() / scale) if float(scale) > 0 else 0.0


__all__ = ["Removed", "look_at_removed"]
