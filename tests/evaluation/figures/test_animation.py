from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from isthmus.evaluation.figures.animation import write_animation


def count(picture: Image.Image) -> int:
    return sum(1 for _ in ImageSequence.Iterator(picture))


def test_frames_go_there_and_back_without_loss(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(256, size=(4, 3, 16, 32), dtype=np.uint8)
    path = write_animation(tmp_path / "way.webp", frames)
    with Image.open(path) as picture:
        assert (count(picture), picture.info["loop"], picture.size) == (6, 0, (256, 128))
        for shown, frame in enumerate([0, 1, 2, 3, 2, 1]):
            picture.seek(shown)
            pixels = np.asarray(picture.convert("RGB"))[::8, ::8].transpose(2, 0, 1)
            np.testing.assert_array_equal(pixels, frames[frame])


def test_gray_floats_are_shown_as_they_are(tmp_path: Path) -> None:
    frames = np.linspace(0, 1, 2 * 300 * 300, dtype=np.float32).reshape(2, 1, 300, 300)
    with Image.open(write_animation(tmp_path / "way.webp", frames)) as picture:
        assert (count(picture), picture.size) == (2, (300, 300))
        picture.seek(0)
        found = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(found, np.repeat((frames[0, 0] * 255).round()[..., None], 3, axis=2))
