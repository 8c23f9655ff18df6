"""What is offered for images of several sizes works when it is typed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.images.image_folder import read_images
from isthmus.data.images.mixed_sizes import EASY_SIDE, LEAST_SIDE, MixedSizes, ways_for
from isthmus.errors import DataError
from isthmus.parts.convolutions import SMALLEST

RNG = np.random.default_rng(0)


def save(folder: Path, *sizes: tuple[int, int], color: bool = False) -> None:
    for i, size in enumerate(sizes):
        pixels = RNG.integers(0, 256, (*size, 3) if color else size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}_{color}.png")


@pytest.mark.parametrize(
    "sizes",
    [
        [(512, 768), (512, 768), (768, 512), (436, 720)],
        [(7, 9), (12, 5)],
        [(1000, 20), (900, 30), (1000, 20)],
        [(1, 1), (300, 371)],
    ],
)
def test_fault_136_everything_offered_reads_these_images(tmp_path: Path, sizes: list[tuple[int, int]]) -> None:
    save(tmp_path, *sizes, color=True)
    with pytest.raises(MixedSizes) as caught:
        read_images(tmp_path, DataConfig())
    for way in caught.value.ways:
        height, width = way.size
        found = read_images(tmp_path, DataConfig(**{way.flag.strip("-"): f"{height}x{width}"}))  # type: ignore[arg-type]
        assert found.shape == (3, *way.size)
        assert len(found) >= len(sizes)
        assert max(way.size) <= EASY_SIDE
        assert caught.value.channels == 3


def test_proportions_are_kept_as_far_as_whole_pixels_allow() -> None:
    assert ways_for(Counter({(480, 640): 5, (100, 100): 1}))[0].size == (48, 64)
    assert ways_for(Counter({(20, 30): 5, (100, 100): 1}))[0].size == (20, 30)  # small ones stay as they are


def test_what_does_not_fit_is_not_offered_and_never_is_nothing_offered() -> None:
    error = MixedSizes("m", 1, ways_for(Counter({(640, 64): 3, (8, 8): 1})), [])
    error.offer_what(lambda shape: min(shape[1:]) >= LEAST_SIDE)
    assert error.fix == "pass --resize 64x16 to resize all to one size"
    error.offer_what(lambda shape: False)
    assert error.fix == "pass --resize 64x16 to resize all to one size"


def test_the_least_side_is_that_of_convolutions() -> None:
    assert LEAST_SIDE == SMALLEST


def test_fault_136_damaged_files_and_several_sizes_are_answered_by_one_command(tmp_path: Path) -> None:
    save(tmp_path, (30, 20), (30, 20), (10, 10))
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match="1 of 4 files") as caught:
        read_images(tmp_path, DataConfig())
    fix = "pass --skip-bad-files (3 images would be left, in 2 sizes: also pass --resize 30x20), or remove these files"
    assert caught.value.fix == fix
    assert len(read_images(tmp_path, DataConfig(skip_bad_files=True, resize="30x20"))) == 3
