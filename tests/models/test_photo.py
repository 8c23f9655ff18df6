"""The included denoiser: its output, that it removes noise, and that its facts are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import ndimage

import isthmus
from isthmus.models.photo import FOLDER, PhotoDenoiser, about_photo

RNG = np.random.default_rng(0)


def picture(C: int, H: int = 96, W: int = 120) -> np.ndarray:
    """Edges and smooth parts, (H, W, C) in [0, 1]."""
    smooth = ndimage.gaussian_filter(RNG.random((H, W, C)), (9, 9, 0))
    x = (smooth - smooth.min()) / np.ptp(smooth)
    x[H // 3 : H // 2, W // 4 : W // 2] = RNG.random(C)
    return x


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_noise_is_taken_out_and_the_kind_comes_back(C: int, dtype: str) -> None:
    x, full = picture(C), {"uint8": 255, "uint16": 65535}.get(dtype, 1.0)
    noisy = ((x + RNG.normal(0, 0.08, x.shape)).clip(0, 1) * full).astype(dtype)
    noisy = noisy[..., 0] if C == 1 else noisy
    clean = isthmus.load("photo").denoise(noisy)
    assert (clean.shape, clean.dtype) == (noisy.shape, noisy.dtype)
    before, after = (np.square(v.astype(float) / full - x.reshape(v.shape)).mean() for v in (noisy, clean))
    assert after < before / 4  # by more than 6 dB


def test_batches_and_tensors_give_what_single_images_give() -> None:
    photo, x = PhotoDenoiser(), RNG.random((2, 3, 40, 44), dtype=np.float32)
    found = photo.denoise(torch.from_numpy(x))
    assert isinstance(found, torch.Tensor)
    one = photo.denoise(x[0].transpose(1, 2, 0)).transpose(2, 0, 1)
    assert found[0].numpy() == pytest.approx(one, abs=1e-5)  # float32
    assert np.array_equal(photo.denoise(x, strength=0.0), x)


def test_a_gray_picture_in_three_channels_goes_through_the_gray_network() -> None:
    photo, gray = PhotoDenoiser(), RNG.integers(0, 256, (40, 44), dtype=np.uint8)
    found = photo.denoise(np.stack([gray] * 3, -1))
    assert all(np.array_equal(found[..., c], photo.denoise(gray)) for c in range(3))


def test_it_has_no_code() -> None:
    assert not hasattr(PhotoDenoiser(), "encode")
    assert not PhotoDenoiser().has_code


@pytest.mark.parametrize("kind", ["gray", "color"])
def test_the_weights_are_small_and_of_float16(kind: str) -> None:
    weights = load_file(FOLDER / kind / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert (FOLDER / kind / "model.safetensors").stat().st_size < 1.2e6


def test_every_photograph_is_named_with_its_author_and_license() -> None:
    about, notice = about_photo(), (Path(__file__).parents[2] / "NOTICE").read_text("utf-8")
    assert about["measured"]
    assert len(about["photographs"]) > 10
    for photograph in about["photographs"]:
        assert f"{photograph['title']}, {photograph['author']}, {photograph['year']}, {photograph['license']}" in notice
        assert photograph["license"] == "public domain" or photograph["license"].startswith(("CC0", "CC BY"))


def test_a_path_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(isthmus.load("photo"), PhotoDenoiser)
    (tmp_path / "photo").mkdir()
    with pytest.raises(isthmus.IsthmusError, match="photo is not a run folder"):
        isthmus.load("photo")


@pytest.mark.parametrize("dtype", [">u2", ">f4"])
def test_fault_197_images_in_another_byte_order_are_denoised_alike(dtype: str) -> None:
    x = (picture(1)[..., 0] * (65535 if dtype == ">u2" else 1)).astype(dtype)
    found = PhotoDenoiser().denoise(x)
    assert np.array_equal(found, PhotoDenoiser().denoise(x.astype(dtype.replace(">", "="))))
    assert found.dtype == np.dtype(dtype.replace(">", "="))
