"""Arrays from Python."""

import numpy as np
import pytest
import torch

from isthmus.config import DataConfig
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.samples import Samples
from isthmus.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 8, 9), dtype=np.uint8)


def samples(array: object, labels: object = None, **options: object) -> Samples:
    return samples_from_array(array, labels=labels, name="x", options=DataConfig(**options))  # type: ignore[arg-type]


def test_images_are_viewed_not_copied() -> None:
    found = samples(IMAGES)
    assert found.shape == (1, 8, 9)
    assert np.shares_memory(found.x, IMAGES)


def test_tensors_and_lists() -> None:
    np.testing.assert_array_equal(samples(torch.from_numpy(IMAGES)).x[:, 0], IMAGES)
    np.testing.assert_array_equal(samples([[1.5, 2], [3, 4]]).x, [[1.5, 2], [3, 4]])


def test_table_of_floats() -> None:
    x = RNG.normal(size=(30, 4))
    found = samples(x)
    assert (found.x.dtype, found.columns, found.notes) == (np.float32, None, ())
    np.testing.assert_array_equal(found.x, x.astype(np.float32))


def test_rows_of_pixels_by_guess_by_option_and_not() -> None:
    rows = RNG.integers(0, 256, (5, 784), dtype=np.uint8)
    guessed = samples(rows)
    assert (guessed.shape, guessed.x.dtype) == ((1, 28, 28), np.uint8)
    assert "784 columns of whole numbers from 0 to 255 are read as gray images of 28x28" in guessed.notes[0]
    assert samples(rows.astype(float)).shape == (1, 28, 28)
    assert samples(rows, shape="14x56").notes == ()
    assert samples(rows, shape="table").shape == (784,)
    assert samples(rows / 255, shape="28x28").x.dtype == np.float32


def test_one_gray_image() -> None:
    square = RNG.integers(0, 256, (32, 32), dtype=np.uint8)
    assert samples(square).x.shape == (1, 1, 32, 32)
    assert "read as one gray image" in samples(square).notes[0]
    assert samples(RNG.random((20, 30)), shape="20x30").x.shape == (1, 1, 20, 30)
    assert samples(square, shape="table").x.shape == (32, 32)


def test_windows_as_a_table() -> None:
    windows = RNG.normal(size=(6, 10, 2))
    np.testing.assert_array_equal(samples(windows, shape="table").x, windows.reshape(6, 20).astype(np.float32))


def test_shape_that_contradicts_the_images() -> None:
    with pytest.raises(DataError, match="already holds images of 8x9x1, but --shape 9x8"):
        samples(IMAGES, shape="9x8")
    assert samples(IMAGES, shape="8x9").shape == (1, 8, 9)


@pytest.mark.parametrize("array", [np.zeros(5), np.zeros((0, 4)), np.zeros((1, 2, 3, 4, 5)), 3.0])
def test_shapes_that_fit_nothing(array: object) -> None:
    with pytest.raises(DataError, match="x has shape"):
        samples(array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 2), complex), "complex numbers"),
        (np.array([["a", "b"]]), "strings"),
        (np.array([[{}, 1]], object), "Python objects"),
    ],
)
def test_fault_27_no_numbers(array: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=f"the array x holds {words}"):
        samples(array)


def test_fault_14_missing_values_need_a_choice() -> None:
    x = np.array([[1, np.nan], [2, 5], [3, 4], [9, 8]])
    with pytest.raises(DataError, match='x, column "1": 1 missing value, the first in row 0') as e:
        samples(x, missing="error")
    assert samples(x).schema is not None  # seen by the model, and told
    assert "--missing drop (1 of 4 rows left out)" in str(e.value.fix)
    dropped = samples(x, labels=list("abcb"), missing="drop")
    np.testing.assert_array_equal(dropped.x, x[1:])
    assert dropped.ids == ("1", "2", "3")
    assert dropped.labels is not None
    assert [dropped.classes[i] for i in dropped.labels] == ["b", "c", "b"]
    np.testing.assert_array_equal(samples(x, missing="median").x, x)  # filled once the training part is known


def test_fault_15_infinite_values_are_bad() -> None:
    x = np.array([[1, np.inf], [2, 5], [3, 1e300], [9, 8], [9, 9]])
    with pytest.raises(DataError, match="2 cells are not usable numbers") as e:
        samples(x)
    assert e.value.problems[0] == 'row 0, column "1": "inf" is infinite'
    np.testing.assert_array_equal(samples(x, skip_bad_rows=True).x, x[[1, 3, 4]])


def test_nothing_left() -> None:
    with pytest.raises(DataError, match="no rows are left"):
        samples(np.full((2, 2), np.nan), missing="drop")


def test_large_whole_numbers_are_told() -> None:
    assert 'column "0" has whole numbers above 16,777,216' in samples(np.array([[2**24 + 1, 1], [2, 3]])).notes[0]
    assert 'column "0" has whole numbers above 16,777,216' in samples(np.array([[2.0**24 + 1, 1], [2, 3]])).notes[0]


def test_fault_10_one_label_a_sample() -> None:
    with pytest.raises(DataError, match="x holds 5 samples, but there are 2 labels"):
        samples(IMAGES, labels=[1, 2])
    assert samples(IMAGES, labels=[10, 9, 10, 9, 1]).classes == ("1", "9", "10")
