"""A training that leaves nothing but the model: the pipeline's parts without run folder, judgment and words."""

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

# Of five tables of scikit-learn 100 passes reconstruct other rows no better than 50, and 200 do worse; see
# docs/experiments.md, "Small tables". Iris is not yet learned after 50 steps (an error of
# 0.051, where PCA has 0.043), after 100 it is: LEAST_STEPS are twice that, for tables that are less easy.
PASSES, LEAST_STEPS = 50, 200


class Trained(NamedTuple):
    """A model with the weights of its best epoch, on the processor, and the history: a dict an epoch."""

    model: Model
    history: list[dict[str, Any]]
    steps: int


def train_in_memory(config: Config, samples: Samples, *, held_out: float) -> Trained:
    """Trains on `samples`, of which the share `held_out` only chooses the epoch; with 0 the training data does.

    Raises: as `isthmus.train`; KeyboardInterrupt after Ctrl-C and SystemExit after SIGTERM, for nothing is kept then
    that one could go on with.
    """
    splits = divided(samples, held_out, config.training.seed)
    if config.training.threads is None and not samples.is_image:  # a second thread gains nothing on networks so small
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
    """Training and validation part by a seeded shuffle. There is no test part; validation stands in its place."""
    rest, held = held_rows(len(samples), held_out, seed)
    if not len(held):
        return Splits(samples, samples, samples)
    validation = samples.take(held)
    return Splits(samples.take(rest), validation, validation)


def held_rows(n: int, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows that train, rows that do not) of n, both in order; none are held out where under two would be left."""
    count = round(held_out * n)
    if count < 1 or n - count < 2:
        return np.arange(n), np.arange(0)
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[count:]), np.sort(order[:count])


def fold_rows(numbers: np.ndarray, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows that train, rows that do not) of each fold; rows of the same number (N,), copies, are never divided.

    Every row is left out once. None where there are under two different rows a fold.
    """
    _, which = np.unique(numbers, return_inverse=True)
    kinds = int(which.max()) + 1
    if kinds < 2 * folds:
        return []
    fold = (np.random.default_rng(seed).permutation(kinds) % folds)[which]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]


def fitting_budget(config: Config, n: int) -> Config:
    """The same with at most PASSES passes over n samples, where the settings speak of steps."""
    training = config.training
    per_epoch = math.ceil(n / training.batch_size)
    steps = min(training.budget, max(LEAST_STEPS, PASSES * per_epoch))
    return replace(config, training=replace(training, steps=steps))
