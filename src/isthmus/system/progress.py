"""What takes long tells what it does and how far it is, to whoever listens; where nobody does, to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Listener(Protocol):
    """Who shows what is done: `told` of a new piece of work, `counted` while it goes on, `hushed` before other text."""

    def told(self, text: str) -> None: ...

    def counted(self, done: int, total: int) -> None: ...

    def hushed(self) -> None: ...


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Inside, this one listens; at the end it is hushed."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
        listener.hushed()


def tell(text: str) -> None:
    """What is done from now on, such as "drawing the pictures"."""
    if (listener := _listener.get()) is not None:
        listener.told(text)


def count(done: int, total: int) -> None:
    """How much of it is done."""
    if (listener := _listener.get()) is not None:
        listener.counted(done, total)


def hush() -> None:
    """Something else is going to be written, or shows its own progress: nothing is being told any more."""
    if (listener := _listener.get()) is not None:
        listener.hushed()


def each(items: Iterable[T], total: int) -> Iterator[T]:
    """The items, counted as they are done."""
    for done, item in enumerate(items):
        if total > 1:  # of a single piece there is nothing to count
            count(done, total)
        yield item
