"""The size of a pass over the training data: all samples, or as many patches as cover the whole images."""

from __future__ import annotations

import numpy as np

from isthmus.config import ModelConfig
from isthmus.data.batching.batches import batches_of_pass
from isthmus.data.batching.patches import patches_of_pass
from isthmus.data.samples import Samples
from isthmus.data.whole_images import WholeImages
from isthmus.parts.networks import is_without_code
from isthmus.training.optimizer import plan
from isthmus.training_config import TrainingConfig


def drawn_from(train: Samples) -> tuple[WholeImages, np.ndarray]:
    """The images that patches are taken from, and the indices (n,) of those that train: whole images, or samples."""
    if train.whole is None or train.owner is None:
        return WholeImages.of_array(train.both), np.arange(len(train))
    return train.whole, np.unique(train.owner)


def samples_of_pass(model: ModelConfig, training: TrainingConfig, train: Samples) -> int:
    """How many samples a pass has; for a network without a code, how many patches."""
    if not len(train) or not is_without_code(model.network):
        return len(train)
    return int(patches_of_pass(_sizes(train), training.patch).sum())


def _sizes(train: Samples) -> np.ndarray:
    """The sizes (n, 2) as (H, W) of the images that patches are taken from, without copying the images."""
    if train.whole is None or train.owner is None:
        return np.tile([train.shape[1:]], (len(train), 1))
    return train.whole.sizes[np.unique(train.owner)]


def steps_of_pass(model: ModelConfig, training: TrainingConfig, train: Samples) -> int:
    """How many steps a whole pass has; 0 without training samples."""
    n = samples_of_pass(model, training, train)
    return batches_of_pass(n, training.batch_size) if n else 0


def steps_of(epochs: int, training: TrainingConfig, per_pass: int) -> int:
    """How many steps these epochs have, if a pass has `per_pass`; a budget below one pass ends within it."""
    return epochs * plan(training, per_pass)[1]


__all__ = ["drawn_from", "samples_of_pass", "steps_of", "steps_of_pass"]
