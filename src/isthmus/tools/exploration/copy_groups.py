"""Groups of near-duplicates, of any size: samples that are much closer to each other than to any other sample."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from isthmus.evaluation.metrics.nearest import Nearest, distances_to, nearest

# The distance to the next sample outside must be at least this many times the longest link inside. Three or more
# samples could be a rare class: in twenty dimensions, a class with half the spread of the others has a gap of 2, one
# with a tenth of the spread a gap of 8. Two samples are not a class.
PAIR_GAP, GROUP_GAP = 2.0, 10.0
# The longest link must also be short, in units of the median distance to the tenth neighbor: a distant class with the
# same spread as the others has links of 1.
NEAR = 0.1
# If most samples have copies, distances to neighbors are distances between copies, and only the gap counts. In twenty
# dimensions, classes twenty spreads apart have gaps of up to 20; copies that differ by a thousandth, several hundred.
GAP_ALONE = 50.0
OTHERS = 10  # candidates for the next sample outside: the nearest to one member is among the nearest to another


class Tree:
    """Single linkage of n samples: node i < n is a sample, a later node joins two by a link of length `height[i]`.

    `size` is the number of samples of a node, which are `order[start : start + size]`; `parent` is -1 at the root.
    """

    def __init__(self, n: int, links: np.ndarray, lengths: np.ndarray) -> None:
        nodes = n + len(links)
        self.n, self.size = n, (np.arange(nodes) < n).astype(np.int64)
        self.height, self.parent = np.append(np.zeros(n), lengths), np.full(nodes, -1)
        self._join(links)
        self.start = self._starts()
        self.order = np.argsort(self.start[:n])

    def _join(self, links: np.ndarray) -> None:
        """Union-find over the links, shortest first."""
        top = np.arange(len(self.size))
        for node, link in enumerate(links.tolist(), self.n):
            for end in link:
                while top[end] != end:
                    top[end] = end = top[top[end]]
                top[end] = self.parent[end] = node
                self.size[node] += self.size[end]

    def _starts(self) -> np.ndarray:
        """The start of each node's samples in `order`: after those of the sibling that came first."""
        taken, start = np.zeros(len(self.size), np.int64), np.zeros(len(self.size), np.int64)
        total = 0
        for node in range(len(self.size) - 1, -1, -1):
            above = self.parent[node]
            start[node] = total if above < 0 else start[above] + taken[above]
            if above < 0:
                total += self.size[node]
            else:
                taken[above] += self.size[node]
        return start

    def members(self, node: int) -> np.ndarray:
        return self.order[self.start[node] : self.start[node] + self.size[node]]


class Apart:
    """The larger of two samples' distances in code z (N, Z) and in values x (N, D), each relative to its usual size."""

    def __init__(self, z: np.ndarray, x: np.ndarray, near: Nearest) -> None:
        tenth = near.distances[:, -1], distances_to(x, x, near.rows[:, -1:])[:, 0]
        self.z, self.x = z, x
        self.scales = [float(np.median(far)) or 1.0 for far in tenth]  # equal codes have no distances

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Distances (P, k) from the samples `first` (P,) to the samples `second` (P, k)."""
        both = zip((self.z, self.x), self.scales, strict=True)
        return np.maximum(*(distances_to(v[first], v, second) / scale for v, scale in both))


def copy_groups(z: np.ndarray, x: np.ndarray, near: Nearest) -> tuple[np.ndarray, np.ndarray]:
    """Group numbers (N,) and the longest link (N,) of each sample's group, in units of x.

    All samples of a group have the same number; a sample without copies has a number of its own, and its link is 0.

    z (N, Z) are the codes and x (N, D) the values, all different; `near` are the nearest neighbors of each sample in
    the code. Samples are joined by single linkage with the distance `Apart`. A group is the largest cluster around its
    samples whose longest link is shorter than the link to the next sample outside by the factors above.
    """
    apart = Apart(z, x, near)
    tree = _tree(near, apart)
    outside = np.where(tree.parent < 0, np.inf, tree.height[tree.parent])
    large = np.flatnonzero(_is_group(tree, outside) & (tree.size > near.rows.shape[1]))
    outside[large] = np.minimum(outside[large], _to_others(z, apart, tree, large))
    groups, widest = np.arange(len(z)), np.zeros(len(z))
    for node in np.flatnonzero(_is_group(tree, outside))[::-1]:  # larger groups first
        members = tree.members(node)
        if not widest[members[0]]:
            groups[members], widest[members] = members.min(), tree.height[node]
    return groups, widest * apart.scales[1]


def _is_group(tree: Tree, outside: np.ndarray) -> np.ndarray:
    """Whether the links inside each node are short enough compared with `outside`; never for the root."""
    within = tree.height
    tight = (outside >= GAP_ALONE * within) | (outside >= GROUP_GAP * within) & (within <= NEAR)
    is_pair = tree.size == 2
    return np.where(is_pair, outside >= PAIR_GAP * within, tight) & (tree.size > 1) & (tree.size < tree.n)


def _tree(near: Nearest, apart: Apart) -> Tree:
    """Single linkage of all samples along the links to their nearest neighbors."""
    N, k = near.rows.shape
    lengths = apart(np.arange(N), near.rows).ravel()
    graph = coo_array((lengths, (np.repeat(np.arange(N), k), near.rows.ravel())), shape=(N, N)).tocsr()
    links = minimum_spanning_tree(graph.maximum(graph.T)).tocoo()
    shortest = np.argsort(links.data, kind="stable")
    return Tree(N, np.stack([links.row, links.col], 1)[shortest], links.data[shortest])


def _to_others(z: np.ndarray, apart: Apart, tree: Tree, nodes: np.ndarray) -> np.ndarray:
    """The distance from each node to the nearest sample outside it.

    The ten nearest neighbors of a sample with many copies are all copies, so the links of the tree may not lead to the
    nearest sample outside. So more neighbors of the node's first sample are searched than the node has samples, and
    the ten nearest outside it are compared with all its samples. Nodes of similar size are searched together.
    """
    place = np.argsort(tree.order)
    found, kind = np.zeros(len(nodes)), np.ceil(np.log2(tree.size[nodes])).astype(int)
    for size in np.unique(kind):
        same = np.flatnonzero(kind == size)
        first = tree.order[tree.start[nodes[same]]]
        rows = nearest(z[first], z, 2**size + OTHERS, leave_out=first).rows
        for i, near in zip(same, rows, strict=True):
            start, members = tree.start[nodes[i]], tree.members(nodes[i])
            others = near[(place[near] < start) | (place[near] >= start + len(members))][:OTHERS]
            found[i] = apart(members, np.tile(others, (len(members), 1))).min()
    return found


__all__ = ["copy_groups"]
