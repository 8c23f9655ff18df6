from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import tiny
from isthmus.training import components as module
from isthmus.training.components import components_of


@pytest.mark.parametrize(("n", "D"), [(120, 6), (30, 40)])
def test_variances_and_directions_are_those_of_scikit_learn(n: int, D: int) -> None:
    ready = tiny.prepared(np.random.default_rng(0).normal(size=(n, D)) @ np.diag(np.arange(1, D + 1)))
    x = ready.x(ready.splits.train).double().numpy()
    found, known = components_of(ready.splits.train, ready.preprocess), PCA(svd_solver="full").fit(x)
    k = min(len(x) - 1, D)
    np.testing.assert_allclose(found.variances[:k], known.explained_variance_[:k], rtol=1e-6)
    same = np.abs(np.sum(found.directions[:, :k].numpy() * known.components_[:k].T, 0))
    np.testing.assert_allclose(same, 1, atol=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95])
def test_so_many_hold_a_share_as_scikit_learn_says(share: float) -> None:
    ready = tiny.prepared(tiny.table(200, 9))
    x = ready.x(ready.splits.train).double().numpy()
    expected = PCA(n_components=share, svd_solver="full").fit(x).n_components_
    assert components_of(ready.splits.train, ready.preprocess).holding(share) == expected


def test_of_many_columns_only_some_rows_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIDE", 10)
    ready = tiny.prepared(tiny.table(100, 12))
    assert len(components_of(ready.splits.train, ready.preprocess).variances) <= 10


def test_new_rows_are_told_by_their_projection() -> None:
    ready = tiny.prepared(tiny.table(100, 6))
    x = ready.x(ready.splits.train)
    held = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
    found, known = components_of(ready.splits.train, ready.preprocess), PCA(2, svd_solver="full").fit(x.double())
    left = held.double().numpy() - known.inverse_transform(known.transform(held.double().numpy()))
    expected = 1 - np.square(left).sum() / np.square(held.numpy() - known.mean_).sum()
    assert found.explained(held, 2) == pytest.approx(expected, rel=1e-6)
