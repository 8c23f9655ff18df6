"""Rows per second: two workers that encode Parquet shards, compared with two processes that only run the encoder.

    python benchmarks/shards.py FOLDER --rows 200000

Both take turns of several shards, so that other programs on the machine disturb both equally; the ratio is the median
over the turns. Processes are started and libraries imported before the measurement. The rows are random images of
MNIST's size in `.npy` files of 10,000; the network is the default one. The peak memory of a worker is printed too, and
the speed by processor time, which depends less on other programs. Files written into FOLDER are removed.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import isthmus
from isthmus.data.batching.batches import chunk_of
from isthmus.runs.folder import RunFolder
from isthmus.system.processes import process_pool
from isthmus.tools.shards import ShardTask, process_shard, weights_of

ROWS, TURN, WORKERS = 10_000, 4, 2  # rows per shard, shards per turn


def made(folder: Path, n: int) -> tuple[RunFolder, list[Path]]:
    """A run of the default network, and shards of random images."""
    x = np.random.default_rng(0).integers(0, 256, (ROWS, 28, 28), dtype=np.uint8)
    run = isthmus.train(x[:1000], out=folder / "run", show=False, steps=2, threads=1, device="cpu")
    paths = [folder / f"part-{i}.npy" for i in range(n)]
    for i, path in enumerate(paths):
        np.save(path, np.roll(x, i, axis=0))
    return RunFolder(run.path), paths


def forward(run: str, n: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, of the encoder alone for n rows that are in memory already."""
    torch.set_num_threads(1)
    model = RunFolder(run).model.eval()
    x = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (n, 1, 28, 28), dtype=np.uint8))
    begun, used = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        for batch in x.split(chunk_of(784)):
            model.encode(model.preprocess.to_x(batch))
    return time.perf_counter() - begun, time.process_time() - used


def shard(task: ShardTask) -> tuple[int, float, int]:
    """Rows written, seconds of processor time, and the peak memory of this worker in bytes."""
    used = time.process_time()
    result = process_shard(task)
    assert result.error is None, result.error
    return result.n, time.process_time() - used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def written(pool: Executor, tasks: list[ShardTask]) -> tuple[float, float, int]:
    """Rows per second, rows per second of processor time, and the peak memory of a worker."""
    begun = time.perf_counter()
    n, used, held = zip(*pool.map(shard, tasks), strict=True)
    return sum(n) / (time.perf_counter() - begun), sum(n) / sum(used), max(held)


def passed(pool: Executor, run: str, n: int) -> tuple[float, float]:
    """Rows per second of both processes together, and rows per second of processor time."""
    seconds, used = zip(*pool.map(forward, [run] * WORKERS, [n // WORKERS] * WORKERS), strict=True)
    return n / max(seconds), n / sum(used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(tempfile.gettempdir()))
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--task", choices=["encode", "score"], default="encode")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        print(json.dumps(measured(Path(name), asked.rows // ROWS, asked.task)))


def measured(folder: Path, n: int, task: str) -> dict[str, Any]:
    run, paths = made(folder, n)
    path, weights = str(run.path), weights_of(run)
    tasks = [ShardTask(task, path, str(p), str(p.with_suffix(".parquet")), weights, {}, {}) for p in paths]
    turns = []
    with process_pool(WORKERS) as shards, process_pool(WORKERS) as processes:
        written(shards, tasks[:WORKERS])
        passed(processes, path, ROWS)
        turns += [
            (*written(shards, tasks[at : at + TURN]), *passed(processes, path, TURN * ROWS)) for at in range(0, n, TURN)
        ]
    by_clock, by_processor, held, pure, pure_by_processor = zip(*turns, strict=True)
    return {
        "rows": n * ROWS,
        "rows_a_second": {"written": round(median(by_clock)), "passed": round(median(pure))},
        "a_second_on_a_processor": {"written": round(median(by_processor)), "passed": round(median(pure_by_processor))},
        "ratio": quartiles(by_clock, pure),
        "ratio_on_a_processor": quartiles(by_processor, pure_by_processor),
        "most_memory": [held[0], held[-1]],
    }


def quartiles(written: Sequence[float], passed: Sequence[float]) -> list[float]:
    """The quartiles of the ratios, with the median between them."""
    ratios = sorted(a / b for a, b in zip(written, passed, strict=True))
    return [round(ratios[k], 2) for k in (len(ratios) // 4, len(ratios) // 2, 3 * len(ratios) // 4)]


if __name__ == "__main__":
    main()
