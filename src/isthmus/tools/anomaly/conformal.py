"""Split-conformal p-values: how unusual a score is compared with the scores of samples known to be normal."""

from __future__ import annotations

import math

import numpy as np

from isthmus.errors import UsageError
from isthmus.wording import counted

USUAL_RATE = 0.01  # the default: one false alarm in a hundred normal samples, if there are enough calibration samples
ROUNDING = 1e-9  # 0.01 times 100 must count as one
MORE = "train again on more data, or with more validation data (--validation)"


def p_values(calibration: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """p = (1 + #{calibration >= score}) / (n + 1), (N,), for scores (N,); a larger score is more anomalous.

    For a normal sample P(p <= a) <= a for every a, whatever the scores are, if it is exchangeable with the n
    calibration samples; no p is below 1 / (n + 1).

    Source: Vovk, Gammerman and Shafer 2005, Algorithmic learning in a random world, section 2.2; Bates et al. 2021,
    arXiv:2104.08279, eq. 2.

    >>> p_values(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 9.0]))
    array([1.  , 0.75, 0.25])
    """
    ordered = np.sort(calibration)
    as_strange = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return (1 + as_strange) / (len(ordered) + 1)


def largest(scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The largest score (G,) of each group of scores (N,), in the order of the group numbers.

    Calibration by these holds for groups: if normal groups are exchangeable, whatever the dependence inside a group,
    P(any sample of a new group has p <= a) <= a.

    >>> largest(np.array([1.0, 5.0, 2.0]), np.array([7, 7, 3]))
    array([2., 5.])
    """
    _, group_of = np.unique(groups, return_inverse=True)
    found = np.full(int(group_of.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(found, group_of, scores)
    return found


def outliers(p: np.ndarray, rate: float) -> np.ndarray:
    """Whether each p-value (N,) is at most the false-alarm rate."""
    return p <= rate + ROUNDING


def threshold(calibration: np.ndarray, rate: float) -> float:
    """The score above which samples are outliers at that rate; infinite if there are too few calibration scores."""
    k = math.floor(rate * (len(calibration) + 1) + ROUNDING)
    return float(np.sort(calibration)[-k]) if 0 < k <= len(calibration) else math.inf if k < 1 else -math.inf


def lowest_rate(n: float) -> float:
    """The lowest false-alarm rate for n calibration scores, 1 / (n + 1), rounded up to four decimals.

    >>> lowest_rate(99), lowest_rate(72)
    (0.01, 0.0137)
    """
    return math.ceil(10_000 / (n + 1) - ROUNDING) / 10_000


def settled_rate(asked: float | None, n: float, unit: str = "sample") -> float:
    """The false-alarm rate for n calibration scores: the requested one, or by default 0.01. `unit` names what has one
    score: a sample or a group.

    With fewer than 99 scores, the default is the lowest possible rate, 1 / (n + 1); with none, nothing is an outlier.

    Raises: UsageError if the requested rate is not between 0 and 1, or lower than possible.
    """
    least = 1 / (n + 1)
    if asked is None:
        return max(USUAL_RATE, least) if n else USUAL_RATE
    if not 0 < asked < 1:
        message = f"the false-alarm rate must be between 0 and 1; it is {asked:g}."
        raise UsageError("USAGE-RATE", message, fix="pass --false-alarms 0.01 for one in a hundred")
    if asked + ROUNDING < least:
        needed = math.ceil(1 / asked - ROUNDING) - 1
        message = (
            f"a false-alarm rate of {asked:g} needs {counted(needed, f'normal {unit}')} for calibration; this run has "
            f"{round(n, 1):,}."
        )
        fix = f"pass --false-alarms {lowest_rate(n):g}, the lowest possible rate, or {MORE}" if n else MORE
        raise UsageError("USAGE-RATE", message, fix=fix)
    return asked


__all__ = ["USUAL_RATE", "largest", "lowest_rate", "outliers", "p_values", "settled_rate", "threshold"]
