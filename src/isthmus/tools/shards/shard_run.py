"""Many shards at once: on processes of this machine or any other executor, whatever dies on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from typing import NamedTuple

from isthmus.tools.shards.shard_task import ShardResult, ShardTask, process_shard

AHEAD = 2  # shards handed to each worker at once: one to work on, and one to begin when it is done
TRIES = 2  # of a shard that was alone with a worker that died; then it is the shard

Done = Callable[[ShardTask, ShardResult], None]


class Workers(NamedTuple):
    """`count` workers, which `pool()` starts and ends; a future that fails by one of `lost` lost its worker."""

    pool: Callable[[], AbstractContextManager[Executor]]
    count: int
    lost: tuple[type[Exception], ...] = (BrokenExecutor,)


def run_shards(tasks: Sequence[ShardTask], workers: Workers, done: Done) -> None:
    """Hands every task to the workers, and what came of it to `done`, in the order in which they end.

    Where a worker dies, new ones repeat what was in flight, one at a time, so that a shard which kills its worker is
    found; the rest goes on as before. Results do not depend on who computed them.
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
    done(task, ShardResult(error=(5, f"its worker was killed {TRIES} times; there may be too little memory for it")))


def _run(
    tasks: Sequence[ShardTask], workers: Workers, width: int, done: Done
) -> tuple[list[ShardTask], list[ShardTask]]:
    """Runs tasks, `width` in flight; ([], []) or, where a worker was lost, (those in flight, those not yet begun)."""
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
    """Whether anything is in flight after more was handed over."""
    while len(flying) < width and (task := next(waiting, None)) is not None:
        placed: Future[ShardResult] = Future()
        flying[placed] = task  # were it not there when the pool is found broken, it would be forgotten
        future = executor.submit(process_shard, task)
        flying[future] = flying.pop(placed)
    return bool(flying)


__all__ = ["Workers", "run_shards"]
