"""Images of a run whose range is kept are drawn by that range, and what comes back from the page is read by it."""

from __future__ import annotations

import base64
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.models.building import build_model
from isthmus.web.bodies import SamplesBody
from isthmus.web.image_encoding import from_base64, packed
from isthmus.web.limits import Limits
from isthmus.web.loaded_run import LoadedRun
from isthmus.web.request_parsing import samples_of

RNG = np.random.default_rng(0)
LIMITS = Limits()
CASES = {
    "12 bits in 16": ("uint16", 110.0, 4095.0),
    "CT": ("float32", -1000.0, 700.0),
    "14 bits": ("uint16", 0.0, 16383.0),
}


def opened(shape: tuple[int, ...], dtype: str, ends: tuple[float, float] | None, **known: Any) -> LoadedRun:
    scaled: dict[str, Any] = {}
    if ends is not None:
        scaled = {"offset": (ends[0],) * shape[0], "scale": (1 / (ends[1] - ends[0]),) * shape[0], "clips": False}
    preprocess = Preprocess(shape, dtype, **scaled, range=(0.0, 1.0), **known)
    config = ModelConfig(z_size=2, hidden=(8,), likelihood="gaussian", network="mlp")
    model = build_model(config, preprocess).initialize(torch.Generator().manual_seed(0))
    loaded = LoadedRun(SimpleNamespace(model=model))  # type: ignore[arg-type]
    loaded.__dict__["dark_border"] = False
    return loaded


def pixels_of(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize("case", CASES)
def test_fault_129_the_app_draws_by_the_range_of_the_run(case: str) -> None:
    dtype, black, white = CASES[case]
    loaded = opened((1, 9, 7), dtype, (black, white))
    raw = np.linspace(black, white, 63).reshape(1, 1, 9, 7).astype(dtype)
    (uri,) = packed(raw, "png", loaded.pictures)["images"]
    expected = 255 * (raw[0, 0].astype(float) - black) / (white - black)
    assert np.abs(pixels_of(uri) - expected).max() <= 0.51  # rounded to bytes


@pytest.mark.parametrize("case", CASES)
def test_fault_129_what_the_page_sends_back_is_read_by_it(case: str) -> None:
    dtype, black, white = CASES[case]
    loaded = opened((1, 9, 7), dtype, (black, white))
    raw = (black + (white - black) * RNG.random((1, 1, 9, 7))).astype(dtype)
    (uri,) = packed(raw, "png", loaded.pictures)["images"]
    step = (white - black) / 255
    found = samples_of(loaded, SamplesBody(), [from_base64(uri, "it", LIMITS)], LIMITS)
    assert found.dtype == raw.dtype
    assert np.abs(found.astype(float) - raw).max() <= 0.51 * step + 0.5
    found = samples_of(loaded, SamplesBody(), [raw[0]], LIMITS)  # counts as a microscope writes them
    assert np.abs(found.astype(float) - raw).max() <= 0.5 + 1e-3 * step


def test_bytes_and_sixteen_bits_of_their_own_range_stay_as_they_are() -> None:
    raw = RNG.integers(0, 256, (2, 3, 9, 7), dtype=np.uint8)
    assert opened((3, 9, 7), "uint8", None).pictures(raw) is raw
    wide = RNG.integers(0, 65536, (2, 1, 9, 7), dtype=np.uint16)
    assert opened((1, 9, 7), "uint16", None).pictures(wide) is wide


def test_other_bands_are_averaged_and_transparency_is_kept() -> None:
    raw = RNG.integers(0, 256, (2, 4, 9, 7), dtype=np.uint8)
    bands = opened((4, 9, 7), "uint8", None).pictures(raw)
    assert np.array_equal(bands, raw.mean(1, keepdims=True).round())
    loaded = opened((4, 9, 7), "uint8", None, alpha=True)
    (uri, _) = packed(raw, "png", loaded.pictures)["images"]
    assert np.array_equal(pixels_of(uri).transpose(2, 0, 1), raw[0])
    found = samples_of(loaded, SamplesBody(), [from_base64(uri, "it", LIMITS), raw[1, :3]], LIMITS)
    assert np.array_equal(found[0], raw[0])
    assert np.array_equal(found[1], [*raw[1, :3], np.full((9, 7), 255)])


def test_transparency_lies_on_white_for_a_model_without_it() -> None:
    raw = RNG.integers(0, 256, (4, 9, 7), dtype=np.uint8)
    found = samples_of(opened((3, 9, 7), "uint8", None), SamplesBody(), [raw], LIMITS)[0]
    paper = Image.new("RGBA", (7, 9), (255, 255, 255, 255))
    expected = Image.alpha_composite(paper, Image.fromarray(raw.transpose(1, 2, 0))).convert("RGB")
    assert np.abs(found.transpose(1, 2, 0).astype(int) - np.asarray(expected)).max() <= 1  # Pillow rounds otherwise
