"""How many samples of a set exceed a high quantile of the calibration scores, and whether that can be chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROUNDING = 1e-9  # so that 0.01 times 100 counts as one
# Share of the set that must exceed the quantile, in addition to what is expected by chance. A set with a few anomalies
# is normal: finding them is the purpose of scores.
SHARE = 0.5


class Excess(NamedTuple):
    """The number `seen` that exceed the quantile, the number `expected` by chance, the probability `tail` of at least
    `seen` by chance, and the `share` of the set in excess of what is expected."""

    seen: int
    expected: float
    tail: float
    share: float


def excess(calibration: np.ndarray, found: np.ndarray, share: float) -> Excess:
    """How many of `found` (m,) are larger than all but that share of `calibration` (n,); m and n are at least 1.

    New values of the same kind exceed the k-th largest of n with a probability that is itself distributed as
    Beta(k, n + 1 - k), so the number of m that exceed it is beta-binomial; ties make it smaller.
    Source: Vovk 2012, Conditional validity of inductive conformal predictors, arXiv:1209.2673, proposition 2b.

    >>> excess(np.arange(99.0), np.array([200.0, 0.0, 300.0]), 0.01).seen
    2
    """
    from scipy.stats import betabinom  # imported late: it takes half a second, and few commands need it

    n, m = len(calibration), len(found)
    k = min(max(1, int(share * (n + 1) + ROUNDING)), n)
    seen = int((found > np.partition(calibration, n - k)[n - k]).sum())
    usual = k / (n + 1)
    tail = float(betabinom.sf(seen - 1, m, k, n + 1 - k))
    return Excess(seen, usual * m, tail, (seen / m - usual) / (1 - usual))


def mostly_beyond(calibration: np.ndarray, found: np.ndarray, share: float, alarm: float) -> bool:
    """Whether at least half of the set is in excess of what is expected beyond that share, with a probability below
    `alarm` by chance; False without calibration."""
    if not len(calibration):
        return False
    counted = excess(calibration, found, share)
    return counted.tail < alarm and counted.share >= SHARE


__all__ = ["Excess", "excess", "mostly_beyond"]
