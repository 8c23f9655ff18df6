"""Trained networks reach the mathematical optimum: PCA without noise, the Wiener filter with noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.decomposition import PCA

import tiny
from isthmus.evaluation.metrics.likelihood_bound import importance_bound
from isthmus.models.autoencoder import Model
from isthmus.training.prepared import Prepared

LINEAR = {
    "activation": "linear",
    "likelihood": "gaussian",
    "scale": "none",
    "clip": "none",
    "weight_decay": 0.0,
    "init": "framework",
    "lr": 0.01,
}


def gaussian_data(n: int, deviations: list[float], seed: int = 0) -> np.ndarray:
    """Normal data with these standard deviations along randomly rotated axes."""
    rng = np.random.default_rng(seed)
    D = len(deviations)
    axes = np.linalg.qr(rng.normal(size=(D, D)))[0]
    return (rng.normal(size=(n, D)) * deviations @ axes.T).astype(np.float32)


def trained(ready: Prepared) -> Model:
    """The model after the last epoch, without choosing by validation, because one-cycle ends with the lowest rate."""
    trainer = tiny.trainer(ready, watch="lr")
    tiny.run(trainer)
    assert trainer.monitor.best_epoch == trainer.monitor.epoch
    return trainer.model


def matrix(part: torch.nn.Module) -> np.ndarray:
    """All layers of a linear network as one matrix, without the biases."""
    product = None
    for layer in part.modules():
        if isinstance(layer, torch.nn.Linear):
            weight = layer.weight.detach().double().numpy()
            product = weight if product is None else weight @ product
    assert product is not None
    return product


@pytest.mark.parametrize("hidden", [[], [7]])
def test_a_linear_autoencoder_spans_the_subspace_of_pca(hidden: list[int]) -> None:
    data = gaussian_data(500, [3, 2, 1.5, 0.8, 0.7, 0.6]) + np.float32(5)
    ready = tiny.prepared(data, hidden=hidden, z_size=3, batch_size=400, steps=800, **LINEAR)
    model = trained(ready)
    train = ready.splits.train.x.astype(np.float64)
    pca = PCA(3).fit(train)
    angle = subspace_angles(matrix(model.decoder), pca.components_.T).max()
    # Whole batches without noise, and a rate that falls to zero, leave only float32 rounding, about 1e-7 per step.
    assert angle < 1e-3
    ours = np.square(model.reconstruct(train) - train).mean()
    best = np.square(pca.inverse_transform(pca.transform(train)) - train).mean()
    assert ours == pytest.approx(best, rel=1e-4)
    assert ours >= best * (1 - 1e-6)  # nothing linear is better


def test_a_linear_denoiser_of_gaussian_data_is_the_wiener_filter() -> None:
    sigma, data = 0.7, gaussian_data(5_000, [1.5, 1.0, 0.5, 0.2])
    ready = tiny.prepared(
        data, noise=f"gaussian:{sigma}", hidden=[], z_size=4, batch_size=500, steps=1_600, output_bias="zero", **LINEAR
    )
    model = trained(ready)
    found = matrix(model.decoder) @ matrix(model.encoder)
    covariance = np.cov(ready.splits.train.x.astype(np.float64).T, bias=True)
    wiener = covariance @ np.linalg.inv(covariance + sigma**2 * np.eye(4))
    # The gradient of one batch of 500 errs by about sigma / sqrt(500) = 3 %; the last quarter of the steps, in which
    # the rate falls to zero, averages over some hundred batches: 3 % / sqrt(100) = 0.3 %, times 5 for five deviations.
    assert found == pytest.approx(wiener, abs=0.015)
    # The excess error is quadratic in that: tr((A - W)(C + sigma^2)(A - W)^T), far below the least possible one.
    least = np.trace(covariance - wiener @ covariance)
    excess = np.trace((found - wiener) @ (covariance + sigma**2 * np.eye(4)) @ (found - wiener).T)
    assert excess < 0.002 * least


def test_a_narrow_code_denoises_by_the_wiener_filter_of_the_strongest_axes() -> None:
    sigma, data = 0.5, gaussian_data(5_000, [2.0, 1.5, 0.1, 0.05])
    ready = tiny.prepared(
        data, noise=f"gaussian:{sigma}", hidden=[], z_size=2, batch_size=500, steps=1_600, output_bias="zero", **LINEAR
    )
    model = trained(ready)
    values, axes = np.linalg.eigh(np.cov(ready.splits.train.x.astype(np.float64).T, bias=True))
    gains = values / (values + sigma**2)
    gains[:2] = 0  # the two smallest, for which the code has no space
    found = matrix(model.decoder) @ matrix(model.encoder)
    assert found == pytest.approx(axes * gains @ axes.T, abs=0.015)  # as above


def test_denoising_black_and_white_pixels_gives_their_posterior_probability() -> None:
    """A pixel is white with probability p; given y = x + noise, log odds are logit p + (y - 1/2) / sigma^2: linear."""
    p, sigma = 0.3, 1.0
    pixels = (np.random.default_rng(0).random((6_000, 1, 1, 1)) < p).astype(np.float32)
    ready = tiny.prepared(
        pixels,
        **{**LINEAR, "likelihood": "bernoulli", "scale": "auto"},
        noise=f"gaussian:{sigma},clip=false",
        hidden=[],
        z_size=1,
        batch_size=600,
        steps=800,
    )
    model = trained(ready)
    y = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0]).reshape(5, 1, 1, 1)
    with torch.no_grad():
        found = model.x_hat(y).flatten().numpy()
    share = float(ready.splits.train.x.mean())
    expected = expit(math.log(share / (1 - share)) + (y.flatten().numpy() - 0.5) / sigma**2)
    # The slope errs by about 1 / sqrt(600 * 100) = 0.4 % over a hundred batches, the probability by a quarter of that.
    assert found == pytest.approx(expected, abs=0.02)
    edge = brentq(lambda v: math.log(share / (1 - share)) + (v - 0.5) / sigma**2, -5, 5)
    with torch.no_grad():
        assert float(model.x_hat(torch.full((1, 1, 1, 1), edge))) == pytest.approx(0.5, abs=0.02)


def test_the_best_constant_answer_is_the_mean(digits: tiny.Digits) -> None:
    ready = tiny.prepared(
        digits.samples,
        likelihood="gaussian",
        hidden=[],
        z_size=1,
        steps=400,
        output_bias="zero",
        lr=0.02,
        augment="none",
    )
    trainer = tiny.trainer(ready)
    for parameter in trainer.model.encoder.parameters():
        torch.nn.init.zeros_(parameter).requires_grad_(False)  # a code without information
    tiny.run(trainer)
    mean = ready.splits.train.x.mean(0) / 255
    with torch.no_grad():
        found = trainer.model.x_hat(torch.zeros(1, 1, 28, 28))[0].numpy()
    assert found == pytest.approx(
        mean, abs=0.03
    )  # 400 steps of AdamW in batches of 64: a rate of 0.02 that falls to zero leaves about its size


def test_a_linear_variational_autoencoder_is_probabilistic_pca() -> None:
    """Lucas et al. 2019, arXiv:1911.02469: at the optimum, the bound of a linear VAE is the likelihood of pPCA."""
    data = gaussian_data(4_000, [3, 2, 1.2, 0.5, 0.5, 0.5]) + np.float32(2)
    ready = tiny.prepared(
        data,
        **LINEAR | {"likelihood": "gaussian,variance=shared"},
        bottleneck="gaussian",
        hidden=[],
        z_size=3,
        batch_size=400,
        steps=2_500,
    )
    model = trained(ready)
    train = ready.splits.train.x.astype(np.float64)
    # PCA.score has the maximum of the likelihood of the training data, which no bound may pass.
    best = -PCA(3).fit(train).score(train)
    found = importance_bound(model, ready.tensor(ready.splits.train), draws=20)
    assert found["negative_elbo"] == pytest.approx(
        best, abs=0.02
    )  # of 8.4 nats; the mean of 64,000 draws errs by 0.006
    assert best - 0.01 < found["nll"] <= found["negative_elbo"]
    angle = subspace_angles(matrix(model.decoder), PCA(3).fit(train).components_.T).max()
    assert angle < 0.03  # the error that noise in the codes leaves after a rate that falls to zero
    scale = float(torch.exp(model.likelihood.log_scale.detach()))  # type: ignore[arg-type, union-attr]
    assert scale == pytest.approx(math.sqrt(PCA(3).fit(train).noise_variance_), rel=0.02)
