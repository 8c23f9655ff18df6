"""Near-duplicates: planted ones are found, healthy data is silent, and the threshold means what it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from isthmus.evaluation.metrics.nearest import nearest
from isthmus.tools.exploration.near_pairs import expected_pairs, find_pairs, local_dimension


def healthy(kind: str, n: int, D: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    make = {
        "normal": lambda: rng.normal(size=(n, D)),
        "uniform": lambda: rng.random((n, D)),
        "heavy tails": lambda: rng.standard_t(3, size=(n, D)),
        "clusters": lambda: rng.normal(size=(n, D)) + 20 * rng.normal(size=(6, D))[rng.integers(0, 6, n)],
        "two densities": lambda: rng.normal(size=(n, D)) * np.where(rng.random((n, 1)) < 0.5, 1, 0.05),
        "steps": lambda: rng.integers(0, 30, (n, D)),
    }
    return make[kind]().astype(np.float32)


@pytest.mark.parametrize("kind", ["normal", "uniform", "heavy tails", "clusters", "two densities"])
@pytest.mark.parametrize("D", [2, 5, 20])
def test_healthy_data_is_silent(kind: str, D: int) -> None:
    """At 0.05 false pairs a set, ten sets give one with a chance of 0.4, and three with 0.01."""
    found = sum(len(find_pairs(x, x)) for x in (healthy(kind, 300, D, seed) for seed in range(10)))
    assert found <= 3


def test_samples_on_a_grid_are_silent_but_for_the_equal_ones() -> None:
    x = healthy("steps", 500, 3, 0)
    unique = len(np.unique(x, axis=0))
    pairs = find_pairs(x, x)
    assert len(pairs) == 500 - unique
    assert all(pair.is_exact for pair in pairs)


@pytest.mark.parametrize("D", [2, 5, 20])
def test_planted_pairs_are_found_and_nothing_else(D: int) -> None:
    x = healthy("normal", 400, D, 3)
    rng = np.random.default_rng(1)
    step = {2: 1e-5, 5: 3e-3, 20: 0.02}[D]  # in a plane chance puts some of 400 points very near
    copies = x[:8] + step * rng.normal(size=(8, D)).astype(np.float32)
    found = find_pairs(np.concatenate([x, copies]), np.concatenate([x, copies]))
    planted = {(i, 400 + i) for i in range(8)}
    named = {(pair.first, pair.second) for pair in found}
    assert planted <= named
    assert len(named - planted) <= 1
    for pair in found:
        if pair.first < 8:
            expected = np.linalg.norm(x[pair.first].astype(float) - copies[pair.second - 400])
            assert (pair.code, pair.raw) == pytest.approx((expected, expected), rel=1e-9)


def with_groups(x: np.ndarray, sizes: list[int], step: float) -> tuple[np.ndarray, np.ndarray]:
    """(x with near-copies of its first rows appended, the number of the original of every row)."""
    rng = np.random.default_rng(1)
    copies = np.repeat(np.arange(len(sizes)), np.array(sizes) - 1)
    near = x[copies] + step * rng.normal(size=(len(copies), x.shape[1]))
    return np.concatenate([x, near.astype(np.float32)]), np.concatenate([np.arange(len(x)), copies])


def assert_only_groups_are_named(x: np.ndarray, of: np.ndarray) -> None:
    same = of[:, None] == of
    planted = {(int(i), int(j)) for i, j in np.argwhere(np.triu(same, 1))}
    assert {(pair.first, pair.second) for pair in find_pairs(x, x)} == planted


@pytest.mark.parametrize("D", [2, 5, 20])
@pytest.mark.parametrize("size", [2, 4, 6, 10, 11, 30])
def test_fault_92_every_pair_of_a_group_of_copies_is_named(size: int, D: int) -> None:
    assert_only_groups_are_named(*with_groups(healthy("normal", 300, D, 3), [size], 1e-5 if D == 2 else 1e-3))


def test_fault_92_groups_of_different_sizes_stand_beside_each_other() -> None:
    assert_only_groups_are_named(*with_groups(healthy("normal", 1_000, 8, 0), [2, 3, 6, 12, 30, 60, 100], 0.02))


@pytest.mark.parametrize("size", [4, 6, 10])
def test_fault_92_every_sample_may_have_copies(size: int) -> None:
    """As where each picture was kept in several versions: up to ten, for the tenth neighbor is then no copy."""
    assert_only_groups_are_named(*with_groups(healthy("normal", 60, 6, 0), [size] * 60, 1e-3))


@pytest.mark.parametrize("kind", ["normal", "uniform", "clusters"])
def test_fault_92_forty_sets_without_copies_are_silent(kind: str) -> None:
    assert [find_pairs(x, x) for x in (healthy(kind, 300, 20, 100 + seed) for seed in range(40))] == [[]] * 40


def test_fault_92_a_dense_cluster_is_no_group_of_copies() -> None:
    """A machine at rest for a seventh of the time: its rows lie ten times nearer together, and each is a row."""
    rest = 1 + 0.1 * healthy("normal", 150, 6, 1)
    x = np.concatenate([healthy("normal", 850, 6, 0), rest])
    assert find_pairs(x, x) == []


def test_a_pair_near_in_the_code_alone_is_none() -> None:
    x, z = healthy("normal", 300, 10, 0), healthy("normal", 300, 4, 1)
    z[100] = z[5]
    assert find_pairs(z, x) == []


def test_equal_samples_are_named_once_with_the_first() -> None:
    x = healthy("normal", 60, 4, 0)
    x[[20, 30, 40]] = x[10]
    found = find_pairs(x, x)
    assert [(pair.first, pair.second, pair.raw) for pair in found] == [(10, 20, 0.0), (10, 30, 0.0), (10, 40, 0.0)]


def test_few_samples_have_only_equal_ones() -> None:
    x = np.array([[0.0], [1.0], [1.0], [1.0001]])
    assert [(pair.first, pair.second) for pair in find_pairs(x, x)] == [(1, 2)]


def test_a_near_copy_of_an_equal_pair_is_named_too() -> None:
    x = healthy("normal", 200, 6, 0)
    x[50] = x[20]
    x[60] = x[20] + np.float32(1e-3)
    assert [(pair.first, pair.second) for pair in find_pairs(x, x)] == [(20, 50), (20, 60)]


def test_more_is_named_the_more_chance_is_allowed() -> None:
    x = healthy("normal", 500, 3, 0)
    counts = [len(find_pairs(x, x, chance=chance)) for chance in (0.01, 1.0, 100.0)]
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[2]


@pytest.mark.parametrize("D", [1, 2, 3])
def test_the_expected_number_of_pairs_is_that_of_uniform_points(D: int) -> None:
    """On a torus, where every point sees the same: n (n - 1) / 2 times the share of the volume within d."""
    rng = np.random.default_rng(0)
    n, d, tries = 200, {1: 2e-4, 2: 8e-3, 3: 0.03}[D], 60
    count, told = 0, []
    for _ in range(tries):
        x = rng.random((n, D))
        apart = x[:, None] - x[None]
        far = np.sort(np.linalg.norm(apart - np.round(apart), axis=2), axis=1)  # the shorter way round
        count += int((far[:, 1:] < d).sum() / 2)
        told.append(np.mean(expected_pairs(np.array(d), far[:, 10], np.array(float(D)), n)))
    assert np.mean(told) == pytest.approx(count / tries, abs=4 * np.sqrt(count) / tries)  # four standard errors


@pytest.mark.parametrize("D", [2, 4, 8])
def test_the_dimension_is_that_of_the_surface_the_data_lies_on(D: int) -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(3_000, D)) @ rng.normal(size=(D, 30))
    dimension = local_dimension(nearest(flat, flat, 10, leave_out=np.arange(3_000)), 30)
    assert np.median(dimension) == pytest.approx(D, rel=0.2)  # edges of the cloud make it a little smaller


def test_no_distance_says_nothing() -> None:
    assert np.isinf(expected_pairs(np.array([0.0, 1.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0]), 10)).all()
    assert pdist([[0.0], [1.0]])[0] == 1  # or the next line would not be one
    assert expected_pairs(np.array([1.0]), np.array([1.0]), np.array([3.0]), 10)[0] == 45
