"""Rows of a file, read by calls of the system: the right ones, from a disk that fails for a while or for good."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.data import row_file
from isthmus.data.row_file import RowFile
from isthmus.data.stored_rows import StoredRows
from isthmus.errors import DataLostError
from isthmus.system import passing_errors

X = np.random.default_rng(0).normal(size=(3_000, 5, 3, 4)).astype(np.float32)
RAW = b"sixteen bytes...", X.tobytes()
VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "whole": lambda x: x,
    "later rows": lambda x: x[7:],
    "flat": lambda x: x.reshape(len(x), -1),
    "channels first": lambda x: x.transpose(0, 3, 1, 2),
    "with a channel": lambda x: x[:, None],
    "as bytes": lambda x: x.view(np.uint8),
    "of the other order": lambda x: x.view(">f4"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "x.raw").write_bytes(b"".join(RAW))
    return tmp_path / "x.raw"


@pytest.fixture
def mapped(path: Path) -> np.ndarray:
    return np.memmap(path, np.float32, "r", offset=16, shape=X.shape)


@pytest.fixture
def opened(mapped: np.ndarray) -> RowFile:
    found = RowFile.of(mapped)
    assert found is not None
    return found


@pytest.mark.parametrize("gap", [0, 1_000, row_file.GAP])
@pytest.mark.parametrize("most", [1, 10_000, row_file.MOST])
@pytest.mark.parametrize("view", VIEWS)
def test_rows_are_those_of_the_array(
    view: str, most: int, gap: int, mapped: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_file, "GAP", gap)
    monkeypatch.setattr(row_file, "MOST", most)
    seen, rng = VIEWS[view](mapped), np.random.default_rng(1)
    found = RowFile.of(seen)
    assert found is not None
    for rows in ([], [0], [2_992], np.arange(100, 200), rng.permutation(900), [5, 5, 4, 2_000], np.arange(0, 2_900, 3)):
        chosen = np.asarray(rows, np.int64)
        read = found.read(chosen)
        np.testing.assert_array_equal(read, np.asarray(VIEWS[view](X))[chosen])
        assert (type(read), read.dtype, read.flags.writeable) == (np.ndarray, seen.dtype, True)


def test_what_does_not_lie_row_by_row_in_a_named_file_is_read_otherwise(mapped: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.asfortranarray(X))
    others = [
        X,
        mapped[::2],
        mapped[::-1],
        mapped[..., :2],
        mapped[:, ::-1],
        np.load(tmp_path / "f.npy", mmap_mode="r"),
    ]
    assert [RowFile.of(array) for array in others] == [None] * len(others)
    for array in others:
        np.testing.assert_array_equal(StoredRows(array)[3:9], np.asarray(array)[3:9])


def failing(monkeypatch: pytest.MonkeyPatch, name: str, number: int, times: int) -> list[int]:
    """The next calls of `os.NAME` fail; how many did."""
    real, failed = getattr(os, name), []

    def call(*given: Any) -> Any:
        if len(failed) < times:
            failed.append(number)
            raise OSError(number, os.strerror(number))
        return real(*given)

    monkeypatch.setattr(os, name, call)
    monkeypatch.setattr(passing_errors, "PAUSE", 0.001)
    return failed


@pytest.mark.parametrize("name", ["pread", "open", "fstat"])
@pytest.mark.parametrize("number", [errno.ESTALE, errno.ETIMEDOUT])
def test_fault_68_rows_are_read_again_where_a_network_disk_fails_for_the_moment(
    number: int, name: str, opened: RowFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failing(monkeypatch, name, number, 3)
    np.testing.assert_array_equal(opened.read(np.arange(40, 60)), X[40:60])
    assert len(failed) == 3


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
def test_fault_161_a_disk_that_does_not_give_the_rows_is_told_with_the_file(
    number: int, opened: RowFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_errors, "LIMIT", 0.02)
    failing(monkeypatch, "pread", number, 1_000)
    with pytest.raises(DataLostError, match=rf"x\.raw can no longer be read: {os.strerror(number)}\.") as caught:
        opened.read(np.arange(9))
    assert caught.value.exit_code == 5


def test_fault_161_a_file_that_is_cut_meanwhile_is_told_with_the_row(opened: RowFile, path: Path) -> None:
    opened.read(np.arange(9))
    os.truncate(path, 16 + 100 * 240 + 7)
    np.testing.assert_array_equal(opened.read(np.arange(90, 100)), X[90:100])
    with pytest.raises(DataLostError, match=r"x\.raw now ends at row 100: it was cut off\."):
        opened.read(np.arange(95, 105))


def test_fault_161_a_file_that_another_one_has_replaced_is_never_read_in_its_place(
    opened: RowFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.read(np.arange(9))
    (path.parent / "new").write_bytes(b"".join(RAW)[::-1])
    os.replace(path.parent / "new", path)
    np.testing.assert_array_equal(opened.read(np.arange(9)), X[:9])  # the one that was opened is still there
    failing(monkeypatch, "pread", errno.ESTALE, 1)
    with pytest.raises(DataLostError, match=r"x\.raw was changed or replaced while it was being read\."):
        opened.read(np.arange(9))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_file_is_closed_with_the_last_rows(mapped: np.ndarray, path: Path) -> None:
    def handles() -> int:
        links = (Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd"))
        return sum(link.exists() and link.samefile(path) for link in links)

    before = handles()  # of the mapping
    rows = StoredRows(mapped)
    parts = [rows.part(np.arange(k, k + 9)) for k in range(20)]
    for k, part in enumerate(parts):
        np.testing.assert_array_equal(part[:2], X[k : k + 2])
    assert handles() == before + 1
    del rows, parts, part
    assert handles() == before
