"""Groups of near-copies: sets of samples that lie far nearer to each other than to anything else, of any size."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from isthmus.evaluation.metrics.nearest import Nearest, distances_to, nearest

# How many times farther the next sample outside must lie than the widest link within. Three samples and more may be a
# rare class: with half of the others' spread one leaves a gap of 2 in twenty dimensions, with a tenth one of 8. Two are
# no class; with a third half as near or nearer they would be three, of which one is missing here.
PAIR_GAP, GROUP_GAP = 2.0, 10.0
# And how near the links must be, in units of the set's own tenth distance: a class with the spread of the others, far
# away from them, has links of 1.
NEAR = 0.1
# Where most samples have copies, the set's own distances are those of copies, and only the gap tells. Classes twenty
# spreads apart leave gaps of up to 20 in twenty dimensions, copies that differ by a thousandth some hundreds.
GAP_ALONE = 50.0
OTHERS = 10  # candidates for the next sample outside: the nearest to one of a group is among the first to another


class Tree:
    """Single linkage of n samples: node i < n is a sample, a later one joins two by a link of `height[i]`.

    `size` counts a node's samples, which are `order[start : start + size]`; `parent` is -1 at the top.
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
        """Where each node's samples begin: after those of the sister that came first."""
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
    """The larger of two samples' distances in code z (N, Z) and values x (N, D), each in units of its `near` median."""

    def __init__(self, z: np.ndarray, x: np.ndarray, near: Nearest) -> None:
        tenth = near.distances[:, -1], distances_to(x, x, near.rows[:, -1:])[:, 0]
        self.z, self.x = z, x
        self.scales = [float(np.median(far)) or 1.0 for far in tenth]  # codes that are all equal have no distance

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Distances (P, k) of the samples `first` (P,) to their own `second` (P, k)."""
        both = zip((self.z, self.x), self.scales, strict=True)
        return np.maximum(*(distances_to(v[first], v, second) / scale for v, scale in both))


def copy_groups(z: np.ndarray, x: np.ndarray, near: Nearest) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (N,) of the groups of copies, and the widest link (N,) of each sample's group, in units of x.

    A number is equal within a group, and a sample without copies has its own; its link is 0.

    Of the codes z (N, Z) and values x (N, D), all different; `near` are the nearest others of each in the code. Samples
    are joined by single linkage under the distance `Apart`. A group is a cluster, the largest around its samples, whose
    widest link is so much shorter than the link to the next sample outside as the constants above say.
    """
    apart = Apart(z, x, near)
    tree = _tree(near, apart)
    outside = np.where(tree.parent < 0, np.inf, tree.height[tree.parent])
    large = np.flatnonzero(_is_group(tree, outside) & (tree.size > near.rows.shape[1]))
    outside[large] = np.minimum(outside[large], _to_others(z, apart, tree, large))
    groups, widest = np.arange(len(z)), np.zeros(len(z))
    for node in np.flatnonzero(_is_group(tree, outside))[::-1]:  # the larger ones come first
        members = tree.members(node)
        if not widest[members[0]]:
            groups[members], widest[members] = members.min(), tree.height[node]
    return groups, widest * apart.scales[1]


def _is_group(tree: Tree, outside: np.ndarray) -> np.ndarray:
    """Which nodes are so much tighter within than their link to the `outside`; never the one that holds all."""
    within = tree.height
    tight = (outside >= GAP_ALONE * within) | (outside >= GROUP_GAP * within) & (within <= NEAR)
    is_pair = tree.size == 2
    return np.where(is_pair, outside >= PAIR_GAP * within, tight) & (tree.size > 1) & (tree.size < tree.n)


def _tree(near: Nearest, apart: Apart) -> Tree:
    """Single linkage of all samples along their links to the nearest ones."""
    N, k = near.rows.shape
    lengths = apart(np.arange(N), near.rows).ravel()
    graph = coo_array((lengths, (np.repeat(np.arange(N), k), near.rows.ravel())), shape=(N, N)).tocsr()
    links = minimum_spanning_tree(graph.maximum(graph.T)).tocoo()
    shortest = np.argsort(links.data, kind="stable")
    return Tree(N, np.stack([links.row, links.col], 1)[shortest], links.data[shortest])


def _to_others(z: np.ndarray, apart: Apart, tree: Tree, nodes: np.ndarray) -> np.ndarray:
    """The link from each of the nodes to the nearest sample that is not of its own.

    The ten nearest of a sample among many copies are all copies, and no link of the tree need lead to what lies next.
    Among more neighbors of its first sample than it has samples, some are others; the ten nearest of those are looked
    at from all of its samples. Nodes of like size are searched together.
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
