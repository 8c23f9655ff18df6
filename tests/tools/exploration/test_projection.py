from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

import tiny
from isthmus.errors import DataError, UsageError
from isthmus.extras import installing
from isthmus.tools.exploration import projection
from isthmus.tools.exploration.projection import project


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_pca_is_that_of_scikit_learn(rng: np.random.Generator) -> None:
    z = (rng.normal(size=(200, 6)) * [5, 3, 1, 1, 1, 1]).astype(np.float32)
    found, expected = project(z, "pca"), PCA(2).fit(z)
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected.transform(z)), rtol=1e-3, atol=1e-3)  # float32
    share = round(100 * expected.explained_variance_ratio_.sum())
    assert found.sentence == f"two principal components, {share}% of the variance"


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_is_the_same_every_time_and_moves_no_global_generator(rng: np.random.Generator, method: str) -> None:
    z = rng.normal(size=(150, 5))
    with tiny.assert_global_generator_untouched():
        first, second = project(z, method), project(z, method)
    assert np.array_equal(first.points, second.points)
    assert first.points.shape == (150, 2)
    assert first.points.dtype == np.float32


def test_tsne_keeps_groups_together(rng: np.random.Generator) -> None:
    y = np.arange(240) % 6
    z = rng.normal(size=(240, 10)) + 12 * rng.normal(size=(6, 10))[y]
    points = project(z, "tsne").points
    assert KNeighborsClassifier(5).fit(points[:120], y[:120]).score(points[120:], y[120:]) == 1


def test_few_or_equal_samples_have_a_map_too() -> None:
    for method in ("pca", "tsne"):
        assert project(np.eye(5), method).points.shape == (5, 2)
    assert np.isfinite(project(np.ones((20, 3)), "pca").points).all()
    assert project(np.arange(10.0)[:, None], "pca").points[:, 1].tolist() == [0.0] * 10


@pytest.mark.parametrize(
    ("z", "method", "words"),
    [
        (np.zeros((4, 3)), "pca", "at least 5 samples; the data has 4"),
        (np.full((9, 3), np.nan), "pca", "not finite"),
    ],
)
def test_what_has_no_map(z: np.ndarray, method: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        project(z, method)


def test_an_unknown_method_says_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown method 't-sne'") as caught:
        project(np.zeros((9, 3)), "t-sne")
    assert "did you mean 'tsne'?" in str(caught.value.fix)


def test_umap_where_it_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "umap", None)
    with pytest.raises(UsageError, match="UMAP is not installed") as caught:
        project(np.zeros((9, 3)), "umap")
    assert caught.value.fix == f"pass --method tsne, or install it: {installing('umap')}"


def test_umap_where_it_is_there_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with its interface: umap-learn brings numba along, which no test needs."""
    given: list[dict] = []

    class UMAP:
        def __init__(self, **settings: object) -> None:
            given.append(settings)

        def fit_transform(self, z: np.ndarray) -> np.ndarray:
            return z[:, :2].astype(np.float64)

    monkeypatch.setattr(projection, "umap", types.SimpleNamespace(UMAP=UMAP))
    found = project(np.arange(30.0).reshape(10, 3), "umap")
    assert found.points.tolist() == np.arange(30.0).reshape(10, 3)[:, :2].tolist()
    assert (found.points.dtype, found.sentence) == (np.float32, "UMAP, 9 neighbors")
    assert given[0]["n_neighbors"] == 9
    assert isinstance(given[0]["random_state"], int)
    assert "umap" not in sys.modules or projection.umap is not sys.modules["umap"]
