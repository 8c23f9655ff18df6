"""Facts about large arrays, against numpy on the whole array."""

import numpy as np
import pytest

from isthmus.data import numeric
from isthmus.data.numeric import Rounding, are_bytes, are_whole, blocks, converted, loses_digits, value_range
from isthmus.errors import ResourceError


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric, "BLOCK", 64)


@pytest.mark.usefixtures("small_blocks")
def test_blocks_cover_the_array_once() -> None:
    array = np.arange(1000).reshape(100, 10)
    parts = list(blocks(array))
    assert max(len(part) for part in parts) == 6
    np.testing.assert_array_equal(np.concatenate(parts), array)


@pytest.mark.usefixtures("small_blocks")
def test_range_over_all_blocks() -> None:
    array = np.random.default_rng(0).normal(size=(50, 3, 4))
    assert value_range(array) == (array.min(), array.max())
    array[30, 0, 0] = np.nan
    assert np.isnan(value_range(array)).all()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("last", "whole", "byte"), [(255, True, True), (256, True, False), (-1, True, False), (0.5, False, False)]
)
def test_whole_numbers_and_bytes_to_the_last_value(last: float, whole: bool, byte: bool) -> None:
    array = np.arange(240.0).reshape(60, 4)
    array[-1, -1] = last
    assert (are_whole(array), are_bytes(array)) == (whole, byte)


def test_digits_that_float32_cannot_keep() -> None:
    values = np.array([[2.0**24 + 1, 2.0**24, 0.1, 2**25 + 4], [1, 1, 1, 1]])
    assert loses_digits(values).tolist() == [True, False, False, False]  # odd numbers end at 2**24
    assert loses_digits(np.array([[2**53 + 1]])).tolist() == [True]
    assert loses_digits(np.array([[np.nan, np.inf, 1e300]])).tolist() == [False, False, False]
    assert loses_digits(np.zeros((0, 2))).tolist() == [False, False]


def test_conversion_copies_only_where_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.ones((2, 2), np.float32)
    assert converted(array, np.float32) is array
    monkeypatch.setattr("isthmus.system.memory.available_bytes", lambda: 10)
    monkeypatch.setattr("isthmus.system.scratch.kind_of_disk", lambda folder: "tmpfs")  # which is memory too
    with pytest.raises(ResourceError, match="needs 16 bytes, but only 8 bytes of memory may be used"):
        converted(np.ones((2, 2)), np.float32)


@pytest.mark.parametrize(
    ("values", "matters"),
    [
        (1.7e9 + 1444 * np.random.default_rng(0).normal(size=200), True),  # seconds within an hour; float32 has 128
        (1.7e9 + 1e7 * np.random.default_rng(0).normal(size=200), False),  # within a year
        (np.full(200, 0.1), False),  # a constant, whatever float32 makes of it
        (5e5 + np.arange(200.0), False),  # whole numbers that float32 has
        (-3e12 + np.arange(200.0) / 7, True),
        (1e-44 * np.arange(200), True),  # below the least normal number
        (np.random.default_rng(0).normal(size=200), False),
    ],
)
@pytest.mark.parametrize("step", [200, 7])
def test_rounding_matters_where_it_changes_a_thousandth_of_the_deviation(
    values: np.ndarray, matters: bool, step: int
) -> None:
    lost = np.abs(values.astype(np.float32).astype(np.float64) - values).max()
    assert (lost > 0.001 * np.std(values) > 0) == matters  # the definition, all at once
    told = Rounding(2)
    for start in range(0, 200, step):
        gaps = np.where(np.arange(200) % 3 == 0, np.nan, values)
        told.add(np.column_stack([values, gaps])[start : start + step])
    assert told.matters.tolist() == [matters, matters]
