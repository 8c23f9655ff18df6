"""All frames of one file through a model, as one file again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.images.image_folder import read_images
from isthmus.data.images.photograph import Photograph
from isthmus.errors import UsageError
from isthmus.tools.inference.frame_saving import save_frames

BYTES = Preprocess((3, 8, 10), "uint8", range=(0.0, 1.0))
COUNTS = Preprocess((1, 8, 10), "uint16", offset=(50.0,), scale=(1e-3,), range=(0.0, 1.0), clips=False)
TIMES = [10 * (k + 4) for k in range(12)]


def film(path: Path) -> Path:
    """Twelve frames, every one of a color of its own."""
    frames = [Image.new("RGB", (10, 8), (20 * k, 255 - 20 * k, 7)) for k in range(12)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=TIMES, loop=0)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_fault_127_frames_become_one_animation_with_its_times(suffix: str, tmp_path: Path) -> None:
    source = film(tmp_path / "a.gif")
    samples = read_images(source, DataConfig(frames="all"))
    made = 255 - samples.x
    found = Photograph(save_frames(BYTES, samples, made, tmp_path / f"b{suffix}", source) or source)
    frames = list(found.frames())
    assert [frame.info["duration"] for frame in frames] == TIMES
    for frame, expected in zip(frames, made, strict=True):
        assert np.abs(frame.pixels.astype(int) - expected).max() <= (3 if suffix == ".webp" else 0)


def test_fault_127_names_of_frames_sort_as_they_follow(tmp_path: Path) -> None:
    ids = read_images(film(tmp_path / "a.gif"), DataConfig(frames="all")).ids
    assert ids is not None
    assert (ids[0], ids[-1]) == ("a.gif#00", "a.gif#11")
    assert list(ids) == sorted(ids)


def test_pages_of_counts_become_a_tiff_whatever_was_asked_for(tmp_path: Path) -> None:
    pages = np.arange(3 * 80, dtype=np.uint16).reshape(3, 8, 10) * 10
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    samples = read_images(tmp_path / "a.tif", DataConfig(frames="all"))
    found = save_frames(COUNTS, samples, samples.x, tmp_path / "b.png", tmp_path / "a.tif")
    assert found == tmp_path / "b.tif"
    np.testing.assert_array_equal(tifffile.imread(found), pages)


def test_what_is_no_file_of_frames_is_left_to_others(tmp_path: Path) -> None:
    source = film(tmp_path / "a.gif")
    samples = read_images(source, DataConfig(frames="all"))
    for raw, out in ((samples.x[:1], "b.gif"), (samples.x[:5], "b.gif"), (samples.x, "b.jpg"), (samples.x, "b")):
        assert save_frames(BYTES, samples, raw, tmp_path / out, source) is None
    assert save_frames(BYTES, samples, samples.x, tmp_path / "b.gif", tmp_path) is None


def test_the_film_itself_is_never_replaced(tmp_path: Path) -> None:
    source = film(tmp_path / "a.gif")
    samples = read_images(source, DataConfig(frames="all"))
    with pytest.raises(UsageError, match=r"a\.gif"):
        save_frames(BYTES, samples, samples.x, source, source)
