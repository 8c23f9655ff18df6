"""Near-duplicates: pairs of samples that are nearer to each other than chance puts any two of so many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isthmus.data.hashing import find_duplicates
from isthmus.evaluation.metrics.nearest import Nearest, distances_to, flat, nearest

SCALE = 10  # neighbors that tell how dense the data is at a place and of how many dimensions
CHANCE = 0.05  # pairs that a whole set without copies may give: one such set in twenty raises a false alarm


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

    An exact copy is named once, with the first sample that it equals; near ones are looked for among what is left.
    Source: the dimension after Levina and Bickel 2004, with a median for their mean, for copies among the neighbors.
    """
    copies = [NearPair(first, second, 0.0, 0.0, 0.0) for first, second in find_duplicates(x, most=len(x)).pairs]
    left = np.setdiff1d(np.arange(len(x)), [pair.second for pair in copies])
    if len(left) < SCALE + 2:  # so few have no distribution to be outside of
        return copies
    found = _near(flat(z)[left], flat(x)[left], chance)
    moved = [pair._replace(first=int(left[pair.first]), second=int(left[pair.second])) for pair in found]
    return copies + sorted(moved, key=lambda pair: (pair.chance, pair.first, pair.second))


def _near(z: np.ndarray, x: np.ndarray, chance: float) -> list[NearPair]:
    near = nearest(z, z, SCALE, leave_out=np.arange(len(z)))
    dimension = local_dimension(near, z.shape[1])
    raw = distances_to(x, x, near.rows)
    likely = expected_pairs(raw, np.median(raw, axis=1, keepdims=True), dimension[:, None], len(z))
    rows, places = np.nonzero(likely < chance)
    seen = {(i, int(near.rows[i, j])): (i, j) for i, j in zip(rows.tolist(), places.tolist(), strict=True)}
    pairs = []
    for (a, b), at in seen.items():
        if a < b and (b, a) in seen:
            worst = max(likely[at], likely[seen[b, a]])
            pairs.append(NearPair(a, b, float(near.distances[at]), float(raw[at]), float(worst)))
    return pairs


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
