from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager

import pytest

from isthmus.tools.shards import shard_run
from isthmus.tools.shards.shard_run import Workers, run_shards
from isthmus.tools.shards.shard_task import ShardResult, ShardTask


def task(name: str) -> ShardTask:
    return ShardTask("encode", "run", name, f"{name}.npy", "", {}, {})


class Fragile(Executor):
    """Computes at once; a task that is in `kills` breaks it, and everything that is handed to it afterwards."""

    def __init__(self, kills: dict[str, int]) -> None:
        self.kills, self.broken = kills, False

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        if self.broken:
            raise BrokenExecutor
        future: Future[ShardResult] = Future()
        if self.kills.get(args[0].source, 0) > 0:
            self.kills[args[0].source] -= 1
            self.broken = True
            future.set_exception(BrokenExecutor())
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def outcome(monkeypatch: pytest.MonkeyPatch, kills: dict[str, int], count: int = 2) -> tuple[dict, list[str]]:
    computed: list[str] = []

    def process(given: ShardTask) -> ShardResult:
        computed.append(given.source)
        return ShardResult(n=1)

    @contextmanager
    def pool() -> Iterator[Executor]:
        yield Fragile(kills)

    monkeypatch.setattr(shard_run, "process_shard", process)
    results: dict[str, ShardResult] = {}
    names = [f"part-{i}" for i in range(9)]
    run_shards(list(map(task, names)), Workers(pool, count), lambda one, result: results.update({one.source: result}))
    assert set(results) == set(names)
    return results, computed


@pytest.mark.parametrize("killed", [{}, {"part-0": 1}, {"part-8": 1}, {"part-3": 1, "part-4": 1}, {"part-2": 2}])
def test_what_was_in_flight_with_a_worker_that_died_is_repeated(
    monkeypatch: pytest.MonkeyPatch, killed: dict[str, int]
) -> None:
    results, computed = outcome(monkeypatch, dict(killed))
    assert {result.error for result in results.values()} == {None}
    assert len(computed) - len(results) <= 4 * sum(killed.values())  # two workers with two each


def test_a_shard_that_kills_its_worker_is_named_and_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    results, _ = outcome(monkeypatch, {"part-3": 100})
    error = results.pop("part-3").error
    assert error == (5, "the worker was killed 2 times, perhaps because there was too little memory")
    assert {result.error for result in results.values()} == {None}
