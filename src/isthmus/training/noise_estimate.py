"""How strong the noise of images is that nobody knows clean, and how far its pixels go together."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SIDE = 12  # pixels of a block: lags of 4 pixels are seen in it, and smooth parts of a picture are still that large
FLATTEST = 0.1  # of the blocks, where the noise stands alone: photographs have as much sky and wall
KEPT = 0.8  # of the blocks beside those: on the others an edge begins
MOST_LAG = 4  # pixels; noise that reaches further is no noise of single pixels
MOST_BLOCKS = 40_000  # looked at: beside their flattest 4,000 lie half a million pixels
# In photographs white noise of sigma 0.02 to 0.2 comes to -0.02 to 0.02 at every lag, grain at lag 1 to 0.52 to 0.53
# (its definition says 0.58, of which slopes that are taken off hold some). Where small cells leave no block flat, white
# noise came to 0.24, 0.16, 0.06 and -0.06.
CORRELATED = 0.15


class NoiseEstimate(NamedTuple):
    """`sd` on the scale of x; `lags` (4): the correlation of pixels 1 to 4 apart, the larger of both directions."""

    sd: float
    lags: tuple[float, ...]

    @property
    def apart(self) -> int:
        """How far apart pixels have hardly any noise in common: 1 where neighbors have none.

        Of what pixels share, noise falls off from one lag to the next; what hardly does is what the picture shows.
        """
        falls = [a - b for a, b in pairwise((*self.lags, 0.0))]
        return next((lag for lag, fall in enumerate(falls, 1) if abs(fall) <= CORRELATED), MOST_LAG + 1)

    def sentence(self, *, chosen: bool = False) -> str:
        """What is estimated, and what follows; `chosen` says that somebody else settled what does."""
        level = f"the noise is estimated at a standard deviation of {self.sd:.2g} ({255 * self.sd:.3g} of 255)"
        told = f"{level}; neighbors share {self.lags[0] - self.lags[1]:.2f} of it more than pixels 2 apart do"
        if self.apart == 1:
            return f"{told}, as good as not at all"
        if chosen:
            return f"{told}, and is hardly shared {self.apart} pixels apart"
        return f"{told}, so pixels {self.apart} apart are taken for each other, which costs sharpness"


def estimate_noise(x: Tensor, seed: int = 0) -> NoiseEstimate:
    """From the blocks of images x (N, C, H, W), in [0, 1] or so, that lie right of the flattest tenth: those themselves
    are flat also because chance made their noise weak.

    Of each block its own mean and slopes are taken off, which smooth parts have.
    """
    blocks = _blocks(x, np.random.default_rng(seed))
    if not len(blocks):
        return NoiseEstimate(0.0, (0.0,) * MOST_LAG)
    first, blocks = (_without_slopes(blocks[..., part]) for part in (slice(None, SIDE), slice(SIDE, None)))
    beside = first.square().mean((1, 2)).argsort()[: max(1, int(FLATTEST * len(blocks)))]
    flat = blocks[beside]
    flat = flat[flat.square().mean((1, 2)).argsort()[: max(1, int(KEPT * len(flat)))]]
    power = float(flat.square().mean())
    lags = [_lag(flat, lag, power) for lag in range(1, min(MOST_LAG, flat.shape[1] - 1) + 1)]
    lost = 1 - 3 / flat[0].numel()  # of the variance, with mean and slopes
    return NoiseEstimate(math.sqrt(power / lost), (*lags, *[0.0] * (MOST_LAG - len(lags))))


def _lag(flat: Tensor, lag: int, power: float) -> float:
    if power <= 0:
        return 0.0
    beside = float((flat[..., lag:] * flat[..., :-lag]).mean()) / power
    below = float((flat[:, lag:] * flat[:, :-lag]).mean()) / power
    return max(beside, below, key=abs)


def _blocks(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Pairs of blocks (M, S, 2S) in float64, of every channel, at most 40,000 of them drawn from all."""
    if x.shape[2] < SIDE or x.shape[3] < 2 * SIDE or not len(x):
        return torch.zeros((0, SIDE, 2 * SIDE), dtype=torch.float64)
    blocks = x.unfold(2, SIDE, SIDE).unfold(3, 2 * SIDE, SIDE).reshape(-1, SIDE, 2 * SIDE)
    if len(blocks) > MOST_BLOCKS:
        blocks = blocks[torch.from_numpy(rng.choice(len(blocks), MOST_BLOCKS, replace=False))]
    return blocks.double().cpu()


def _without_slopes(blocks: Tensor) -> Tensor:
    """Each block less the plane that fits it best."""
    side = blocks.shape[1]
    ramp = torch.linspace(-1, 1, side, dtype=torch.float64)
    ramp = ramp / ramp.square().sum().sqrt()
    blocks = blocks - blocks.mean((1, 2), keepdim=True)
    along = ramp[:, None].expand(side, side) / math.sqrt(side)
    for plane in (along, along.T):
        blocks = blocks - (blocks * plane).sum((1, 2), keepdim=True) * plane
    return blocks


__all__ = ["NoiseEstimate", "estimate_noise"]
