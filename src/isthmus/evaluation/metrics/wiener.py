"""The best linear denoiser, learned from noisy and clean samples.

For normally distributed data with additive normal noise, it is the posterior mean, the best possible denoiser.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from isthmus.training.principal_components import SIDE

RIDGES = (1e-6, 1e-3, 1e-2, 1e-1, 1.0)  # times the mean variance; the larger ones help if there are few rows
Pairs = Iterable[tuple[Tensor, Tensor]]  # (clean, noisy) in chunks, each (B, D)


class LinearFilter(NamedTuple):
    """x_hat = mean + (x_in - mean_in) @ weights."""

    mean: Tensor
    mean_in: Tensor
    weights: Tensor

    def __call__(self, x_in: Tensor) -> Tensor:
        """The filtered rows (B, D), computed in float64."""
        return self.mean + (x_in.double() - self.mean_in) @ self.weights


class PairMoments(NamedTuple):
    """Means, and covariances of noisy rows with noisy and with clean rows, in float64."""

    mean: Tensor
    mean_in: Tensor
    noisy: Tensor
    cross: Tensor

    def filter(self, ridge: float) -> LinearFilter:
        """C_yx (C_yy + ridge * mean variance)^-1, the filter with the lowest mean squared error among linear ones.

        Source: Wiener 1949; Kay 1993, Fundamentals of Statistical Signal Processing, equation 12.6.
        """
        D = len(self.mean_in)
        loaded = self.noisy + ridge * max(float(self.noisy.trace()) / D, 1e-12) * torch.eye(D, dtype=torch.float64)
        return LinearFilter(self.mean, self.mean_in, torch.linalg.solve(loaded, self.cross))


def moments(pairs: Pairs) -> PairMoments:
    """The moments of all pairs, summed relative to the mean of the first chunk, to keep digits with large offsets."""
    n, shift, sums = 0, None, None
    for clean, noisy in pairs:
        x, y = clean.cpu().double(), noisy.cpu().double()
        shift = (x.mean(0), y.mean(0)) if shift is None else shift
        x, y = x - shift[0], y - shift[1]
        parts = (x.sum(0), y.sum(0), y.T @ y, y.T @ x)
        sums = parts if sums is None else tuple(a + b for a, b in zip(sums, parts, strict=True))
        n += len(x)
    assert shift is not None
    assert sums is not None
    x, y, yy, yx = (part / n for part in sums)
    return PairMoments(shift[0] + x, shift[1] + y, yy - torch.outer(y, y), yx - torch.outer(y, x))


def fitted(train: Pairs, validation: list[tuple[Tensor, Tensor]]) -> tuple[LinearFilter, float]:
    """The linear filter learned on `train`, with the ridge that is best on `validation`, or the smallest without it."""
    found = moments(train)
    if not validation:
        return found.filter(RIDGES[0]), RIDGES[0]

    def error(ridge: float) -> float:
        clean_up = found.filter(ridge)
        return sum(float((clean_up(noisy.cpu()) - clean.cpu()).square().sum()) for clean, noisy in validation)

    ridge = min(RIDGES, key=error)
    return found.filter(ridge), ridge


def is_feasible(n_values: int) -> bool:
    """Whether a linear filter for samples with this number of values can be computed: up to 4,096."""
    return n_values <= SIDE
