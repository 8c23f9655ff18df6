"""Near-duplicates: pairs of samples that are nearer to each other than chance puts any two of so many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from isthmus.data.hashing import find_exact_duplicates
from isthmus.evaluation.metrics.nearest import Nearest, distances_to, flat, nearest
from isthmus.tools.exploration.copy_groups import copy_groups

SCALE = 10  # neighbors that tell how dense the data is at a place and of how many dimensions
CHANCE = 0.05  # pairs that a whole set without copies may give: one such set in twenty raises a false alarm
FEWEST = 3  # others outside a group that can tell a scale; with one or two nothing says what is usual
MOST = 256  # samples of a group of which all pairs are named, 32,640; of more each is named with the first


class NearPair(NamedTuple):
    """Two rows, the earlier first; their distances in the code and in the values; how many such pairs chance gives."""

    first: int
    second: int
    code: float
    raw: float
    chance: float

    @property
    def is_exact(self) -> bool:
        return self.raw == 0


def find_pairs(z: np.ndarray, x: np.ndarray, *, chance: float = CHANCE) -> list[NearPair]:
    """The exact copies among samples x (N, …) with the codes z (N, Z), then the near ones, the unlikeliest first.

    Two samples are named where they are in a group of copies and chance would not put them so near.

    A group of copies (`copy_groups`), of whatever size, lies far nearer together than to anything else: two samples by
    1.5 times; three and more by ten times, at a tenth of the usual distance or less, or by fifty times. Rows of a rare
    class lie nearer to each other too, but not so much.

    Chance: a sample's ten nearest others outside of its group, one of every other group, tell the density and the
    dimension m of the data around it. If they lie there at random, N / 2 * (10 - 1) (d / d_10)^m pairs within a
    distance d are expected in the whole set. That number is below `chance` from both ends of a pair that is named. So
    the threshold follows from the distances that the set itself has: it is stricter in large sets and where samples lie
    densely anyway. Of a group of more than MOST samples each is named with the first alone.

    An exact copy is named once, with the first sample that it equals; near ones are looked for among what is left.
    Source: the dimension after Levina and Bickel 2004, with a median for their mean, for copies among the neighbors.
    """
    copies = [NearPair(first, second, 0.0, 0.0, 0.0) for first, second in find_exact_duplicates(x, most=len(x)).pairs]
    left = np.setdiff1d(np.arange(len(x)), [pair.second for pair in copies])
    if len(left) < SCALE + 2:  # so few have no distribution to be outside of
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
    """The ten nearest of each sample among one of every group, its own left out, so that none are its copies.

    Groups of two change a tenth neighbor to the ninth and are left as they are: then nothing is searched again.
    """
    _, kept, own, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    if sizes.max() <= 2 or len(kept) == 1:
        return near
    found = nearest(z, z[kept], SCALE, leave_out=own)
    return Nearest(kept[found.rows], found.distances)


def _within(groups: np.ndarray) -> np.ndarray:
    """All pairs (P, 2) of samples of the same group, the earlier first; of one above MOST those with its first."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return np.concatenate([np.empty((0, 2), np.int64), *(_pairs_of(part) for part in parts if len(part) > 1)])


def _pairs_of(rows: np.ndarray) -> np.ndarray:
    if len(rows) > MOST:
        return np.stack([np.full(len(rows) - 1, rows[0]), rows[1:]], axis=1)
    return rows[np.stack(np.triu_indices(len(rows), 1), axis=1)]


def expected_pairs(distance: np.ndarray, scale: np.ndarray, dimension: np.ndarray, n: int) -> np.ndarray:
    """How many pairs within `distance` n random samples have: n / 2 * (10 - 1) (distance / scale)^dimension.

    `scale` is the distance to the tenth neighbor; where it is 0, nothing can be said, and the answer is infinite.
    """
    ratio = np.full(np.broadcast_shapes(np.shape(distance), np.shape(scale)), np.inf)
    np.divide(distance, scale, out=ratio, where=scale > 0)
    return n / 2 * (SCALE - 1) * ratio**dimension


def expected_groups(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """How many groups (N,) as large as each sample's and linked as tightly n = N random samples have.

    `pairs` (N,) are the expected pairs within the group's widest link at each sample, 2 / n of which a sample has
    within it; the largest in a group counts. There are k^(k - 2) trees of k samples, so n k^(k - 2) / k! L^(k - 1)
    groups are expected at most where a sample has L others within the link.
    """
    _, own, k = np.unique(groups, return_inverse=True, return_counts=True)
    others = np.zeros(len(k))
    np.maximum.at(others, own, 2 / len(groups) * pairs)
    log = np.log(len(groups)) + (k - 2) * np.log(k) - gammaln(k + 1) + (k - 1) * np.log(np.clip(others, 1e-300, 1e300))
    return np.exp(np.minimum(log, 700))[own]  # e^700 is about the largest float


def local_dimension(near: Nearest, most: int) -> np.ndarray:
    """The dimension (N,) of the data around each sample, at most that of its space.

    Where samples lie at random, log(d_10 / d_j) of the nine nearer ones are independent exponential variables of mean
    1 / m; their median has the mean (1/9 + 1/8 + 1/7 + 1/6 + 1/5) / m. It is averaged over a sample and its neighbors.
    """
    tiny = np.finfo(np.float32).tiny
    logs = np.log(np.maximum(near.distances[:, -1:], tiny) / np.maximum(near.distances[:, :-1], tiny))
    n = logs.shape[1]
    middle = np.median(logs, axis=1) / sum(1 / j for j in range((n + 1) // 2, n + 1))
    smooth = (middle + middle[near.rows].sum(1)) / (1 + near.rows.shape[1])
    return 1 / np.maximum(smooth, 1 / most)


__all__ = ["CHANCE", "NearPair", "expected_pairs", "find_pairs", "local_dimension"]
