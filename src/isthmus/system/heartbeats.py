"""Detects which of several processes are still running: each writes a heartbeat to the store every second."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from isthmus.system.memory import available_bytes, resident_bytes

EVERY = 1.0  # seconds between two heartbeats: negligible for the store, even from a thousand processes
LOOK = 4.0  # seconds of a check: four heartbeats, so that a busy machine is not mistaken for a dead process
SILENT = 60.0  # seconds without a heartbeat after which an awaited process counts as dead


class Heartbeats:
    """The heartbeats of `size` processes; `entered` is how many exchanges this one has begun."""

    def __init__(self, table: Any, rank: int, size: int) -> None:
        self.table, self.rank, self.size, self.entered = table, rank, size, 0
        self._seen = {other: ("", time.monotonic()) for other in range(size)}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(table.clone(),), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the heartbeats."""
        self._over.set()
        self._thread.join(timeout=2 * EVERY)

    def silent(self, ranks: list[int]) -> list[int]:
        """Which of these have sent no heartbeat for a minute; must be called repeatedly."""
        now, found = time.monotonic(), []
        for rank in ranks:
            sign = self._sign(rank)
            if sign != self._seen[rank][0]:
                self._seen[rank] = (sign, now)
            elif now - self._seen[rank][1] > SILENT:
                found.append(rank)
        return found

    def dead(self) -> list[int]:
        """Which of the others send no heartbeat now; takes four seconds."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        before = [self._sign(rank) for rank in others]
        time.sleep(LOOK)
        return [rank for rank, sign in zip(others, before, strict=True) if self._sign(rank) == sign]

    def behind(self) -> list[int]:
        """The processes that the others wait for: those that have begun fewer exchanges than others."""
        counts = {rank: self._numbers(rank)[1] for rank in range(self.size)}
        least = min(counts.values())
        return [rank for rank, count in counts.items() if count == least] if least < max(counts.values()) else []

    def memory(self, rank: int) -> tuple[int, int]:
        """Bytes that a process used at its last heartbeat, and bytes that were free on its machine; 0 if unknown."""
        _, _, held, free = self._numbers(rank)
        return held, free

    def _numbers(self, rank: int) -> list[int]:
        return [int(number) for number in (self._sign(rank) or "0 0 0 0").split()]

    def _sign(self, rank: int) -> str:
        """The last heartbeat of a process: its number, the exchanges begun, bytes used and free."""
        key = f"sign/{rank}"
        return self.table.get(key).decode() if self.table.check([key]) else ""

    def _beat(self, table: Any) -> None:
        number = 0
        while True:
            sign = f"{number} {self.entered} {resident_bytes() or 0} {available_bytes() or 0}"
            with suppress(RuntimeError):  # the store may be gone with its process
                table.set(f"sign/{self.rank}", sign)
            number += 1
            if self._over.wait(EVERY):
                return


__all__ = ["Heartbeats"]
