from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from isthmus.errors import DataError
from isthmus.evaluation.metrics.nearest import distances_to, nearest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("D", [2, 40])  # scikit-learn searches a tree in few dimensions, and all in many
def test_the_nearest_are_those_of_all_distances(rng: np.random.Generator, D: int) -> None:
    data, queries = rng.normal(size=(300, D)).astype(np.float32), rng.normal(size=(20, D)).astype(np.float32)
    every = cdist(queries, data)
    found = nearest(queries, data, 7)
    assert np.array_equal(found.rows, every.argsort(1)[:, :7])
    np.testing.assert_allclose(found.distances, np.sort(every)[:, :7], rtol=1e-6)  # float32 in, float64 out


def test_pieces_give_the_same(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    data = rng.normal(size=(200, 5)).astype(np.float32)
    whole = nearest(data[:9], data, 6)
    monkeypatch.setattr("isthmus.evaluation.metrics.nearest.PIECE", 64)  # 12 rows at a time
    pieces = nearest(data[:9], data, 6)
    assert np.array_equal(whole.rows, pieces.rows)
    assert np.array_equal(whole.distances, pieces.distances)


def test_a_sample_is_not_its_own_neighbor(rng: np.random.Generator) -> None:
    data = rng.normal(size=(50, 3))
    data[7] = data[3]
    found = nearest(data, data, 4, leave_out=np.arange(50))
    every = cdist(data, data)
    np.fill_diagonal(every, np.inf)
    np.testing.assert_allclose(found.distances, np.sort(every)[:, :4], rtol=1e-6)  # float32 search
    assert (found.rows != np.arange(50)[:, None]).all()
    assert (found.rows[3, 0], found.rows[7, 0], found.distances[3, 0]) == (7, 3, 0.0)


def test_more_copies_than_are_looked_for_leave_k() -> None:
    data = np.zeros((30, 2))
    found = nearest(data, data, 5, leave_out=np.arange(30))
    assert found.rows.shape == (30, 5)
    assert (found.rows != np.arange(30)[:, None]).all()


def test_bytes_are_compared_as_numbers(rng: np.random.Generator) -> None:
    data = rng.integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
    found = nearest(data[:5], data, 3)
    every = cdist(data[:5].reshape(5, -1).astype(float), data.reshape(60, -1).astype(float))
    np.testing.assert_allclose(found.distances, np.sort(every)[:, :3])
    assert found.rows[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_distances_of_nearly_equal_samples_are_exact() -> None:
    x = np.full((1, 100), 1000.0, np.float32)
    y = x + np.float32(0.01)
    step = float(y[0, 0]) - 1000.0  # what is left of 0.01 in float32
    assert distances_to(x, y, np.array([[0]]))[0, 0] == pytest.approx(10 * step, rel=1e-12)


def test_fewer_samples_than_asked_for_are_all_of_them() -> None:
    assert nearest(np.zeros((1, 2)), np.arange(6.0).reshape(3, 2), 10).rows.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("queries", "data", "words"),
    [
        (np.zeros((1, 2)), np.zeros((4, 3)), "have 2 values, but those to search have 3"),
        (np.zeros((1, 2)), np.zeros((0, 2)), "too few samples: 1 given, and 0 to search"),
    ],
)
def test_what_cannot_be_searched(queries: np.ndarray, data: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        nearest(queries, data, 3)
