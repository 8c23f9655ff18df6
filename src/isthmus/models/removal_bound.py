"""Limits what a blind denoiser removes from a photograph: nowhere much more than the noise of its flat parts.

Fine texture looks like grain. If more is removed somewhere than the noise can be, the rest is texture. So only the
Wiener share of it, the power of noise divided by the power of noise and texture, is removed.
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
CELL = 8  # pixels per side: 64 values give their standard deviation to a tenth
FLATTEST = 0.25  # share of the cells of the clean picture: sky, walls, skin, everything out of focus
# Factor on the standard deviation of the noise. On the validation strips of the free photographs with grain of 4/255
# after JPEG, it gains 2.72 dB, at worst -0.32 (1: 2.68, -0.20; 1.1: 2.73, -0.45; no bound: 2.43, -2.87); with grain
# of 16/255, 6.84 (1: 6.59; 1.1: 6.96; no bound: 7.10).
MARGIN = 1.05
# Least number of bytes of a strip as floats: above 32 MB, the C library returns blocks to the system at once. With 200
# megapixels in color, strips of 13 MB fragmented memory so much that it took 6 GB.
BLOCK = 36 * 2**20
# A cell with more than this share of its values at the minimum or maximum of the picture, in some color, shows little
# noise: black bars, white paper, under- and overexposed parts. Noise of 8/255 on a retina in a black frame was
# estimated as 5.0 with such cells, and as 7.6 without; noise of 14/255 next to white paper as 0.
MOST_CLIPPED = 0.1
# Share of all cells. If fewer are left, such as the edges of a drawing on white paper, all cells are used, which show
# no noise.
LEAST_SEEN = 0.05


def keep_texture(noisy: Shaped[Tensor, "C H W"], clean: Shaped[Tensor, "C H W"], strength: float) -> Tensor:
    """Removes from `noisy` its difference from `clean`, weighted by the share of noise in it and by `strength`, 0 to 1.

    Both have the same type, and so has the result; `clean` is overwritten.
    """
    for rows, weight in bounded(noisy, clean):
        clean[:, rows] = blend(noisy[:, rows], clean[:, rows], strength * weight)
    return clean


class Cells(NamedTuple):
    """For each cell (h, w): mean square and variance of what was removed, variance of what is left, and the largest
    share, over colors, of values that are the minimum or maximum of the picture.
    """

    square: Tensor
    removed: Tensor
    detail: Tensor
    clipped: Tensor

    @property
    def noise(self) -> float:
        """The median standard deviation of what was removed, over the flattest cells that may show noise."""
        seen = self.clipped.flatten() <= MOST_CLIPPED
        if seen.double().mean() < LEAST_SEEN:
            seen = torch.ones_like(seen)
        detail, removed = self.detail.flatten()[seen], self.removed.flatten()[seen]
        flat = detail.argsort()[: max(1, int(FLATTEST * len(detail)))]
        return float(removed[flat].median().sqrt())


def bounded(noisy: Shaped[Tensor, "C H W"], clean: Shaped[Tensor, "C H W"]) -> Iterator[tuple[slice, Tensor]]:
    """Yields strips of rows from top to bottom, and the weight (h, W) in [0, 1] of what was removed there.

    Both pictures have the same units.
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
    """The minimum and maximum of each color (C,)."""

    low: Tensor
    high: Tensor


def cell_rows(picture: Shaped[Tensor, "*B C H W"]) -> int:
    """The number of rows of cells in a strip."""
    return -(-BLOCK // (FLOAT * CELL * picture.shape[-3] * picture.shape[-1]))


def ends_of(picture: Shaped[Tensor, "*B C H W"]) -> Ends:
    """The ends of one picture, or of several parts of one."""
    low = torch.full((picture.shape[-3],), torch.inf)
    high = -low
    for part in picture.split(cell_rows(picture) * CELL, dim=-2):
        colors = part.movedim(-3, 0).flatten(1).float()
        low.copy_(torch.minimum(low, colors.amin(1)))
        high.copy_(torch.maximum(high, colors.amax(1)))
    return Ends(low, high)


def cells_of(noisy: Tensor, clean: Tensor, ends: Ends | None = None) -> Cells:
    """Computes the cells strip by strip; those at the right and lower edge may be smaller. If `noisy` is a part of a
    picture, `ends` are those of the whole picture.
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
    """For each cell (*B, h, w), the share of values at the ends, in the color with the largest share."""
    low, high = (end[:, None, None] for end in ends)
    at_ends = ((values == low) | (values == high)).float()
    return avg_pool2d(at_ends, CELL, ceil_mode=True, count_include_pad=False).amax(-3)


def _means(x: Tensor) -> Tensor:
    return avg_pool2d(x[:, None], CELL, ceil_mode=True, count_include_pad=False)[:, 0]


__all__ = ["Cells", "Ends", "bounded", "cells_of", "clipped_share", "ends_of", "keep_texture"]
