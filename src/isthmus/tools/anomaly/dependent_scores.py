"""p-values from scores that are correlated in time: they count as fewer scores than there are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, rankdata

from isthmus.tools.anomaly.conformal import ROUNDING

CUT = 5.0  # correlation times after which the sum is cut: Sokal's usual choice; beyond it, noise adds up


def independent_scores(stretches: Sequence[np.ndarray]) -> float:
    """The effective sample size of n scores, given in stretches without a break: n divided by the correlation time,
    1 + 2 * (sum of the autocorrelations), of their normal ranks. A standard error is added to that time, because a few
    scores with long swings look more independent than they are.

    Source: Sokal 1997, Monte Carlo methods in statistical mechanics, section 3: the sum is cut at the first lag M that
    is 5 times the correlation time up to there; its relative variance is 2 (2 M + 1) / n.
    """
    n = sum(map(len, stretches))
    if n < 2:
        return float(n)
    ranks = norm.ppf(rankdata(np.concatenate(list(stretches))) / (n + 1))
    parts = np.split(ranks - ranks.mean(), np.cumsum([len(part) for part in stretches])[:-1])
    variance = sum(float((part * part).sum()) for part in parts) / n
    if variance <= 0:
        return 1.0  # all equal: one is as informative as all
    time, lag = 1.0, 0
    for lag in range(1, max(map(len, parts))):
        products = sum(float((part[lag:] * part[:-lag]).sum()) for part in parts if len(part) > lag)
        time += 2 * products / n / variance
        if lag >= CUT * time:
            break
    error = math.sqrt(2 * (2 * lag + 1) / n)
    return n / min(max(time, 1.0) * (1 + error), n)


def dependent_p_values(calibration: np.ndarray, independent: float, scores: np.ndarray) -> np.ndarray:
    """p = (1 + m * share of calibration >= score) / (m + 1), (N,), with the effective sample size m of the calibration
    scores. With m = n these are split-conformal p-values; no p is below 1 / (m + 1).

    >>> dependent_p_values(np.array([1.0, 2.0, 3.0, 4.0]), 2.0, np.array([0.0, 3.0, 9.0])).round(3)
    array([1.   , 0.667, 0.333])
    """
    if not len(calibration):
        return np.ones(len(scores))
    ordered = np.sort(calibration)
    share = 1 - np.searchsorted(ordered, scores, side="left") / len(ordered)
    return (1 + independent * share) / (independent + 1)


def dependent_threshold(calibration: np.ndarray, independent: float, rate: float) -> float:
    """The score above which rows are outliers at that rate; infinite if there are too few calibration scores."""
    if not len(calibration) or (allowed := (rate * (independent + 1) - 1) / independent) < -ROUNDING:
        return math.inf
    k = math.floor(allowed * len(calibration) + ROUNDING)
    return float(np.sort(calibration)[-k - 1]) if k < len(calibration) else -math.inf


__all__ = ["dependent_p_values", "dependent_threshold", "independent_scores"]
