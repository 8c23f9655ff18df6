from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from isthmus.errors import DataError
from isthmus.tools.sampling.fidelity import precision_recall


def cloud(n: int, center: float = 0.0, seed: int = 0, size: int = 6) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(center, 1, (n, size)).astype(np.float32))


def by_scikit_learn(real: np.ndarray, generated: np.ndarray, k: int) -> tuple[float, float]:
    """Equations 1 and 2 of arXiv:1904.06991, written down again."""

    def covered(queries: np.ndarray, centers: np.ndarray) -> float:
        radii = NearestNeighbors(n_neighbors=k + 1).fit(centers).kneighbors(centers)[0][:, -1]
        distances = np.sqrt(((queries[:, None].astype(float) - centers[None]) ** 2).sum(2))
        return float((distances <= radii[None]).any(1).mean())

    return covered(generated, real), covered(real, generated)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_an_independent_implementation_agrees(k: int) -> None:
    real, generated = cloud(120), 0.7 * cloud(90, seed=1)
    found = precision_recall(real, generated, k)
    assert (found.precision, found.recall) == pytest.approx(by_scikit_learn(real.numpy(), generated.numpy(), k))
    assert (found.n, found.n_generated) == (120, 90)
    assert 0.05 < found.recall < found.precision < 1  # narrower samples are precise, and miss some


def test_a_set_and_itself() -> None:
    assert precision_recall(cloud(50), cloud(50))[:2] == (1.0, 1.0)


def test_sets_that_do_not_touch() -> None:
    assert precision_recall(cloud(50), cloud(50, center=100))[:2] == (0.0, 0.0)


def test_one_mode_of_two_is_precise_and_misses_half() -> None:
    real = torch.cat([cloud(200), cloud(200, center=50, seed=1)])
    found = precision_recall(real, cloud(200, seed=2))
    same = precision_recall(cloud(200), cloud(200, seed=2))
    assert found.precision == same.precision
    assert found.recall == pytest.approx(same.recall / 2)


def test_a_sample_that_is_one_of_the_real_ones_is_covered_by_it() -> None:
    real = torch.cat([torch.full((8, 2), 3.0), cloud(8, size=2)])  # copies of a point: their ball has no size
    assert precision_recall(real, torch.full((8, 2), 3.0)).precision == 1.0


def test_too_few_samples() -> None:
    with pytest.raises(DataError, match="more than 3 samples of each kind; found 3 generated samples"):
        precision_recall(cloud(50), cloud(3))
