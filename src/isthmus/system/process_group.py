"""Several processes that work together: sums and copies of tensors, small values as JSON, and who has ended.

The tensors travel by torch.distributed (gloo, or NCCL between GPUs). All else is written as JSON into the table that
the launcher holds, where waiting has no limit as long as whoever is waited for gives signs of life.
"""

from __future__ import annotations

import json
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Any, final

import torch
import torch.distributed as dist
from torch import Tensor

from isthmus.errors import IsthmusError, PeerLostError, from_note
from isthmus.system.heartbeats import Heartbeats
from isthmus.system.launch import Launch
from isthmus.system.memory import size_of

PATIENCE = timedelta(seconds=300)  # for a step of the others: a checkpoint on a slow disk takes seconds, not minutes
FAREWELL = 10.0  # seconds in which the others may still read the table of a process that ends
POLL = 0.02  # seconds between two looks at the table, at first; up to half a second later
JOINED = count()  # a training after the other may come in one process: each has its own part of the table


class AbstractGroup(ABC):
    """The processes of one training; `rank` is this one's number of `size`, from 0. The first one speaks and writes."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @abstractmethod
    def sum_(self, values: Tensor) -> Tensor:
        """The sum over all processes, in the place of each one's values; the same bits everywhere."""

    @abstractmethod
    def copy_(self, values: Tensor) -> Tensor:
        """The first process's values, in the place of each one's."""

    @abstractmethod
    def exchange(self, value: Any) -> list[Any]:
        """The values of all, which JSON can hold, in the order of their ranks. As `sum_`, all must call it."""

    def first_of(self, value: Any) -> Any:
        """The value of the first process."""
        return self.exchange(value if self.is_first else None)[0]

    def slice_of(self, n: int) -> slice:
        """Which of n samples this process computes: as many as the others, or one more; none where n < size."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Inside, an error of one process is an error of all, raised by each once all have come to the end."""
        caught: Exception | None = None
        try:
            yield
        except Exception as error:
            caught = error
        if self.size == 1:
            if caught is not None:
                raise caught
            return
        notes = self.exchange(None if caught is None else as_note(caught))
        failed = [rank for rank, note in enumerate(notes) if note is not None]
        if not failed:
            return
        if caught is not None and (self.rank == failed[0] or 0 in failed):
            if isinstance(caught, IsthmusError):
                caught.is_told = not self.is_first
            raise caught
        error = from_note(notes[failed[0]], self.name(failed[0]))
        error.is_told = not self.is_first
        raise error from caught

    def name(self, rank: int) -> str:
        """A process in words."""
        return f"rank {rank}"


@final
class OneProcess(AbstractGroup):
    """A process alone."""

    rank, size = 0, 1

    def sum_(self, values: Tensor) -> Tensor:
        return values

    def copy_(self, values: Tensor) -> Tensor:
        return values

    def exchange(self, value: Any) -> list[Any]:
        return [value]


