"""Real digits with known noise: clean, as in training, weaker, stronger."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_images

from isthmus.evaluation.metrics.flat_noise import flat_moments
from isthmus.evaluation.metrics.metrics import noise_sd
from isthmus.evaluation.verdicts.noise_check import judge_noise, wider
from isthmus.parts.corruptions import corruption
from tiny import Digits

POINTS = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)


def noisy(images: torch.Tensor, noise: str, seed: int) -> torch.Tensor:
    return corruption(noise, (0.0, 1.0))(images, torch.Generator().manual_seed(seed)).x_in


@pytest.fixture
def images(digits: Digits) -> torch.Tensor:
    return torch.from_numpy(digits.x).float() / 255


def calibrated(images: torch.Tensor, noise: str) -> dict[str, list[float]]:
    """As a run keeps it, from the first half of the images."""
    first, worse = images[:200], noisy(images[:200], noise, seed=1)
    (variance, covariance), (v, c) = flat_moments(first), flat_moments(worse)
    found = {"clean": noise_sd(first), "noisy": noise_sd(worse), "clean_variance": variance}
    found |= {"clean_covariance": covariance, "noisy_correlation": c / v.clamp(min=1e-12)}
    return {name: torch.quantile(values, POINTS).tolist() for name, values in found.items()}


def correlated(images: torch.Tensor, sigma: float, width: float, seed: int = 5) -> torch.Tensor:
    """The images with noise that was blurred by `width` pixels and has the deviation `sigma`."""
    white = np.random.default_rng(seed).normal(size=images.shape)
    noise = gaussian_filter(white, (0, 0, width, width))
    return (images + torch.from_numpy(sigma * noise / noise.std()).float()).clamp(0, 1)


@pytest.mark.parametrize("n", [1, 200], ids=["one image", "many"])
@pytest.mark.parametrize(
    ("given", "level", "words"),
    [
        ("none", "warn", "already looks clean"),
        ("gaussian:0.2", "warn", "less noisy than the training data"),
        ("gaussian:0.5", "pass", "about as noisy as the training data"),
        ("gaussian:1.0", "warn", "noisier than the training data"),
    ],
)
def test_fault_86_denoiser_given_clean_or_otherwise_noisy_images(
    images: torch.Tensor, given: str, level: str, words: str, n: int
) -> None:
    unseen = noisy(images[200 : 200 + n], given, seed=2)
    found = judge_noise(unseen, calibrated(images, "gaussian:0.5"), noise="gaussian:0.5", path="runs/my a")
    assert found.id == "noise-unlike-training"
    assert found.level == level
    assert words in found.text
    assert "estimated noise 0." in found.text
    if level == "pass":
        assert found.try_next is None
    else:
        assert str(found.try_next).startswith("isthmus train --config 'runs/my a/config.toml' --noise gaussian:")
        corruption(str(found.try_next).rpartition(" ")[2], (0.0, 1.0))  # a level that training takes


@pytest.mark.parametrize(
    "noise", ["gaussian:0.1-0.8", "salt-and-pepper:0.2", "speckle:0.4", "poisson:5", "masking:0.3"]
)
def test_noise_as_in_training_passes_for_every_kind(images: torch.Tensor, noise: str) -> None:
    found = judge_noise(noisy(images[200:], noise, seed=3), calibrated(images, noise), noise=noise)
    assert found.level == "pass", found.text


def test_without_a_run_folder_there_is_no_command(images: torch.Tensor) -> None:
    found = judge_noise(images, calibrated(images, "gaussian:0.5"), noise="gaussian:0.5")
    assert (found.level, found.try_next) == ("warn", None)


@pytest.mark.parametrize(
    ("noise", "factor", "expected"),
    [
        ("gaussian:0.5", 2, "gaussian:0.5-1"),
        ("gaussian:0.5", 0, "gaussian:0-0.5"),
        ("gaussian:0.2-0.5,clip=false", 0.5, "gaussian:0.1-0.5,clip=false"),
        ("speckle:0.1-0.2", 1.5, "speckle:0.1-0.3"),
        ("masking:0.1", 2, "masking:0.1-0.4"),  # twice the deviation is four times the share
        ("salt-and-pepper:0.5", 3, "salt-and-pepper:0.5-0.9"),
        ("poisson:20", 2, "poisson:5-20"),  # a quarter of the light has twice the deviation
        ("poisson:20", 0.5, "poisson:20-80"),
        ("poisson:20", 0, "poisson:20-2e+03"),
        ("gaussian:0.1+jpeg:80-95|gaussian:0.2", 2, "gaussian:0.1-0.2+jpeg:80-95|gaussian:0.2-0.4"),
        ("gaussian:0.1+grain:0.2", 2, "gaussian:0.1-0.2+grain:0.2-0.4"),
    ],
)
def test_wider_takes_in_the_noise_that_was_met(noise: str, factor: float, expected: str) -> None:
    assert wider(noise, factor) == expected
    assert corruption(wider(noise, factor), (0.0, 1.0)) is not None


@pytest.mark.parametrize("given", [0.0, 0.2, 0.3, 0.75, 0.9])
def test_the_levels_to_try_take_in_the_noise_that_was_given(images: torch.Tensor, given: float) -> None:
    unseen = noisy(images[200:], f"gaussian:{given}", seed=4)
    found = judge_noise(unseen, calibrated(images, "gaussian:0.5"), noise="gaussian:0.5", path="runs/a")
    low, high = (float(level) for level in str(found.try_next).rpartition(":")[2].split("-"))
    assert low <= given <= high
    assert high - low < 0.75


@pytest.fixture(scope="module")
def patches() -> torch.Tensor:
    """400 gray pieces of 32 x 32 pixels of scikit-learn's two photographs, shuffled, in [0, 1]."""
    gray = [photo[:416, :640].mean(2).reshape(13, 32, 20, 32) for photo in load_sample_images().images]
    found = np.concatenate([pieces.swapaxes(1, 2).reshape(-1, 1, 32, 32) for pieces in gray]) / 255
    return torch.from_numpy(found[np.random.default_rng(0).permutation(len(found))[:400]]).float()


