"""How many of a set pass what few of the calibration samples pass, and whether that can be chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROUNDING = 1e-9  # 0.01 times 100 is to count as one
# Of the set must be strange beyond what chance explains. A few strange samples in a set are what scores are for, and no
# reason to say that the set is.
SHARE = 0.5


class Excess(NamedTuple):
    """`seen` of the set where `expected` are usual, the probability `tail` of so many by chance, and the `share` of the
    set that is beyond the usual ones."""

    seen: int
    expected: float
    tail: float
    share: float


def excess(calibration: np.ndarray, found: np.ndarray, share: float) -> Excess:
    """How many of `found` (m,) are larger than all but that share of `calibration` (n,), both at least one.

    The k-th largest of n is passed by new values of the same kind with a probability that is itself drawn from
    Beta(k, n + 1 - k), so the number of m that pass it is beta-binomial; ties make it less.
    Source: Vovk 2012, Conditional validity of inductive conformal predictors, arXiv:1209.2673, proposition 2b.

    >>> excess(np.arange(99.0), np.array([200.0, 0.0, 300.0]), 0.01).seen
    2
    """
    from scipy.stats import betabinom  # late: half a second that few commands need

    n, m = len(calibration), len(found)
    k = min(max(1, int(share * (n + 1) + ROUNDING)), n)
    seen = int((found > np.partition(calibration, n - k)[n - k]).sum())
    usual = k / (n + 1)
    tail = float(betabinom.sf(seen - 1, m, k, n + 1 - k))
    return Excess(seen, usual * m, tail, (seen / m - usual) / (1 - usual))


def mostly_beyond(calibration: np.ndarray, found: np.ndarray, share: float, alarm: float) -> bool:
    """Whether at least half of the set is beyond that share and what is usual, and chance does that less often than
    `alarm`; no without calibration."""
    if not len(calibration):
        return False
    counted = excess(calibration, found, share)
    return counted.tail < alarm and counted.share >= SHARE


__all__ = ["Excess", "excess", "mostly_beyond"]
