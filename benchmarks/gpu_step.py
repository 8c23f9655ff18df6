"""Steps per second on a GPU: eager, captured by isthmus, and a captured loop written by hand; in turns, as ratios.

    python benchmarks/gpu_step.py [--steps 400] [--rounds 5] [--batch-size 64]

The notebook's network on random images in GPU memory. It also prints the greatest difference between the weights after
the same steps, eager and captured. The second number should be at most 1.2 times the third. Not run so far: no GPU was
available.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.prepared import IN_MEMORY, Prepared
from isthmus.training.trainer import Trainer

SIZES = (784, 512, 256, 32)


def prepared(step: str, batch_size: int) -> Prepared:
    images = np.random.default_rng(0).integers(0, 256, (60_000, 1, 28, 28), dtype=np.uint8)
    model = {"network": "mlp", "hidden": SIZES[1:3], "z_size": SIZES[3]}
    training = {"epochs": 1, "batch_size": batch_size, "device": "cuda", "step": step, "augment": "none"}
    config = resolve({"data": {"source": IN_MEMORY}, "model": model, "training": training})
    return prepare.prepare(config, prepare.read_splits(config, images, Quiet()))


def ours(step: str, batch_size: int) -> tuple[Trainer, Callable[[int], None]]:
    ready = prepared(step, batch_size)
    model = prepare.fresh_model(ready)
    few = ready.tensor(ready.splits.validation)[:64]
    made = Trainer(model, prepare.batches_of(ready), few, ready.config.training, TrainingMonitor(model))
    rows = made.batches.rows(0)[:-1]
    model.train()

    def run(steps: int) -> None:
        for _ in range(steps):
            made._step(rows[made.progress.batch % len(rows)])
            made.progress.batch = (made.progress.batch + 1) % len(rows)

    return made, run


def by_hand(batch_size: int) -> Callable[[int], None]:
    """The shortest training loop: one graph with a row index as its only input, PyTorch's capturable AdamW."""
    data = torch.randint(0, 256, (60_000, 784), dtype=torch.uint8, device="cuda")
    sides = [*SIZES, *SIZES[-2::-1]]
    layers = [layer for a, b in itertools.pairwise(sides) for layer in (nn.Linear(a, b), nn.SiLU())]
    net = nn.Sequential(*layers[:-1]).cuda()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True, capturable=True)
    rows = torch.zeros(batch_size, dtype=torch.int64, device="cuda")

    def step() -> None:
        x = data[rows].float() / 255
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logits = net(x)
        nn.functional.binary_cross_entropy_with_logits(logits.float(), x).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    order = torch.randperm(len(data), device="cuda")[: len(data) // batch_size * batch_size].split(batch_size)

    def run(steps: int) -> None:
        for i in range(steps):
            rows.copy_(order[i % len(order)])
            graph.replay()

    return run


def timed(run: Callable[[int], None], steps: int) -> float:
    torch.cuda.synchronize()
    begun = time.perf_counter()
    run(steps)
    torch.cuda.synchronize()
    return steps / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    given = parser.parse_args()
    (eager, run_eager), (captured, run_captured) = (ours(step, given.batch_size) for step in ("eager", "graph"))
    for run in (run_eager, run_captured):
        run(50)
    print("notes:", captured.progress.log or "none")
    pairs = zip(eager.parameters, captured.parameters, strict=True)
    print(f"greatest difference of weights after 50 steps: {max(float((a - b).abs().max()) for a, b in pairs):.2g}")
    contenders = {"eager": run_eager, "captured": run_captured, "by hand": by_hand(given.batch_size)}
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(given.rounds):
        for name, run in contenders.items():
            speeds[name].append(timed(run, given.steps))
    print(torch.cuda.get_device_name())
    for name, found in speeds.items():
        middle = statistics.median(found)
        print(f"{name:10}{middle:10,.0f} steps/s{middle / statistics.median(speeds['by hand']):8.2f} x by hand")


if __name__ == "__main__":
    main()
