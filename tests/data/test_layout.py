"""Axes and shapes."""

import numpy as np
import pytest

from isthmus.data.layout import (
    guess_shape,
    images_from_array,
    images_from_rows,
    nearby_shapes,
    parse_shape,
    pixel_order,
    shape_by_names,
)
from isthmus.errors import DataError, UsageError

RNG = np.random.default_rng(0)


def pixels(n: int, most: int = 256) -> np.ndarray:
    return RNG.integers(0, most, (5, n), dtype=np.uint8)


@pytest.mark.parametrize(
    ("text", "shape"), [("28x28", (28, 28, 1)), ("32x16x3", (32, 16, 3)), (" 8X9 ", (8, 9, 1)), ("4×5×4", (4, 5, 4))]
)
def test_shape_as_people_write_it(text: str, shape: tuple[int, int, int]) -> None:
    assert parse_shape(text) == shape


@pytest.mark.parametrize("text", ["28", "28x", "0x5", "axb", "4x4x2", "-1x4", "4x4x4x4"])
def test_shape_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(UsageError, match="is not an image shape"):
        parse_shape(text)


@pytest.mark.parametrize(
    ("given", "axes", "told"),
    [
        ((5, 8, 9), (0, None, 1, 2), ""),
        ((5, 8, 9, 3), (0, 3, 1, 2), ""),
        ((5, 3, 8, 9), (0, 1, 2, 3), ""),
        ((5, 8, 9, 1), (0, 3, 1, 2), ""),
        ((5, 3, 8, 3), (0, 3, 1, 2), "height, width, channels"),
        ((5, 3, 4, 4), (0, 1, 2, 3), "channels, height, width"),
        ((20, 30, 3), (None, 2, 0, 1), "one image of 20x30 with 3 channels"),
        ((3, 20, 30), (0, None, 1, 2), "3 gray images"),
    ],
)
def test_axes_of_arrays(given: tuple[int, ...], axes: tuple[int | None, ...], told: str) -> None:
    array = RNG.random(given)
    found, notes = images_from_array(array, name="x")
    expected = array.transpose([axis for axis in axes if axis is not None])
    expected = np.expand_dims(expected, [i for i, axis in enumerate(axes) if axis is None])
    np.testing.assert_array_equal(found, expected)
    assert np.shares_memory(found, array)
    assert told in " ".join(notes)
    assert bool(notes) == bool(told)


def test_the_clearly_shorter_axis_holds_the_bands() -> None:
    x = RNG.random((5, 12, 30, 28))
    found, notes = images_from_array(x, name="x")
    np.testing.assert_array_equal(found, x)
    assert notes == ("x: the shape (5, 12, 30, 28) is read as (samples, bands, height, width), with 12 bands each.",)
    found, notes = images_from_array(x.transpose(0, 2, 3, 1), name="x")
    np.testing.assert_array_equal(found, x)
    assert "(samples, height, width, bands), with 12 bands" in notes[0]


def test_no_axis_of_channels() -> None:
    with pytest.raises(DataError, match=r"\(5, 7, 8, 9\), and it is unclear which axis holds the bands"):
        images_from_array(np.zeros((5, 7, 8, 9)), name="x")


def test_rows_hold_channels_last() -> None:
    images = RNG.integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    found = images_from_rows(images.reshape(5, -1), "4x6x3", name="x")
    np.testing.assert_array_equal(found, images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("n", "columns", "fix"),
    [
        (783, None, "783 columns fit --shape 27x29 or 9x29x3 or 9x87"),
        (785, ("x",), "1 column too many: name the label with --label, or leave it out with --drop-column NAME"),
        (787, ("x",), "3 columns too many: name the label with --label, or leave them out with --drop-column NAME"),
        (11, None, "check the number of columns"),
    ],
)
def test_wrong_shape_names_what_fits(n: int, columns: tuple[str, ...] | None, fix: str) -> None:
    with pytest.raises(DataError, match=f"has {n} columns, but --shape 28x28 needs 784") as e:
        images_from_rows(pixels(n), "28x28", name="x", columns=columns)
    assert e.value.fix == fix


def test_nearby_shapes_multiply_to_the_number() -> None:
    for n in (784, 3072, 4096, 180 * 180):
        for text in nearby_shapes(n):
            assert np.prod([int(side) for side in text.split("x")]) == n
    assert nearby_shapes(784)[0] == "28x28"
    assert "32x32x3" in nearby_shapes(3072)


@pytest.mark.parametrize(
    ("matrix", "columns", "shape"),
    [
        (pixels(784), None, "28x28"),
        (pixels(64, 2), None, None),  # zeros and ones in 64 columns may be anything
        (pixels(64, 2), [f"pixel{i}" for i in range(64)], "8x8"),
        (pixels(49), None, None),  # fewer than 64 columns
        (pixels(65), None, None),
        (pixels(64) / 255, [f"pixel{i}" for i in range(64)], None),
        (pixels(64) + 0.0, None, "8x8"),
        (pixels(80), [f"{i}x{j}" for i in range(1, 9) for j in range(1, 11)], "8x10"),
    ],
)
def test_square_images_are_guessed(matrix: np.ndarray, columns: list[str] | None, shape: str | None) -> None:
    assert guess_shape(matrix, columns) == shape


def test_names_of_rows_and_columns() -> None:
    assert shape_by_names([f"r{i}_{j}" for i in range(8) for j in range(8)]) == "8x8"
    assert shape_by_names([f"{i}x{j}" for j in range(8) for i in range(8)]) is None  # column by column
    assert shape_by_names([f"{i}x{j}" for i in range(8) for j in range(8)][:-1]) is None


def test_pixels_in_alphabetical_order_are_put_right() -> None:
    names = sorted(f"pixel{i}" for i in range(64))
    order = pixel_order(names)
    assert order is not None
    assert [names[i] for i in order] == [f"pixel{i}" for i in range(64)]
    assert pixel_order([f"pixel{i}" for i in range(64)]) is None
    assert pixel_order(["height", "weight"]) is None
