"""Level and correlation of noise, estimated from noisy pictures alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from isthmus.config import ModelConfig
from isthmus.errors import UsageError
from isthmus.training.choices import settle_noise
from isthmus.training.noise_estimate import estimate_noise

PHOTO = ModelConfig(network="unet", noise="unknown")


def pictures(sigma: float, blur: float = 0.0) -> Tensor:
    """Flat and curved parts with noise of this standard deviation, white or blurred by this many pixels."""
    rng = np.random.default_rng(0)
    clean = ndimage.gaussian_filter(rng.standard_normal((12, 1, 120, 120)), (0, 0, 12, 12)) * 3
    noise = ndimage.gaussian_filter(rng.standard_normal(clean.shape), (0, 0, blur, blur))
    return torch.from_numpy(clean + sigma * noise / noise.std()).float()


@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.2])
def test_white_noise_is_told_with_its_level(sigma: float) -> None:
    found = estimate_noise(pictures(sigma))
    assert found.sd == pytest.approx(sigma, rel=0.05)  # of 13,000 pixels: 0.6 %, and curvature is left
    assert max(map(abs, found.lags)) < 0.05
    assert found.apart == 1


@pytest.mark.parametrize(("blur", "apart"), [(0.6, 2), (1.0, 3)])
def test_noise_that_neighbors_share_is_told_with_its_reach(blur: float, apart: int) -> None:
    found = estimate_noise(pictures(0.1, blur))
    lag = np.exp(-1 / (4 * blur**2))  # of a Gaussian of that width, sampled
    assert found.lags[0] == pytest.approx(lag, abs=0.15)  # the removed slopes contain a part of it
    assert found.apart == apart


def test_small_smooth_cells_are_no_noise_that_neighbors_share() -> None:
    rng = np.random.default_rng(0)
    points = (rng.random((24, 1, 96, 96)) < 30 / 96**2) * rng.uniform(0.3, 1, (24, 1, 96, 96))
    cells = ndimage.gaussian_filter(points, (0, 0, 2, 2)) + 0.5 * ndimage.gaussian_filter(points, (0, 0, 6, 6))
    cells *= 0.8 / cells.max()
    assert estimate_noise(torch.from_numpy(cells + rng.normal(0, 0.03, cells.shape))).apart == 1
    shared = ndimage.gaussian_filter(rng.normal(size=cells.shape), (0, 0, 0.6, 0.6))
    assert estimate_noise(torch.from_numpy(cells + 0.03 * shared / shared.std())).apart >= 2


def test_what_is_estimated_settles_how_far_apart_pixels_are_taken() -> None:
    white, said = settle_noise(PHOTO, pictures(0.1))
    assert white.noise == "unknown:1"
    assert "so the noise is almost independent" in said[0]
    blurred, said = settle_noise(PHOTO, pictures(0.1, 0.6))
    assert blurred.noise == "unknown:2"
    assert "training pairs pixels that are 2 apart" in said[0]
    chosen, said = settle_noise(ModelConfig(network="unet", noise="unknown:1"), pictures(0.1, 0.6))
    assert chosen.noise == "unknown:1"
    assert "pixels 2 apart share hardly any noise" in said[0]


def test_networks_and_costs_that_cannot_learn_so_are_refused() -> None:
    with pytest.raises(UsageError, match="trains on images of half the size") as caught:
        settle_noise(ModelConfig(network="mlp", noise="unknown"), pictures(0.1))
    assert caught.value.fix == "pass --recipe photo"
    with pytest.raises(UsageError, match="needs the squared error"):
        settle_noise(ModelConfig(network="unet", noise="unknown", likelihood="laplace"), pictures(0.1))


def test_where_nothing_can_be_estimated_nothing_is_wrong() -> None:
    assert estimate_noise(torch.zeros(2, 1, 30, 30)).lags == (0.0,) * 4
    assert estimate_noise(torch.zeros(0, 1, 30, 30)).sd == 0
    assert estimate_noise(torch.rand(2, 1, 2, 2)).apart == 1
