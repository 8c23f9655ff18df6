"""`LinearFill`: the best linear prediction of missing values from the known columns, by means and covariances alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.encoding import Encoding

MOST_VALUES = 512  # of x: a larger covariance takes too long to invert for every pattern of gaps
# Added to each variance, of values that vary by about 1. One-hot names sum to 1, so their covariance has no inverse.
# Ten times as much or as little changes the answers for hidden validation cells by less than chance does.
RIDGE = 0.01


@dataclass(frozen=True)
class LinearFill:
    """`mean` (E,) and `covariance` (E, E) of the values of x that are not flags, from training rows. Each pair of
    values uses the rows in which both are known.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(cls, x: Tensor, encoding: Encoding) -> LinearFill | None:
        """Fits network input (N, D); None if there are too many values."""
        place, _ = _places(encoding)
        if len(place) > MOST_VALUES:
            return None
        values, there = _values(x, encoding)
        n = np.maximum(there.sum(0), 1.0)
        mean = (values * there).sum(0) / n
        centered = (values - mean) * there
        both = np.maximum(there.T @ there, 1.0)
        return cls(mean, _positive(centered.T @ centered / both))

    def x_hat(self, x: Tensor, encoding: Encoding) -> Tensor:
        """x (N, D) with its gaps filled by E[gap | known values], as if all values were jointly normal.

        Source: Anderson 2003, An introduction to multivariate statistical analysis, theorem 2.5.1.
        """
        place, _ = _places(encoding)
        values, there = _values(x, encoding)
        patterns, which = np.unique(there.astype(bool), axis=0, return_inverse=True)
        for k, known in enumerate(patterns):
            rows = np.flatnonzero(which.ravel() == k)
            values[np.ix_(rows, ~known)] = self._told(values[np.ix_(rows, known)], known)
        found = x.double().clone()
        found[:, torch.from_numpy(place)] = torch.from_numpy(values)
        found[:, torch.tensor(encoding.flags)] = 0.0
        return found.to(x.dtype)

    def _told(self, given: np.ndarray, known: np.ndarray) -> np.ndarray:
        own = self.covariance[np.ix_(known, known)] + RIDGE * np.eye(int(known.sum()))
        slopes = np.linalg.solve(own, self.covariance[np.ix_(known, ~known)])
        return self.mean[~known] + (given - self.mean[known]) @ slopes


def _places(encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the values of x that are not flags, and the column of each."""
    place = np.flatnonzero(~np.array(encoding.flags))
    return place, np.array(encoding.column_of)[place]


def _values(x: Tensor, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Those values (N, E), and 1 where they are known, else 0."""
    place, column = _places(encoding)
    there = (~encoding.missing(x))[:, torch.from_numpy(column)]
    return x[:, torch.from_numpy(place)].double().numpy(), there.double().numpy()


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest symmetric matrix without negative eigenvalues; covariances by pairs of columns can have some."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return vectors * np.maximum(values, 0) @ vectors.T


__all__ = ["LinearFill"]
