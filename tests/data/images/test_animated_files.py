"""Animations in and out: frames, times and repeats, in the formats that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from isthmus.data.images.animated_files import animation_settings, played
from isthmus.data.images.photograph import Photograph, suffix_of

TIMES = [40, 100, 250, 70]


def animation(path: Path, *, transparent: bool = False, **settings: Any) -> Path:
    """Four frames, a square that moves, drawn before others that differ."""
    frames = []
    for k in range(len(TIMES)):
        pixels = np.full((20, 24, 4), (30, 60, 90, 255), np.uint8)
        pixels[2 + 4 * k : 7 + 4 * k, 4:12] = (220, 200, 40, 255)
        pixels[:, 16:, 3] = 0 if transparent else 255
        frames.append(Image.fromarray(pixels) if transparent else Image.fromarray(pixels).convert("RGB"))
    frames[0].save(path, save_all=True, append_images=frames[1:], **({"duration": TIMES, "loop": 0} | settings))
    return path


def again(path: Path, suffix: str) -> Photograph:
    photograph = Photograph(path)
    return Photograph(photograph.save(list(photograph.frames()), path.with_name(f"again{suffix}")))


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("source", [".gif", ".webp", ".png"])
@pytest.mark.parametrize("target", [".gif", ".webp", ".png"])
def test_fault_127_an_animation_keeps_its_frames_and_its_times(
    source: str, target: str, transparent: bool, tmp_path: Path
) -> None:
    lossless = {"lossless": True, "exact": True} if source == ".webp" else {}
    cleared = {"disposal": 2} if source == ".gif" else {}
    path = animation(tmp_path / f"a{source}", transparent=transparent, **lossless, **cleared)
    found = list(again(path, target).frames())
    assert [round(frame.info["duration"]) for frame in found] == TIMES
    assert found[0].info["loop"] == 0
    for before, after in zip(Photograph(path).frames(), found, strict=True):
        opacity = [frame.alpha for frame in (before, after)]
        assert not transparent or np.array_equal(*opacity)  # type: ignore[arg-type]
        seen = np.ones(before.pixels.shape[1:], bool) if before.alpha is None else before.alpha > 0
        apart = np.abs(before.pixels.astype(int) - after.pixels)[:, seen]
        assert apart.mean() < (0.5 if target == source or target == ".png" else 6)  # WebP of quality 95; 256 colors


@pytest.mark.parametrize(
    ("source", "given", "target", "expected"),
    [(".gif", 3, ".webp", 4), (".webp", 4, ".gif", 3), (".png", 1, ".gif", None), (".gif", None, ".png", 1)],
)
def test_fault_127_it_plays_as_often_in_another_format(
    source: str, given: int | None, target: str, expected: int | None, tmp_path: Path
) -> None:
    path = animation(tmp_path / f"a{source}", loop=given)
    assert next(again(path, target).frames()).info.get("loop") == expected


def test_the_picture_for_viewers_without_animation_is_no_frame(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.png", default_image=True, duration=TIMES[1:])
    frames = list(again(path, ".png").frames())
    assert [frame.info.get("duration") for frame in frames] == [None, *TIMES[1:]]
    assert [frame.info["duration"] for frame in again(path, ".gif").frames()] == TIMES[1:]


def test_pages_become_an_animation_of_usual_speed_that_never_ends() -> None:
    found = animation_settings([{}, {}], "GIF", "TIFF", is_transparent=False)
    assert found == {"duration": [100, 100], "loop": 0}
    assert animation_settings([{}, {}], "TIFF", "GIF", is_transparent=False) == {}
    assert played([{"default_image": True}, {}], "TIFF") == [0, 1]


def test_fault_127_what_cannot_hold_all_frames_becomes_what_can(tmp_path: Path) -> None:
    film = Photograph(animation(tmp_path / "a.gif"))
    assert suffix_of(film, Path("b.jpg")) == Path("b.png")
    pages = [Image.fromarray(np.full((8, 8), 1000 * k, np.uint16)) for k in range(3)]
    pages[0].save(tmp_path / "p.tif", save_all=True, append_images=pages[1:])
    assert [suffix_of(Photograph(tmp_path / "p.tif"), Path(f"b{s}")).name for s in (".png", ".gif")] == ["b.tif"] * 2


def test_lossless_webp_stays_so(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=True)
    (found,) = again(tmp_path / "a.webp", ".webp").frames()
    assert np.array_equal(found.pixels, pixels.transpose(2, 0, 1))
