"""Files of several types in one folder: what nobody can scale alike is told, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.check import check
from isthmus.data.images.image_folder import read_images
from isthmus.data.images.whole_folder import read_whole
from isthmus.errors import DataError

RNG = np.random.default_rng(0)
SHAPE = (20, 20)


def folder(path: Path, *most: int) -> Path:
    """Gray images up to these values: of 8 bits up to 255, else of 16."""
    for i, high in enumerate(most):
        dtype = np.uint8 if high <= 255 else np.uint16
        values = RNG.integers(0, high, SHAPE, dtype, endpoint=True)
        values[0, 0] = high
        Image.fromarray(values).save(path / f"{i}.png")
    return path


@pytest.mark.parametrize("read", [read_images, read_whole])
def test_fault_170_twelve_bits_among_bytes_are_told(read, tmp_path: Path) -> None:
    notes = read(folder(tmp_path, 255, 255, 4095, 255), DataConfig()).notes
    (told,) = [note for note in notes if "nearly black" in note]
    assert told.startswith("1 of 4 images has 16 bits but no value above 4,095, 2.png: ")
    assert "it is nearly black" in told
    assert "multiply its values by 16" in told
    assert told in check(tmp_path).notes


@pytest.mark.parametrize("most", [(255, 65535), (4095, 4095), (4095, 65535), (255, 255), (255, 4096)])
def test_other_depths_are_not_called_dark(most: tuple[int, ...], tmp_path: Path) -> None:
    notes = read_images(folder(tmp_path, *most), DataConfig()).notes
    assert not [note for note in notes if "nearly black" in note]


def test_fault_170_twelve_bits_are_seen_beside_transparency(tmp_path: Path) -> None:
    values = np.concatenate([RNG.integers(0, 4096, (*SHAPE, 3)), np.full((*SHAPE, 1), 65535)], 2).astype(np.uint16)
    tifffile.imwrite(folder(tmp_path, 255) / "1.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    assert [note for note in read_images(tmp_path, DataConfig(alpha="keep")).notes if "nearly black" in note]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_fault_170_floats_of_another_range_beside_bytes_are_refused(dtype: type, tmp_path: Path) -> None:
    tifffile.imwrite(folder(tmp_path, 255, 255) / "ct.tif", RNG.uniform(-1000, 700, SHAPE).astype(dtype))
    with pytest.raises(DataError, match="1 of 3 files") as refused:
        read_images(tmp_path, DataConfig())
    assert "float or 32-bit images next to others must stay within 0 to 1" in refused.value.problems[0]
    assert len(read_images(tmp_path, DataConfig(skip_bad_files=True)).x) == 2  # as the fix says


def test_floats_within_0_and_1_stand_beside_bytes(tmp_path: Path) -> None:
    tifffile.imwrite(folder(tmp_path, 255) / "1.tif", np.full(SHAPE, 0.5, np.float32))
    x = read_images(tmp_path, DataConfig()).x
    assert x.dtype == np.float32
    assert (x[0, 0, 0, 0], x[1, 0, 0, 0]) == (1.0, 0.5)


def test_images_that_are_read_as_they_are_need_no_words(tmp_path: Path) -> None:
    for i in range(2):
        tifffile.imwrite(tmp_path / f"{i}.tif", RNG.integers(0, 65536, (*SHAPE, 5), np.uint16), planarconfig="contig")
    assert read_images(tmp_path, DataConfig()).notes == ()
