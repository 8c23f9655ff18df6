"""Several processes that work together: sums and copies of tensors, small values as JSON, and which have ended.

Tensors are exchanged with torch.distributed (gloo, or NCCL between GPUs). Everything else is written as JSON to the
launcher's key-value store, where waiting has no time limit as long as the other process sends heartbeats.
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
from isthmus.system.shared_sums import SharedSums

PATIENCE = timedelta(seconds=300)  # for a step of the others: a checkpoint on a slow disk takes seconds, not minutes
FAREWELL = 10.0  # seconds in which the others can still read the store of a process that ends
POLL = 0.02  # seconds between two checks of the store, at first; later up to half a second
JOINED = count()  # a process may run several trainings: each has its own part of the store


class AbstractGroup(ABC):
    """The processes of one training; `rank` is this one's number, 0 to `size` - 1. The first one prints and writes."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @abstractmethod
    def sum_(self, values: Tensor) -> Tensor:
        """Replaces the values with the sum over all processes; the same bits everywhere."""

    @abstractmethod
    def copy_(self, values: Tensor) -> Tensor:
        """Replaces the values with those of the first process."""

    @abstractmethod
    def exchange(self, value: Any) -> list[Any]:
        """The JSON values of all processes, in the order of their ranks. Like `sum_`, all must call it."""

    def first_of(self, value: Any) -> Any:
        """The value of the first process."""
        return self.exchange(value if self.is_first else None)[0]

    def slice_of(self, n: int) -> slice:
        """Which of n samples this process computes: as many as the others, or one more; may be empty if n < size."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    @contextmanager
    def together(self) -> Iterator[None]:
        """If a process has an error in the block, all processes raise it when all have reached the end."""
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
        """The name of a process for messages."""
        return f"rank {rank}"


@final
class OneProcess(AbstractGroup):
    """A group of one process."""

    rank, size = 0, 1

    def sum_(self, values: Tensor) -> Tensor:
        return values

    def copy_(self, values: Tensor) -> Tensor:
        return values

    def exchange(self, value: Any) -> list[Any]:
        return [value]


@final
class ProcessGroup(AbstractGroup):
    """Processes that a launcher started together, connected by the key-value store `store`."""

    def __init__(self, launch: Launch, store: Any, backend: str) -> None:
        self.launch, self.rank, self.size = launch, launch.rank, launch.size
        self.table = dist.PrefixStore(f"isthmus/{launch.attempt}/{next(JOINED)}", store)  # pyright: ignore[reportPrivateImportUsage]
        self.beats = Heartbeats(self.table, self.rank, self.size)
        self._exchanged = 0
        self._names: list[str] = []
        dist.init_process_group(backend, store=self.table, rank=self.rank, world_size=self.size, timeout=PATIENCE)
        self._names = self.exchange(f"process {os.getpid()} on {socket.gethostname()}")
        together = launch.local_size == launch.size
        self._shared = SharedSums(self.rank, self.size, self.exchange, self._meet) if together else None

    def sum_(self, values: Tensor) -> Tensor:
        self.beats.entered += 1
        if self._shared is not None and self._shared.takes(values):
            self._shared.sum_(values)
            return values
        with self._watching():
            dist.all_reduce(values)
        return values

    def _meet(self) -> None:
        """Waits for all processes."""
        with self._watching():
            dist.all_reduce(torch.zeros(1))

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
        """Leaves the group; an error is passed to the others, so that they can name it."""
        if error is not None and not isinstance(error, PeerLostError) and not getattr(error, "is_told", False):
            with suppress(RuntimeError):
                self.table.set(f"error/{self.rank}", json.dumps(as_note(error)))
        self.beats.stop()
        self._shared = None  # gives its memory back
        with suppress(RuntimeError):
            self.table.set(f"left/{self.rank}", "")
            if self._holds_table:
                self._wait_for_others()
        with suppress(RuntimeError):
            dist.destroy_process_group()

    @property
    def _holds_table(self) -> bool:
        """Whether the store ends with this process; torchrun has one that outlives them all."""
        return self.is_first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"

    def _wait_for_others(self) -> None:
        end = time.monotonic() + FAREWELL
        while time.monotonic() < end and not self.table.check([f"left/{rank}" for rank in range(self.size)]):
            time.sleep(POLL)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Turns network errors into ours: which process has ended, and its last error."""
        try:
            yield
        except RuntimeError as error:  # everything that torch.distributed raises
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
                return self._error(f"{names} did not respond within {PATIENCE.total_seconds():.0f} s.")
        except RuntimeError:  # the store cannot be reached either
            host = os.environ.get("MASTER_ADDR")
            return self._error(f"the launcher on {host} can no longer be reached.")
        return self._error(f"the processes cannot reach each other: {str(error).splitlines()[0]}")

    def _with_errors(self) -> list[int]:
        return [rank for rank in range(self.size) if rank != self.rank and self._last_error(rank)]

    def _last_error(self, rank: int) -> dict[str, Any] | None:
        """The error that a process has recorded, if any; an error that another process reported is not recorded."""
        key = f"error/{rank}"
        return json.loads(self.table.get(key)) if self.table.check([key]) else None

    def _lost(self, ranks: list[int]) -> PeerLostError:
        notes = {rank: self._last_error(rank) for rank in ranks}
        error = self._error(" ".join(self._ended(rank, note) for rank, note in notes.items()))
        if first := notes.get(0):  # the first process has printed it itself
            error.is_told, error.exit_code = True, first["exit_code"]
        else:
            error.is_told = self.rank != min(set(range(self.size)) - notes.keys())
        return error

    def _ended(self, rank: int, note: dict[str, Any] | None) -> str:
        if note:
            return f"{self.name(rank)} has ended: {note['message']}"
        if self.table.check([f"left/{rank}"]):
            return f"{self.name(rank)} has ended because it had lost another process."
        held, free = self.beats.memory(rank)
        memory = f"; it held {size_of(held)} of memory, and {size_of(free)} were free" if held else ""
        return f"{self.name(rank)} has ended without an error message, so it was probably killed{memory}."

    def _error(self, message: str) -> PeerLostError:
        error = PeerLostError("RESOURCE-PROCESS", message, fix="start the same processes again")
        error.is_told = not self.is_first
        return error


def as_note(error: BaseException) -> dict[str, Any]:
    """An error as a JSON value."""
    if isinstance(error, IsthmusError):
        about = {"code": error.code, "message": error.message, "fix": error.fix, "exit_code": error.exit_code}
        return about | {"problems": list(error.problems)}
    text = f"isthmus failed unexpectedly ({type(error).__name__}: {error})."
    return {"code": "BUG", "message": text, "fix": None, "exit_code": 1, "problems": []}


ONE = OneProcess()

__all__ = ["ONE", "AbstractGroup", "OneProcess", "ProcessGroup", "as_note"]
