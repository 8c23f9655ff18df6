"""Drawings as MNIST's digits were: the ink in a box of 20 pixels, its center of mass in the middle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from isthmus.errors import DataError, UsageError
from isthmus.tools.inference.framing import frame
from tiny import Digits


@pytest.mark.parametrize(("height", "width"), [(200, 100), (60, 180), (20, 20)])
@pytest.mark.parametrize("corner", [(0, 0), (70, 90)])
def test_ink_fills_a_box_of_twenty_around_its_center_of_mass(height: int, width: int, corner: tuple[int, int]) -> None:
    page = np.zeros((1, 280, 280), np.uint8)
    page[0, corner[0] : corner[0] + height, corner[1] : corner[1] + width] = 255
    x = frame(page, (1, 28, 28), "digit", dark_border=True)[0]
    rows, columns = np.flatnonzero(x.max(1) > 0.1), np.flatnonzero(x.max(0) > 0.1)
    inside = [min(280 - corner[0], height), min(280 - corner[1], width)]
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert (np.ptp(rows) + 1) / (np.ptp(columns) + 1) == pytest.approx(inside[0] / inside[1], rel=0.1)
    assert np.abs(np.array(ndimage.center_of_mass(x)) - 14).max() <= 0.5  # whole pixels: half of one is left


def test_where_it_was_drawn_does_not_matter() -> None:
    page = np.zeros((280, 280), np.uint8)
    page[40:140, 60:80] = page[120:140, 60:120] = 255  # an L
    moved = np.roll(page, (70, 90), (0, 1))
    one, other = (frame(p[None], (1, 28, 28), "digit", dark_border=True) for p in (page, moved))
    assert np.array_equal(one, other)


def test_a_digit_of_mnist_stays_nearly_what_it_was(digits: Digits) -> None:
    x = digits.x[:50].astype(np.float32) / 255
    framed = np.stack([frame(image, (1, 28, 28), "digit", dark_border=True) for image in digits.x[:50]])
    assert np.square(framed - x).mean() < 0.2 * np.square(x - x.mean(0)).mean()
    assert np.median(np.square(framed - x).mean((1, 2, 3))) < 0.001  # most are placed to the pixel


def test_dark_ink_on_paper_is_turned_around() -> None:
    page = np.full((1, 100, 100), 230, np.uint8)
    page[0, 20:80, 45:55] = 10
    dark = frame(page, (1, 28, 28), "digit", dark_border=True)
    light = frame(255 - page, (1, 28, 28), "digit", dark_border=True)
    np.testing.assert_allclose(dark, light, atol=0.05)
    assert dark[0, 14, 14] > 0.9


def test_the_right_size_stays_exact(digits: Digits) -> None:
    assert np.array_equal(frame(digits.x[3], (1, 28, 28)), digits.x[3].astype(np.float32) / 255)


def test_cover_takes_the_middle_in_the_right_proportions() -> None:
    image = np.zeros((3, 40, 100), np.uint8)
    image[:, :, 30:70] = 255
    assert np.array_equal(frame(image, (3, 8, 8), "cover"), np.ones((3, 8, 8), np.float32))


def test_color_becomes_gray_and_gray_color() -> None:
    red = np.zeros((3, 8, 8), np.uint8)
    red[0] = 255
    assert frame(red, (1, 8, 8))[0] == pytest.approx(np.full((8, 8), 0.299))
    assert frame(red[:1], (3, 8, 8)).shape == (3, 8, 8)


def test_nothing_drawn_another_size_and_an_unknown_way_are_told() -> None:
    with pytest.raises(DataError, match="nothing is drawn"):
        frame(np.zeros((1, 50, 50), np.uint8), (1, 28, 28), "digit", dark_border=True)
    with pytest.raises(DataError, match="has 50x50 pixels; the model takes 28x28"):
        frame(np.zeros((1, 50, 50), np.uint8), (1, 28, 28), "exact")
    with pytest.raises(UsageError, match="unknown way to frame 'stretch'"):
        frame(np.zeros((1, 50, 50), np.uint8), (1, 28, 28), "stretch")
