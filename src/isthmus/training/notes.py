"""Notes before a training about data, budget and noise that may not be what the user meant."""

from __future__ import annotations

import numpy as np

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.numeric import blocks
from isthmus.data.pairs.difference import difference_of
from isthmus.data.ranges import about_dark, about_narrow
from isthmus.data.samples import Samples
from isthmus.parts.noise_level import Level
from isthmus.registry import alternatives, joined, parse
from isthmus.training.optimizer import plan
from isthmus.training.prepared import TrainingStatistics
from isthmus.training_config import TrainingConfig
from isthmus.wording import counted, shell_word

# On [0, 1], a sigma of 2 is twice the distance of black and white; on 0..255 it is invisible. So more must mean 0..255.
MOST_SIGMA = 2.0


def about_sameness(train: Samples) -> list[str]:
    """A note if all training samples are equal."""
    if not len(train) or not all((part == train.x[0]).all() for part in blocks(train.x)):  # stops at the first other
        return []
    same = f"all {len(train):,} training samples are equal" if len(train) > 1 else "there is only one training sample"
    return [f"{same}, so there is nothing to learn; check that this is the right data"]


def about_budget(training: TrainingConfig, per_pass: int) -> list[str]:
    """A note if a budget in steps is far from whole epochs of `per_pass` steps, because it is rounded to these."""
    if training.epochs is not None or not per_pass:
        return []
    epochs, steps = plan(training, per_pass)
    off = abs(epochs * steps - training.budget) / training.budget
    if off <= 0.1:  # nobody minds a tenth more or less
        return []
    whole = f"{counted(epochs, 'epoch')} of {counted(steps, 'step')}"
    return [f"{training.budget:,} steps are rounded to {whole} (--epochs sets the number exactly)"]


def about_range(known: TrainingStatistics) -> list[str]:
    """Notes on black and white if they come from the data, and on images that use so little of their range that they
    would look black, or all the same.
    """
    train, preprocess = known.train, known.preprocess
    if preprocess.ends:
        return [_about_ends(known, *preprocess.ends)]
    if not preprocess.is_image or preprocess.offset is not None or not len(train):
        return []
    if train.x.dtype == np.float32:
        return about_narrow(*known.ends)
    return about_dark(int(known.ends[1])) if train.x.dtype == np.uint8 else []


def _about_ends(known: TrainingStatistics, black: float, white: float) -> str:
    unit = " counts" if known.preprocess.dtype == "uint16" else ""
    said = f"black is {black:,.6g} and white is {white:,.6g}{unit}"
    if known.reaches_beyond:
        least, greatest = known.ends
        return (
            f"{said}: 99.8% of the training pixels lie between them. A few others reach from {least:,.6g} to "
            f"{greatest:,.6g}; they are used unchanged, but shown as black or white"
        )
    return f"{said}, the smallest and largest value of the training images; values outside are used unchanged"


def about_pairs(train: Samples, preprocess: Preprocess) -> list[str]:
    """Notes on pairs that cannot be learned from: shifted against each other, exchanged, or without any noise."""
    if train.x_in is None or not len(train):
        return []
    return difference_of(train, preprocess).warnings()


def about_noise(noise: str, preprocess: Preprocess) -> list[str]:
    """A note if Gaussian noise on images in [0, 1] is so strong that it hides them, or is meant for 0 to 255."""
    said = (_about_level(part, noise) for one in alternatives(noise) for part in joined(one))
    return next((line for line in said if line), []) if preprocess.is_image and preprocess.range == (0.0, 1.0) else []


def _about_level(part: str, noise: str) -> list[str]:
    name, level, options = parse(part)
    if name != "gaussian" or level is None:
        return []
    try:
        low, high = Level(level).bounds
    except ValueError:  # reported when the noise is built
        return []
    if high <= MOST_SIGMA:
        return []
    if high > 255:
        return [f"images are scaled to [0, 1], so noise {noise} hides them completely"]
    ends = dict.fromkeys((low, high))
    meant = [f"gaussian:{'-'.join(f'{end / 255:.2g}' for end in ends)}"]
    meant += [f"{key}={value}" for key, value in options.items()]
    shares = " to ".join(f"{end:g}/255" for end in ends)
    whole = shell_word(noise.replace(part, ",".join(meant)))
    return [f"images are scaled to [0, 1]: did you mean --noise {whole} ({shares})?"]
