"""`Connection`: closes idle connections in time, so that they never keep others out.

uvicorn counts open connections, even idle ones, and waits for their headers without a time limit. Here only requests
count (`Limits.at_once`). An idle connection, before its first request or between two, has `SECONDS` to send complete
headers; if too many are idle, the one that has been idle longest is closed. A normal client sends its headers right
after connecting, so it is never that one, unless a thousand others connect in the same moment.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 30.0  # for the headers to arrive; a slow phone needs two
WAITING = 1_024  # idle connections: browsers keep six open per page; their full headers would take 64 MB
FILES = 4 * WAITING  # files that the process should be able to open; the usual default is 256 or 1,024


class Connection(H11Protocol):
    """A uvicorn connection with a time limit for its headers; `waiting` are the idle ones, oldest first."""

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
        """Called by uvicorn when bytes arrive, and after each response."""
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
        """Marks the connection as idle. It is closed, not aborted, so that a response in transit still completes."""
        self.waiting[self] = None
        self._due = self.loop.call_later(SECONDS, self.transport.close)
        if len(self.waiting) > self.most:
            oldest = next(iter(self.waiting))
            oldest._waits_no_more()
            oldest.transport.close()


def connections() -> Any:
    """A connection class for one server; its connections share one list of idle ones."""
    return type("ServedConnection", (Connection,), {"waiting": {}, "most": min(WAITING, _files() // 2)})


def _files() -> int:
    """The number of files and connections that this process may open, after raising the limit."""
    try:
        import resource  # late: Windows has none, because there connections are not files
    except ImportError:
        return FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return FILES
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        with suppress(OSError, ValueError):  # macOS reports no limit but has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


__all__ = ["Connection", "connections"]
