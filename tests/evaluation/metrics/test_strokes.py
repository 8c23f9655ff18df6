"""Measures on pixels against drawn shapes whose sizes are known."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.transform import AffineTransform, warp

from isthmus.errors import DataError, UsageError
from isthmus.evaluation.metrics.strokes import MEASURES, measure


def bar(w: int, h: int, side: int = 40) -> np.ndarray:
    image = np.zeros((side, side))
    top, left = (side - h) // 2, (side - w) // 2
    image[top : top + h, left : left + w] = 1.0
    return image


def images(*pictures: np.ndarray) -> np.ndarray:
    return (np.stack(pictures)[:, None] * 255).round().astype(np.uint8)


def test_width_and_height_are_those_of_the_box() -> None:
    x = images(bar(3, 30), bar(17, 5))
    assert measure("width", x).tolist() == [3, 17]
    assert measure("height", x).tolist() == [30, 5]


@pytest.mark.parametrize("w", [2, 4, 6])
def test_thickness_is_twice_the_area_over_the_perimeter(w: int) -> None:
    h = 36
    expected = 2 * w * h / (2 * (w + h))
    # one corner in four is cut short, by 2 - sqrt(2) of a pixel of the perimeter
    assert measure("thickness", images(bar(w, h)))[0] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("lean", [-0.4, 0.0, 0.3])
def test_slant_is_the_shear_that_was_applied(lean: float) -> None:
    # rows further up (smaller y) move to the right by `lean` pixels each
    center = 19.5
    map_back = AffineTransform(np.array([[1, lean, -lean * center], [0, 1, 0], [0, 0, 1]]))
    sheared = warp(bar(4, 24), map_back, order=1)
    assert measure("slant", images(sheared))[0] == pytest.approx(lean, abs=0.01)  # pixels are spread over two


def test_measures_do_not_depend_on_brightness_place_or_channels() -> None:
    one = images(bar(4, 24))
    moved = np.roll(one, (3, -5), axis=(2, 3)) // 2
    color = np.repeat(one, 3, axis=1)
    for name in MEASURES:
        base = measure(name, one)
        np.testing.assert_allclose(measure(name, moved), base, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(measure(name, color), base, rtol=1e-9, atol=1e-9)


def test_empty_images_have_no_measure_and_tables_are_refused() -> None:
    for name in MEASURES:
        assert np.isnan(measure(name, images(np.zeros((8, 8))))).all()
    with pytest.raises(DataError, match="rows of a table"):
        measure("slant", np.zeros((3, 5)))
    with pytest.raises(UsageError, match="slant"):
        measure("slnat", images(bar(2, 3)))
