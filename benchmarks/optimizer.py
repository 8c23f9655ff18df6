"""What it saves that `Stepper` keeps the optimizer's lists, beside `torch.optim.AdamW(fused=True)` used as usual.

    python benchmarks/optimizer.py [--precision bfloat16] [--rounds 300] [--steps 8]

Two trainers of the default recipe on the shipped digits, batch 64, one thread, take turns every few steps: draw, pass,
gradient, clipping and update, as in a run. The time is this thread's own on the processor; told are the quartiles of
the ratio within a round, which whatever else the machine does hits least.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.optimizer import Stepper
from isthmus.training.trainer import Trainer


class Usual(Stepper):
    """Keeps nothing: every step is `optimizer.step()`."""

    def _gather(self) -> list:
        return []


def trainer(kind: type[Stepper], prepared: prepare.Prepared, validation: torch.Tensor) -> Trainer:
    model, settings = prepare.fresh_model(prepared), prepared.config.training
    made = Trainer(model, prepare.batches_of(prepared), validation, settings, TrainingMonitor(model))
    made.stepper = kind(made.optimizer)
    model.train()
    return made


def seconds(trained: Trainer, steps: int) -> float:
    """Of one step, over so many."""
    rows = [batch for batch in trained.batches.rows(0) if len(batch) == trained.batches.batch_size]
    begun = time.thread_time()
    for step in range(steps):
        trained._step(rows[step % len(rows)])
    return (time.thread_time() - begun) / steps


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = resolve({"data": {"source": "mnist-2k"}, "training": {"precision": options.precision}})
    splits = prepare.read_splits(config, None, Quiet())
    prepared = prepare.prepare(config, splits)
    validation = prepared.tensor(splits.validation)[:100]
    both = [trainer(kind, prepared, validation) for kind in (Stepper, Usual)]
    for each in both:
        seconds(each, 20)
    found: list[list[float]] = [[], []]
    for turn in range(options.rounds):
        for i in (0, 1) if turn % 2 else (1, 0):
            found[i].append(seconds(both[i], options.steps))
    ours, usual = (1e6 * statistics.median(times) for times in found)
    low, middle, high = statistics.quantiles([b / a for a, b in zip(*found, strict=True)], n=4)
    print(f"torch {torch.__version__}, {options.precision}, {options.rounds} rounds of {options.steps} steps")
    print(f"lists kept {ours:,.0f} us a step, optimizer.step() {usual:,.0f} us")
    print(f"ratio {middle:.3f} (quartiles {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
