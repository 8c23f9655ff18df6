"""Replaces every `auto` in the settings of training and model for the data, and collects notes on the choices."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from isthmus.config import Config, ModelConfig
from isthmus.data.batching.batches import batches_of_pass, shift_of
from isthmus.data.batching.patches import soften_of
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.split import Splits
from isthmus.data.samples import Samples
from isthmus.parts.networks import is_without_code, refuse_tables
from isthmus.system.devices import pick_precision, pick_step
from isthmus.training import notes
from isthmus.training.choices import (
    fitting_likelihood,
    fitting_shift,
    fitting_start,
    is_unknown,
    passes,
    settle_budget,
    settle_code,
    settle_dropout,
    settle_network,
    settle_noise,
)
from isthmus.training.data_pass import samples_of_pass
from isthmus.training.prepared import TrainingStatistics
from isthmus.training_config import TrainingConfig
from isthmus.wording import counted

LOOKED_AT = 200  # images whose noise is estimated: 7 million pixels for pieces of 192, one second


def settle_training(
    config: Config, known: TrainingStatistics, device: torch.device
) -> tuple[TrainingConfig, list[str]]:
    """The settings of training for the data and the device, without `auto`, and notes.

    Raises: UsageError for a network or an augmentation that the data does not allow, or an unavailable device or
    precision; DataError.
    """
    refuse_tables(config.model.network, known.preprocess.shape)  # before patches of the samples are counted
    n = samples_of_pass(config.model, config.training, known.train)
    training, said = settle_budget(config.training, config.model, n, known.preprocess)
    training, about_augmentation = _settle_augmentation(training, config.model, n, known.preprocess)
    said += about_augmentation + notes.about_budget(training, batches_of_pass(n, training.batch_size) if n else 0)
    if training.batch_size > n:
        what = "patches in a pass" if is_without_code(config.model.network) else "training samples"
        said.append(f"batch size lowered from {training.batch_size:,} to {n:,}, the number of {what}")
    precision, step = pick_precision(training.precision, device), pick_step(training.step, device)
    size = min(training.batch_size, n)
    return replace(training, batch_size=size, precision=precision, step=step, device=device.type), said


def _settle_augmentation(
    training: TrainingConfig, model: ModelConfig, n: int, preprocess: Preprocess
) -> tuple[TrainingConfig, list[str]]:
    if is_without_code(model.network):
        augment = "none" if training.augment == "auto" else training.augment
        soften_of(augment)
        return replace(training, augment=augment), []
    if training.augment != "auto":
        shift_of(training.augment, preprocess)
        return training, []
    augment = fitting_shift(preprocess, passes(training, n), noisy=model.noise != "none")
    epochs = training.epochs or math.ceil(training.budget / math.ceil(n / training.batch_size))
    times = f"training takes {epochs:,} pass{'es' * (epochs > 1)} over {counted(n, 'image')}"
    said = [] if augment == "none" else [f"augmentation {augment}: {times} (turn off with --augment none)"]
    return replace(training, augment=augment), said


def settle_model(
    model: ModelConfig, training: TrainingConfig, splits: Splits, known: TrainingStatistics
) -> tuple[ModelConfig, list[str]]:
    """The settings of the model for the data, without `auto`, and notes; `training` has no `auto` left.

    Raises: UsageError and DataError for a network or a noise that the data does not allow.
    """
    n, preprocess = len(known.train), known.preprocess
    model = settle_dropout(model, training, n, preprocess)
    model, said = settle_code(model, splits, known)
    model, about_network = settle_network(model, preprocess, n)
    said += about_network
    if is_unknown(model.noise):
        model, about_noise = settle_noise(model, _some(known.train, preprocess))
        said += about_noise
    if model.likelihood == "auto":
        model = replace(model, likelihood=fitting_likelihood(model, preprocess, beyond=known.reaches_beyond))
    if model.init == "auto":
        model = replace(model, init=fitting_start(model, preprocess))
    return model, said


def _some(train: Samples, preprocess: Preprocess) -> Tensor:
    """Network input of at most 200 evenly spaced training samples."""
    return preprocess.to_x(torch.from_numpy(np.array(train.x[:: max(1, len(train) // LOOKED_AT)][:LOOKED_AT])))


__all__ = ["settle_model", "settle_training"]
