"""A curve as one line of text, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

BLOCKS, ASCII = "▁▂▃▄▅▆▇█", "_.-~=+*#"


def sparkline(values: Sequence[float], width: int = 40, *, ascii: bool = False) -> str:
    """The values as a line of at most `width` blocks, from lowest to highest; longer series are averaged in groups.

    Positive values are drawn on a logarithmic scale, and a few outliers far above the rest are clipped, so that a bad
    first epoch does not flatten the others. A value that is not finite is a blank.

    >>> sparkline([8, 4, 2, 1])
    '█▆▃▁'
    """
    levels = ASCII if ascii else BLOCKS
    x = np.asarray(values, dtype=float)
    x = np.array([_mean(part) for part in np.array_split(x, max(1, min(width, len(x))))])
    known = np.isfinite(x)
    if not known.any():
        return " " * len(values[:width])
    t = np.log(x, where=known, out=np.zeros_like(x)) if x[known].min() > 0 else x
    low = t[known].min()
    high = worth_showing(np.sort(t[known]), low)
    scaled = (np.minimum(t, high) - low) / ((high - low) or 1.0) * (len(levels) - 1)
    return "".join(levels[round(s)] if k else " " for s, k in zip(scaled, known, strict=True))


def worth_showing(t: np.ndarray, low: float) -> float:
    """The largest of the sorted costs `t` to show.

    A cost is left out if, with it, the lowest 95% of the costs would fill less than a sixth of the height above `low`.
    """
    bulk = t[int(0.95 * (len(t) - 1))]
    return t[-1] if t[-1] - low <= 6 * (bulk - low) or len(t) < 4 else t[t - low <= 6 * (bulk - low)][-1]


def _mean(part: np.ndarray) -> float:
    finite = part[np.isfinite(part)]
    return float(finite.mean()) if finite.size else math.nan
