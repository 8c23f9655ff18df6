"""The best linear filter of images, learned from training images: for whole images, or for a window around each pixel.

It also corrects the means: noise that is clipped to [0, 1] shifts dark and bright pixels, and smoothing does not help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from isthmus.evaluation.metrics.wiener import RIDGES, LinearFilter, PairMoments, Pairs, moments

# Sides of windows in pixels: on the shipped digits with gaussian:0.5, those of 5 to 11 give 15.68 to 15.70 dB, so wider
# ones gain nothing; the whole image gives 17.62. 11 x 11 in color are 363 values, solved in a hundredth of a second.
WINDOWS = (5, 7, 9, 11)
WHOLE = 1024  # most values of an image that is filtered as a whole: the covariance of 60,000 images takes 4 s
PATCHES = 200_000  # windows to learn from: 550 for each weight of the largest window in color
Counted = Iterator[tuple[Tensor, Tensor, Tensor | None]]
# (clean, noisy, weight or None), each (B, C, H, W), in chunks of n images; pixels with weight 0 are not used
Images = Callable[[], Counted]


class LearnedFilter:
    """Filters noisy images (N, C, H, W); `grid` has the settings to choose from on validation images.

    `images` yields the n pairs to learn from; they are read once for windows and, if images have at most 1,024 values
    and all pixels count (`whole`), once for whole images.
    """

    def __init__(
        self, images: Images, n: int, shape: tuple[int, ...], generator: torch.Generator, *, whole: bool = True
    ) -> None:
        self.shape = shape
        self._whole = moments(_flat(images())) if whole and int(np.prod(shape)) <= WHOLE else None
        self._windows = moments(_patches(images(), max(1, PATCHES // n), generator))
        self._kernel, self._matrix = cache(self._solve_window), cache(self._solve_whole)
        sides: list[Any] = [*WINDOWS, *(["whole"] if self._whole else [])]
        self.grid = [{"window": side, "ridge": ridge} for side in sides for ridge in RIDGES]

    def __call__(self, noisy: np.ndarray, *, window: int | str, ridge: float) -> np.ndarray:
        """The filtered images, float32; pixels at the edges are repeated."""
        x = torch.from_numpy(noisy)
        if window == "whole":
            return self._matrix(ridge)(x.flatten(1)).float().reshape(x.shape).numpy()
        kernel, bias = self._kernel(int(window), ridge)
        return F.conv2d(_padded(x, int(window)), kernel, bias).numpy()

    def _solve_whole(self, ridge: float) -> LinearFilter:
        assert self._whole is not None
        return self._whole.filter(ridge)

    def _solve_window(self, window: int, ridge: float) -> tuple[Tensor, Tensor]:
        """Kernel (C, C, window, window) and bias (C,), from the moments of the largest window, which include them."""
        C, most = self.shape[0], max(WINDOWS)
        at = (most - window) // 2
        inside = torch.arange(C * most * most).reshape(C, most, most)[:, at : at + window, at : at + window].flatten()
        found = self._windows
        part = PairMoments(found.mean, found.mean_in[inside], found.noisy[inside][:, inside], found.cross[inside])
        mean, mean_in, weights = part.filter(ridge)
        kernel = weights.T.reshape(C, C, window, window)
        return kernel.float(), (mean - mean_in @ weights).float()


def _flat(images: Counted) -> Pairs:
    return ((clean.flatten(1), noisy.flatten(1)) for clean, noisy, _ in images)


def _patches(images: Counted, per_image: int, generator: torch.Generator) -> Pairs:
    """(pixels (M, C), the noisy windows around them (M, C * 11 * 11)), at random pixels of every image."""
    side = max(WINDOWS)
    for clean, noisy, weight in images:
        B, _, H, W = clean.shape
        if weight is None:
            at = torch.randint(H * W, (B * per_image,), generator=generator)
        else:
            chances = weight[:, 0].flatten(1).clamp(min=0)
            at = torch.multinomial(chances, per_image, replacement=True, generator=generator).flatten()
        row, column, image = at // W, at % W, torch.arange(B).repeat_interleave(per_image)
        windows = _padded(noisy, side).unfold(2, side, 1).unfold(3, side, 1)
        yield clean[image, :, row, column], windows[image, :, row, column].flatten(1)


def _padded(x: Tensor, window: int) -> Tensor:
    return F.pad(x, [window // 2] * 4, mode="replicate")


__all__ = ["PATCHES", "WHOLE", "WINDOWS", "LearnedFilter"]
