"""Sums over several processes, which threads stand for here: the memory is the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch

from isthmus.errors import PeerLostError
from isthmus.system import shared_sums
from isthmus.system.shared_sums import LEAST, SharedSums

N = LEAST // 4  # float32 values of the smallest tensor that is summed so


def together(size: int, work: Callable[[SharedSums], Any]) -> list[Any]:
    """What `work` gives in each of `size` processes."""
    barrier, values = Barrier(size), [None] * size

    def of(rank: int) -> Any:
        def exchange(value: Any) -> list[Any]:
            values[rank] = value
            barrier.wait(10)
            found = list(values)
            barrier.wait(10)
            return found

        return work(SharedSums(rank, size, exchange, lambda: barrier.wait(10) and None))

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(of, range(size)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shared_sums, "SHARED", tmp_path)
    return tmp_path


@pytest.mark.parametrize("size", [2, 3, 5])
def test_all_have_the_same_sum_again_and_again(folder: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(size, n)).astype(np.float32) for n in (N, N, 4 * N, N + 8, 4 * N)]

    def work(sums: SharedSums) -> list[torch.Tensor]:
        found = [torch.from_numpy(rows[sums.rank].copy()) for rows in given]
        for values in found:
            assert sums.takes(values)
            sums.sum_(values)
        return found

    everywhere = together(size, work)
    for k, rows in enumerate(given):
        expected = np.add.reduce(rows, 0)  # one row after the other
        for found in everywhere:
            np.testing.assert_array_equal(found[k].numpy(), expected)
    assert not list(folder.iterdir())  # no file is left


def test_other_types_and_shapes_are_summed(folder: Path) -> None:
    def work(sums: SharedSums) -> torch.Tensor:
        values = torch.full((8, N), sums.rank + 1, dtype=torch.float64)
        assert sums.takes(values)
        sums.sum_(values)
        return values

    for found in together(2, work):
        assert found.shape == (8, N)
        assert (found == 3).all()


def test_small_and_scattered_tensors_are_left_to_others(folder: Path) -> None:
    def work(sums: SharedSums) -> list[bool]:
        return [sums.takes(torch.zeros(N - 1)), sums.takes(torch.zeros(N, 2)[:, 0]), sums.takes(torch.zeros(N))]

    assert together(2, work) == [[False, False, True]] * 2


def test_too_little_memory_is_seen_before_it_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert together(2, lambda sums: sums.takes(torch.zeros(N))) == [False, False]
    assert not list(folder.iterdir())


def test_a_machine_without_such_memory_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_sums, "SHARED", tmp_path / "none")
    assert together(2, lambda sums: sums.takes(torch.zeros(N))) == [False, False]


def test_fault_176_processes_of_different_containers_do_not_use_shared_memory(folder: Path) -> None:
    """The path that rank 1 is told names nothing there, and it must not be created: its sums would lack the others."""
    elsewhere = folder / "elsewhere"

    def work(sums: SharedSums) -> bool:
        exchange = sums.exchange
        if sums.rank == 1:
            sums.exchange = lambda value: [str(elsewhere) if isinstance(v, str) else v for v in exchange(value)]
        return sums.takes(torch.zeros(N))

    assert together(2, work) == [False, False]
    assert not list(folder.iterdir())


@pytest.mark.parametrize("n_answers", [0, 1, 2])
def test_fault_177_a_process_that_ends_before_the_first_sum_leaves_no_file(folder: Path, n_answers: int) -> None:
    left = iter(range(n_answers))

    def exchange(value: Any) -> list[Any]:
        if next(left, None) is None:
            raise PeerLostError("RESOURCE-PROCESS", "rank 1 has ended")
        return [value, value]

    with pytest.raises(PeerLostError, match="rank 1"):
        SharedSums(0, 2, exchange, lambda: None).takes(torch.zeros(N))
    assert not list(folder.iterdir())


def test_fault_177_no_file_is_there_while_a_process_waits_for_the_others(folder: Path) -> None:
    """It may be killed then, for example after another one has run out of memory."""
    seen: list[list[Path]] = []

    def exchange(value: Any) -> list[Any]:
        seen.append(list(folder.iterdir()))
        return [value, True]

    assert SharedSums(0, 2, exchange, lambda: None).takes(torch.zeros(N))
    assert [len(paths) for paths in seen] == [0, 1, 1]  # the first one waits for the slowest process
    assert not list(folder.iterdir())


def test_much_of_the_free_memory_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = 2 * 2 * LEAST
    for free, expected in ((4 * needed - 1, False), (4 * needed, True)):
        monkeypatch.setattr(shared_sums, "available_bytes", lambda free=free: free)
        assert together(2, lambda sums: sums.takes(torch.zeros(N))) == [expected, expected]
