"""Training speed in images per second: two processes of one thread each, compared with one of two threads.

    python benchmarks/processes.py --rounds 12

Both train the default network on MNIST-sized images, 1,024 per step, and take turns of five steps, so that other
programs on the machine disturb both equally. The ratio is the median over the rounds. No data set and no launcher is
needed.

On a busy machine, two threads wait for each other far longer than two processes do, so the ratio makes the processes
look better than they are. Therefore, the speed per second of processor time is printed too: for one process with one
thread, and for both of two processes. Their ratio is the cost of dividing the work; 1 would mean no cost.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import time
from multiprocessing.connection import Connection, Pipe

import numpy as np
import torch

from isthmus.data.batching.split import split
from isthmus.data.samples import Bundle, Samples
from isthmus.pipeline.joining import joined
from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.prepared import Prepared
from isthmus.training.trainer import Trainer

BATCH, STEPS = 1_024, 5
SETTINGS = {"batch_size": BATCH, "device": "cpu", "precision": "float32", "augment": "none", "epochs": 1_000}


def ready() -> Prepared:
    """Noise of MNIST's size: the time of a step does not depend on the pixel values."""
    x = np.random.default_rng(0).integers(0, 256, (12 * BATCH, 1, 28, 28), dtype=np.uint8)
    config = resolve({"training": SETTINGS})
    return prepare.prepare(config, split(Bundle(Samples(x, "noise")), seed=0))


def serve(work: Connection, prepared: Prepared, threads: int, about: dict[str, str]) -> None:
    """Trains for one turn on every request, and answers with the seconds that it took."""
    os.environ.update(about)
    with joined() as group:
        torch.set_num_threads(threads)
        model = prepare.fresh_model(prepared)
        validation = prepared.pairs(prepared.splits.validation)
        settings = prepared.config.training
        trainer = Trainer(
            model, prepare.batches_of(prepared), validation, settings, TrainingMonitor(model), None, group
        )
        rows = trainer.batches.rows(0)[:-1]
        model.train()
        while work.recv():
            begun, used = time.perf_counter(), time.process_time()
            for i in range(STEPS):
                trainer._step(rows[i % len(rows)])
            work.send((time.perf_counter() - begun, time.process_time() - used))


def forked(prepared: Prepared, threads: int, about: dict[str, str]) -> Connection:
    """A separate process, forked before PyTorch has any threads here."""
    here, there = Pipe()
    if not os.fork():
        serve(there, prepared, threads, about)
        os._exit(0)
    return here


def launched(rank: int, port: int) -> dict[str, str]:
    about = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    return {name: str(value) for name, value in about.items()} | {"MASTER_ADDR": "127.0.0.1"}


def turn(processes: list[Connection]) -> tuple[float, float]:
    """Images per second of one turn, by the clock and per second of processor time."""
    for process in processes:
        process.send(True)
    seconds, used = zip(*(process.recv() for process in processes), strict=True)
    return BATCH * STEPS / max(seconds), BATCH * STEPS / sum(used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    prepared = ready()
    setups = {
        "one process, one thread": [forked(prepared, 1, {})],
        "one process, two threads": [forked(prepared, 2, {})],
        "two processes, one thread each": [forked(prepared, 1, launched(rank, port)) for rank in range(2)],
    }
    speeds = [{name: turn(processes) for name, processes in setups.items()} for _ in range(rounds + 1)][1:]
    for process in (p for processes in setups.values() for p in processes):
        process.send(False)
    tell(speeds)


def tell(found: list[dict[str, tuple[float, float]]]) -> None:
    """Medians of each, and of the ratios within a round."""
    for name in found[0]:
        by_clock, by_processor = (statistics.median(turns[name][i] for turns in found) for i in range(2))
        print(f"{name}: {by_clock:,.0f} images/s, {by_processor:,.0f} per second of processor time")
    one, two, processes = found[0]
    for what, other, i in (("two threads, by the clock", two, 0), ("one thread, by the processor", one, 1)):
        ratios = sorted(turns[processes][i] / turns[other][i] for turns in found)
        low, high = ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]
        print(f"two processes over {what}: {statistics.median(ratios):.2f} (quartiles {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
