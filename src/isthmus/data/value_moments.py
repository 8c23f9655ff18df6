"""Mean, standard deviation, minimum and maximum per column or channel, in one pass over an array of any size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isthmus.data.numeric import blocks


class ValueMoments(NamedTuple):
    """For each column of (N, D) or channel of (N, C, H, W), float64; `deviation` is divided by n, not n - 1."""

    mean: np.ndarray
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray


def moments_of(x: np.ndarray, fill: np.ndarray | None = None) -> ValueMoments:
    """The moments of samples, block by block in float64; `fill` (D,) replaces the gaps (NaN) of columns.

    >>> moments_of(np.array([[1.0, 5.0], [3.0, 5.0]])).deviation
    array([1., 0.])

    Source: Chan, Golub, LeVeque 1979, Updating formulae and a pairwise algorithm for computing sample variances,
    equation 2.1.
    """
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    n, mean, squares, low, high = 0, np.zeros(1), np.zeros(1), np.array(np.inf), np.array(-np.inf)
    for raw in blocks(x):
        part = raw.astype(np.float64) if fill is None else np.where(np.isnan(raw), fill, raw.astype(np.float64))
        k = part.size // part.shape[1]
        here, apart = part.mean(axes), part.var(axes) * k
        step, total = here - mean, n + k
        squares = squares + apart + step**2 * (n * k / total)
        mean, n = mean + step * (k / total), total
        low, high = np.minimum(low, part.min(axes)), np.maximum(high, part.max(axes))
    return ValueMoments(mean, np.sqrt(squares / max(n, 1)), low, high)


__all__ = ["ValueMoments", "moments_of"]
