"""The time of a step without its matrix products, with dense layers written out and in PyTorch's graph.

    python benchmarks/step.py [--precision bfloat16] [--rounds 20] [--steps 8]

Two trainers of the notebook's network on random images, batch 64, one thread, take turns under PyTorch's profiler. The
time is the processor time of this thread. The output is the medians, and the operations and copies per step. The
products are left out, because a processor without bfloat16 needs twenty times as long for them as one with it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.prepared import IN_MEMORY, Prepared
from isthmus.training.trainer import Trainer

PRODUCTS = {"aten::mm", "aten::addmm"}


def prepared(precision: str) -> Prepared:
    images = np.random.default_rng(0).integers(0, 256, (7_000, 1, 28, 28), dtype=np.uint8)
    model = {"network": "mlp", "hidden": (512, 256), "z_size": 32}
    training = {"epochs": 1, "batch_size": 64, "precision": precision}
    config = resolve({"data": {"source": IN_MEMORY}, "model": model, "training": training})
    return prepare.prepare(config, prepare.read_splits(config, images, Quiet()))


def trainer(ready: Prepared, *, written: bool) -> Trainer:
    model = prepare.fresh_model(ready)
    few = ready.tensor(ready.splits.validation)[:64]
    made = Trainer(model, prepare.batches_of(ready), few, ready.config.training, TrainingMonitor(model))
    for chain in () if written else made.written.chains:
        chain.write_nowhere()
    model.train()
    return made


def of_steps(trained: Trainer, steps: int) -> tuple[float, float, float]:
    """(milliseconds without the products, operations, copies) of a step."""
    rows = trained.batches.rows(0)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        begun = time.thread_time()
        for step in range(steps):
            trained._step(rows[step])
        seconds = time.thread_time() - begun
    events = [event for event in seen.key_averages() if event.key.startswith("aten::")]
    products = sum(event.self_cpu_time_total for event in events if event.key in PRODUCTS)
    copies = sum(event.count for event in events if event.key == "aten::copy_")
    return (1e3 * seconds - products / 1e3) / steps, sum(event.count for event in events) / steps, copies / steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    ready = prepared(options.precision)
    both = {"written out": trainer(ready, written=True), "PyTorch's graph": trainer(ready, written=False)}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in both}
    for turn in range(options.rounds + 1):
        for name, each in both.items():
            measured = of_steps(each, options.steps)
            found[name] += [measured] if turn else []  # the first turn is slower
    print(f"torch {torch.__version__}, {options.precision}, {options.rounds} rounds of {options.steps} steps")
    for name, rounds in found.items():
        ms, operations, copies = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{name}: {ms:.2f} ms without the products, {operations:.0f} operations, {copies:.0f} of them copies")
    ratios = [a[0] / b[0] for a, b in zip(*found.values(), strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"ratio {middle:.2f} (quartiles {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
