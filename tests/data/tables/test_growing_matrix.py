"""A matrix that grows by rows."""

import numpy as np
import pytest

from isthmus.data.tables.growing_matrix import GrowingMatrix
from isthmus.errors import ResourceError
from isthmus.system.scratch import is_mapped


@pytest.mark.parametrize("n_rows", [0, 5, 1000])
def test_blocks_in_their_order(n_rows: int) -> None:
    blocks = [np.random.default_rng(i).integers(0, 256, (7, 3)) for i in range(20)]
    matrix = GrowingMatrix(3, n_rows=n_rows, what="t")
    for block in blocks:
        matrix.append(block)
    found = matrix.finish()
    assert found.dtype == np.uint8
    assert found.base is None
    np.testing.assert_array_equal(found, np.concatenate(blocks))


@pytest.mark.parametrize("odd", [-1.0, 256.0, 0.5, np.nan])
def test_widening_keeps_what_was_there(odd: float) -> None:
    matrix = GrowingMatrix(2, n_rows=2, what="t")
    for block in ([[1, 2]], [[3, odd]], [[4, 5]]):
        matrix.append(np.array(block, dtype=float))
    found = matrix.finish()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[1, 2], [3, odd], [4, 5]], np.float32))


def test_fault_26_refused_before_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.system.memory.available_bytes", lambda: 1000)
    monkeypatch.setattr("isthmus.system.scratch.kind_of_disk", lambda folder: "tmpfs")  # which is memory too
    with pytest.raises(ResourceError, match=r"big\.csv needs 10\.0 kB, but only 800 bytes of memory may be used"):
        GrowingMatrix(10, n_rows=1000, what="big.csv")
    matrix = GrowingMatrix(10, n_rows=10, what="big.csv")
    with pytest.raises(ResourceError, match=r"big\.csv needs"):
        matrix.append(np.zeros((200, 10), np.uint8))


def test_what_memory_does_not_hold_grows_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [np.random.default_rng(i).integers(0, 256, (50, 3)) + (i == 15) / 2 for i in range(20)]
    monkeypatch.setattr("isthmus.system.memory.available_bytes", lambda: 1000)
    matrix = GrowingMatrix(3, n_rows=10, what="t")
    for block in blocks:
        matrix.append(block)
    found = matrix.finish()
    assert is_mapped(found)
    np.testing.assert_array_equal(found, np.concatenate(blocks).astype(np.float32))