@final
class ProcessGroup(AbstractGroup):
    """Processes that a launcher started together, joined through `store`, a table that all of them reach."""

    def __init__(self, launch: Launch, store: Any, backend: str) -> None:
        self.launch, self.rank, self.size = launch, launch.rank, launch.size
        self.table = dist.PrefixStore(f"isthmus/{launch.attempt}/{next(JOINED)}", store)  # pyright: ignore[reportPrivateImportUsage]
        self.beats = Heartbeats(self.table, self.rank, self.size)
        self._exchanged = 0
        self._names: list[str] = []
        dist.init_process_group(backend, store=self.table, rank=self.rank, world_size=self.size, timeout=PATIENCE)
        self._names = self.exchange(f"process {os.getpid()} on {socket.gethostname()}")

    def sum_(self, values: Tensor) -> Tensor:
        self.beats.entered += 1
        with self._watching():
            dist.all_reduce(values)
        return values

    def copy_(self, values: Tensor) -> Tensor:
        self.beats.entered += 1
        with self._watching():
            dist.broadcast(values, 0)
        return values

    def exchange(self, value: Any) -> list[Any]:
        self._exchanged += 1
        with self._watching():
            self.table.set(f"value/{self._exchanged}/{self.rank}", json.dumps(value))
            return [json.loads(self._awaited(f"value/{self._exchanged}/{rank}", rank)) for rank in range(self.size)]

    def _awaited(self, key: str, rank: int) -> bytes:
        pause = POLL
        while not self.table.check([key]):
            if self._last_error(rank) or self.beats.silent([rank]):
                raise self._lost([rank])
            time.sleep(pause)
            pause = min(1.5 * pause, 0.5)
        return self.table.get(key)

    def name(self, rank: int) -> str:
        return f"rank {rank}" + (f" ({self._names[rank]})" if self._names else "")

    def leave(self, error: BaseException | None = None) -> None:
        """Ends the membership; of an error that ends it the others learn, so that they can name it."""
        if error is not None and not isinstance(error, PeerLostError) and not getattr(error, "is_told", False):
            with suppress(RuntimeError):
                self.table.set(f"error/{self.rank}", json.dumps(as_note(error)))
        self.beats.stop()
        with suppress(RuntimeError):
            self.table.set(f"left/{self.rank}", "")
            if self._holds_table:
                self._wait_for_others()
        with suppress(RuntimeError):
            dist.destroy_process_group()

    @property
    def _holds_table(self) -> bool:
        """Whether the table ends with this process: torchrun keeps one that outlives them all."""
        return self.is_first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"

    def _wait_for_others(self) -> None:
        end = time.monotonic() + FAREWELL
        while time.monotonic() < end and not self.table.check([f"left/{rank}" for rank in range(self.size)]):
            time.sleep(POLL)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """An error of the network in words: which process has ended, and its last error."""
        try:
            yield
        except RuntimeError as error:  # all that torch.distributed raises is one
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise self._found_missing(error) from None

    def _found_missing(self, error: RuntimeError) -> PeerLostError:
        try:
            told = self._with_errors()
            if missing := told or self.beats.dead():
                return self._lost(sorted({*missing, *self._with_errors()}))
            if behind := self.beats.behind():
                names = ", ".join(map(self.name, behind))
                return self._error(f"{names} did not come to the exchange within {PATIENCE.total_seconds():.0f} s.")
        except RuntimeError:  # the table cannot be reached either
            host = os.environ.get("MASTER_ADDR")
            return self._error(f"the launcher's table on {host} cannot be reached any more.")
        return self._error(f"the processes cannot reach each other: {str(error).splitlines()[0]}")

    def _with_errors(self) -> list[int]:
        return [rank for rank in range(self.size) if rank != self.rank and self._last_error(rank)]

    def _last_error(self, rank: int) -> dict[str, Any] | None:
        """The note that a process has left; one whose error another one told has none."""
        key = f"error/{rank}"
        return json.loads(self.table.get(key)) if self.table.check([key]) else None

    def _lost(self, ranks: list[int]) -> PeerLostError:
        notes = {rank: self._last_error(rank) for rank in ranks}
        error = self._error(" ".join(self._ended(rank, note) for rank, note in notes.items()))
        if first := notes.get(0):  # which has said it itself
            error.is_told, error.exit_code = True, first["exit_code"]
        else:
            error.is_told = self.rank != min(set(range(self.size)) - notes.keys())
        return error

    def _ended(self, rank: int, note: dict[str, Any] | None) -> str:
        if note:
            return f"{self.name(rank)} has ended: {note['message']}"
        if self.table.check([f"left/{rank}"]):
            return f"{self.name(rank)} has ended, as it had lost another process."
        held, free = self.beats.memory(rank)
        memory = f"; it held {size_of(held)} of memory, and {size_of(free)} were free" if held else ""
        return f"{self.name(rank)} has ended without a word, as if killed{memory}."

    def _error(self, message: str) -> PeerLostError:
        error = PeerLostError("RESOURCE-PROCESS", message, fix="start the same processes again")
        error.is_told = not self.is_first
        return error


def as_note(error: BaseException) -> dict[str, Any]:
    """An error as JSON can hold it."""
    if isinstance(error, IsthmusError):
        about = {"code": error.code, "message": error.message, "fix": error.fix, "exit_code": error.exit_code}
        return about | {"problems": list(error.problems)}
    text = f"isthmus failed unexpectedly ({type(error).__name__}: {error})."
    return {"code": "BUG", "message": text, "fix": None, "exit_code": 1, "problems": []}


ONE = OneProcess()

__all__ = ["ONE", "AbstractGroup", "OneProcess", "ProcessGroup", "as_note"]
