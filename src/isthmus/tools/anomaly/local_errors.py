"""`LocalErrors`: where an image comes out wrong, so that a fault of a few pixels is not averaged away."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import norm
from torch import Tensor

from isthmus.runs.error_signals import LEAST_ERROR

# Deviations in pixels. On scratches and stains planted in five textures, gray windows of 32 pixels, 1 to 3 found stains
# alike by the smoothed errors, and 1 to 2.5 by their squares: docs/experiments.md.
SMOOTHED, SQUARES = 2.0, 1.5
PEAK = 10  # pixels that are averaged: one alone is often chance, and a scratch is hardly smaller
MAPS = 3  # the errors themselves, the smoothed ones, the mean of the squares around
REACH = 4.0  # deviations after which a Gaussian window ends, as in SciPy


class LocalErrors:
    """Three maps of errors e (B, C, H, W) in units of what is usual at each pixel: 1 is the root mean square there.

    Of e itself, of e smoothed with its sign, which finds stains, and of e squared and smoothed, which finds what is
    rough. `spread` and `smoothed` (C, H, W) are the usual squares of e and of the smoothed e.
    """

    def __init__(self, spread: Float[Tensor, "C H W"], smoothed: Float[Tensor, "C H W"]) -> None:
        self._spread, self._smoothed = spread, smoothed

    def maps(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 3 H W"]:
        """The maps, channels together, by the root of the mean of their squares."""
        squares = (errors.square() / self._spread).mean(1)
        coarse = (blurred(errors, SMOOTHED).square() / self._smoothed).mean(1)
        return torch.stack([squares, coarse, blurred(squares, SQUARES).clamp(min=0)], 1).sqrt()

    def heat(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
        """The root of the mean of the three maps' squares."""
        return self.maps(errors).square().mean(1, keepdim=True).sqrt()

    def peaks(self, errors: Float[Tensor, "B C H W"]) -> np.ndarray:
        """The log of the mean of each map's ten largest values, (B, 3)."""
        values = self.maps(errors).flatten(2)
        largest = values.topk(min(PEAK, values.shape[2]), dim=2).values
        return (largest.mean(2) + LEAST_ERROR).log().numpy()


def local_nats(peaks: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """-log P(the strangest of three usual peaks is as strange), (N,), of `peaks` (N, 3) beside those of `usual` (W, 3).

    Each is normal with the mean and the deviation of the usual ones; the three are taken for independent, so that the
    strangest is P = 1 - (1 - p)^3.
    """
    width = np.where(np.ptp(usual, axis=0) > 0, usual.std(0), 1.0)
    log_p = norm.logsf((peaks - usual.mean(0)) / width).min(1, initial=0.0)
    p = np.exp(log_p)
    return -log_p - np.log(3 - 3 * p + p**2)


def blurred(values: Float[Tensor, "*B H W"], deviation: float) -> Float[Tensor, "*B H W"]:
    """Gaussian means over rows and columns; beyond the border the image goes on mirrored, its last pixel repeated."""
    H, W = values.shape[-2:]
    rows, columns = (_window(side, deviation).to(values) for side in (H, W))
    return rows @ values @ columns.T


@cache
def _window(side: int, deviation: float) -> Tensor:
    """(side, side) float64: a row holds the weight of each pixel in the mean around one."""
    reach = int(REACH * deviation + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets.double() / deviation) ** 2)
    around = (torch.arange(side)[:, None] + offsets) % (2 * side)
    around = torch.where(around < side, around, 2 * side - 1 - around)
    window = torch.zeros(side, side, dtype=torch.float64)
    return window.scatter_add_(1, around, (weights / weights.sum()).expand(side, -1).contiguous())


__all__ = ["LocalErrors", "blurred", "local_nats"]
