"""Rows of pictures, codes and numbers."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.errors import UsageError
from isthmus.evaluation.figures.contact_sheets import WIDEST, blocks, pictures, tile_size
from isthmus.wording import label


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65_535), (np.float32, 1.0)])
def test_pictures_are_scaled_by_the_range_of_their_type(dtype, top):
    x = pictures(np.array([0, top], dtype).reshape(1, 1, 1, 2))
    assert x.shape == (1, 1, 2, 1)
    np.testing.assert_array_equal(x.ravel(), [0.0, 1.0])


def test_pictures_are_cut_to_the_unit_range():
    x = pictures(np.array([-0.5, 0.25, 7.0]).reshape(1, 1, 1, 3))
    np.testing.assert_allclose(x.ravel(), [0.0, 0.25, 1.0])


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (2, 1), (3, 3), (4, 1), (7, 1)])
def test_channels_come_last_and_odd_numbers_of_them_are_averaged(channels, shown):
    images = np.random.default_rng(0).random((2, channels, 5, 6)).astype(np.float32)
    x = pictures(images)
    assert x.shape == (2, 5, 6, shown)
    np.testing.assert_allclose(x.mean(axis=-1), images.mean(axis=1), atol=1e-6)  # float32


def test_nan_stays_in_gray_and_is_black_in_color():
    assert np.isnan(pictures(np.full((1, 1, 2, 2), np.nan))).all()
    assert (pictures(np.full((1, 3, 2, 2), np.nan)) == 0).all()


@pytest.mark.parametrize("shape", [(5, 10), (2, 0, 4, 4), (4, 4, 4)])
def test_a_table_is_no_picture(shape):
    with pytest.raises(UsageError, match=r"only images \(N, C, H, W\)"):
        pictures(np.zeros(shape))


@pytest.mark.parametrize("side", [8, 16, 28, 32])
@pytest.mark.parametrize("columns", [1, 3, 10])
def test_small_images_grow_by_whole_factors(side, columns):
    h, w = tile_size((side, side), columns)
    assert h == w
    assert w % side == 0
    assert w <= WIDEST


def test_shapes_keep_their_proportions_within_reason():
    assert tile_size((14, 28), 10) == (42, 84)
    assert tile_size((1, 784), 6)[0] >= 8
    h, w = tile_size((784, 1), 6)
    assert h <= 3 * w


@pytest.mark.parametrize(("n", "shape"), [(1, (1, 1)), (2, (1, 2)), (8, (2, 4)), (32, (4, 8)), (512, (16, 32))])
def test_a_code_becomes_a_block_twice_as_wide_as_high(n, shape):
    assert blocks(np.arange(n)).shape == shape


@pytest.mark.parametrize("n", [3, 7, 31, 50, 127, 1021])
def test_a_block_holds_the_code_line_by_line(n):
    z = np.random.default_rng(n).normal(size=n)
    block = blocks(z)
    np.testing.assert_array_equal(block.ravel()[:n], z)
    assert np.isnan(block.ravel()[n:]).all()
    assert block.size - n < block.shape[1]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1.0, "1"), (-2.345, "−2.3"), (35.2, "35"), (4.6e-6, "4.6e−6"), (1.2e9, "1.2e9")]
)
def test_numbers_are_short(value, text):
    assert label(value) == text
