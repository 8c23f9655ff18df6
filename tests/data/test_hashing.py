"""Equal samples, counted: against Python's own sets of bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isthmus.data import hashing
from isthmus.data.hashing import find_exact_duplicates, find_overlap, is_among, numbers_of

SMALL = hnp.arrays(np.uint8, st.tuples(st.integers(0, 12), st.integers(1, 3)), elements=st.integers(0, 2))


@given(SMALL)
def test_duplicates_are_the_rows_that_a_set_lacks(x: np.ndarray) -> None:
    assert find_exact_duplicates(x).count == len(x) - len({row.tobytes() for row in x})


@given(SMALL, SMALL)
def test_overlap_is_what_a_set_holds(train: np.ndarray, test: np.ndarray) -> None:
    known = {row.tobytes() for row in train} if train.shape[1:] == test.shape[1:] else set()
    assert find_overlap(train, test).count == sum(row.tobytes() in known for row in test)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7,), (1, 5, 5), (3, 4, 4)])
def test_types_and_shapes(dtype: type, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(0, 200, (50, *shape)).astype(dtype)
    x[20], x[30], x[40] = x[3], x[3], x[39]
    assert find_exact_duplicates(x) == (3, ((3, 20), (3, 30), (39, 40)))


def test_one_value_in_a_large_sample_makes_a_difference() -> None:
    x = np.zeros((784, 784), np.uint8)
    np.fill_diagonal(x, 1)  # every two samples differ in two pixels
    assert find_exact_duplicates(x).count == 0


def test_colliding_numbers_are_compared_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "numbers_of", lambda x: np.zeros(len(x), np.uint64))
    x = np.array([[1], [2], [1], [3], [2]], np.uint8)
    assert find_exact_duplicates(x) == (2, ((0, 2), (1, 4)))
    assert find_overlap(x, np.array([[3], [9]], np.uint8)) == (1, ((3, 0),))


def test_only_the_first_pairs_are_listed() -> None:
    x = np.zeros((30, 4), np.float32)
    found = find_exact_duplicates(x)
    assert found.count == 29
    assert found.pairs == tuple((0, row) for row in range(1, 11))


def test_zeros_of_both_signs_are_equal() -> None:
    assert find_exact_duplicates(np.array([[0.0, 1.0], [-0.0, 1.0]])).count == 1


def test_bytes_and_the_same_numbers_as_floats_overlap() -> None:
    x = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert find_overlap(x, x[1:].astype(np.float32)).count == 2


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).integers(0, 2, (500, 6), dtype=np.uint8)
    whole = find_exact_duplicates(x).count
    monkeypatch.setattr(hashing, "MOST_BYTES", 64)
    assert find_exact_duplicates(x).count == whole == 500 - len({row.tobytes() for row in x})


def test_other_shapes_never_overlap() -> None:
    assert find_overlap(np.zeros((2, 3)), np.zeros((2, 4))).count == 0
    assert find_overlap(np.zeros((0, 3)), np.zeros((2, 3))).count == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_with_gaps_are_among_rows_with_the_same_gaps(dtype: type) -> None:
    x = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, np.nan], [np.nan, 1.0]], dtype)
    assert is_among(x, numbers_of(x[[0, 2]]), x.dtype).tolist() == [True, False, True, False]
    assert not is_among(x[2:3], numbers_of(np.zeros((1, 2), np.uint8)), np.dtype(np.uint8)).any()
