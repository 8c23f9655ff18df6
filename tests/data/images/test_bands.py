"""Bands beyond color, and transparency, of files of any depth."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.images.image_folder import read_images
from isthmus.data.read import read
from isthmus.errors import DataError


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("bands", [2, 4, 12])
def test_no_band_is_ever_dropped(tmp_path: Path, bands: int, planar: str) -> None:
    x = np.random.default_rng(0).integers(0, 4096, (bands, 10, 14)).astype(np.uint16)
    given = x if planar == "separate" else x.transpose(1, 2, 0)
    settings = {"photometric": "minisblack", "extrasamples": ["unspecified"] * (bands - 1)}
    tifffile.imwrite(tmp_path / "a.tif", np.ascontiguousarray(given), planarconfig=planar, **settings)
    np.testing.assert_array_equal(read_images(tmp_path, DataConfig()).x[0], x)
    Image.fromarray(np.zeros((10, 14), np.uint8)).save(tmp_path / "gray.png")
    with pytest.raises(DataError, match=f"different numbers of bands: 1 image with 1 band, 1 image with {bands} bands"):
        read_images(tmp_path, DataConfig())


@pytest.mark.parametrize("alpha", ["auto", "white", "black", "keep"])
@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_fault_128_a_fourth_band_of_a_file_is_no_transparency_whatever_is_asked(
    tmp_path: Path, alpha: Literal["auto", "white", "black", "keep"], photometric: str
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (10, 14, 4), dtype=np.uint8)
    unspecified = ["unspecified"] * (3 if photometric == "minisblack" else 1)
    tifffile.imwrite(tmp_path / "a.tif", x, photometric=photometric, planarconfig="contig", extrasamples=unspecified)
    samples = read(tmp_path, DataConfig(alpha=alpha)).train
    np.testing.assert_array_equal(samples.x[0], x.transpose(2, 0, 1))
    assert not samples.alpha


def test_transparency_of_sixteen_bits_is_laid_on_white_or_kept(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (6, 7, 4)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    share = deep[..., 3:] / 65535
    laid = deep[..., :3] * share + 65535 * (1 - share)
    assert read_images(tmp_path, DataConfig()).x[0].transpose(1, 2, 0) == pytest.approx(laid, abs=0.51)  # rounding
    kept = read_images(tmp_path, DataConfig(alpha="keep"))
    np.testing.assert_array_equal(kept.x[0].transpose(1, 2, 0), deep)
    assert kept.alpha
