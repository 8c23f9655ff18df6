"""`Connection`: one that does not ask in time is closed, and those that wait to ask never keep others out.

uvicorn counts open connections, whether they ask or not, and gives them all the time in the world for their headers.
Here only requests count (`Limits.at_once`); a connection between two requests, or before its first, has `SECONDS` to
bring whole headers, and where too many wait the one that has waited longest is closed. A client that asks sends its
headers within a moment of connecting, so it is never that one, unless a thousand others connect in that moment.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 30.0  # until the headers are there; a slow telephone needs two
WAITING = 1_024  # connections that do not ask: browsers keep six open a page; whole headers of so many fill 64 MB
FILES = 4 * WAITING  # which a process should be able to open; systems give 256 or 1,024 where nobody asks for more


class Connection(H11Protocol):
    """A connection of uvicorn with a time limit on its headers, and `waiting`, those that do not ask, oldest first."""

    waiting: dict[Connection, None]
    most: int

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._due: asyncio.TimerHandle | None = None
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waits_no_more()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Called by uvicorn whenever bytes have come, and after each answer."""
        super().handle_events()
        self._look()

    def _look(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._waits_no_more()
        elif self._due is None and not self.transport.is_closing():
            self._waits()

    def _waits_no_more(self) -> None:
        self.waiting.pop(self, None)
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _waits(self) -> None:
        """Closing, not aborting: an answer that is still on its way comes to its end."""
        self.waiting[self] = None
        self._due = self.loop.call_later(SECONDS, self.transport.close)
        if len(self.waiting) > self.most:
            oldest = next(iter(self.waiting))
            oldest._waits_no_more()
            oldest.transport.close()


def connections() -> Any:
    """A class of connections for one server, which share one list of those that wait."""
    return type("ServedConnection", (Connection,), {"waiting": {}, "most": min(WAITING, _files() // 2)})


def _files() -> int:
    """How many files and connections this process may have open, after asking for more."""
    try:
        import resource  # late: there is none on Windows, where connections are no files
    except ImportError:
        return FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return FILES
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        with suppress(OSError, ValueError):  # macOS names no bound and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


__all__ = ["Connection", "connections"]
