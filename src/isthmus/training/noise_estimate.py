"""Estimates the noise of images without clean targets: its standard deviation, and how far it is correlated."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SIDE = 12  # pixels of a block: enough for lags of 4 pixels, and small enough for the smooth parts of a picture
FLATTEST = 0.1  # share of the blocks that show only noise: photographs contain that much sky and wall
KEPT = 0.8  # share of the blocks next to those; the rest contain the beginning of an edge
MOST_LAG = 4  # pixels; noise that reaches further is not noise of single pixels
MOST_BLOCKS = 40_000  # blocks that are used: those next to the flattest 4,000 have half a million pixels
# In photographs, white noise of sigma 0.02 to 0.2 gives correlations of -0.02 to 0.02 at every lag, and grain gives
# 0.52 to 0.53 at lag 1 (0.58 by its definition; the removed slopes contain a part). Where small cells leave no flat
# block, white noise gave 0.24, 0.16, 0.06 and -0.06.
CORRELATED = 0.15


class NoiseEstimate(NamedTuple):
    """`sd` on the scale of x; `lags` (4): the correlation of pixels 1 to 4 apart, the larger of both directions."""

    sd: float
    lags: tuple[float, ...]

    @property
    def apart(self) -> int:
        """The distance at which pixels have almost no noise in common; 1 if even neighbors have none.

        Correlation by noise falls from one lag to the next; correlation that hardly falls comes from the picture.
        """
        falls = [a - b for a, b in pairwise((*self.lags, 0.0))]
        return next((lag for lag, fall in enumerate(falls, 1) if abs(fall) <= CORRELATED), MOST_LAG + 1)

    def sentence(self, *, chosen: bool = False) -> str:
        """The estimate, and what follows from it; `chosen`: the user has set the distance."""
        level = f"the noise has an estimated standard deviation of {self.sd:.2g} ({255 * self.sd:.3g} of 255)"
        more = self.lags[0] - self.lags[1]
        apart = f"{abs(more):.2f} {'higher' if more >= 0 else 'lower'}"
        told = f"{level}; the correlation of neighboring pixels is {apart} than that of pixels 2 apart"
        if self.apart == 1:
            return f"{told}, so the noise is almost independent"
        if chosen:
            return f"{told}; pixels {self.apart} apart share hardly any noise"
        return f"{told}, so training pairs pixels that are {self.apart} apart, which costs sharpness"


def estimate_noise(x: Tensor, seed: int = 0) -> NoiseEstimate:
    """Uses the blocks of images x (N, C, H, W), roughly in [0, 1], to the right of the flattest tenth: the flattest
    blocks themselves are a biased choice, because their noise is weak by chance.

    The mean and the slopes of each block are removed, because smooth parts have them too.
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
    lost = 1 - 3 / flat[0].numel()  # share of the variance that is left without mean and slopes
    return NoiseEstimate(math.sqrt(power / lost), (*lags, *[0.0] * (MOST_LAG - len(lags))))


def _lag(flat: Tensor, lag: int, power: float) -> float:
    if power <= 0:
        return 0.0
    beside = float((flat[..., lag:] * flat[..., :-lag]).mean()) / power
    below = float((flat[:, lag:] * flat[:, :-lag]).mean()) / power
    return max(beside, below, key=abs)


def _blocks(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Pairs of blocks (M, S, 2S) in float64 from every channel, at most 40,000 of them, chosen at random."""
    if x.shape[2] < SIDE or x.shape[3] < 2 * SIDE or not len(x):
        return torch.zeros((0, SIDE, 2 * SIDE), dtype=torch.float64)
    blocks = x.unfold(2, SIDE, SIDE).unfold(3, 2 * SIDE, SIDE).reshape(-1, SIDE, 2 * SIDE)
    if len(blocks) > MOST_BLOCKS:
        blocks = blocks[torch.from_numpy(rng.choice(len(blocks), MOST_BLOCKS, replace=False))]
    return blocks.double().cpu()


def _without_slopes(blocks: Tensor) -> Tensor:
    """Each block minus its best-fitting plane."""
    side = blocks.shape[1]
    ramp = torch.linspace(-1, 1, side, dtype=torch.float64)
    ramp = ramp / ramp.square().sum().sqrt()
    blocks = blocks - blocks.mean((1, 2), keepdim=True)
    along = ramp[:, None].expand(side, side) / math.sqrt(side)
    for plane in (along, along.T):
        blocks = blocks - (blocks * plane).sum((1, 2), keepdim=True) * plane
    return blocks


__all__ = ["NoiseEstimate", "estimate_noise"]
