"""Noise in flat parts: white noise and moving averages have known moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from isthmus.evaluation.metrics.flat_noise import flat_moments


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (20, 1, 100, 100))


def by_hand(image: np.ndarray, share: float) -> tuple[float, float]:
    """(variance, covariance of neighbors) of the flattest share of the blocks of an image (100, 100), in loops."""
    found = []
    for top in range(0, 100, 5):
        for left in range(0, 100, 5):
            block = image[top : top + 5, left : left + 5]
            block = block - block.mean()
            beside, below = (block[:, 1:] * block[:, :-1]).mean(), (block[1:] * block[:-1]).mean()
            found.append((np.square(block).mean(), (beside + below) / 2))
    return tuple(np.mean(sorted(found)[: int(share * len(found))], axis=0))


def test_white_noise_goes_together_by_one_in_24_less_than_none() -> None:
    variance, covariance = by_hand(noise()[0, 0], 1.0)
    assert variance == pytest.approx(0.01 * 24 / 25, rel=0.05)  # 10,000 pixels: a standard error of 1.4 %
    assert covariance / variance == pytest.approx(-1 / 24, abs=0.03)  # 8,000 pairs each way
    found = flat_moments(torch.from_numpy(noise()))
    assert float(found[1].mean() / found[0].mean()) == pytest.approx(-1 / 24, abs=0.02)  # 2,000 blocks of 25 pixels


@pytest.mark.parametrize("width", [1, 3])
def test_moments_are_those_of_the_flattest_quarter(width: int) -> None:
    blurred = uniform_filter(noise(), (0, 0, width, width), mode="wrap")
    found = torch.stack(flat_moments(torch.from_numpy(blurred)), 1).numpy()
    np.testing.assert_allclose(found[:3], [by_hand(blurred[i, 0], 0.25) for i in range(3)], rtol=1e-9)  # float64


def test_averaged_noise_goes_together() -> None:
    """Neighbors of a moving average of three share two thirds; the mean of the block takes some of that."""
    variance, covariance = flat_moments(torch.from_numpy(uniform_filter(noise(), (0, 0, 3, 3), mode="wrap")))
    assert 0.3 < float(covariance.mean() / variance.mean()) < 2 / 3


def test_strokes_leave_the_flat_parts_alone_and_single_pixels_have_none() -> None:
    x = np.zeros((1, 1, 20, 20))
    x[..., 10] = 1.0
    assert [float(v) for v in flat_moments(torch.from_numpy(x))] == [0.0, 0.0]
    assert [float(v) for v in flat_moments(torch.ones(1, 3, 1, 9))] == [0.0, 0.0]
