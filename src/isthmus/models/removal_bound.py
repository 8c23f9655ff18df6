"""What a blind denoiser may take out of a photograph: hardly more anywhere than the noise in its flat parts.

Fine texture looks like grain. Where more is taken out than the noise there can be, the rest is texture, so that the
Wiener weight of what was taken out (noise over noise and texture, in power) is kept of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from isthmus.models.blending import blend

CELL = 8  # pixels a side: 64 values tell their deviation to a tenth
FLATTEST = 0.25  # of the cells of the clean picture: sky, walls, skin, whatever is out of focus
# Of the deviation of the noise. On the validation strips of the free photographs, under grain of 4 of 255 that went
# through JPEG, it gains 2.72 dB, at worst -0.32 (1: 2.68, -0.20; 1.1: 2.73, -0.45; no bound: 2.43, -2.87); under that
# of 16 6.84 (1: 6.59; 1.1: 6.96; no bound: 7.10).
MARGIN = 1.05
# Cells of a strip: of 200 megapixels in color 50 MB of floats, a handful of times. Blocks under 32 MB are not given
# back to the system between small results that are kept: 16 cells took 2,149 MB in all, 32 take 373.
STRIP = 32


def keep_texture(noisy: Shaped[Tensor, "C H W"], clean: Shaped[Tensor, "C H W"], strength: float) -> Tensor:
    """`noisy` with what `clean` lacks taken out, weighed by what is noise of it and by `strength` from 0 to 1.

    Both are of one type, and so is what comes back; `clean` is written into.
    """
    for rows, weight in bounded(noisy, clean):
        clean[:, rows] = blend(noisy[:, rows], clean[:, rows], strength * weight)
    return clean


class Cells(NamedTuple):
    """Of each cell (h, w): mean square and variance of what was taken out, and variance of what is left."""

    square: Tensor
    removed: Tensor
    detail: Tensor

    @property
    def noise(self) -> float:
        """The median deviation of what was taken out, over the flattest cells."""
        flat = self.detail.flatten().argsort()[: max(1, int(FLATTEST * self.detail.numel()))]
        return float(self.removed.flatten()[flat].median().sqrt())


def bounded(noisy: Shaped[Tensor, "C H W"], clean: Shaped[Tensor, "C H W"]) -> Iterator[tuple[slice, Tensor]]:
    """Strips of rows, and the weight (h, W) in [0, 1] of what was taken out there, from top to bottom.

    Both pictures are in the same units.
    """
    cells = cells_of(noisy, clean)
    allowed = (MARGIN * cells.noise) ** 2
    near = avg_pool2d(cells.square[None, None], 3, stride=1, padding=1, count_include_pad=False)
    weight = (allowed / near.clamp(min=1e-30)).clamp(max=1)
    (H, W), rows = noisy.shape[1:], near.shape[2]
    for top in range(0, rows, STRIP):
        first, last = max(0, top - 1), min(rows, top + STRIP + 1)
        part = interpolate(weight[:, :, first:last], scale_factor=CELL, mode="bilinear")[0, 0]
        inside = slice(top * CELL, min(H, (top + STRIP) * CELL))
        yield inside, part[inside.start - first * CELL : inside.stop - first * CELL, :W]


def cells_of(noisy: Tensor, clean: Tensor) -> Cells:
    """Their cells, strip by strip; those at the right and lower edge may be smaller."""
    found = [_cells(noisy[:, top : top + STRIP * CELL], clean[:, top : top + STRIP * CELL]) for top in _tops(noisy)]
    return Cells(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _tops(picture: Tensor) -> range:
    return range(0, picture.shape[1], STRIP * CELL)


def _cells(noisy: Tensor, clean: Tensor) -> Cells:
    left = clean.float()
    removed = noisy.float() - left
    square = _means(removed.square())
    return Cells(
        square.mean(0),
        (square - _means(removed).square()).clamp(min=0).mean(0),
        (_means(left.square()) - _means(left).square()).clamp(min=0).mean(0),
    )


def _means(x: Tensor) -> Tensor:
    return avg_pool2d(x[:, None], CELL, ceil_mode=True, count_include_pad=False)[:, 0]


__all__ = ["Cells", "bounded", "cells_of", "keep_texture"]
