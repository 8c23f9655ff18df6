"""Processes many shards in parallel, with local processes or any other executor, even if workers die."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from typing import NamedTuple

from isthmus.tools.shards.shard_task import ShardResult, ShardTask, process_shard

AHEAD = 2  # shards submitted per worker: one in progress, and one waiting
TRIES = 2  # attempts for a shard alone with a worker that dies; after that, the shard is to blame

Done = Callable[[ShardTask, ShardResult], None]


class Workers(NamedTuple):
    """`count` workers, which `pool()` starts and stops; errors of the types `lost` mean that a worker died."""

    pool: Callable[[], AbstractContextManager[Executor]]
    count: int
    lost: tuple[type[Exception], ...] = (BrokenExecutor,)


def run_shards(tasks: Sequence[ShardTask], workers: Workers, done: Done) -> None:
    """Sends every task to the workers, and calls `done` with its result, in the order in which they finish.

    If a worker dies, new workers repeat the tasks in flight, one at a time, to find a shard that kills its worker; the
    rest continues as before. Results do not depend on the worker.
    """
    left = list(tasks)
    while left:
        in_flight, left = _run(left, workers, AHEAD * workers.count, done)
        for task in in_flight:
            _alone(task, workers, done)


def _alone(task: ShardTask, workers: Workers, done: Done) -> None:
    for _ in range(TRIES):
        if not _run([task], workers, 1, done)[0]:
            return
    done(
        task,
        ShardResult(error=(5, f"the worker was killed {TRIES} times, perhaps because there was too little memory")),
    )


def _run(
    tasks: Sequence[ShardTask], workers: Workers, width: int, done: Done
) -> tuple[list[ShardTask], list[ShardTask]]:
    """Runs tasks, `width` at a time. Returns ([], []) or, if a worker died, (tasks in flight, tasks not started)."""
    waiting = iter(tasks)
    flying: dict[Future[ShardResult], ShardTask] = {}
    with workers.pool() as executor:
        try:
            while _filled(executor, flying, waiting, width):
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    done(flying[future], future.result())
                    del flying[future]
        except workers.lost:
            for future in flying:
                future.cancel()
            return list(flying.values()), list(waiting)
    return [], []


def _filled(
    executor: Executor, flying: dict[Future[ShardResult], ShardTask], waiting: Iterator[ShardTask], width: int
) -> bool:
    """Submits more tasks. Returns whether any are in flight."""
    while len(flying) < width and (task := next(waiting, None)) is not None:
        placed: Future[ShardResult] = Future()
        flying[placed] = task  # first of all, so that it is not lost if the pool is broken
        future = executor.submit(process_shard, task)
        flying[future] = flying.pop(placed)
    return bool(flying)


__all__ = ["Workers", "run_shards"]
