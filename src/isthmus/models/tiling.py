"""Applies a local network to an image piece by piece, with the same result as for the whole image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.system.heap import kept_memory
from isthmus.system.workers import Progress

# Pixels per side without the halo. A halo of 56 pixels costs a third more time than the whole image. 32 channels of
# float32 take 85 MB, and a U-Net holds a few of these at a time: 50 megapixels take 733 MB in addition to the picture,
# and 985 MB with tiles of 768.
TILE = 704
# For pictures above this many bytes of which a copy is kept: the network takes a third of the memory and a quarter more
# time, so that 200 megapixels of bytes in color need less than 1 GB in addition to the picture.
SMALL_TILE, LARGE_PICTURE = 384, 256 * 2**20


class Tiling(NamedTuple):
    """How images are cut into pieces: about `tile` pixels per side; they begin at multiples of `stride`, the grid on
    which the network downsamples, and overlap by `halo`, the distance to the furthest input pixel that an output pixel
    depends on.
    """

    halo: int
    stride: int
    tile: int = TILE

    def beside(self, kept: Tensor) -> Tiling:
        """The same, with smaller pieces if the copy `kept` next to the picture is large."""
        return self._replace(tile=min(self.tile, SMALL_TILE)) if kept.nbytes > LARGE_PICTURE else self

    def step(self, side: int) -> int:
        """Pixels per side of a piece without its halo, for `side` pixels of the image; pieces are about equal."""
        most = max(self.stride, self.tile // self.stride * self.stride)
        even = -(-side // -(-side // most))
        return -(-even // self.stride) * self.stride

    @property
    def margin(self) -> int:
        """The halo, rounded up to the grid."""
        return -(-self.halo // self.stride) * self.stride


class Tile(NamedTuple):
    """Rows and columns of the input (`outer`), and those of the output that are kept (`inner`), as (start, stop)."""

    outer: tuple[slice, slice]
    inner: tuple[slice, slice]


def tiled(
    function: Callable[[Tensor], Tensor],
    x: Float[Tensor, "B C H W"],
    tiling: Tiling,
    progress: Progress | None = None,
) -> Float[Tensor, "B C H W"]:
    """Applies `function` to x in pieces; equal to `function(x)` if `tiling` is right for the network.

    `function` returns as many channels as it takes. `progress(done, total)` is called after each piece.
    """
    out = x.clone()
    tile_over(function, out, tiling, progress)
    return out


def tile_over(
    function: Callable[[Tensor], Tensor],
    x: Float[Tensor, "B C H W"],
    tiling: Tiling,
    progress: Progress | None = None,
) -> None:
    """Like `tiled`, in place.

    In addition to x, at most two rows of tiles are in memory: the overwritten rows that the next tiles need are kept.
    """
    pieces = list(tiles_of(x.shape[2], x.shape[3], tiling))
    with kept_memory() if len(pieces) > 1 else nullcontext():
        _over(function, x, pieces, tiling.margin, progress)


def _over(
    function: Callable[[Tensor], Tensor], x: Tensor, pieces: list[Tile], margin: int, progress: Progress | None
) -> None:
    above = strip = x[:, :, :0]
    for done, piece in enumerate(pieces, start=1):
        rows, columns = piece.inner
        if columns.start == 0:  # a new row of tiles, none of which is overwritten yet
            strip = torch.cat([above, x[:, :, rows.start : piece.outer[0].stop]], dim=2)
            end = rows.stop - piece.outer[0].start
            above = strip[:, :, max(0, end - margin) : end].clone()
        made = function(strip[..., piece.outer[1]])
        x[:, :, rows, columns] = made[:, :, _within(piece.outer[0], rows), _within(piece.outer[1], columns)]
        if progress is not None:
            progress(done, len(pieces))


def tiles_of(H: int, W: int, tiling: Tiling) -> Iterator[Tile]:
    """The pieces of an image of H x W pixels, row by row; each output pixel comes from one of them."""
    for outer_rows, rows in _parts(H, tiling):
        for outer_columns, columns in _parts(W, tiling):
            yield Tile((outer_rows, outer_columns), (rows, columns))


def _parts(side: int, tiling: Tiling) -> Iterator[tuple[slice, slice]]:
    """The parts of one side, with and without the halo. With it, none is longer than the first, so that all fit into
    the memory that the first one has freed.
    """
    step, margin = tiling.step(side), tiling.margin
    for start in range(0, side, step):
        outer = max(0, start - margin)
        yield slice(outer, min(side, outer + step + 2 * margin)), slice(start, min(side, start + step))


def _within(outer: slice, inner: slice) -> slice:
    return slice(inner.start - outer.start, inner.stop - outer.start)


__all__ = ["Tile", "Tiling", "tile_over", "tiled", "tiles_of"]
