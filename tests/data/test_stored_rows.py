"""Rows on disk are asked like an array, and read no more than that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.data.samples import Samples
from isthmus.data.stored_rows import RowNames, StoredRows
from isthmus.errors import ResourceError
from isthmus.system.memory import at_most

X = np.random.default_rng(0).normal(size=(50, 3, 4)).astype(np.float32)
ROWS = np.array([2, 3, 4, 9, 30, 31, 49])


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


KEYS: list[Any] = [
    3, -1, slice(None), slice(1, 5), slice(None, None, 3), slice(0, 0), np.array([5, 0, 0]), np.array([], np.int64),
    (slice(0, 4), 1), (slice(1, 6), slice(None), slice(2)), (2, 1), np.arange(7) % 2 == 0,
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_gives_what_an_array_gives(mapped: np.ndarray, key: Any) -> None:
    found = StoredRows(mapped, ROWS)[key]
    np.testing.assert_array_equal(found, X[ROWS][key])
    assert type(found) is np.ndarray
    assert found.flags.writeable


@pytest.mark.parametrize("key", KEYS[:-1], ids=str)
def test_all_rows_without_a_list_of_them(mapped: np.ndarray, key: Any) -> None:
    np.testing.assert_array_equal(StoredRows(mapped)[key], X[key])


def test_forms_and_parts(mapped: np.ndarray) -> None:
    rows = StoredRows(mapped, ROWS)
    assert (len(rows), rows.shape, rows.dtype, rows.ndim, rows.size, rows.nbytes) == (
        7,
        (7, 3, 4),
        np.float32,
        3,
        84,
        336,
    )
    np.testing.assert_array_equal(rows.part(np.array([6, 0])), X[[49, 2]])
    np.testing.assert_array_equal(StoredRows(mapped).part(np.array([6, 0])), X[[6, 0]])


def test_channels_last_are_read_as_they_are_viewed(mapped: np.ndarray) -> None:
    view = mapped.transpose(0, 2, 1)
    np.testing.assert_array_equal(StoredRows(view, ROWS)[1:5], X.transpose(0, 2, 1)[ROWS[1:5]])


def test_fault_151_the_whole_is_never_read_by_mistake(mapped: np.ndarray) -> None:
    rows = StoredRows(mapped, name="x")
    with at_most(1000):
        assert rows[:10].nbytes == 480
        for read in (lambda: rows[:], lambda: np.asarray(rows), lambda: np.isnan(rows)):  # type: ignore[arg-type]
            with pytest.raises(ResourceError, match=r"50 samples of x needs 2\.4 kB of memory; 1\.0 kB are free"):
                read()


def test_taking_samples_reads_nothing_and_keeps_their_names(mapped: np.ndarray) -> None:
    samples = Samples(StoredRows(mapped), "x", labels=np.arange(50) % 5, classes=tuple("abcde"))  # type: ignore[arg-type]
    taken = samples.take(ROWS).take(np.array([1, 6]))
    assert taken.is_streamed
    assert [taken.id_of(i) for i in range(2)] == ["3", "49"]
    assert taken.labels is not None
    assert taken.labels.tolist() == [3, 4]
    np.testing.assert_array_equal(taken.x, X[[3, 49]])


def test_names_are_made_when_they_are_asked_for() -> None:
    names = RowNames(np.array([3, 1]), ("a", "b", "c", "d"))
    assert (list(names), names[-1], list(names[1:]), list(RowNames(np.array([7])))) == (["d", "b"], "b", ["b"], ["7"])
