"""Whether images are darker or lighter as a whole than those of the training data."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from isthmus.evaluation.metrics.exceedance import mostly_beyond
from isthmus.runs.set_facts import SetFacts, levels
from isthmus.wording import number

END = 0.05  # of the training images are as dark, or as light
# Of the training images' own range, by which a level must differ: eight gray levels of 255, which nobody sees.
# Without it a rounded last digit would count where all training images are black at their darkest.
LEAST = 0.03


def level_sentence(facts: SetFacts, x: Tensor, alarm: float) -> str | None:
    """In words how images x (N, C, H, W) of network input are darker or lighter; None where they are not.

    At least half of them must be so beyond the darkest or lightest twentieth of the validation images, and chance do
    that less often than `alarm` for each of both questions.
    """
    dark, light = levels(x)
    least = LEAST * float(np.median(facts.light) - np.median(facts.dark))
    for side, where, sign, found, known in (
        ("darker", "lightest", -1, light, facts.light),
        ("lighter", "darkest", 1, dark, facts.dark),
    ):
        if mostly_beyond(sign * known, sign * found - least, END, alarm):
            ends = f"{number(float(np.median(found)))} of the range, in training at {number(float(np.median(known)))}"
            return f"its images are {side}, the {where} hundredth of their pixels lies at {ends}"
    return None


__all__ = ["level_sentence"]
