"""`SharedSums`: sums of large tensors over the processes of one machine, through memory that all of them see.

A socket copies every byte four times, in the operating system: of a million gradients, 6 of the 48 ms of a step.
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
LEAST = 1 << 16  # bytes: below it, waiting for the others takes longer than the copies
MOST = 0.25  # share of the free memory: the sums through sockets need none
TURNS = 2  # while the slowest process still reads one, the others may write into the next


class SharedSums:
    """`exchange` gives the JSON values of all `size` processes, `wait` returns once all have come to it.

    All processes must ask for the same sums in the same order, of which each adds up all rows by itself, in the order
    of the ranks: so all have the same bits. The files have no name any more once all have opened them, so nothing is
    left behind by a process that is killed.
    """

    def __init__(self, rank: int, size: int, exchange: Callable[[Any], list[Any]], wait: Callable[[], None]) -> None:
        self.rank, self.size, self.exchange, self.wait = rank, size, exchange, wait
        self.is_possible = True
        self._memory: Tensor | None = None
        self._turn = 0

    def takes(self, values: Tensor) -> bool:
        """Whether these are summed here; the same answer in all processes."""
        if not self.is_possible or values.device.type != "cpu" or values.nbytes < LEAST or not values.is_contiguous():
            return False
        if self._memory is None or self._memory.shape[2] < values.nbytes:
            self._memory = None  # is free before the larger one is taken
            self._memory = self._opened(values.nbytes)
            self.is_possible = self._memory is not None
        return self.is_possible

    def sum_(self, values: Tensor) -> None:
        """The sum over all processes, in the place of each one's values, which `takes` has agreed to."""
        assert self._memory is not None
        self._turn = (self._turn + 1) % TURNS
        rows = [row[: values.nbytes].view(values.dtype).view_as(values) for row in self._memory[self._turn]]
        rows[self.rank].copy_(values)
        self.wait()
        torch.add(rows[0], rows[1], out=values)
        for row in rows[2:]:
            values += row

    def _opened(self, n_bytes: int) -> Tensor | None:
        """(TURNS, size, n_bytes) that all processes see; None if one of them cannot."""
        n_bytes = -(-n_bytes // 64) * 64  # rows begin where any type may
        self.exchange(None)  # the file has a name only while all are here, so a process that is killed leaves none
        path = _created(TURNS * self.size * n_bytes) if self.rank == 0 else None
        try:
            memory = _mapped(self.exchange(path)[0], TURNS * self.size * n_bytes)
            is_open = all(self.exchange(memory is not None))
        finally:
            if path is not None:
                Path(path).unlink(missing_ok=True)
        return memory.view(TURNS, self.size, n_bytes) if is_open and memory is not None else None


def _created(n_bytes: int) -> str | None:
    """A file of so much memory, which is taken at once: later there might be too little, and no way to say so."""
    free = available_bytes()
    if not SHARED.is_dir() or (free is not None and n_bytes > MOST * free):
        return None
    file, path = tempfile.mkstemp(prefix="isthmus-", dir=SHARED)
    try:
        os.posix_fallocate(file, 0, n_bytes)
    except OSError:  # a container has 64 MB there, unless it was given more
        Path(path).unlink()
        return None
    finally:
        os.close(file)
    return path


def _mapped(path: str | None, n_bytes: int) -> Tensor | None:
    if path is None:
        return None
    try:
        with open(path, "r+b") as file:  # PyTorch's `from_file` would create one that the other processes do not see
            return torch.frombuffer(mmap.mmap(file.fileno(), n_bytes), dtype=torch.uint8)
    except (OSError, ValueError):  # processes of different containers
        return None


__all__ = ["SharedSums"]
