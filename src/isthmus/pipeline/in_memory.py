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
from isthmus.evaluation.metrics.measure import mean_cost_of_mean
from isthmus.models.autoencoder import Model
from isthmus.models.costs import penalty_weights
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
    validation = prepared.tensor(prepared.splits.validation)
    settings = prepared.config.training
    start = mean_cost_of_mean(model, validation, prepared.mean)
    monitor = TrainingMonitor(model, patience=settings.patience, start_below=start)
    trainer = Trainer(model, prepare.batches_of(prepared), validation, settings, monitor)
    with using_threads(settings.threads):
        progress = trainer.run(lambda row: None, lambda progress: None)
    if progress.stopped_by == "interrupted":
        raise KeyboardInterrupt if progress.exit_code == EXIT_CODES[SIGINT] else SystemExit(progress.exit_code)
    return Trained(model.cpu().eval(), monitor.history, progress.step)


def divided(samples: Samples, held_out: float, seed: int) -> Splits:
    """Training and validation part by a seeded shuffle. There is no test part; validation stands in its place."""
    n = round(held_out * len(samples))
    if n < 1 or len(samples) - n < 2:
        return Splits(samples, samples, samples)
    order = np.random.default_rng(seed).permutation(len(samples))
    held = samples.take(np.sort(order[:n]))
    return Splits(samples.take(np.sort(order[n:])), held, held)


def fitting_budget(config: Config, n: int) -> Config:
    """The same with at most PASSES passes over n samples, where the settings speak of steps."""
    training = config.training
    per_epoch = math.ceil(n / training.batch_size)
    steps = min(training.steps, max(LEAST_STEPS, PASSES * per_epoch))
    return replace(config, training=replace(training, steps=steps))
