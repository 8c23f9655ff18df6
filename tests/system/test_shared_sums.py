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


def test_where_one_process_cannot_see_the_memory_none_uses_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: str, **about: Any) -> torch.Tensor:
        seen.append(path)
        if len(seen) == 2:
            raise RuntimeError("No such file")
        return torch.zeros(about["size"], dtype=torch.uint8)

    seen: list[str] = []
    monkeypatch.setattr(torch, "from_file", opened)
    assert together(2, lambda sums: sums.takes(torch.zeros(N))) == [False, False]
