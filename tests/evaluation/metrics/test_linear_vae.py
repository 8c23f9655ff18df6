"""The linear VAE of a given KL: against probabilistic PCA as scikit-learn fits it, and at both ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from isthmus.evaluation.metrics.linear_vae import linear_vae, variances
from isthmus.evaluation.metrics.pca import error_of
from isthmus.training.principal_components import principal


def data(n: int = 4_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, 6)) * [4, 2, 1, 0.5, 0.3, 0.3]) @ np.linalg.qr(rng.normal(size=(6, 6)))[0]


@pytest.mark.parametrize("K", [1, 2, 3])
def test_it_is_probabilistic_pca_at_the_nats_that_this_pays(K: int) -> None:
    """Its posterior N(M^-1 W'x, s M^-1), M = W'W + s, is the optimal code of a linear VAE with variance s."""
    x = data() - data().mean(0)
    fitted = PCA(K).fit(x)
    s = fitted.noise_variance_
    W = fitted.components_.T * np.sqrt(fitted.explained_variance_ - s)
    M = W.T @ W + s * np.eye(K)
    means, posterior = x @ W @ np.linalg.inv(M), s * np.linalg.inv(M)
    kl = 0.5 * (np.trace(posterior) + (means**2).sum(1).mean() - K - np.linalg.slogdet(posterior)[1])
    mse = ((means @ W.T - x) ** 2).mean()
    mean, components = principal(torch.from_numpy(x), K)
    found = linear_vae(*variances([torch.from_numpy(x)], mean, components), kl)
    assert found.active == K
    assert found.mse == pytest.approx(mse, rel=2e-3)  # scikit-learn divides by n - 1


def test_with_no_nats_it_is_the_mean_and_with_very_many_it_is_pca() -> None:
    x = torch.from_numpy(data()).float()
    mean, components = principal(x, 3)
    of = variances([x[:1_000], x[1_000:]], mean, components)
    assert linear_vae(*of, 0.0) == (pytest.approx(float((x - mean).square().mean()), rel=1e-5), 0)
    assert linear_vae(*of, 200.0).mse == pytest.approx(error_of([x], mean, components), rel=1e-5)


def test_each_nat_takes_some_of_the_error_and_directions_come_in_by_their_variance() -> None:
    found = [linear_vae(np.array([16.0, 4.0, 1.0]), 21.5, 6, nats) for nats in np.linspace(0.01, 6, 50)]
    errors, active = [e.mse for e in found], [e.active for e in found]
    assert errors == sorted(errors, reverse=True)
    assert active == sorted(active)
    # the second comes in where the first costs log(16 / 4) / 2 nats
    assert [linear_vae(np.array([16.0, 4.0, 1.0]), 21.5, 6, np.log(2) + d).active for d in (-1e-6, 1e-6)] == [1, 2]


def test_data_that_does_not_vary_has_nothing_to_code() -> None:
    assert linear_vae(np.zeros(2), 0.0, 4, 3.0) == (0.0, 0)
