"""The learned filter against scikit-learn's least squares, and against filters that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.linear_model import LinearRegression

from isthmus.evaluation.metrics.learned_filter import WINDOWS, LearnedFilter

SHAPES = [(1, 32, 32), (1, 33, 32), (1, 2, 3)]


def learned(clean: torch.Tensor, noisy: torch.Tensor) -> LearnedFilter:
    half = len(clean) // 2
    pairs = [(clean[:half], noisy[:half], None), (clean[half:], noisy[half:], None)]
    return LearnedFilter(lambda: iter(pairs), len(clean), tuple(clean.shape[1:]), torch.Generator().manual_seed(0))


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def test_of_whole_images_it_is_least_squares() -> None:
    noisy, other = noise(300, 1, 4, 5), noise(40, 1, 4, 5)
    clean = 0.5 * noisy + 0.3 * noisy.flip(3) ** 2 + 0.1
    found = learned(clean, noisy)(other.numpy(), window="whole", ridge=1e-6)
    best = LinearRegression().fit(noisy.flatten(1).double().numpy(), clean.flatten(1).double().numpy())
    expected = best.predict(other.flatten(1).double().numpy()).reshape(other.shape)
    assert found == pytest.approx(expected, abs=1e-4)  # a ridge of a millionth


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", [(1, 14, 11), (3, 9, 12)])
def test_a_filter_that_made_the_images_is_found_again(window: int, shape: tuple[int, ...]) -> None:
    """A blur of 5 x 5 pixels whose colors change places, and a shift; edges see their own pixels again."""
    kernel = np.outer([1, 4, 6, 4, 2], [2, 4, 6, 3, 1]) / 289
    noisy = noise(60, *shape)

    def made(x: torch.Tensor) -> torch.Tensor:
        blurred = ndimage.correlate(x.numpy().astype(float), kernel[None, None], mode="nearest")
        return torch.from_numpy(0.1 + 0.8 * blurred[:, ::-1].copy()).float()

    other = noise(4, *shape).flip(2)
    found = learned(made(noisy), noisy)(other.numpy(), window=window, ridge=1e-6)
    assert found == pytest.approx(made(other).numpy(), abs=2e-5)  # float32, a ridge of a millionth


def test_it_takes_off_what_cut_noise_adds_to_a_black_ground() -> None:
    """The mean of max(0, sigma e) is sigma / sqrt(2 pi), which a filter without means would leave."""
    clean = torch.zeros(40, 1, 16, 16)
    noisy = (0.5 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert float(noisy.mean()) == pytest.approx(0.5 / np.sqrt(2 * np.pi), abs=0.02)  # a little is cut at 1 too
    found = learned(clean, noisy)
    for settings in found.grid:
        assert np.abs(found(noisy.numpy(), **settings)).max() < 1e-6


def test_images_of_more_than_1024_values_have_windows_alone() -> None:
    sides = {shape: {s["window"] for s in learned(noise(4, *shape), noise(4, *shape)).grid} for shape in SHAPES}
    assert sides[1, 32, 32] == sides[1, 2, 3] == {*WINDOWS, "whole"}
    assert sides[1, 33, 32] == set(WINDOWS)


def test_only_pixels_that_count_are_learned_from() -> None:
    """The target of the others is nonsense, and the filter is that of the pixels that count all the same."""
    noisy, other = noise(200, 2, 12, 12), noise(3, 2, 12, 12).flip(3)
    weight = (
        (torch.rand(200, 1, 12, 12, generator=torch.Generator().manual_seed(3)) < 1 / 16).float().expand(-1, 2, -1, -1)
    )
    truth = 0.25 + 0.5 * noisy
    target = torch.where(weight > 0, truth, torch.full_like(truth, 9.0))
    rng = torch.Generator().manual_seed(0)
    found = LearnedFilter(lambda: iter([(target, noisy, weight)]), 200, (2, 12, 12), rng, whole=False)
    assert {settings["window"] for settings in found.grid} == set(WINDOWS)
    expected = (0.25 + 0.5 * other).numpy()
    assert found(other.numpy(), window=5, ridge=1e-6) == pytest.approx(expected, abs=1e-4)
