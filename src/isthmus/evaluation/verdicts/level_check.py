"""Whether a set of images is darker or lighter than the training data."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from isthmus.evaluation.metrics.exceedance import mostly_beyond
from isthmus.runs.set_facts import SetFacts, levels
from isthmus.wording import number

END = 0.05  # of the training images are this dark, or this light
# Smallest difference in level, relative to the range of the training images: eight gray levels of 255, which nobody
# sees. Without it, a rounded last digit would count if all training images have black as their darkest level.
LEAST = 0.03


def level_sentence(facts: SetFacts, x: Tensor, alarm: float) -> str | None:
    """How images x (N, C, H, W), as network input, are darker or lighter, in words; None if they are not.

    At least half of them must be beyond the darkest or lightest 5 % of the validation images, with a probability
    below `alarm` by chance, for each of the two directions.
    """
    dark, light = levels(x)
    least = LEAST * float(np.median(facts.light) - np.median(facts.dark))
    for side, where, sign, found, known in (
        ("darker", "lightest", -1, light, facts.light),
        ("lighter", "darkest", 1, dark, facts.dark),
    ):
        if mostly_beyond(sign * known, sign * found - least, END, alarm):
            ends = f"{number(float(np.median(found)))} of the range, in training at {number(float(np.median(known)))}"
            return f"its images are {side}: the {where} 1% of their pixels is at {ends}"
    return None


__all__ = ["level_sentence"]
