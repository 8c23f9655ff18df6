"""Training on noisy images alone: reports nothing that needs a clean image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import isthmus
from isthmus.api import Run
from isthmus.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A denoiser of 20 noisy pictures, trained for a few steps."""
    folder = tmp_path_factory.mktemp("noisy")
    rng = np.random.default_rng(0)
    for k in range(20):
        picture = ndimage.gaussian_filter(rng.standard_normal((64, 72)), 6)
        picture = 128 + 500 * picture + 20 * rng.standard_normal(picture.shape)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{k}.png")
    settings = {"hidden": (4, 6, 8), "steps": 8, "patch": 32, "threads": 1, "device": "cpu"}
    out = tmp_path_factory.mktemp("runs") / "unknown"
    return isthmus.train(folder, recipe="photo", noise="unknown", out=out, show=False, **settings)


def test_no_psnr_is_told_and_what_was_taken_away_is_judged(run: Run) -> None:
    block = run.metrics["denoising"]
    assert block["truth"] is False
    assert "psnr" not in json.dumps(run.metrics["test"]) + json.dumps(block)
    assert block["estimated"]["sd"] == pytest.approx(20 / 255, rel=0.15)
    assert set(block["removed"]) == {"sd", "beside", "below", "with_detail", "at_detail"}
    assert {"median", "blur"} <= block["baselines"].keys()
    assert all(found["mse"] > 0 for found in block["baselines"].values())
    told = {v["id"]: v["text"] for v in run.metrics["verdicts"]}
    assert "No clean image is known, so no PSNR can be computed." in told["structure-removed"]
    assert "no clean image is known" in told["denoiser-beats-filter"]


def test_the_noise_that_was_estimated_is_kept_with_the_settings(run: Run) -> None:
    assert run.config.model.noise == run.model.config.noise == "unknown:1"
    assert "the noise has an estimated standard deviation" in " ".join(run.record["said"])


def test_its_pictures_show_what_was_taken_away(run: Run) -> None:
    assert (run.path / "denoising.png").is_file()
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "there are no clean ones" in page
    assert "removed" in page


def test_it_is_measured_again_alike_and_against_the_truth_where_that_is_given(run: Run, tmp_path: Path) -> None:
    again = isthmus.evaluate(run)
    assert again["denoising"]["removed"] == pytest.approx(run.metrics["denoising"]["removed"])
    assert again["test"] == run.metrics["test"]
    x = np.random.default_rng(0).integers(60, 200, (3, 1, 64, 64), dtype=np.uint8)
    found = isthmus.evaluate(run, x + 5, target=x)
    assert found["denoising"]["noise"] == "pairs"
    assert found["denoising"]["noisy"]["psnr_db"] == pytest.approx(20 * np.log10(255 / 5), abs=0.01)


def test_any_size_is_denoised(run: Run) -> None:
    x = np.random.default_rng(0).integers(0, 256, (33, 50), dtype=np.uint8)
    assert run.denoise(x).shape == (33, 50)


def test_networks_of_one_size_are_refused(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), dtype=np.uint8)
    with pytest.raises(UsageError, match="trains on images of half the size"):
        isthmus.train(x, noise="unknown", out=tmp_path / "a", show=False)
    assert not (tmp_path / "a").exists()
