"""Groups of copies: against the definition by brute force, of every size, and none where a class is rare."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import cdist, squareform

from isthmus.evaluation.metrics.nearest import nearest
from isthmus.tools.exploration.copy_groups import GAP_ALONE, GROUP_GAP, NEAR, PAIR_GAP, copy_groups
from isthmus.tools.exploration.near_pairs import MOST, find_pairs


def with_copies(n: int, D: int, sizes: list[int], step: float, *, seed: int = 0) -> np.ndarray:
    """n normal rows, the first of which have near-copies: `sizes` counts them with their original."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, D))
    copies = x[np.repeat(np.arange(len(sizes)), np.array(sizes, int) - 1)]
    return np.concatenate([x, copies + step * rng.normal(size=copies.shape)]).astype(np.float32)


def with_rare_classes(D: int, spread: float, size: int, seed: int) -> np.ndarray:
    """1,000 normal rows, and three classes of `size` rows with a smaller spread, about five spreads away."""
    rng = np.random.default_rng(seed)
    rare = [3 * rng.normal(size=D) + spread * rng.normal(size=(size, D)) for _ in range(3)]
    return np.concatenate([rng.normal(size=(1_000, D)), *rare]).astype(np.float32)


def groups_by_definition(z: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `copy_groups`, from all distances and SciPy's single linkage."""
    N = len(z)
    far = [cdist(v.astype(float), v.astype(float)) for v in (z, x)]
    tenth = np.argsort(far[0], axis=1)[:, 10]
    scales = [np.median(d[np.arange(N), tenth]) for d in far]
    apart = np.maximum(far[0] / scales[0], far[1] / scales[1])
    found = linkage(squareform(apart, checks=False), "single")
    members = [[i] for i in range(N)]
    parent = {}
    for node, (a, b, *_) in enumerate(found, N):
        members.append(members[int(a)] + members[int(b)])
        parent[int(a)] = parent[int(b)] = node
    groups, widest = np.arange(N), np.zeros(N)
    for node in range(2 * N - 3, N - 1, -1):
        within, outside = found[node - N, 2], found[parent[node] - N, 2]
        tight = outside >= GAP_ALONE * within or (outside >= GROUP_GAP * within and within <= NEAR)
        rows = members[node]
        if widest[rows[0]] == 0 and (outside >= PAIR_GAP * within if len(rows) == 2 else tight):
            groups[rows], widest[rows] = min(rows), within * scales[1]
    return groups, widest


@pytest.mark.parametrize("sizes", [[], [2, 2], [12] * 12, [2, 3, 6, 12, 30, 45]])
@pytest.mark.parametrize("D", [2, 4, 12])
def test_fault_100_groups_are_those_of_the_definition(D: int, sizes: list[int]) -> None:
    x = with_copies(max(len(sizes), 40), D, sizes, 2e-3)
    z = x @ np.random.default_rng(1).normal(size=(D, D)).astype(np.float32)  # a code that is another view of the same
    groups, widest = copy_groups(z, x, nearest(z, z, 10, leave_out=np.arange(len(z))))
    expected, links = groups_by_definition(z, x)
    assert groups.tolist() == expected.tolist()
    assert widest == pytest.approx(links, rel=1e-4)  # single precision


@pytest.mark.parametrize(("n", "sizes"), [(12, [12] * 12), (6, [12] * 6), (300, [45]), (300, [200]), (300, [12] * 20)])
@pytest.mark.parametrize("D", [3, 6, 20])
def test_fault_100_every_pair_of_a_group_is_named_whatever_its_size(D: int, n: int, sizes: list[int]) -> None:
    x = with_copies(n, D, sizes, 1e-3)
    of = np.concatenate([np.arange(n), np.repeat(np.arange(len(sizes)), np.array(sizes, int) - 1)])
    planted = {(int(i), int(j)) for i, j in np.argwhere(np.triu(of[:, None] == of, 1))}
    assert {(pair.first, pair.second) for pair in find_pairs(x, x)} == planted


def test_fault_100_of_very_many_copies_each_is_named_with_the_first() -> None:
    x = with_copies(100, 6, [MOST + 44], 1e-3)
    expected = [(0, row) for row in range(100, 99 + MOST + 44)]
    assert sorted((pair.first, pair.second) for pair in find_pairs(x, x)) == expected


@pytest.mark.parametrize("size", [3, 5, 9, 15, 40])
@pytest.mark.parametrize("spread", [1.0, 0.5, 0.3, 0.1])
def test_fault_100_rare_classes_are_no_copies(spread: float, size: int) -> None:
    assert [find_pairs(x, x) for x in (with_rare_classes(20, spread, size, seed) for seed in range(3))] == [[]] * 3


@pytest.mark.parametrize(("classes", "size"), [(6, 50), (15, 20), (30, 12)])
def test_fault_100_classes_twenty_spreads_apart_are_no_copies(classes: int, size: int) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([20 * rng.normal(size=20) + rng.normal(size=(size, 20)) for _ in range(classes)])
    assert find_pairs(x, x) == []
