"""Time to the notebook's quality: `--recipe fast` until test BCE 0.0940 on MNIST, compared with the notebook's stack.

    ISTHMUS_DATA=… python benchmarks/speedrun.py [--seeds 10] [--threads 1] [--recipe fast] [--goal 0.0940]

The notebook's stack needs 40 epochs to reach 0.0940, and its ReLU version 30 to reach 0.0810 (`--goal 0.0810`). Its
speed is measured here, in turns with isthmus, and the time of all epochs is computed from it. The time of isthmus
includes the initialization of the layers from the data and all steps. It does not include reading the data, whose time
is printed separately, or evaluation. `--validation` evaluates on the validation part instead, for choosing the number
of steps.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from speed import notebook

from isthmus.models.costs import mean_cost
from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.optimizer import plan
from isthmus.training.prepared import Prepared
from isthmus.training.trainer import Trainer

EPOCHS = {0.0940: 40, 0.0810: 30}  # the notebook's text reaches the first, its ReLU version the second
# Changes of the recipe for each goal; both were chosen on the validation part (docs/speedrun.md).
CHANGES: dict[float, dict[str, object]] = {0.0940: {}, 0.0810: {"steps": 400, "lr": 7e-3, "betas": (0.8, 0.93)}}


def record(ready: Prepared, seed: int, *, validation: bool) -> tuple[float, float, float]:
    """(seconds of the initialization, seconds of the steps, BCE afterward) of one seed."""
    training = replace(ready.config.training, seed=seed)
    ready = replace(ready, config=replace(ready.config, training=training))
    begun = time.perf_counter()
    model = prepare.fresh_model(ready)
    start = time.perf_counter() - begun
    few = ready.tensor(ready.splits.validation)[:100]  # the loop looks at something after its epoch
    trainer = Trainer(model, prepare.batches_of(ready), few, training, TrainingMonitor(model))
    progress = trainer.run(lambda row: None, lambda progress: None)
    judged = ready.tensor(ready.splits.validation if validation else ready.splits.test)
    return start, progress.train_seconds, mean_cost(model, judged, ready.device, 0, "speedrun")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=6400, help="that the notebook's stack passes in a turn")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--goal", type=float, default=0.0940, choices=sorted(EPOCHS))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--validation", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    own = CHANGES[options.goal] | ({} if options.steps is None else {"steps": options.steps})
    config = resolve(
        {"recipe": options.recipe, "data": {"source": "mnist"}, "training": own | {"threads": options.threads}}
    )
    begun = time.perf_counter()
    ready = prepare.prepare(config, prepare.read_splits(config, None, Quiet()))
    reading = time.perf_counter() - begun
    images = np.array(ready.splits.train.x[: options.images, 0])
    found, paces = [], []
    for seed in range(options.seeds):
        paces.append(notebook(images))
        found.append(record(ready, seed, validation=options.validation))
    starts, steps, costs = (np.array(column) for column in zip(*found, strict=True))
    pace, ours = statistics.median(paces), float(np.median(starts + steps))
    theirs = EPOCHS[options.goal] * 60_000 / pace
    t = ready.config.training
    print(f"torch {torch.__version__}, {options.threads} threads, {t.precision}; reading took {reading:.1f} s")
    print(f"{options.recipe}: {plan(t, len(prepare.batches_of(ready)))[1]} steps of {t.batch_size}")
    spread = f"{costs.min():.4f} to {costs.max():.4f}, deviation {costs.std(ddof=1):.5f}"
    print(f"BCE of {options.seeds} seeds {costs.mean():.4f} ({spread})")
    print(f"seconds {ours:.3f}: start {np.median(starts):.3f}, steps {np.median(steps):.3f}")
    print(f"the notebook's stack: {pace:,.0f} images/s, {theirs:,.0f} s for {EPOCHS[options.goal]} epochs")
    print(f"ratio {theirs / ours:,.0f}")


if __name__ == "__main__":
    main()
