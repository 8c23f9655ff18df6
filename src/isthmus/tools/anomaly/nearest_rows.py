"""`NearestRows`: the nearest of several thousand rows. A matrix product in float32 leaves few candidates."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

GROUPED = 16  # rows per group, of which only the nearest row is compared first; 8 and 32 take a quarter longer
AT_ONCE = 128  # points: with 10,000 rows, 5 MB of distances, which fit in the processor's cache
EPS = float(np.finfo(np.float32).eps)
Points = Float[np.ndarray, "N D"]


class NearestRows:
    """The `k` nearest of `rows` (R, D), R >= k, to points, by Euclidean distance.

    Squared distances are |r|^2 - 2 x.r + |x|^2 in float32. Rows are in groups. The k-th smallest distance of groups, by
    the nearest row of each, is at least the k-th smallest distance; so the nearest rows are among the few below it,
    with a margin for rounding. Only their distances are computed in float64, from differences.
    """

    def __init__(self, rows: Points, k: int) -> None:
        self.rows, self.k = rows, k
        self._center = rows.mean(0, dtype=np.float64)

    def of(self, points: Points) -> tuple[Float[np.ndarray, "N K"], np.ndarray]:
        """(distances, places), both (N, k), the nearest first, of float64 points."""
        with np.errstate(over="ignore", invalid="ignore"):  # if float32 overflows, all rows are candidates
            parts = [self._nearest(points[i : i + AT_ONCE]) for i in range(0, len(points), AT_ONCE)]
        parts = parts or [(np.zeros((0, self.k)), np.zeros((0, self.k), np.int64))]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    @cached_property
    def _factors(self) -> Tensor:
        """(D + 1, G W): -2 r and |r|^2 of each row, around the mean; padded with rows that are infinitely far away."""
        apart = torch.from_numpy((self.rows - self._center).astype(np.float32))
        factors = torch.cat([-2 * apart, apart.square().sum(1, keepdim=True)], 1).T
        least = GROUPED * max(self.k, -(-len(apart) // GROUPED))
        filled = torch.nn.functional.pad(factors, (0, least - len(apart)))
        filled[-1, len(apart) :] = torch.inf
        return filled.contiguous()

    @cached_property
    def _room(self) -> Tensor:
        """Memory for the distances of AT_ONCE points, allocated once."""
        return torch.empty(AT_ONCE, self._factors.shape[1])

    def _nearest(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        of, places = self._candidates(points - self._center)
        apart = points[of] - self.rows[places]
        squares = np.einsum("nd,nd->n", apart, apart)
        counts = np.bincount(of, minlength=len(points))
        first = np.cumsum(counts) - counts
        table = np.full((len(points), counts.max()), np.inf)  # one row per point: pairs are sorted by point
        table[of, np.arange(len(of)) - first[of]] = squares
        kept = first[:, None] + np.argsort(table, 1)[:, : self.k]
        return np.sqrt(squares[kept]), places[kept]

    def _candidates(self, x: Points) -> tuple[np.ndarray, np.ndarray]:
        """(of, places): pairs of a point and a candidate for its nearest rows, for points (B, D) around the mean."""
        x_in = torch.cat([torch.from_numpy(x.astype(np.float32)), torch.ones(len(x), 1)], 1)
        squares = torch.matmul(x_in, self._factors, out=self._room[: len(x)]).view(len(x), GROUPED, -1)
        groups = squares.amin(1).numpy()
        limit = _limit(np.partition(groups, self.k - 1, axis=1)[:, self.k - 1], np.square(x).sum(1))
        of, group = np.nonzero(~(groups > limit[:, None]))  # NaN does not limit
        at, member = np.nonzero(~(squares.numpy()[of, :, group] > limit[of, None]))
        places = member * groups.shape[1] + group[at]
        there = places < len(self.rows)
        return of[at][there], places[there]


def _limit(kth: np.ndarray, own: np.ndarray) -> np.ndarray:
    """An upper limit (B,) for the k nearest rows, from the k-th smallest |r|^2 - 2 x.r of groups, as rounded, and
    |x|^2 = `own`.

    A row within that reach is no longer than |x| + reach, so rounding is at most about eps (2 |x| + reach)^2, here
    times 2 for the sums; it counts twice, for that row and for the k-th. If it is not finite, all rows are candidates.
    """
    reach = np.sqrt(np.maximum(own + kth, 0))
    limit = kth + 2 * 2 * EPS * np.square(2 * np.sqrt(own) + reach)
    return np.where(np.isfinite(limit), limit, np.inf)


__all__ = ["NearestRows"]
