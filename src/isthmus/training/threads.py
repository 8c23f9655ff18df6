"""Chooses the number of CPU threads for a step by timing it.

Steps of these small networks take milliseconds. On an idle machine a second core makes them 1.2 to 1.4 times faster;
if other programs run, the threads wait for each other and a step takes ten times as long. So both are timed once
before training, and the choice is saved in the run's configuration: the same number of threads gives the same weights,
bit for bit, and on some processors another number gives different weights. On an AMD EPYC, the shipped recipes gave
the same weights with one and two threads; on an Intel Xeon with AMX, the weights differed by 4e-6 in float32 and 1e-3
in bfloat16.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from isthmus.models.abstract_model import AbstractModel
from isthmus.models.costs import objective, penalty_weights
from isthmus.randomness import generator_for
from isthmus.training.step_context import autocast
from isthmus.training_config import TrainingConfig

STEPS = 6  # per number of threads, a few milliseconds each
OPTIMIZER = 1.5  # factor on the forward and backward pass for update and batch, on networks as small as for tables
GAIN = 1.1  # more threads must be faster by this factor; otherwise one thread, which other programs cannot slow down


def pick_threads(model: AbstractModel, x: Tensor, settings: TrainingConfig) -> int:
    """The number of threads, 1 or all cores, whose best step on the batch x is faster."""
    before = torch.get_num_threads()
    if before == 1 or model.device.type != "cpu" or model.own is not None:
        return before  # a custom module may have side effects, so it is not timed
    trial = copy.deepcopy(model)
    try:
        seconds = {}
        with torch.random.fork_rng(devices=()):  # dropout uses the global generator, which must not change
            for threads in (1, before):
                torch.set_num_threads(threads)
                seconds[threads] = sorted(_step(trial, x, settings) for _ in range(STEPS))[STEPS // 2]
    finally:
        torch.set_num_threads(before)
    return before if seconds[1] > GAIN * seconds[before] else 1


def seconds_a_step(model: AbstractModel, x: Tensor, settings: TrainingConfig) -> float:
    """The time of a step on the batch x now, with an estimate for the optimizer. The model is not changed."""
    trial = copy.deepcopy(model).train()
    with torch.random.fork_rng(devices=()):
        return OPTIMIZER * sorted(_step(trial, x, settings) for _ in range(STEPS))[STEPS // 2]


def _step(model: AbstractModel, x: Tensor, settings: TrainingConfig) -> float:
    begun = time.perf_counter()
    pair = model.pair(x, generator_for(0, "threads"))
    with autocast(settings, x.device):
        output = model(pair.x_in)
    objective(model, pair, output, penalty_weights(model)).backward()
    return time.perf_counter() - begun


@contextmanager
def using_threads(threads: int | None) -> Iterator[None]:
    """Uses this number of CPU threads inside the block (None: no change) and restores the number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
