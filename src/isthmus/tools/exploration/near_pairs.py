"""Near-duplicates: pairs of samples that are nearer to each other than chance puts any two of so many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from isthmus.data.hashing import find_exact_duplicates
from isthmus.evaluation.metrics.nearest import Nearest, distances_to, flat, nearest

SCALE = 10  # neighbors that tell how dense the data is at a place and of how many dimensions
CHANCE = 0.05  # pairs that a whole set without copies may give: one such set in twenty raises a false alarm
DENSE = 0.25  # quantile of the tenth distances: half of the samples may lie twenty times as densely and are no copies
THINNED = 64  # samples at least that tell the dimension of sets where all have copies: of 60 x 8 one of each
LEAST_MOST, MOST = 32, 256  # samples in a group of copies: a tenth of the set is a class of ten; 256 make 32,640 pairs


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

    A sample's ten nearest others in the code tell the density and the dimension m of the data around it. If they lie
    there at random, N / 2 * (10 - 1) (d / d_10)^m pairs within a distance d are expected in the whole set. A pair is
    named where that number is below `chance` from both of its ends, in the code and, with the distances to the same
    ten, in the values. So the threshold follows from the distances that the set itself has: it is stricter in large
    sets and where samples lie densely anyway.

    Copies say nothing of the density: of every group of them (`copy_groups`) one is among the ten.

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
    groups = copy_groups(z, x, near, chance)
    others = _outside(z, near, groups)
    dimension = local_dimension(others, z.shape[1])
    scale = np.median(distances_to(x, x, others.rows), axis=1)
    pairs = np.concatenate([_mutual(near.rows), _within(groups)])
    first, second = np.unique(np.sort(pairs, axis=1), axis=0).T
    code, raw = (distances_to(v[first], v, second[:, None])[:, 0] for v in (z, x))
    ends = [expected_pairs(raw, scale[end], dimension[end], len(z)) for end in (first, second)]
    worst = np.maximum(*ends)
    columns = [values[worst < chance].tolist() for values in (first, second, code, raw, worst)]
    return [NearPair(*row) for row in zip(*columns, strict=True)]


def copy_groups(z: np.ndarray, x: np.ndarray, near: Nearest, chance: float) -> np.ndarray:
    """Numbers (N,) of the groups of copies: equal for samples that are linked, each sample its own where it has none.

    Two samples are linked where `chance` allows no such pair even in the dense part of the set, in the code and in the
    values. The distances there to the tenth neighbor must not be made of copies: they are the lower quartile over the
    set, so that groups of up to ten samples may hold half of it and larger ones a quarter. A group of more than a tenth
    of the samples (see LEAST_MOST and MOST) is a cluster of the data and is no group here.
    """
    most = int(np.clip(len(z) // 10, LEAST_MOST, MOST))
    m = max(float(np.median(local_dimension(found, z.shape[1]))) for found in (near, _thinned(z)))
    rows, far = near.rows, near.distances
    raw = distances_to(x, x, rows)
    dense = np.quantile(far[:, -1], DENSE), np.quantile(raw.max(axis=1), DENSE)

    def linked(*distances: np.ndarray) -> np.ndarray:
        likely = [expected_pairs(d, scale, np.array(m), len(z)) for d, scale in zip(distances, dense, strict=True)]
        return np.maximum(*likely) < chance

    found = linked(far, raw)
    first, place = np.nonzero(found)
    links = coo_array((np.ones(len(first)), (first, rows[first, place])), shape=(len(z), len(z)))
    groups = connected_components(links, directed=False)[1]
    too_large = np.bincount(groups)[groups] > most
    groups[too_large] = groups.max() + 1 + np.arange(too_large.sum())
    return groups


def _thinned(z: np.ndarray) -> Nearest:
    """The ten nearest within an eighth of the samples: where each has up to ten copies, few of them are left in it."""
    some = np.random.default_rng(0).permutation(len(z))[: max(THINNED, len(z) // 8)]
    return nearest(z[some], z[some], SCALE, leave_out=np.arange(len(some)))


def _outside(z: np.ndarray, near: Nearest, groups: np.ndarray) -> Nearest:
    """The ten nearest of each sample among one of every group, its own left out, so that none are its copies.

    Groups of two change a tenth neighbor to the ninth and are left as they are: then nothing is searched again.
    """
    _, kept, sizes = np.unique(groups, return_index=True, return_counts=True)
    if sizes.max() <= 2 or len(kept) < SCALE + 2:
        return near
    found = nearest(z, z[kept], SCALE, leave_out=np.unique(groups, return_inverse=True)[1])
    return Nearest(kept[found.rows], found.distances)


def _mutual(rows: np.ndarray) -> np.ndarray:
    """Pairs (P, 2) of samples that are among each other's nearest `rows` (N, k)."""
    N, k = rows.shape
    ones = coo_array((np.ones(N * k, bool), (np.repeat(np.arange(N), k), rows.ravel())), shape=(N, N)).tocsr()
    return np.stack(ones.multiply(ones.T).nonzero(), axis=1)


def _within(groups: np.ndarray) -> np.ndarray:
    """All pairs (P, 2) of samples of the same group."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    pairs = [part[np.stack(np.triu_indices(len(part), 1), axis=1)] for part in parts if len(part) > 1]
    return np.concatenate([np.empty((0, 2), np.int64), *pairs])


def expected_pairs(distance: np.ndarray, scale: np.ndarray, dimension: np.ndarray, n: int) -> np.ndarray:
    """How many pairs within `distance` n random samples have: n / 2 * (10 - 1) (distance / scale)^dimension.

    `scale` is the distance to the tenth neighbor; where it is 0, nothing can be said, and the answer is infinite.
    """
    ratio = np.full(np.broadcast_shapes(np.shape(distance), np.shape(scale)), np.inf)
    np.divide(distance, scale, out=ratio, where=scale > 0)
    return n / 2 * (SCALE - 1) * ratio**dimension


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
