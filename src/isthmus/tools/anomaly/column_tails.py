"""`ColumnTails`: whether a row has a value that is more extreme than nearly all training rows in that column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "N D"]


@dataclass(frozen=True)
class ColumnTails:
    """The K smallest and the K largest values of each of D columns, `ends` (2, K, D), sorted, of `n` rows.

    K is as large as needed: with D columns, a value with more than K rows beyond it is not extreme.
    """

    ends: np.ndarray
    n: int

    @classmethod
    def build(cls, x: Points) -> ColumnTails:
        """From rows that are known to be normal, (n, D)."""
        n, D = x.shape
        K = min(n, (n + 1) // (2 * D) + 1)
        ordered = np.sort(x, axis=0)
        return cls(np.stack([ordered[:K], ordered[n - K :]]).astype(np.float32), n)

    def nats(self, x: Points, own: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """-log(D p), at least 0, where p is the smallest of the two-sided p-values of a row's columns, by ranks among
        the n rows. `own` (N,) is how many of the n rows are the row itself; it is not compared with these.

        Source: Bonferroni's bound for the smallest of D p-values; ECOD (Li et al. 2022, arXiv:2201.00382) sums the same
        tails over all columns instead.
        """
        D = x.shape[1]
        x = x.astype(np.float32)
        least = np.full(len(x), np.inf)
        for column in range(D):
            low, high = self.ends[0][:, column], self.ends[1][:, column]
            below = np.searchsorted(low, x[:, column], side="right")
            above = len(high) - np.searchsorted(high, x[:, column], side="left")
            least = np.minimum(least, np.minimum(below, above))
        others = np.maximum(least - own, 0)  # a row equal but for rounding may lie just beyond the end
        p = 2 * (others + 1) / (self.n + 1 - own)
        return np.maximum(-np.log(D * p), 0)

    def misfit(self, columns: int) -> bool:
        """Whether it was saved for another number of columns."""
        shape = self.ends.shape
        return len(shape) != 3 or shape[0] != 2 or shape[2] != columns or not 0 < shape[1] <= self.n


__all__ = ["ColumnTails"]
