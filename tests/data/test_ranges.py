"""The range rule for images."""

import numpy as np
import pytest

from isthmus.data.ranges import image_values, is_scaled_by_use, used_range
from isthmus.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4))


def values(x: np.ndarray, *, scale: str = "auto", declared: bool = True, range: str = "data") -> tuple[np.ndarray, str]:
    found, notes = image_values(x, scale=scale, name="x", declared=declared, range=range)
    return found, " ".join(notes)


@pytest.mark.parametrize("dtype", [np.int64, np.int16, np.uint32])
def test_whole_numbers_up_to_255_become_bytes(dtype: type) -> None:
    found, told = values(IMAGES.astype(dtype))
    assert (found.dtype, told) == (np.uint8, "")
    np.testing.assert_array_equal(found, IMAGES)


def test_bytes_and_unit_floats_are_not_copied() -> None:
    for x in (IMAGES.astype(np.uint8), (IMAGES / 255).astype(np.float32)):
        assert values(x)[0] is x


def test_counts_are_kept_and_their_range_is_told() -> None:
    for x in ((IMAGES * 16 + 100).astype(np.uint16), (IMAGES * 16 + 100).astype(np.int32), IMAGES.astype(np.uint16)):
        found, told = values(x)
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, x)
        assert f"values from {x.min():,.6g} to {x.max():,.6g}; black and white are the minimum and maximum" in told


@pytest.mark.parametrize("x", [IMAGES / 100, IMAGES / 255 - 0.5, IMAGES - 10, IMAGES * 1000, IMAGES.astype(float)])
def test_floats_and_integers_of_any_range_are_kept(x: np.ndarray) -> None:
    found, told = values(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, x.astype(np.float32))
    assert f"values from {x.min():,.6g} to {x.max():,.6g}" in told


def test_which_images_need_the_range_in_use() -> None:
    unit = (IMAGES / 255).astype(np.float32)
    assert not any(is_scaled_by_use(x) for x in (IMAGES.astype(np.uint8), unit))
    assert all(is_scaled_by_use(x) for x in (unit * 2, unit - 1, IMAGES.astype(np.uint16)))


def test_the_range_in_use_is_from_the_least_to_the_greatest_value() -> None:
    x = np.random.default_rng(1).integers(110, 4096, (40, 64, 64)).astype(np.uint16)
    assert used_range([x[:10], x[10:]], x.size) == (x.min(), x.max(), False, x.min(), x.max())


def test_a_few_extreme_pixels_do_not_set_the_range() -> None:
    x = np.random.default_rng(1).uniform(-1000, 700, (40, 64, 64)).astype(np.float32)
    x[3, :2, :5], x[4, 0, 0] = 30_000, -9_000
    found = used_range([x], x.size)
    assert (found.is_cut, found.least, found.greatest) == (True, -9_000, 30_000)
    assert (found.black, found.white) == pytest.approx(tuple(np.quantile(x, (0.001, 0.999))), abs=0.1)


def test_sixteen_bits_by_their_type() -> None:
    found, told = values(IMAGES.astype(np.int32) * 257, range="type")
    assert (found.dtype, found.max()) == (np.uint16, 257 * IMAGES.max())
    assert "16-bit numbers, with 65,535 as white" in told
    assert "12-bit" not in told
    assert "12-bit" in values((IMAGES * 16).astype(np.uint16), range="type")[1]
    found, told = values(IMAGES.astype(np.uint16), range="type")
    assert found.dtype == np.uint8
    assert "read as 0 to 255" in told


def test_zeros_and_ones() -> None:
    found, told = values(IMAGES > 100)
    assert (found.dtype, set(np.unique(found))) == (np.uint8, {0, 255})
    assert "true is read as white" in told
    found, told = values((IMAGES > 100).astype(int))
    assert (found.dtype, found.max()) == (np.float32, 1.0)
    assert "1 is read as white" in told
    found, told = values((IMAGES > 100).astype(np.uint8))
    assert found.dtype == np.uint8
    assert "nearly black; if 1 means white, pass --scale minmax" in told


def test_numbers_without_a_type_of_their_own() -> None:
    assert values(IMAGES.astype(np.float32), declared=False)[0].dtype == np.uint8
    assert values((IMAGES > 100).astype(np.uint8), declared=False)[0].dtype == np.float32


@pytest.mark.parametrize("x", [IMAGES / 100, IMAGES / 255 - 0.5, IMAGES - 10, IMAGES * 1000])
def test_fault_42_ranges_that_say_nothing(x: np.ndarray) -> None:
    with pytest.raises(DataError, match=f"image values lie between {x.min():g} and {x.max():g}; allowed are") as e:
        values(x, range="type")
    assert e.value.fix == "pass --scale minmax to bring them to [0, 1]"
    found, told = values(x, scale="minmax")
    np.testing.assert_array_equal(found, x.astype(np.float32))
    assert told == ""


def test_bytes_stored_as_floats_are_named() -> None:
    with pytest.raises(DataError, match="They look like 0 to 255 stored as floats"):
        values(IMAGES.astype(float), range="type")


def test_rounding_errors_are_clipped() -> None:
    x = np.array([[[[-1e-8, 1 + 1e-7]]]])
    found, told = values(x)
    assert (found.min(), found.max()) == (0, 1)
    assert "clipped" in told


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("scale", ["auto", "minmax"])
def test_no_number_is_refused_with_its_place(bad: float, scale: str) -> None:
    x = IMAGES / 255
    x[3, 0, 1, 1] = bad
    with pytest.raises(DataError, match=r"image 3 \(counted from 0\) holds NaN, infinite or too large values"):
        values(x, scale=scale)


def test_fault_counts_stored_as_floats_are_not_taken_for_bytes() -> None:
    with pytest.raises(DataError, match=r"between 0 and 16; allowed are .* between 0 and 1\.\nfix:") as caught:
        values(np.array([[[[0.0, 16.0]]]]), range="type")
    assert caught.value.fix == "pass --scale minmax to bring them to [0, 1]"
