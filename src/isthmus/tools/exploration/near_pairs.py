"""Near-duplicates: pairs of samples that are closer to each other than chance explains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from isthmus.data.hashing import find_exact_duplicates
from isthmus.evaluation.metrics.nearest import Nearest, distances_to, flat, nearest
from isthmus.tools.exploration.copy_groups import copy_groups

SCALE = 10  # neighbors used to estimate the local density and dimension of the data
CHANCE = 0.05  # pairs expected by chance in a data set without copies: one such set in twenty raises a false alarm
FEWEST = 3  # neighbors outside a group needed for a scale; one or two do not show what is usual
MOST = 256  # samples of a group for which all pairs (32,640) are listed; in a larger one, only pairs with the first


class NearPair(NamedTuple):
    """Two rows, the earlier first; their distances in code and values; the number of such pairs expected by chance."""

    first: int
    second: int
    code: float
    raw: float
    chance: float

    @property
    def is_exact(self) -> bool:
        return self.raw == 0


def find_pairs(z: np.ndarray, x: np.ndarray, *, chance: float = CHANCE) -> list[NearPair]:
    """The exact copies among samples x (N, …) with codes z (N, Z), then the near-duplicates, least likely first.

    Two samples are a near-duplicate pair if they belong to the same group of copies and chance does not explain their
    distance.

    The samples of a group (`copy_groups`) are much closer to each other than to any other sample: for two samples,
    twice as close; for three or more, ten times, with links of a tenth of the usual distance or less, or fifty times.
    Rows of a rare class are also closer to each other, but less so.

    Chance: the ten nearest neighbors of a sample outside its group, one per group, give the local density and the
    local dimension m. For random samples, N / 2 * (10 - 1) (d / d_10)^m pairs within a distance d are expected in the
    whole set. This number must be below `chance` for both samples of a pair. So the threshold depends on the distances
    in the data: it is stricter in large sets and in dense regions. In a group of more than MOST samples, each is paired
    only with the first.

    An exact copy is listed once, with the first sample that it equals; near-duplicates are searched among the rest.
    Source: the dimension is that of Levina and Bickel 2004, with a median instead of a mean, because neighbors may be
    copies.
    """
    copies = [NearPair(first, second, 0.0, 0.0, 0.0) for first, second in find_exact_duplicates(x, most=len(x)).pairs]
    left = np.setdiff1d(np.arange(len(x)), [pair.second for pair in copies])
    if len(left) < SCALE + 2:  # too few samples for a distribution of distances
        return copies
    found = _near(flat(z)[left], flat(x)[left], chance)
    moved = [pair._replace(first=int(left[pair.first]), second=int(left[pair.second])) for pair in found]
    return copies + sorted(moved, key=lambda pair: (pair.chance, pair.first, pair.second))


def _near(z: np.ndarray, x: np.ndarray, chance: float) -> list[NearPair]:
    near = nearest(z, z, SCALE, leave_out=np.arange(len(z)))
    groups, widest = copy_groups(z, x, near)
    others = _outside(z, near, groups)
    if others.rows.shape[1] < FEWEST:
        return []
    dimension = local_dimension(others, z.shape[1])
    scale = np.median(distances_to(x, x, others.rows), axis=1)
    first, second = _within(groups).T
    code, raw = (distances_to(v[first], v, second[:, None])[:, 0] for v in (z, x))
    of_pair = np.maximum(*(expected_pairs(raw, scale[end], dimension[end], len(z)) for end in (first, second)))
    of_group = expected_groups(groups, expected_pairs(widest, scale, dimension, len(z)))[first]
    worst = np.minimum(of_pair, of_group)
    columns = [values[worst < chance].tolist() for values in (first, second, code, raw, worst)]
    return [NearPair(*row) for row in zip(*columns, strict=True)]


def _outside(z: np.ndarray, near: Nearest, groups: np.ndarray) -> Nearest:
    """The ten nearest neighbors of each sample, with one sample per group and without its own group, so no copies.

    If groups have at most two samples, `near` is returned unchanged: a copy only turns the tenth neighbor into the
    ninth.
    """
    _, kept, own, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    if sizes.max() <= 2 or len(kept) == 1:
        return near
    found = nearest(z, z[kept], SCALE, leave_out=own)
    return Nearest(kept[found.rows], found.distances)


def _within(groups: np.ndarray) -> np.ndarray:
    """All pairs (P, 2) of samples of the same group, the earlier first; above MOST, only pairs with the first."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return np.concatenate([np.empty((0, 2), np.int64), *(_pairs_of(part) for part in parts if len(part) > 1)])


def _pairs_of(rows: np.ndarray) -> np.ndarray:
    if len(rows) > MOST:
        return np.stack([np.full(len(rows) - 1, rows[0]), rows[1:]], axis=1)
    return rows[np.stack(np.triu_indices(len(rows), 1), axis=1)]


def expected_pairs(distance: np.ndarray, scale: np.ndarray, dimension: np.ndarray, n: int) -> np.ndarray:
    """The expected number of pairs within `distance` among n random samples, n / 2 * 9 (distance / scale)^dimension.

    `scale` is the distance to the tenth neighbor; if it is 0, the number is unknown and the result is infinite.
    """
    ratio = np.full(np.broadcast_shapes(np.shape(distance), np.shape(scale)), np.inf)
    np.divide(distance, scale, out=ratio, where=scale > 0)
    return n / 2 * (SCALE - 1) * ratio**dimension


def expected_groups(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The expected number (N,) of groups as large and as tight as each sample's, in n = N random samples.

    `pairs` (N,) is the expected number of pairs within the group's longest link at each sample; a sample then has
    2 / n of it as neighbors within that distance. The largest value in a group counts. There are k^(k - 2) trees of k
    samples, so at most n k^(k - 2) / k! L^(k - 1) groups are expected if a sample has L neighbors within the link.
    """
    _, own, k = np.unique(groups, return_inverse=True, return_counts=True)
    others = np.zeros(len(k))
    np.maximum.at(others, own, 2 / len(groups) * pairs)
    log = np.log(len(groups)) + (k - 2) * np.log(k) - gammaln(k + 1) + (k - 1) * np.log(np.clip(others, 1e-300, 1e300))
    return np.exp(np.minimum(log, 700))[own]  # e^700 is about the largest float


def local_dimension(near: Nearest, most: int) -> np.ndarray:
    """The local dimension (N,) of the data around each sample, at most that of its space.

    For random samples, log(d_10 / d_j) of the nine nearer neighbors are independent exponential variables with mean
    1 / m; their median has the mean (1/9 + 1/8 + 1/7 + 1/6 + 1/5) / m. It is averaged over a sample and its neighbors.
    """
    tiny = np.finfo(np.float32).tiny
    logs = np.log(np.maximum(near.distances[:, -1:], tiny) / np.maximum(near.distances[:, :-1], tiny))
    n = logs.shape[1]
    middle = np.median(logs, axis=1) / sum(1 / j for j in range((n + 1) // 2, n + 1))
    smooth = (middle + middle[near.rows].sum(1)) / (1 + near.rows.shape[1])
    return 1 / np.maximum(smooth, 1 / most)


__all__ = ["CHANCE", "NearPair", "expected_pairs", "find_pairs", "local_dimension"]
