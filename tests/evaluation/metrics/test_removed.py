"""What was taken away: noise goes with nothing, and a filter that takes edges along is seen to do so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from isthmus.evaluation.metrics.removed import look_at_removed
from isthmus.evaluation.verdicts.removed_check import _found

SIGMA = 0.1


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """Disks of many sizes on a smooth ground: flat parts and edges."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    pictures = []
    for _ in range(6):
        picture = np.full((96, 96), 0.3)
        for row, column, radius, gray in rng.uniform((0, 0, 4, 0.1), (96, 96, 20, 0.9), (8, 4)):
            picture[(y - row) ** 2 + (x - column) ** 2 < radius**2] = gray
        pictures.append(picture)
    return np.stack(pictures)[:, None]


def tensors(*arrays: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(array).float() for array in arrays]


def noisy(clean: np.ndarray) -> np.ndarray:
    return clean + SIGMA * np.random.default_rng(1).standard_normal(clean.shape)


def test_noise_alone_goes_with_nothing(clean: np.ndarray) -> None:
    found = look_at_removed(*tensors(noisy(clean), clean))
    assert found.sd == pytest.approx(SIGMA, rel=0.01)
    assert [found.beside, found.below, found.with_detail] == pytest.approx([0, 0, 0], abs=0.02)
    assert abs(found.at_detail) < 0.1  # of 864 blocks: 0.03


def test_neighbors_go_together_as_numpy_says(clean: np.ndarray) -> None:
    taken = ndimage.gaussian_filter(np.random.default_rng(2).standard_normal(clean.shape), (0, 0, 0, 0.8))
    found = look_at_removed(*tensors(clean + taken, clean))
    expected = np.corrcoef(taken[..., 1:].ravel(), taken[..., :-1].ravel())[0, 1]
    assert found.beside == pytest.approx(expected, abs=0.01)
    assert found.below == pytest.approx(0, abs=0.02)


NOISE = {"sd": SIGMA, "lags": [0.0] * 4}


@pytest.mark.parametrize(("width", "level"), [(1.0, "fail"), (2.0, "fail")])
def test_a_blur_takes_structure(clean: np.ndarray, width: float, level: str) -> None:
    x = noisy(clean)
    found = look_at_removed(*tensors(x, ndimage.gaussian_filter(x, (0, 0, width, width))))
    assert found.at_detail > 0.4
    assert _found(found._asdict(), NOISE)[0] in {"warn", level}
    assert _found(found._asdict(), NOISE)[1].startswith("Structure was removed")


def test_the_truth_passes_and_leaving_it_all_in_does_not(clean: np.ndarray) -> None:
    x = noisy(clean)
    truth = look_at_removed(*tensors(x, clean))
    assert _found(truth._asdict(), NOISE)[0] == "pass"
    little = look_at_removed(*tensors(x, x - 0.3 * (x - clean)))
    assert _found(little._asdict(), NOISE)[1].startswith("Much of the noise remains")
    nothing = look_at_removed(*tensors(x, x))
    assert nothing == (0, 0, 0, 0, 0)


def _photograph() -> torch.Tensor:
    """(1, 1, 128, 128): brighter to the right, more textured the brighter, as under one lamp, and some parts more."""
    rng = np.random.default_rng(5)
    light = np.linspace(0.1, 0.9, 128)[None, :].repeat(128, 0)
    where = np.kron(rng.random((8, 8)) < 0.5, np.ones((16, 16)))
    texture = ndimage.gaussian_filter(rng.normal(size=(128, 128)), 0.7)
    return torch.from_numpy(light * (1 + (0.05 + 0.5 * where) * texture))[None, None]


def test_noise_that_goes_with_brightness_is_no_structure() -> None:
    """That of photons is stronger where the picture is bright, which is where it has detail; a blur is told all the
    same.
    """
    clean = _photograph()
    generator = torch.Generator().manual_seed(0)
    photons = clean + (clean / 500).sqrt() * torch.randn(clean.shape, dtype=clean.dtype, generator=generator)
    assert abs(look_at_removed(photons, clean).at_detail) < 0.15  # of 256 blocks by chance 0.06
    blurred = torch.from_numpy(ndimage.gaussian_filter(photons.numpy(), (0, 0, 1, 1)))
    assert look_at_removed(photons, blurred).at_detail > 0.4


def test_fault_158_black_bars_where_nothing_was_taken_are_no_structure() -> None:
    clean = _photograph()
    noisy = clean + 0.05 * torch.randn(clean.shape, dtype=clean.dtype, generator=torch.Generator().manual_seed(1))
    noisy, clean = noisy.clamp(0, 1), clean.clamp(0, 1)
    noisy[..., :48, :], clean[..., :48, :] = 0, 0
    assert abs(look_at_removed(noisy, clean).at_detail) < 0.2  # of 160 blocks by chance 0.08
