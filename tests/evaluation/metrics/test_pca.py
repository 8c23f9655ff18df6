"""Expected values come from scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from isthmus.data.batching.batches import as_x
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import DataError
from isthmus.evaluation.metrics.pca import error_of
from isthmus.training import principal_components as module
from isthmus.training.principal_components import principal


def low_rank(n: int, d: int, seed: int = 0, rank: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    ways = torch.randn(rank, d, generator=generator) * torch.linspace(4, 1, rank)[:, None]
    return 3 + torch.randn(n, rank, generator=generator) @ ways + 0.1 * torch.randn(n, d, generator=generator)


def same_directions(found: torch.Tensor, expected: np.ndarray) -> np.ndarray:
    """|cosines| between components and those of the reference (K, D): 1 where they are the same up to their sign."""
    return np.abs((found.T.numpy() * expected).sum(1))


@pytest.mark.parametrize("path", ["covariance", "products", "products in float32", "randomized"])
def test_components_are_those_of_scikit_learn(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    N, D = (300, 40) if path in ("covariance", "randomized") else (50, 400)
    monkeypatch.setattr(module, "PIECE", 700)  # many pieces
    if path == "randomized":
        monkeypatch.setattr(module, "SIDE", 10)
    if path.endswith("float32"):
        monkeypatch.setattr(module, "EXACT_WORK", 1.0)
    data = low_rank(N, D)
    mean, components = principal(data, 5)
    reference = PCA(5, svd_solver="full").fit(data.double().numpy())
    assert mean.numpy() == pytest.approx(reference.mean_, abs=1e-5)
    assert same_directions(components, reference.components_) == pytest.approx(np.ones(5), abs=1e-3)
    assert (components.T @ components).numpy() == pytest.approx(np.eye(5), abs=1e-5)


def test_a_mean_that_is_known_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    data = low_rank(60, 12)
    expected = principal(data, 3)
    monkeypatch.setattr(module, "_mean", lambda rows: pytest.fail("computed"))
    mean, components = principal(data.reshape(60, 1, 3, 4), 3, mean=data.mean(0).reshape(1, 3, 4))
    torch.testing.assert_close(mean, expected[0])
    assert same_directions(components, expected[1].numpy().T) == pytest.approx(np.ones(3), abs=1e-5)


def test_bytes_are_turned_into_floats_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = torch.randint(0, 256, (400, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    preprocess, seen = Preprocess((1, 6, 6), "uint8", range=(0.0, 1.0)), []
    monkeypatch.setattr(module, "PIECE", 500)

    def to_x(piece: torch.Tensor) -> torch.Tensor:
        seen.append(piece.numel())
        return as_x(piece, preprocess)

    mean, components = principal(raw[::2], 3, to_x)
    assert max(seen) <= 8 * 500
    for a, b in zip((mean, components), principal(raw[::2].float() / 255, 3), strict=True):
        torch.testing.assert_close(a, b)


def test_the_error_is_that_of_the_projection_chunk_by_chunk() -> None:
    train, test = low_rank(100, 12), low_rank(60, 12, seed=1)
    fitted = PCA(3, svd_solver="full").fit(train.double().numpy())
    unseen = test.double().numpy()
    expected = float(((unseen - fitted.inverse_transform(fitted.transform(unseen))) ** 2).mean())
    assert error_of(test.split(7), *principal(train, 3)) == pytest.approx(expected, rel=1e-5)  # float32
    assert error_of(iter([test]), *principal(train, 3)) == pytest.approx(expected, rel=1e-5)


def test_nothing_is_learned_from_nothing() -> None:
    with pytest.raises(DataError, match=r"samples of shape \(0, 3\) are empty"):
        principal(torch.rand(0, 3), 1)
    with pytest.raises(DataError, match=r"training samples have 3 values, but test samples the shape \(2, 5\)"):
        error_of([torch.rand(2, 5)], *principal(torch.rand(4, 3), 1))
