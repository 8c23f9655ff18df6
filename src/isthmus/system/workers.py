"""Applies a function to many files in threads: Pillow and zlib release the interpreter lock while they work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    chunks = list(_chunks(items, CHUNK))
    results: list[Result | Exception] = []
    pool = ThreadPoolExecutor(max_workers=min(usable_cores(), max(1, len(chunks))))
    try:
        for part in pool.map(lambda chunk: [_attempt(function, item) for item in chunk], chunks):
            results += part
            done(len(results))
    finally:
        pool.shutdown(cancel_futures=True)
    return results


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
