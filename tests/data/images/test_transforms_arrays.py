"""Gray, size and alpha of arrays: as Pillow makes them of the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import isthmus
import tiny
from isthmus.config import DataConfig
from isthmus.data.images.transforms import conform, conform_bundle
from isthmus.data.samples import Bundle, Samples

RGBA = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 5), dtype=np.uint8)


def test_what_fits_is_returned_as_it_is() -> None:
    samples = Samples(RGBA[:, :1], "x")
    assert conform(samples, DataConfig(gray=True, resize="6x5")) is samples
    table = Samples(np.zeros((4, 3), np.float32), "x")
    assert conform(table, DataConfig(gray=True, resize="8")) is table


def test_gray_as_pillow_has_it() -> None:
    found = conform(Samples(RGBA[:, :3], "x"), DataConfig(gray=True))
    expected = np.stack([np.asarray(Image.fromarray(p.transpose(1, 2, 0)).convert("L")) for p in RGBA[:, :3]])
    assert found.x.dtype == np.uint8
    assert abs(found.x[:, 0].astype(int) - expected).max() <= 1  # Pillow's weights are fixed-point numbers
    assert found.notes == ("x: color is converted to gray.",)


@pytest.mark.parametrize(("alpha", "paper"), [("white", 255), ("black", 0)])
def test_alpha_as_pillow_has_it(alpha: str, paper: int) -> None:
    found = conform(Samples(RGBA, "x"), DataConfig(alpha=alpha))  # type: ignore[arg-type]
    background = Image.new("RGBA", (5, 6), (paper, paper, paper, 255))
    for row in range(3):
        picture = Image.fromarray(np.ascontiguousarray(RGBA[row].transpose(1, 2, 0)))
        expected = np.asarray(Image.alpha_composite(background, picture))[..., :3].transpose(2, 0, 1)
        assert abs(found.x[row].astype(int) - expected).max() <= 1  # rounding


@pytest.mark.parametrize(("dtype", "full"), [(np.uint16, 65535), (np.float32, 1.0)])
def test_other_types_keep_their_range(dtype: type, full: float) -> None:
    white = np.full((2, 4, 2, 2), full, dtype)
    found = conform(Samples(white, "x"), DataConfig(gray=True))
    assert found.x.dtype == dtype
    np.testing.assert_allclose(found.x, full, rtol=1e-6)  # float32 weights sum to one but for rounding


def test_both_parts_of_a_bundle() -> None:
    part = Samples(RGBA[:, :1], "x")
    found = conform_bundle(Bundle(part, part), DataConfig(resize="3"))
    assert found.test is not None
    assert found.train.x.shape == found.test.x.shape == (3, 1, 3, 3)
    assert "3 x 3 pixels" in found.train.notes[0]


def test_names_of_pixels_do_not_outlive_their_pixels(tmp_path: Path) -> None:
    """A table of pixels that is resized: the model saves, loads, and takes the same table again."""
    run = isthmus.train("mnist-2k", resize="14", limit=100, out=tmp_path / "run", **tiny.FAST)
    model = isthmus.load(run.path)
    assert model.preprocess.shape == (1, 14, 14)
    assert model.preprocess.columns is None
    digits = isthmus.read("mnist-2k", DataConfig(resize="14")).train.x[:5]
    np.testing.assert_array_equal(model.reconstruct(digits), run.model.reconstruct(digits))
