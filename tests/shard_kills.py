"""Kills a command on shards, or one of its workers, at random times, and restarts it; a program started by a test.

It forks before PyTorch and polars have any threads, so that a command costs no start-up. Prints one JSON object: what
was killed, how each command ended, what was left half written, and which shards were computed how often.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import isthmus
import tiny
from isthmus.pipeline import execution  # noqa: F401  (once for all processes, because it takes a second)
from isthmus.runs.folder import RunFolder
from isthmus.system import processes
from isthmus.system.files import MANIFEST
from isthmus.system.outputs import LISTING
from isthmus.tools.inference import apply  # noqa: F401  (a worker imports it for its first shard)
from isthmus.tools.shards import shard_folder, shard_run
from isthmus.tools.shards.shard_listing import shards_of
from isthmus.tools.shards.shard_run import Workers
from isthmus.tools.shards.shard_task import ShardResult, ShardTask, process_shard

SHARDS, WORKERS = 12, 2
KNOWN = {MANIFEST, LISTING}
LEAST = 0.05  # the least seconds per shard, so that kills happen during shards and not before


def slowly(task: ShardTask) -> ShardResult:
    """`process_shard`, which also adds a line to a file next to the results whenever a shard is begun."""
    folder = Path(task.out).parents[1]
    with (folder / "begun.txt").open("a") as file:
        file.write(f"{Path(task.out).name}\n")
    time.sleep(LEAST)
    return process_shard(task)


@contextmanager
def copies() -> Iterator[ProcessPoolExecutor]:
    """Like `process_pool`, with forks of this process, which has no threads that they would lack."""
    given = {"mp_context": multiprocessing.get_context("fork"), "initializer": processes._begin}
    pool = ProcessPoolExecutor(WORKERS, **given)
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        processes._end(pool)
        raise


def encode(folder: Path, out: str) -> None:
    """The work of `isthmus encode RUN parts/ -o OUT --workers 2`."""
    run, source = RunFolder(folder / "run"), str(folder / "parts")
    shards = shards_of(source, "encode", form="parquet")
    place, workers = folder / out / "codes", Workers(copies, WORKERS)
    shard_folder.process_shards("encode", run, source, shards, place, workers, settings={}, options={})


def forked(work: Any, *given: Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(*given)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    os._exit(code)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def children(pid: int) -> list[int]:
    """The workers of a command; none once it has ended."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def kill_one(pid: int, chance: random.Random) -> str:
    """Kills a command, or one of its workers if it has any; returns which."""
    workers = children(pid) if chance.random() < 0.5 else []
    os.kill(chance.choice(workers) if workers else pid, signal.SIGKILL)
    return "worker" if workers else "command"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.parquet")}


def make(folder: Path) -> None:
    """A small run, and its shards."""
    (folder / "parts").mkdir()
    for i in range(SHARDS):
        np.save(folder / "parts" / f"part-{i:02}.npy", tiny.table(200 + i, seed=i))
    ended(forked(lambda: isthmus.train(tiny.table(200), out=folder / "run", show=False, **tiny.SMALL | {"epochs": 2})))


def undisturbed(folder: Path) -> tuple[int, float, dict[str, bytes]]:
    """Exit code, seconds and results of a command that is not killed."""
    start = time.monotonic()
    code = ended(forked(encode, folder, "whole"))
    return code, time.monotonic() - start, contents(folder / "whole" / "codes")


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    shard_folder.SAVED_EVERY = 0.0  # so a kill costs only the shards in progress
    shard_run.process_shard = slowly
    make(folder)
    code, seconds, whole = undisturbed(folder)
    chance, place = random.Random(kills), folder / "killed" / "codes"
    found: dict[str, Any] = {"whole": code, "codes": [], "half": [], "rounds": 1, "seconds": round(seconds, 1)}
    while len(found["codes"]) < kills:
        pid = forked(encode, folder, "killed")
        time.sleep(chance.uniform(0.3, 1) * seconds)  # earlier, nothing is written yet
        what, code = kill_one(pid, chance), ended(pid)
        if (what, code) != ("command", 0):  # the command had finished before
            found["codes"].append([what, code])
        there = contents(place)
        found["half"] += [name for name, content in there.items() if content != whole[name]]
        if len(there) == SHARDS:  # start again from the beginning
            found["rounds"] += 1
            shutil.rmtree(place)
    found["last"] = ended(forked(encode, folder, "killed"))
    begun = (folder / "killed" / "begun.txt").read_text().splitlines()
    found |= {"equal": contents(place) == whole, "begun": len(begun), "strays": strays(place)}
    print(json.dumps(found))


def strays(place: Path) -> list[str]:
    """Files next to the results that should not be there."""
    return sorted(p.name for p in place.iterdir() if p.name not in KNOWN | contents(place).keys())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
