"""An image through a local network piece by piece, as if it went through whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.system.workers import Progress

# Pixels a side without the halo: of 56 pixels it costs a third more than the whole image, and 32 channels of float32
# take 100 MB, of which a U-Net holds a handful at a time.
TILE = 768


class Tile(NamedTuple):
    """Rows and columns of the image that go in (`outer`), and those that are kept (`inner`), as (start, stop)."""

    outer: tuple[slice, slice]
    inner: tuple[slice, slice]


def tiled(
    function: Callable[[Tensor], Tensor],
    x: Float[Tensor, "B C H W"],
    *,
    halo: int,
    stride: int,
    tile: int = TILE,
    progress: Progress | None = None,
) -> Float[Tensor, "B C2 H W"]:
    """`function` of x, made of pieces that overlap by `halo` pixels on each side.

    Equal to `function(x)` where an output pixel depends on no input pixel further than `halo` away, and where all
    pieces begin at a multiple of `stride`, in whose grid the network halves its sides. `progress(done, total)` is
    called after each piece.
    """
    pieces = list(tiles_of(x.shape[2], x.shape[3], halo=halo, stride=stride, tile=tile))
    out: Tensor | None = None
    for done, piece in enumerate(pieces, start=1):
        made = function(x[..., piece.outer[0], piece.outer[1]])
        out = made.new_empty(*made.shape[:2], *x.shape[2:]) if out is None else out
        rows, columns = (_within(a, b) for a, b in zip(piece.outer, piece.inner, strict=True))
        out[..., piece.inner[0], piece.inner[1]] = made[..., rows, columns]
        if progress is not None:
            progress(done, len(pieces))
    return x if out is None else out


def tile_over(
    function: Callable[[Tensor], Tensor],
    x: Float[Tensor, "B C H W"],
    *,
    halo: int,
    stride: int,
    tile: int = TILE,
    progress: Progress | None = None,
) -> None:
    """As `tiled`, written over x; `function` gives as many channels as it takes.

    Beside x no more than two rows of tiles are there: of what is overwritten the rows that the next tiles look at are
    kept.
    """
    H, W = x.shape[2:]
    step, margin = max(stride, tile // stride * stride), -(-halo // stride) * stride
    total, above = -(-H // step) * -(-W // step), x[:, :, :0]
    for top in range(0, H, step):
        bottom = min(top + step, H)
        rows = torch.cat([above, x[:, :, top : min(bottom + margin, H)]], dim=2)  # none of it is overwritten yet
        known = above.shape[2]
        above = rows[:, :, : known + bottom - top][:, :, -margin:].clone()
        for k, left in enumerate(range(0, W, step)):
            inner = slice(left, min(left + step, W))
            outer = _wider(inner, margin, W)
            made = function(rows[..., outer])
            x[:, :, top:bottom, inner] = made[:, :, known : known + bottom - top, _within(outer, inner)]
            if progress is not None:
                progress(top // step * -(-W // step) + k + 1, total)


def tiles_of(H: int, W: int, *, halo: int, stride: int, tile: int = TILE) -> Iterator[Tile]:
    """The pieces of an image of H x W pixels, row by row; each pixel is kept from one of them."""
    step = max(stride, tile // stride * stride)
    margin = -(-halo // stride) * stride
    for top in range(0, H, step):
        for left in range(0, W, step):
            inner = slice(top, min(top + step, H)), slice(left, min(left + step, W))
            outer = _wider(inner[0], margin, H), _wider(inner[1], margin, W)
            yield Tile(outer, inner)


def _wider(part: slice, margin: int, end: int) -> slice:
    return slice(max(0, part.start - margin), min(end, part.stop + margin))


def _within(outer: slice, inner: slice) -> slice:
    return slice(inner.start - outer.start, inner.stop - outer.start)
