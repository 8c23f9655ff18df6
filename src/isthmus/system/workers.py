"""Applies a function to many items in threads, for work that releases the interpreter lock: Pillow, zlib, polars."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from isthmus.system.passing_errors import patiently

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]

CHUNK = 32  # files per task: few enough for smooth progress, many enough that the overhead is negligible


def each(
    function: Callable[[Item], Result], items: Sequence[Item], done: Callable[[int], None]
) -> list[Result | Exception]:
    """The results of `function` for all items, in order, or exceptions. `done(n)` gets the number of finished items.

    Temporary errors of a network disk are retried. A lack of memory is not the fault of an item, and is raised. Ctrl-C
    stops after the tasks that have begun.
    """
    found: list[Result | Exception] = []
    for _, part in in_order(lambda chunk: [_attempt(function, item) for item in chunk], _chunks(items, CHUNK)):
        found += part
        done(len(found))
    return found


def results(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The results of `function` for all items, in order, computed in threads.

    Raises: what `function` raises for the first item that it refuses.
    """
    return [result for _, result in in_order(function, items)]


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, in order; meanwhile, threads work on the next items.

    `items` are taken in the calling thread, and at most as many in advance as there are cores, so memory stays bounded.

    Raises: what `function` raises for an item, when it is that item's turn.
    """
    threads, ahead = usable_cores(), deque[tuple[Item, "Future[Result]"]]()
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        for item in items:
            ahead.append((item, pool.submit(function, item)))
            if len(ahead) > threads:
                done, result = ahead.popleft()
                yield done, result.result()
        while ahead:
            done, result = ahead.popleft()
            yield done, result.result()
    finally:
        pool.shutdown(cancel_futures=True)


def usable_cores() -> int:
    """Cores that this process may use; containers and jobs often get fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _attempt(function: Callable[[Item], Result], item: Item) -> Result | Exception:
    try:
        return patiently(lambda: function(item))
    except MemoryError:
        raise
    except Exception as error:
        return error


def _chunks(items: Iterable[Item], size: int) -> Iterable[list[Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
