"""Signals and requests that several processes heed at the same step, whichever of them they reached."""

from __future__ import annotations

import signal
from typing import final

from isthmus.system.process_group import AbstractGroup
from isthmus.system.requests import FINISH, PAUSE, Requests
from isthmus.system.signals import StopSignals

SIGNALS, WORDS = (signal.SIGINT, signal.SIGTERM), (FINISH, PAUSE)


@final
class AgreedRequests:
    """In the place of `Requests` for the processes of `group`; `stop` in that of `StopSignals`.

    Each step adds up the `wishes` of all, and all `heed` the sum.
    """

    def __init__(self, group: AbstractGroup, own: Requests) -> None:
        self.group, self.own = group, own
        self.signals = StopSignals()  # of this process
        self.stop = StopSignals()  # never entered: it catches nothing by itself
        self.pending: str | None = group.first_of(own.pending)

    @property
    def finishes(self) -> bool:
        return self.pending == FINISH

    def look(self) -> None:
        """Asks again what is wanted of this process."""
        self.own.look()

    def wait(self, stop: object) -> None:
        """Returns once the pause is over for the first process, or a signal has reached it."""
        if self.group.is_first:
            self.own.wait(self.signals)
        self.pending, self.stop.caught = self.group.first_of([self.own.pending, self.signals.caught])

    def wishes(self) -> list[float]:
        """What this process was asked: 1 for each signal and word, else 0."""
        return [float(self.signals.caught == s) for s in SIGNALS] + [float(self.own.pending == w) for w in WORDS]

    def heed(self, wishes: list[float]) -> None:
        """Takes in the sum of all wishes."""
        signals, words = wishes[: len(SIGNALS)], wishes[len(SIGNALS) :]
        self.stop.caught = next((s for s, n in zip(SIGNALS, signals, strict=True) if n), None)
        self.pending = next((w for w, n in zip(WORDS, words, strict=True) if n), None)


WISHES = len(SIGNALS) + len(WORDS)

__all__ = ["WISHES", "AgreedRequests"]
