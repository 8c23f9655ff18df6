from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from isthmus.tools.anomaly.nearest_rows import GROUPED, NearestRows

K = 5
RNG = np.random.default_rng(0)


def spread(n: int) -> np.ndarray:
    return RNG.normal(size=(n, 6)) @ RNG.normal(size=(6, 6))


def far_apart(n: int) -> np.ndarray:
    """Groups of rows at 1 beside distances of 1,000, and some much farther."""
    rows = RNG.normal(size=(n, 4)) + 1_000 * RNG.integers(-3, 3, (n, 1))
    rows[::97] *= 1e4
    return rows


def alike(n: int) -> np.ndarray:
    """Whole numbers, of which many rows are equal, and many distances too."""
    return RNG.integers(0, 4, (n, 4)).astype(np.float64)


def offset(n: int) -> np.ndarray:
    """What differs is a ten-millionth of what all have in common."""
    return 1e4 + 1e-3 * RNG.normal(size=(n, 3))


@pytest.mark.parametrize("n", [K, 20, 63 * GROUPED, 63 * GROUPED + 3])
@pytest.mark.parametrize("make", [spread, far_apart, alike, offset])
def test_distances_are_those_of_all_rows(make: Callable[[int], np.ndarray], n: int) -> None:
    rows, points = make(n).astype(np.float32), make(300)
    distances, places = NearestRows(rows, K).of(points)
    apart = np.stack([np.linalg.norm(rows.astype(np.float64) - point, axis=1) for point in points])
    expected = np.sort(apart, 1)[:, :K]
    np.testing.assert_allclose(distances, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(apart, places, 1), expected, rtol=1e-9, atol=1e-12)
    assert (np.sort(places, 1)[:, 1:] != np.sort(places, 1)[:, :-1]).all()  # no row is named twice


def test_of_ordinary_rows_few_are_looked_at() -> None:
    rows = spread(5_200)
    search = NearestRows(rows[200:].astype(np.float32), K)
    of, _ = search._candidates(rows[:100] - search._center)
    assert 100 * K <= len(of) < 100 * 2 * K


def test_a_row_that_rounding_hides_is_found() -> None:
    """Twenty rows within 0.1 of a point that lies 1e4 from the mean: float32 cannot order them."""
    rows = RNG.normal(size=(1_200, 3))
    rows[:20] = [1e4, 0, 0] + 0.1 * RNG.normal(size=(20, 3))
    search, point = NearestRows(rows, K), np.array([[1e4, 0.0, 0.0]])
    assert len(search._candidates(point - search._center)[0]) >= 20
    expected = np.sort(np.linalg.norm(rows - point, axis=1))[:K]
    np.testing.assert_allclose(search.of(point)[0][0], expected, rtol=1e-9)


def test_points_that_float32_cannot_measure() -> None:
    distances, _ = NearestRows(spread(1_500), K).of(np.full((2, 6), 1e30))
    np.testing.assert_allclose(distances, np.sqrt(6) * 1e30, rtol=1e-6)
