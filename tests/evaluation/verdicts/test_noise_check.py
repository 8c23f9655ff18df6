"""Real digits with known noise: clean, as in training, weaker, stronger."""

from __future__ import annotations

import pytest
import torch

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
    first = images[:200]
    both = {"clean": first, "noisy": noisy(first, noise, seed=1)}
    return {name: torch.quantile(noise_sd(x), POINTS).tolist() for name, x in both.items()}


@pytest.mark.parametrize("n", [1, 200], ids=["one image", "many"])
@pytest.mark.parametrize(
    ("given", "level", "words"),
    [
        ("none", "warn", "looks clean already"),
        ("gaussian:0.2", "warn", "less noisy than in training"),
        ("gaussian:0.5", "pass", "about as noisy as in training"),
        ("gaussian:1.0", "warn", "noisier than anything in training"),
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
