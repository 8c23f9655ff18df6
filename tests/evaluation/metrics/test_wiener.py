"""Expected values come from the closed form of the posterior mean and from scikit-learn's least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, Ridge

from isthmus.evaluation.metrics.wiener import RIDGES, fitted, is_feasible, moments


def normal(n: int, seed: int, sigma: float = 0.5, D: int = 4) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Clean and noisy rows of correlated normal columns far off the origin, and their covariance."""
    ways = np.random.default_rng(7).normal(size=(D, D))
    rng = np.random.default_rng(seed)
    clean = 1000 + rng.normal(size=(n, D)) @ ways
    return torch.tensor(clean), torch.tensor(clean + sigma * rng.normal(size=(n, D))), ways.T @ ways


def test_it_is_least_squares() -> None:
    clean, noisy, _ = normal(300, 0)
    found = moments(zip(clean.split(70), noisy.split(70), strict=True)).filter(0.0)
    expected = LinearRegression().fit(noisy.numpy(), clean.numpy()).predict(noisy.numpy())
    assert found(noisy).numpy() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("ridge", RIDGES)
def test_a_ridge_is_that_of_scikit_learn(ridge: float) -> None:
    clean, noisy, _ = normal(50, 0)
    alpha = ridge * 50 * float(np.var(noisy.numpy(), axis=0).mean())
    expected = Ridge(alpha).fit(noisy.numpy(), clean.numpy()).predict(noisy.numpy())
    found = moments([(clean, noisy)]).filter(ridge)
    assert found(noisy).numpy() == pytest.approx(expected, abs=1e-6)


def test_of_normal_data_it_is_the_posterior_mean() -> None:
    sigma = 0.5
    clean, noisy, covariance = normal(200_000, 0, sigma)
    found = moments([(clean, noisy)]).filter(0.0)
    expected = np.linalg.solve(covariance + sigma**2 * np.eye(4), covariance)  # Wiener: (C + s^2 I)^-1 C
    assert found.weights.numpy() == pytest.approx(expected, abs=0.01)  # 200,000 rows: chance moves the third digit


def test_the_ridge_is_chosen_on_validation() -> None:
    few, validation = normal(6, 1, D=5)[:2], normal(500, 2, D=5)[:2]
    found, ridge = fitted([few], [validation])
    errors = {r: float((moments([few]).filter(r)(validation[1]) - validation[0]).square().mean()) for r in RIDGES}
    assert ridge == min(errors, key=lambda r: errors[r])
    assert ridge > RIDGES[0]  # five columns from six rows need one
    assert float((found(validation[1]) - validation[0]).square().mean()) == pytest.approx(errors[ridge])
    assert fitted([few], [])[1] == RIDGES[0]


def test_columns_that_never_change_are_given_back_as_they_were() -> None:
    clean = torch.cat([torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), torch.full((50, 1), 3.0)], 1)
    found = moments([(clean, clean)]).filter(RIDGES[0])
    assert found(clean)[:, 2].tolist() == pytest.approx([3.0] * 50)
    still = torch.ones(5, 2)
    assert moments([(still, still)]).filter(RIDGES[0])(still).tolist() == still.tolist()


def test_large_samples_have_no_such_filter() -> None:
    assert is_feasible(784)
    assert not is_feasible(3 * 64 * 64)
