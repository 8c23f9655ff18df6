from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from isthmus.models import removal_bound
from isthmus.models.removal_bound import MARGIN, bounded, cells_of, keep_texture


def picture(seed: int = 0, shape: tuple[int, int, int] = (3, 200, 150)) -> tuple[torch.Tensor, np.random.Generator]:
    """A flat upper half and a lower half of fine texture."""
    rng = np.random.default_rng(seed)
    clean = np.full(shape, 120.0)
    clean[:, shape[1] // 2 :] += rng.normal(0, 20, (shape[0], shape[1] - shape[1] // 2, shape[2]))
    return torch.from_numpy(clean).float(), rng


def weights(noisy: torch.Tensor, clean: torch.Tensor) -> np.ndarray:
    return torch.cat([weight for _, weight in bounded(noisy, clean)]).numpy()


def test_noise_is_taken_out_and_texture_is_kept() -> None:
    clean, rng = picture()
    noisy = clean + torch.from_numpy(rng.normal(0, 10, clean.shape)).float()
    blurred = 120 + 0.5 * (clean - 120)  # a denoiser that mistakes half of the texture for noise
    kept = keep_texture(noisy.clone(), blurred.clone(), 1.0)
    flat, fine = np.s_[:, :80], np.s_[:, 120:]
    assert (kept[flat] - clean[flat]).std() < 2  # of 10
    # The Wiener weight: half of the removed power is noise, half is texture.
    weight = weights(noisy, blurred)[120:].mean()
    assert weight == pytest.approx(MARGIN**2 * 100 / 200, rel=0.06)
    best = (kept[fine] - clean[fine]).square().mean()
    assert best < 60 < 90 < (blurred[fine] - clean[fine]).square().mean()  # 100 each of the noise and of the texture


def test_the_noise_is_that_of_the_flat_parts() -> None:
    clean, rng = picture(1)
    noisy = clean + torch.from_numpy(rng.normal(0, 7, clean.shape)).float()
    # A cell of 64 values loses a 64th of its variance with its mean.
    assert cells_of(noisy, clean).noise == pytest.approx(7 * np.sqrt(63 / 64), rel=0.03)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 7), (3, 8, 8), (1, 9, 40), (3, 33, 17)])
def test_strips_make_no_difference(shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    noisy, clean = (torch.from_numpy(rng.normal(100, 20, shape)).float() for _ in range(2))
    whole = weights(noisy, clean)
    assert whole.shape == shape[1:]
    monkeypatch.setattr(removal_bound, "BLOCK", 1)  # a row of cells
    np.testing.assert_allclose(weights(noisy, clean), whole, rtol=1e-5)


def test_the_weight_of_a_whole_picture_is_that_of_its_definition() -> None:
    """Computed with SciPy: means over cells and over 3 x 3 cells, and linear interpolation between their centers."""
    clean, rng = picture(3, (2, 64, 48))
    noisy = clean + torch.from_numpy(rng.normal(0, 9, clean.shape)).float()
    blurred = torch.from_numpy(ndimage.gaussian_filter(noisy.numpy(), (0, 3, 3)))
    square = np.square((noisy - blurred).numpy()).mean(0).reshape(8, 8, 6, 8).mean((1, 3))
    counts = ndimage.convolve(np.ones_like(square), np.ones((3, 3)), mode="constant")
    near = ndimage.convolve(square, np.ones((3, 3)), mode="constant") / counts
    noise = cells_of(noisy, blurred).noise
    weight = np.minimum(1, (MARGIN * noise) ** 2 / near)
    rows, columns = ((np.arange(n) + 0.5) / 8 - 0.5 for n in (64, 48))
    expected = ndimage.map_coordinates(weight, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest")
    np.testing.assert_allclose(weights(noisy, blurred), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32, torch.float32])
def test_the_type_stays_and_strength_blends(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(4)
    noisy = torch.from_numpy(rng.integers(90, 160, (1, 40, 40))).to(dtype)
    clean = torch.from_numpy(rng.integers(120, 130, (1, 40, 40))).to(dtype)
    full, half, none = (keep_texture(noisy, clean.clone(), strength).float() for strength in (1.0, 0.5, 0.0))
    assert keep_texture(noisy, clean.clone(), 1.0).dtype == dtype
    assert none.equal(noisy.float())
    assert (half - (full + noisy.float()) / 2).abs().max() <= 1
    assert (full - noisy.float()).abs().max() > 5


@pytest.mark.parametrize("frame", [0, 255], ids=["black bars", "white paper"])
def test_fault_158_noise_is_seen_beside_parts_that_cannot_show_it(frame: int) -> None:
    rng = np.random.default_rng(3)
    clean = torch.full((3, 160, 160), 120.0)
    noisy = clean + torch.from_numpy(rng.normal(0, 9, clean.shape)).float()
    for picture in (clean, noisy):
        picture[:, :50], picture[:, -50:] = frame, frame  # more than half
    assert cells_of(noisy, clean).noise == pytest.approx(9, rel=0.05)
    kept = keep_texture(noisy.clone(), clean.clone(), 1.0)
    assert (kept - clean)[:, 56:104].std() < 2
    assert (kept - clean)[:, :48].abs().max() == 0


def test_a_drawing_on_white_paper_has_no_noise_for_its_few_edges() -> None:
    drawing = torch.full((1, 160, 160), 255.0)
    drawing[:, 70:74, 40:120] = torch.linspace(0, 200, 80)
    softened = torch.from_numpy(ndimage.gaussian_filter(drawing.numpy(), (0, 1, 1)))
    assert cells_of(drawing, softened).noise == 0