@pytest.mark.parametrize("kind", ["digits", "patches"])
@pytest.mark.parametrize(("sigma", "width"), [(0.1, 1.5), (0.3, 0.7), (0.3, 3.0), (0.5, 1.5)])
def test_fault_110_correlated_noise_is_not_called_clean(
    images: torch.Tensor, patches: torch.Tensor, kind: str, sigma: float, width: float
) -> None:
    given = images if kind == "digits" else patches
    found = judge_noise(correlated(given[200:], sigma, width), calibrated(given, "gaussian:0.5"), noise="gaussian:0.5")
    assert found.level == "warn"
    assert "has correlated noise, which this model was not trained to remove" in found.text
    assert found.try_next is None


@pytest.mark.parametrize(
    ("kind", "width"), [("digits", 0.6), ("digits", 1.0), ("digits", 2.0), ("patches", 1.0), ("patches", 2.0)]
)
def test_fault_110_blurred_pictures_are_not_called_clean(
    images: torch.Tensor, patches: torch.Tensor, kind: str, width: float
) -> None:
    given = images if kind == "digits" else patches
    blurred = torch.from_numpy(gaussian_filter(given[200:].numpy(), (0, 0, width, width)))
    found = judge_noise(blurred, calibrated(given, "gaussian:0.5"), noise="gaussian:0.5")
    assert found.level == "warn"
    assert "less fine detail than clean training images, so it may be blurred" in found.text


@pytest.mark.parametrize("trained", ["gaussian:0.1", "gaussian:0.5", "salt-and-pepper:0.2", "speckle:0.3"])
@pytest.mark.parametrize("given", ["none", "gaussian:0.05", "gaussian:0.2", "gaussian:1.0", "salt-and-pepper:0.1"])
def test_white_noise_and_clean_pictures_are_not_called_correlated(
    images: torch.Tensor, patches: torch.Tensor, trained: str, given: str
) -> None:
    for x in (images, patches):
        found = judge_noise(noisy(x[200:], given, seed=6), calibrated(x, trained), noise=trained)
        assert "correlated" not in found.text
        assert "blurred" not in found.text


def test_rough_or_single_clean_pictures_are_not_called_correlated(patches: torch.Tensor) -> None:
    known, rest = calibrated(patches, "gaussian:0.2"), patches[200:]
    roughest = rest[flat_moments(rest)[0].argsort(descending=True)[:40]]
    for x in (roughest, *(rest[i : i + 1] for i in range(200))):
        assert "correlated" not in judge_noise(x, known, noise="gaussian:0.2").text


def test_estimates_of_older_runs_are_judged_by_their_level(images: torch.Tensor) -> None:
    old = {name: points for name, points in calibrated(images, "gaussian:0.5").items() if name in {"clean", "noisy"}}
    assert "looks clean" in judge_noise(correlated(images[200:], 0.3, 1.5), old, noise="gaussian:0.5").text
