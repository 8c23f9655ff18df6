"""Long work reports what it does, and how far it is, to a listener if there is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Listener(Protocol):
    """Shows progress: `told` when new work begins, `counted` while it runs, `hushed` before other text is printed."""

    def told(self, text: str) -> None: ...

    def counted(self, done: int, total: int, unit: str) -> None: ...

    def hushed(self) -> None: ...


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_counting: ContextVar[bool] = ContextVar("counting", default=False)  # loops inside a counted loop are not counted


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Inside the block, `listener` gets all reports; at the end it is hushed."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
        listener.hushed()


def tell(text: str) -> None:
    """Reports the work that begins now, such as "drawing the pictures"."""
    if (listener := _listener.get()) is not None:
        listener.told(text)


def count(done: int, total: int, unit: str = "") -> None:
    """Reports how much of the work is done; with a `unit` such as "batch", which one is being worked on."""
    if (listener := _listener.get()) is not None:
        listener.counted(done, total, unit)


def hush() -> None:
    """Ends the current report, before other text is printed or other progress is shown."""
    if (listener := _listener.get()) is not None:
        listener.hushed()


def each(items: Iterable[T], total: int, unit: str) -> Iterator[T]:
    """The items; reports which one is being worked on, by its `unit`. Loops inside this one are not reported."""
    if total <= 1 or _counting.get():  # a single item needs no counter
        yield from items
        return
    _counting.set(True)
    try:
        for done, item in enumerate(items):
            count(done + 1, total, unit)
            yield item
    finally:
        _counting.set(False)
