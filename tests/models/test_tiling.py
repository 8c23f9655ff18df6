"""Tiled images give the same result as whole ones, and every pixel comes from exactly one tile."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contract import assert_close, drawn, redraw
from isthmus.models import tiling as module
from isthmus.models.tiling import Tiling, tile_over, tiled, tiles_of
from isthmus.parts.unet import UNet


@pytest.mark.parametrize(("H", "W", "tile"), [(1, 1, 8), (40, 33, 16), (64, 64, 64), (65, 9, 20), (7, 90, 30)])
def test_every_pixel_is_kept_once_and_every_tile_begins_on_the_grid(H: int, W: int, tile: int) -> None:
    kept = np.zeros((H, W), int)
    for piece in tiles_of(H, W, Tiling(10, 4, tile)):
        kept[piece.inner] += 1
        assert all(part.start % 4 == 0 for part in piece.outer)
        for outer, inner, end in zip(piece.outer, piece.inner, (H, W), strict=True):
            assert inner.start - outer.start >= min(10, inner.start)
            assert outer.stop - inner.stop >= min(10, end - inner.stop)
    assert (kept == 1).all()


@pytest.mark.parametrize(("H", "W", "tile"), [(40, 33, 16), (300, 410, 64), (65, 9, 20)])
def test_tiles_are_about_alike_and_none_is_larger_than_the_first(H: int, W: int, tile: int) -> None:
    pieces = list(tiles_of(H, W, Tiling(10, 4, tile)))
    for axis, end in ((0, H), (1, W)):
        inner = {piece.inner[axis].start: piece.inner[axis] for piece in pieces}
        assert len(inner) == -(-end // tile), "no more tiles than that many pixels need"
        lengths = [part.stop - part.start for part in inner.values()]
        assert max(lengths) <= tile
        assert max(lengths) - sum(lengths) / len(lengths) < 4, "within the stride of the mean"
        outer = [piece.outer[axis].stop - piece.outer[axis].start for piece in pieces]
        assert max(outer) == outer[0]


@pytest.mark.parametrize("sides", [(150, 131), (97, 260)])
def test_tiles_give_what_the_whole_image_gives(sides: tuple[int, int]) -> None:
    network, x = redraw(UNet(1, (4, 6, 8))).double(), drawn(1, 1, *sides, dtype=torch.float64)
    done: list[tuple[int, int]] = []
    with torch.no_grad():
        found = tiled(network, x, Tiling(network.halo, network.stride, 48), lambda *at: done.append(at))
        expected = network(x)
        assert_close(found / expected.abs().max(), expected / expected.abs().max())
    assert done == [(n, len(done)) for n in range(1, len(done) + 1)]


@pytest.mark.parametrize("tile", [16, 48, 300])
@pytest.mark.parametrize("is_interleaved", [False, True])
def test_an_image_may_be_written_over(tile: int, is_interleaved: bool) -> None:
    network, x = redraw(UNet(2, (4, 6, 8))).double(), drawn(1, 2, 150, 131, dtype=torch.float64)
    done: list[tuple[int, int]] = []
    with torch.no_grad():
        expected = network(x)
        found = x.contiguous(memory_format=torch.channels_last) if is_interleaved else x.clone()
        at = found.data_ptr()
        tile_over(network, found, Tiling(network.halo, network.stride, tile), lambda *now: done.append(now))
    assert found.data_ptr() == at
    assert_close(found / expected.abs().max(), expected / expected.abs().max())
    assert done == [(n, len(done)) for n in range(1, len(done) + 1)]


def test_large_pictures_are_cut_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    tiling, kept = Tiling(56, 8), torch.zeros(3, 10, 10, dtype=torch.uint8)
    assert tiling.beside(kept) == tiling
    monkeypatch.setattr(module, "LARGE_PICTURE", 299)
    assert tiling.beside(kept) == Tiling(56, 8, module.SMALL_TILE)
    assert Tiling(56, 8, 40).beside(kept).tile == 40


def test_a_halo_that_is_too_small_shows() -> None:
    network, x = redraw(UNet(1, (4, 6, 8))).double(), drawn(1, 1, 150, 131, dtype=torch.float64)
    with torch.no_grad():
        found = tiled(network, x, Tiling(8, network.stride, 48))
        assert float((found - network(x)).abs().max()) > 1e-6
