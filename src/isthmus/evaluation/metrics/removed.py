"""What a denoiser took away, looked at for structure: the only judgment where nobody knows the clean picture."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from isthmus.models.removal_bound import CELL, LEAST_SEEN, MOST_CLIPPED, clipped_share, ends_of

BLOCK = CELL  # 8 pixels: a block of 64 values tells its variance to a sixth, and lies within or beside an edge
DEGREE, ENOUGH = 2, 16  # of the parabola, and blocks that it takes: fewer would follow it by chance
DETAIL = 1.5  # pixels: what a blur of that width changes in the denoised picture is its detail


class Removed(NamedTuple):
    """Of what was taken away, on the scale of x: its `sd`; `beside` and `below`, the correlation of its neighbors in a
    row and in a column; `with_detail`, its correlation with the detail of the denoised picture; `at_detail`, that of
    its strength with the picture's, block by block, less what goes with their brightness; blocks that are clipped do
    not count. Noise that has nothing to do with the picture, or with its brightness alone as that of photons has, comes
    to 0 in both.
    """

    sd: float
    beside: float
    below: float
    with_detail: float
    at_detail: float


def look_at_removed(noisy: Float[Tensor, "N C H W"], denoised: Float[Tensor, "N C H W"]) -> Removed:
    """Means over images; of images of less than a block all is 0."""
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
    """(N, blocks): the log of the variance in each block, of all channels."""
    if min(x.shape[2:]) < BLOCK:
        return x.new_zeros((len(x), 0))
    blocks = x.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK)
    return blocks.var((-1, -2), correction=0).mean(1).flatten(1).clamp_min(1e-12).log()


def _seen(noisy: Tensor) -> Tensor:
    """(N, blocks): 1 where a block may show noise, 0 where it is clipped; all 1 in an image that is nearly all so."""
    H, W = (side // BLOCK * BLOCK for side in noisy.shape[2:])
    shares = clipped_share(noisy[..., :H, :W].float(), ends_of(noisy)).flatten(1)
    seen = shares <= MOST_CLIPPED
    return (seen | (seen.double().mean(1, keepdim=True) < LEAST_SEEN)).double()


def _beyond_brightness(removed: Tensor, detail: Tensor, picture: Tensor, seen: Tensor) -> float:
    """The correlation of strengths (N, blocks) once the part of `removed` is off that a parabola of the brightness of
    the blocks tells; of few blocks its mean. Blocks that are not `seen` do not count.

    Of `detail` nothing is taken off: what is left of it in a picture of few grays would be noise that was left in.
    """
    brightness = picture.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK).mean((1, -2, -1)).flatten(1)
    powers = DEGREE + 1 if float(seen.sum(1).min()) >= ENOUGH else 1
    basis = torch.stack([_centered(brightness, seen) ** k * seen for k in range(powers)], 2)
    told = (basis @ (torch.linalg.pinv(basis) @ (removed * seen)[..., None]))[..., 0]
    return _correlation(removed * seen - told, _centered(detail, seen))


def _centered(values: Tensor, seen: Tensor) -> Tensor:
    """Less their mean over what is seen; 0 elsewhere."""
    return (values - (values * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True)) * seen


def _correlation(a: Tensor, b: Tensor) -> float:
    scale = (a.square().mean() * b.square().mean()).sqrt()
    return float((a * b).mean() / scale) if float(scale) > 0 else 0.0


__all__ = ["Removed", "look_at_removed"]
