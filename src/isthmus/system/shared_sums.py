"""`SharedSums`: sums of large tensors over the processes of one machine, in memory that all of them share.

With sockets, the operating system copies every byte four times: 6 of the 48 ms of a step with a million gradients.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus.system.memory import available_bytes

SHARED = Path("/dev/shm")  # memory as files, on Linux
LEAST = 1 << 16  # bytes: for less, waiting for the others takes longer than copying through sockets
MOST = 0.25  # share of the free memory; if more is needed, sockets are used, which need none
TURNS = 2  # blocks of memory used in turn: a process may write to the next one while others still read this one


class SharedSums:
    """`exchange` returns the JSON values of all `size` processes; `wait` returns when all processes have called it.

    All processes must ask for the same sums in the same order. Each process adds up the values of all processes in the
    order of the ranks, so all get the same bits. The name of the shared file is removed as soon as all have opened it,
    so a process that is killed leaves nothing behind.
    """

    def __init__(self, rank: int, size: int, exchange: Callable[[Any], list[Any]], wait: Callable[[], None]) -> None:
        self.rank, self.size, self.exchange, self.wait = rank, size, exchange, wait
        self.is_possible = True
        self._memory: Tensor | None = None
        self._turn = 0

    def takes(self, values: Tensor) -> bool:
        """Whether shared memory is used for these values; the same answer in all processes."""
        if not self.is_possible or values.device.type != "cpu" or values.nbytes < LEAST or not values.is_contiguous():
            return False
        if self._memory is None or self._memory.shape[2] < values.nbytes:
            self._memory = None  # freed before the larger block is allocated
            self._memory = self._opened(values.nbytes)
            self.is_possible = self._memory is not None
        return self.is_possible

    def sum_(self, values: Tensor) -> None:
        """Replaces the values, for which `takes` is true, with the sum over all processes."""
        assert self._memory is not None
        self._turn = (self._turn + 1) % TURNS
        rows = [row[: values.nbytes].view(values.dtype).view_as(values) for row in self._memory[self._turn]]
        rows[self.rank].copy_(values)
        self.wait()
        torch.add(rows[0], rows[1], out=values)
        for row in rows[2:]:
            values += row

    def _opened(self, n_bytes: int) -> Tensor | None:
        """(TURNS, size, n_bytes) uint8, shared by all processes; None if one of them cannot open it."""
        n_bytes = -(-n_bytes // 64) * 64  # rows are aligned for every dtype
        self.exchange(None)  # waits for all, so that the file has a name only for a moment
        path = _created(TURNS * self.size * n_bytes) if self.rank == 0 else None
        try:
            memory = _mapped(self.exchange(path)[0], TURNS * self.size * n_bytes)
            is_open = all(self.exchange(memory is not None))
        finally:
            if path is not None:
                Path(path).unlink(missing_ok=True)
        return memory.view(TURNS, self.size, n_bytes) if is_open and memory is not None else None


def _created(n_bytes: int) -> str | None:
    """The path of a new file in memory; None if there is not enough. All of it is reserved now, because writing to it
    later could not report an error.
    """
    free = available_bytes()
    if not SHARED.is_dir() or (free is not None and n_bytes > MOST * free):
        return None
    file, path = tempfile.mkstemp(prefix="isthmus-", dir=SHARED)
    try:
        os.posix_fallocate(file, 0, n_bytes)
    except OSError:  # containers have only 64 MB there by default
        Path(path).unlink()
        return None
    finally:
        os.close(file)
    return path


def _mapped(path: str | None, n_bytes: int) -> Tensor | None:
    if path is None:
        return None
    try:
        with open(path, "r+b") as file:  # PyTorch's `from_file` would create a file that other processes do not see
            return torch.frombuffer(mmap.mmap(file.fileno(), n_bytes), dtype=torch.uint8)
    except (OSError, ValueError):  # the processes are in different containers
        return None


__all__ = ["SharedSums"]
