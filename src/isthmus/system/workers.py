"""The same function over many files in threads: Pillow and zlib let go of the interpreter while they work."""

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

CHUNK = 32  # files a task: few enough that progress moves, many enough that handing tasks over costs nothing


def each(
    function: Callable[[Item], Result], items: Sequence[Item], done: Callable[[int], None]
) -> list[Result | Exception]:
    """`function` of every item, in order; where it failed, the exception. `done(n)` is told how many are finished.

    What a network disk fails for the moment is done again.

    A lack of memory is no fault of an item and is raised. Ctrl-C stops after the tasks that have begun.
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
    """Cores that this process may use; a container or a job often gets fewer than the machine has."""
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
