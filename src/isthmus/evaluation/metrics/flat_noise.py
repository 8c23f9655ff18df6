"""The noise in the flat parts of images: its strength, and its correlation between neighboring pixels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SIDE = 5  # pixels of a block: large enough for noise correlated over three pixels, small enough to fit beside strokes
FLATTEST = 0.25  # of the blocks of an image, in which there is only noise; digits and photographs have at least as many


def flat_moments(x: Float[Tensor, "N C H W"]) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """(variance, covariance of neighbors) in the flattest quarter of the blocks of 5 x 5 pixels of each image.

    The mean of each block is subtracted, so white noise of variance v gives 24/25 v and -v/25, a ratio of -0.04.
    Neighbors are horizontal and vertical. Both are 0 for images with a side of one pixel.
    """
    side = min(SIDE, *x.shape[2:])
    if side < 2:
        return torch.zeros(len(x), dtype=torch.float64), torch.zeros(len(x), dtype=torch.float64)
    blocks = x.double().unfold(2, side, side).unfold(3, side, side)  # (N, C, rows, columns, side, side)
    blocks = blocks - blocks.mean((-1, -2), keepdim=True)
    variance = blocks.square().mean((-1, -2)).flatten(1)
    below, beside = blocks[..., 1:, :] * blocks[..., :-1, :], blocks[..., 1:] * blocks[..., :-1]
    covariance = ((below.mean((-1, -2)) + beside.mean((-1, -2))) / 2).flatten(1)
    flattest = variance.argsort(1)[:, : max(1, int(FLATTEST * variance.shape[1]))]
    return variance.gather(1, flattest).mean(1).cpu(), covariance.gather(1, flattest).mean(1).cpu()


__all__ = ["flat_moments"]
