"""JPEG as a corruption, compared with Pillow's libjpeg."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from contract import seeded
from isthmus.errors import UsageError
from isthmus.parts.corruptions import corruption

RNG = np.random.default_rng(0)


def picture(C: int, H: int, W: int) -> np.ndarray:
    x = ndimage.gaussian_filter(RNG.random((H, W, C)), (2, 2, 0))
    x = (x - x.min()) / np.ptp(x) * 0.8 + 0.1 + RNG.normal(0, 0.02, x.shape)
    return (255 * x).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [20, 75, 92])
@pytest.mark.parametrize(("C", "H", "W"), [(1, 48, 64), (1, 43, 61), (3, 48, 64)])
def test_it_is_what_libjpeg_makes_of_an_image(quality: int, C: int, H: int, W: int) -> None:
    pixels = picture(C, H, W)
    packed = io.BytesIO()
    Image.fromarray(pixels if C == 3 else pixels[..., 0]).save(packed, "JPEG", quality=quality, subsampling=2)
    expected = np.asarray(Image.open(packed)).reshape(H, W, C).astype(float)
    x = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).float() / 255
    found = 255 * corruption(f"jpeg:{quality}", (0.0, 1.0), (C, H, W))(x, None).x_in[0].numpy().transpose(1, 2, 0)
    changed = float(np.abs(pixels - expected).mean())
    # libjpeg works in whole numbers, a step here and there, and brings colors back by a filter of its own
    assert np.abs(found - expected).mean() < (0.5 if C == 1 else 0.35 * changed)


def test_each_sample_has_its_own_quality() -> None:
    x = torch.from_numpy(picture(1, 64, 64).transpose(2, 0, 1)[None].copy()).float().expand(40, -1, -1, -1) / 255
    found = corruption("jpeg:5-95", (0.0, 1.0), (1, 64, 64))(x, seeded(0)).x_in
    errors = (found - x).square().flatten(1).mean(1)
    assert errors.max() > 5 * errors.min()


def test_tables_and_other_channels_are_refused() -> None:
    for shape in ((5,), (2, 8, 8)):
        with pytest.raises(UsageError, match="jpeg noise needs gray images or images with three colors"):
            corruption("jpeg:90", (0.0, 1.0), shape)
