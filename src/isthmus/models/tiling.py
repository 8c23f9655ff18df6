"""An image through a local network piece by piece, as if it went through whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.system.heap import kept_memory
from isthmus.system.workers import Progress

# Pixels a side without the halo: of 56 pixels it costs a third more than the whole image, and 32 channels of float32
# take 85 MB, of which a U-Net holds a handful at a time: 50 megapixels take 733 MB above the picture, 985 with 768.
TILE = 704
# Of pictures that are kept beside themselves and take more than so many bytes: the network takes a third of the memory
# and a quarter more time, so that 200 megapixels of bytes in color stay under 1 GB above the picture.
SMALL_TILE, LARGE_PICTURE = 384, 256 * 2**20


class Tiling(NamedTuple):
    """How images are cut: pieces of about `tile` pixels a side that begin at multiples of `stride`, in whose grid the
    network halves its sides, and overlap by `halo`, the furthest input pixel that an output pixel depends on.
    """

    halo: int
    stride: int
    tile: int = TILE

    def beside(self, kept: Tensor) -> Tiling:
        """The same, with smaller pieces where what is `kept` beside the picture is large."""
        return self._replace(tile=min(self.tile, SMALL_TILE)) if kept.nbytes > LARGE_PICTURE else self

    def step(self, side: int) -> int:
        """Pixels of a side of a piece without its halo, of an image that has `side` of them: pieces are about alike."""
        most = max(self.stride, self.tile // self.stride * self.stride)
        even = -(-side // -(-side // most))
        return -(-even // self.stride) * self.stride

    @property
    def margin(self) -> int:
        """The halo, rounded up to the grid."""
        return -(-self.halo // self.stride) * self.stride


class Tile(NamedTuple):
    """Rows and columns of the image that go in (`outer`), and those that are kept (`inner`), as (start, stop)."""

    outer: tuple[slice, slice]
    inner: tuple[slice, slice]


def tiled(
    function: Callable[[Tensor], Tensor],
    x: Float[Tensor, "B C H W"],
    tiling: Tiling,
    progress: Progress | None = None,
) -> Float[Tensor, "B C H W"]:
    """`function` of x, made of pieces: equal to `function(x)` where the network is as `tiling` says.

    `function` gives as many channels as it takes. `progress(done, total)` is called after each piece.
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
    """As `tiled`, written over x.

    Beside x no more than two rows of tiles are there: of what is overwritten the rows that the next tiles look at are
    kept.
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
        if columns.start == 0:  # a new row of tiles, of which nothing is overwritten yet
            strip = torch.cat([above, x[:, :, rows.start : piece.outer[0].stop]], dim=2)
            end = rows.stop - piece.outer[0].start
            above = strip[:, :, max(0, end - margin) : end].clone()
        made = function(strip[..., piece.outer[1]])
        x[:, :, rows, columns] = made[:, :, _within(piece.outer[0], rows), _within(piece.outer[1], columns)]
        if progress is not None:
            progress(done, len(pieces))


def tiles_of(H: int, W: int, tiling: Tiling) -> Iterator[Tile]:
    """The pieces of an image of H x W pixels, row by row; each pixel is kept from one of them."""
    for outer_rows, rows in _parts(H, tiling):
        for outer_columns, columns in _parts(W, tiling):
            yield Tile((outer_rows, outer_columns), (rows, columns))


def _parts(side: int, tiling: Tiling) -> Iterator[tuple[slice, slice]]:
    """The parts of one side, with the halo and without. With it none is longer than the first: all find room in the
    memory that the first has left.
    """
    step, margin = tiling.step(side), tiling.margin
    for start in range(0, side, step):
        outer = max(0, start - margin)
        yield slice(outer, min(side, outer + step + 2 * margin)), slice(start, min(side, start + step))


def _within(outer: slice, inner: slice) -> slice:
    return slice(inner.start - outer.start, inner.stop - outer.start)


__all__ = ["Tile", "Tiling", "tile_over", "tiled", "tiles_of"]
