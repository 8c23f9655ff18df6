"""What the page says and shows of denoisers whose noise is their own, and of those without a clean image."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from isthmus.report.sections.baselines_and_errors import _read_sanity
from isthmus.report.sections.denoising import _read
from isthmus.report.tiles import montage

ERRORS = np.array([0.1, 0.2])


def told(**known: Any) -> Any:
    block = {"noise": "pairs", "n": 3, "noisy": {"psnr_db": 20.0}, "denoised": {"psnr_db": 30.0}, "truth": True} | known
    model = SimpleNamespace(has_code=False)
    metrics = {"data": {"n_test": 3, "shape": [3, 8, 8]}, "denoising": block}
    return SimpleNamespace(metrics=metrics, model=model, sample="image", is_image=True, noise=block["noise"])


def test_pairs_bring_noise_of_their_own() -> None:
    said = _read(told(), told().metrics["denoising"])
    assert said.startswith("The network gets noisy images and was trained")
    assert "leaves 10% of the squared error" in said
    drawn = _read(told(noise="gaussian:0.1"), told(noise="gaussian:0.1").metrics["denoising"])
    assert "noisy images (gaussian:0.1) and" in drawn


@pytest.mark.parametrize(("truth", "sentence"), [(True, "These images are clean"), (False, "These images are noisy")])
def test_a_network_without_a_code_is_not_said_to_have_one(truth: bool, sentence: str) -> None:
    said = _read_sanity(told(truth=truth), ERRORS, np.zeros((2, 3, 8, 8)))
    assert "code" not in said
    assert "the output of the network" in said
    assert sentence in said


def test_few_pictures_leave_no_place_empty() -> None:
    import base64
    import io

    from PIL import Image

    sheet = montage(np.zeros((3, 1, 300, 300), np.uint8), 3, side=256)
    image = Image.open(io.BytesIO(base64.b64decode(sheet.partition(",")[2])))
    assert image.size == (3 * 256 + 2 * (256 // 28), 256)
