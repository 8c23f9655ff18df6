"""Joining pieces: nothing is lost or moved, and every pixel is a mean over the pieces that contain it."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.data.batching.preprocess import Preprocess
from isthmus.models.piecewise import PiecewiseModel, put_together, starts

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("n", "side"), [(16, 16), (17, 16), (50, 16), (64, 16), (33, 1), (100, 7)])
def test_pieces_cover_all_and_overlap_by_half(n: int, side: int) -> None:
    found = starts(n, side)
    assert (found[0], found[-1]) == (0, n - side)
    steps = np.diff(found)
    assert (steps <= max(1, (side + 1) // 2)).all()
    covered = np.zeros(n, int)
    for at in found:
        covered[at : at + side] += 1
    assert covered.min() >= 1


@pytest.mark.parametrize("sides", [(50, 37), (16, 16), (9, 40), (5, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_changes_nothing_gives_the_image_back(sides: tuple[int, int], dtype: type) -> None:
    model = PiecewiseModel(Preprocess((3, 16, 12), np.dtype(dtype).name, range=(0.0, 1.0)), lambda x: x)
    image = (RNG.random((3, *sides)) * 250).astype(dtype)
    found = model.denoise(image[None])[0]
    assert found.dtype == dtype
    np.testing.assert_allclose(found, image, rtol=1e-6)
    for C in (1, 3):
        over = image[:C].copy()
        model.denoise_over(over)
        np.testing.assert_allclose(over, image[:C], rtol=1e-6)


def test_a_pixel_is_the_weighed_mean_over_its_pieces() -> None:
    """Compares one pixel with a calculation by hand: pieces of 4 that begin at 0, 2 and 4 of 8 pixels."""
    numbers = iter([1.0, 10.0, 100.0])
    found = put_together(
        lambda pieces: np.stack([np.full_like(p, next(numbers)) for p in pieces]),
        np.zeros((1, 1, 8), np.float32),
        (1, 4),
    )
    weight = np.array([0.5, 1, 1, 0.5])  # 1 - |2 (i + 1/2) / 4 - 1| + 1/4 for i = 0 to 3
    assert starts(8, 4) == [0, 2, 4]
    pixel_3 = (weight[3] * 1 + weight[1] * 10) / (weight[3] + weight[1])
    assert found[0, 0, 3] == pytest.approx(pixel_3)
    assert found[0, 0, 0] == 1
    assert found[0, 0, 7] == 100


def test_a_gray_model_takes_each_channel_and_a_color_one_a_gray_image() -> None:
    seen: list[tuple[int, ...]] = []

    def brighter(pieces: np.ndarray) -> np.ndarray:
        seen.append(pieces.shape[1:])
        return pieces + np.arange(pieces.shape[1])[:, None, None]

    image = np.zeros((3, 10, 8), np.float32)
    gray = PiecewiseModel(Preprocess((1, 8, 8), "float32", range=(0.0, 1.0)), brighter)
    color = PiecewiseModel(Preprocess((3, 8, 8), "float32", range=(0.0, 1.0)), brighter)
    assert (gray.denoise(image[None]) == 0).all()
    np.testing.assert_allclose(color.denoise(image[None, :1])[0], 1.0, rtol=1e-6)  # the mean of 0, 1 and 2
    assert set(seen) == {(1, 8, 8), (3, 8, 8)}


def test_a_strength_blends() -> None:
    model = PiecewiseModel(Preprocess((1, 8, 8), "uint8", range=(0.0, 1.0)), lambda x: np.full_like(x, 200))
    image = np.full((1, 12, 9), 100, np.uint8)
    assert (model.denoise(image[None], 0.3) == 130).all()
    model.denoise_over(image, 0.25)
    assert (image == 125).all()
