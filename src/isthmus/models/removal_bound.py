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

FLOAT = 4  # bytes
CELL = 8  # pixels a side: 64 values tell their deviation to a tenth
FLATTEST = 0.25  # of the cells of the clean picture: sky, walls, skin, whatever is out of focus
# Of the deviation of the noise. On the validation strips of the free photographs, under grain of 4 of 255 that went
# through JPEG, it gains 2.72 dB, at worst -0.32 (1: 2.68, -0.20; 1.1: 2.73, -0.45; no bound: 2.43, -2.87); under that
# of 16 6.84 (1: 6.59; 1.1: 6.96; no bound: 7.10).
MARGIN = 1.05
# Bytes of the floats of a strip at least: above 32 MB the C library gives blocks back to the system at once. Of 200
# megapixels in color, strips of 13 MB left holes in memory that took 6 GB.
BLOCK = 36 * 2**20
# A cell with more than this share of its values at the least or the greatest of the picture, in some color, tells
# little of the noise: black bars, white paper, what is too dark or too bright. Noise of 8 of 255 on a retina in a black
# frame was seen as 5.0 with such cells, and as 7.6 without; that of 14 beside white paper as 0.
MOST_CLIPPED = 0.1
# Of all cells: of fewer, such as the edges of a drawing on white paper, all are taken, in which there is no noise.
LEAST_SEEN = 0.05


def keep_texture(noisy: Shaped[Tensor, "C H W"], clean: Shaped[Tensor, "C H W"], strength: float) -> Tensor:
    """`noisy` with what `clean` lacks taken out, weighed by what is noise of it and by `strength` from 0 to 1.

    Both are of one type, and so is what comes back; `clean` is written into.
    """
    for rows, weight in bounded(noisy, clean):
        clean[:, rows] = blend(noisy[:, rows], clean[:, rows], strength * weight)
    return clean


class Cells(NamedTuple):
    """Of each cell (h, w): mean square and variance of what was taken out, variance of what is left, and the largest
    share of its values, of all colors, that are the least or the greatest of the picture.
    """

    square: Tensor
    removed: Tensor
    detail: Tensor
    clipped: Tensor

    @property
    def noise(self) -> float:
        """The median deviation of what was taken out, over the flattest cells that may show noise."""
        seen = self.clipped.flatten() <= MOST_CLIPPED
        if seen.double().mean() < LEAST_SEEN:
            seen = torch.ones_like(seen)
        detail, removed = self.detail.flatten()[seen], self.removed.flatten()[seen]
        flat = detail.argsort()[: max(1, int(FLATTEST * len(detail)))]
        return float(removed[flat].median().sqrt())


def bounded(noisy: Shaped[Tensor, "C H W"], clean: Shaped[Tensor, "C H W"]) -> Iterator[tuple[slice, Tensor]]:
    """Strips of rows, and the weight (h, W) in [0, 1] of what was taken out there, from top to bottom.

    Both pictures are in the same units.
    """
    cells = cells_of(noisy, clean)
    allowed = (MARGIN * cells.noise) ** 2
    near = avg_pool2d(cells.square[None, None], 3, stride=1, padding=1, count_include_pad=False)
    weight = (allowed / near.clamp(min=1e-30)).clamp(max=1)
    (H, W), rows = noisy.shape[1:], near.shape[2]
    step = cell_rows(noisy)
    for top in range(0, rows, step):
        first, last = max(0, top - 1), min(rows, top + step + 1)
        part = interpolate(weight[:, :, first:last], scale_factor=CELL, mode="bilinear")[0, 0]
        inside = slice(top * CELL, min(H, (top + step) * CELL))
        yield inside, part[inside.start - first * CELL : inside.stop - first * CELL, :W]


class Ends(NamedTuple):
    """The least and the greatest value of each color (C,)."""

    low: Tensor
    high: Tensor


def cell_rows(picture: Shaped[Tensor, "*B C H W"]) -> int:
    """Rows of cells that make a strip."""
    return -(-BLOCK // (FLOAT * CELL * picture.shape[-3] * picture.shape[-1]))


def ends_of(picture: Shaped[Tensor, "*B C H W"]) -> Ends:
    """Of one picture, or of several parts of one."""
    low = torch.full((picture.shape[-3],), torch.inf)
    high = -low
    for part in picture.split(cell_rows(picture) * CELL, dim=-2):
        colors = part.movedim(-3, 0).flatten(1).float()
        low.copy_(torch.minimum(low, colors.amin(1)))
        high.copy_(torch.maximum(high, colors.amax(1)))
    return Ends(low, high)


def cells_of(noisy: Tensor, clean: Tensor, ends: Ends | None = None) -> Cells:
    """Their cells, strip by strip; those at the right and lower edge may be smaller. `ends` are those of the whole
    picture where `noisy` is a part of it.
    """
    known, step = ends_of(noisy) if ends is None else ends, cell_rows(noisy)
    h, w = (-(-side // CELL) for side in noisy.shape[1:])
    found = Cells(*(torch.empty(h, w) for _ in Cells._fields))
    for row in range(0, h, step):
        rows = slice(row * CELL, (row + step) * CELL)
        for whole, part in zip(found, _cells(noisy[:, rows], clean[:, rows], known), strict=True):
            whole[row : row + step] = part
    return found


def _cells(noisy: Tensor, clean: Tensor, ends: Ends) -> Cells:
    left, values = clean.float(), noisy.float()
    clipped = clipped_share(values, ends)
    removed = values - left
    del values
    square = _means(removed.square())
    return Cells(
        square.mean(0),
        (square - _means(removed).square()).clamp(min=0).mean(0),
        (_means(left.square()) - _means(left).square()).clamp(min=0).mean(0),
        clipped,
    )


def clipped_share(values: Shaped[Tensor, "*B C H W"], ends: Ends) -> Tensor:
    """Of each cell (*B, h, w) the share of values at the ends, of the color that has most of them there."""
    low, high = (end[:, None, None] for end in ends)
    at_ends = ((values == low) | (values == high)).float()
    return avg_pool2d(at_ends, CELL, ceil_mode=True, count_include_pad=False).amax(-3)


def _means(x: Tensor) -> Tensor:
    return avg_pool2d(x[:, None], CELL, ceil_mode=True, count_include_pad=False)[:, 0]


__all__ = ["Cells", "Ends", "bounded", "cells_of", "clipped_share", "ends_of", "keep_texture"]
