"""What is said before a training about its data, its budget and its noise, where they may not be what was meant."""

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

# At 2 black and white lie half a deviation apart; of 255 steps 2 is noise that nobody sees, so 0..255 must be meant.
MOST_SIGMA = 2.0


def about_sameness(train: Samples) -> list[str]:
    """What is to be said where every training sample is the same."""
    if not len(train) or not all((part == train.x[0]).all() for part in blocks(train.x)):  # ends at the first other
        return []
    same = f"all {len(train):,} training samples are equal" if len(train) > 1 else "there is one training sample"
    return [f"{same}: there is nothing to learn from; check that this is the data you meant"]


def about_budget(training: TrainingConfig, per_pass: int) -> list[str]:
    """Says where a budget in steps is far from whole epochs of `per_pass` steps, of which training consists beyond the
    first.
    """
    if training.epochs is not None or not per_pass:
        return []
    epochs, steps = plan(training, per_pass)
    off = abs(epochs * steps - training.budget) / training.budget
    if off <= 0.1:  # a tenth more or less is what nobody asks about
        return []
    whole = f"{counted(epochs, 'epoch')} of {counted(steps, 'step')}"
    return [f"{training.budget:,} steps are rounded to {whole} (--epochs says it exactly)"]


def about_range(known: TrainingStatistics) -> list[str]:
    """Says what black and white are where the data tells, and when images use so little of their range that they would
    look black, or alike.
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
            f"{said}: 99.8 % of the training pixels lie between them. A few others reach from {least:,.6g} to "
            f"{greatest:,.6g}; they pass as they are, and are drawn black or white"
        )
    return f"{said}, the least and the greatest value of the training images; values beyond pass as they are"


def about_pairs(train: Samples, preprocess: Preprocess) -> list[str]:
    """Says what would spoil a training on pairs: a shift between the two, both exchanged, no noise at all."""
    if train.x_in is None or not len(train):
        return []
    return difference_of(train, preprocess).warnings()


def about_noise(noise: str, preprocess: Preprocess) -> list[str]:
    """Says when normal noise on images in [0, 1] is so strong that its level must be meant for 0 to 255."""
    said = (_about_level(part, noise) for one in alternatives(noise) for part in joined(one))
    return next((line for line in said if line), []) if preprocess.is_image and preprocess.range == (0.0, 1.0) else []


def _about_level(part: str, noise: str) -> list[str]:
    name, level, options = parse(part)
    if name != "gaussian" or level is None:
        return []
    try:
        low, high = Level(level).bounds
    except ValueError:  # told where the noise is built
        return []
    if high <= MOST_SIGMA:
        return []
    if high > 255:
        return [f"noise {noise} leaves nothing of the images, which are scaled to [0, 1]"]
    ends = dict.fromkeys((low, high))
    meant = [f"gaussian:{'-'.join(f'{end / 255:.2g}' for end in ends)}"]
    meant += [f"{key}={value}" for key, value in options.items()]
    shares = " to ".join(f"{end:g}/255" for end in ends)
    whole = shell_word(noise.replace(part, ",".join(meant)))
    return [f"images are scaled to [0, 1]: did you mean --noise {whole} ({shares})?"]
