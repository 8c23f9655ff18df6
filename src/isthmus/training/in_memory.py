"""A training that returns only the model: no run folder, no verdicts, no messages."""

from __future__ import annotations

import math
from dataclasses import replace
from signal import SIGINT
from typing import Any, NamedTuple

import numpy as np

from isthmus.config import Config
from isthmus.data.batching.split import Splits
from isthmus.data.samples import Samples
from isthmus.models.autoencoder import Model, coded
from isthmus.models.costs import mean_cost_of_mean, penalty_weights
from isthmus.system.signals import EXIT_CODES
from isthmus.training import prepare
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.threads import using_threads
from isthmus.training.trainer import Trainer

# On five tables of scikit-learn, 100 passes reconstruct new rows no better than 50, and 200 are worse; see
# docs/experiments.md, "Small tables". On iris, 50 steps are too few (an error of 0.051; PCA has 0.043), and 100 are
# enough. LEAST_STEPS is twice that, for harder tables.
PASSES, LEAST_STEPS = 50, 200


class Trained(NamedTuple):
    """A model with the weights of its best epoch, on the CPU, and the history: one dict per epoch."""

    model: Model
    history: list[dict[str, Any]]
    steps: int


def train_in_memory(config: Config, samples: Samples, *, held_out: float) -> Trained:
    """Trains on `samples`; the share `held_out` only chooses the best epoch. With 0, the training data chooses it.

    Raises: as `isthmus.train`; KeyboardInterrupt after Ctrl-C and SystemExit after SIGTERM, because nothing is saved
    that could be resumed.
    """
    splits = divided(samples, held_out, config.training.seed)
    if config.training.threads is None and not samples.is_image:  # a second thread does not help for small networks
        config = replace(config, training=replace(config.training, threads=1))
    prepared = prepare.prepare(config, splits)
    model = prepare.fresh_model(prepared)
    prepared = prepare.settle_threads(prepared, model)
    penalty_weights(model)
    validation = prepared.pairs(prepared.splits.validation)
    settings = prepared.config.training
    start = mean_cost_of_mean(model, prepared.tensor(prepared.splits.validation), prepared.mean)
    monitor = TrainingMonitor(model, patience=settings.patience, start_below=start)
    trainer = Trainer(model, prepare.batches_of(prepared), validation, settings, monitor)
    with using_threads(settings.threads):
        progress = trainer.run(lambda row: None, lambda progress: None)
    if progress.stopped_by == "interrupted":
        raise KeyboardInterrupt if progress.exit_code == EXIT_CODES[SIGINT] else SystemExit(progress.exit_code)
    return Trained(coded(model.cpu().eval()), monitor.history, progress.step)


def divided(samples: Samples, held_out: float, seed: int) -> Splits:
    """Training and validation part by a seeded shuffle. There is no test part; validation is used in its place."""
    rest, held = held_rows(len(samples), held_out, seed)
    if not len(held):
        return Splits(samples, samples, samples)
    validation = samples.take(held)
    return Splits(samples.take(rest), validation, validation)


def held_rows(n: int, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(training rows, held-out rows) of n, both sorted; none are held out if fewer than two would be left."""
    count = round(held_out * n)
    if count < 1 or n - count < 2:
        return np.arange(n), np.arange(0)
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[count:]), np.sort(order[:count])


def fold_rows(numbers: np.ndarray, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(training rows, held-out rows) of each fold; rows with the same number (N,), which are copies, stay together.

    Every row is held out once. Empty if there are fewer than two different rows per fold.
    """
    _, which = np.unique(numbers, return_inverse=True)
    kinds = int(which.max()) + 1
    if kinds < 2 * folds:
        return []
    fold = (np.random.default_rng(seed).permutation(kinds) % folds)[which]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]


def fitting_budget(config: Config, n: int) -> Config:
    """Limits a budget in steps to PASSES passes over n samples, but at least LEAST_STEPS steps."""
    training = config.training
    per_epoch = math.ceil(n / training.batch_size)
    steps = min(training.budget, max(LEAST_STEPS, PASSES * per_epoch))
    return replace(config, training=replace(training, steps=steps))
