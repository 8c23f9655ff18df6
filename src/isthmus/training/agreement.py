"""Makes signals and requests take effect in all processes at the same step, whichever process receives them."""

from __future__ import annotations

import signal
from typing import final

from isthmus.system.process_group import AbstractGroup
from isthmus.system.requests import FINISH, PAUSE, Requests
from isthmus.system.signals import StopSignals

SIGNALS, WORDS = (signal.SIGINT, signal.SIGTERM), (FINISH, PAUSE)


@final
class AgreedRequests:
    """Replaces `Requests` for the processes of `group`; its `stop` replaces `StopSignals`.

    Each step adds up the `wishes` of all processes, and all `heed` the sum.
    """

    def __init__(self, group: AbstractGroup, own: Requests) -> None:
        self.group, self.own = group, own
        self.signals = StopSignals()  # signals to this process
        self.stop = StopSignals()  # never entered, so it catches nothing itself
        self.pending: str | None = group.first_of(own.pending)

    @property
    def finishes(self) -> bool:
        return self.pending == FINISH

    def look(self) -> None:
        """Checks again for requests to this process."""
        self.own.look()

    def wait(self, stop: object) -> None:
        """Returns when the pause is over for the first process, or when a signal has reached it."""
        if self.group.is_first:
            self.own.wait(self.signals)
        self.pending, self.stop.caught = self.group.first_of([self.own.pending, self.signals.caught])

    def wishes(self) -> list[float]:
        """The requests to this process: 1 for each signal and word that it received, else 0."""
        return [float(self.signals.caught == s) for s in SIGNALS] + [float(self.own.pending == w) for w in WORDS]

    def heed(self, wishes: list[float]) -> None:
        """Follows the sum of all wishes."""
        signals, words = wishes[: len(SIGNALS)], wishes[len(SIGNALS) :]
        self.stop.caught = next((s for s, n in zip(SIGNALS, signals, strict=True) if n), None)
        self.pending = next((w for w, n in zip(WORDS, words, strict=True) if n), None)


WISHES = len(SIGNALS) + len(WORDS)

__all__ = ["WISHES", "AgreedRequests"]
