"""What a picture of 16 bits has beside its pixels goes into a file of another format; each page keeps its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from isthmus.data.images.photograph import Photograph

RNG = np.random.default_rng(0)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DESCRIPTION, SOFTWARE, ARTIST = 270, 305, 315
INCHES, CENTIMETERS = 2, 3


def again(path: Path, target: Path) -> Path:
    photograph = Photograph(path)
    return photograph.save(list(photograph.frames()), target)


@pytest.mark.parametrize(("unit", "n"), [(INCHES, 300), (CENTIMETERS, 118)])
@pytest.mark.parametrize("alpha", [False, True])
def test_color_of_16_bits_keeps_profile_resolution_and_texts(unit: int, n: int, alpha: bool, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 65536, (9, 13, 3 + alpha), dtype=np.uint16)
    about: dict[str, Any] = {"photometric": "rgb", "extrasamples": ["unassalpha"] * alpha, "metadata": None}
    about |= {"iccprofile": PROFILE, "resolution": (n, n), "resolutionunit": unit}
    texts = {"description": "a scan", "software": "Scanner 3", "extratags": [(ARTIST, "s", 0, "Ada", True)]}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **about, **texts)
    with Image.open(again(tmp_path / "a.tif", tmp_path / "b.png")) as png:
        assert png.info["icc_profile"] == PROFILE
        assert png.info["dpi"] == pytest.approx([300, 300], abs=0.3)  # 118 a centimeter are 299.7 an inch
        assert {tag: png.getexif()[tag] for tag in (DESCRIPTION, SOFTWARE, ARTIST)} == {
            DESCRIPTION: "a scan",
            SOFTWARE: "Scanner 3",
            ARTIST: "Ada",
        }
    with tifffile.TiffFile(again(tmp_path / "b.png", tmp_path / "c.tif")) as back:
        page: Any = back.pages[0]
        assert np.array_equal(page.asarray(), pixels)
        assert (page.iccprofile, page.description, page.tags["Artist"].value) == (PROFILE, "a scan", "Ada")
        assert page.get_resolution(INCHES) == pytest.approx((300, 300), abs=0.3)


def test_a_profile_of_other_colors_stays_behind(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 65536, (9, 13, 2), dtype=np.uint16)
    about: dict[str, Any] = {"photometric": "minisblack", "extrasamples": ["unassalpha"], "iccprofile": PROFILE}
    tifffile.imwrite(tmp_path / "a.tif", pixels, planarconfig="contig", **about)
    with Image.open(again(tmp_path / "a.tif", tmp_path / "b.png")) as png:
        assert "icc_profile" not in png.info


def test_every_page_keeps_its_own_texts_and_resolution(tmp_path: Path) -> None:
    pages = RNG.integers(0, 256, (3, 9, 13), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for i, page in enumerate(pages):
            about: dict[str, Any] = {"resolution": (100 + i, 100 + i), "resolutionunit": INCHES}
            file.write(page, description=f"page {i}", metadata=None, software=False, **about)
    photograph = Photograph(tmp_path / "a.tif")
    assert photograph.deep is None  # Pillow reads it
    with tifffile.TiffFile(again(tmp_path / "a.tif", tmp_path / "b.tif")) as back:
        found: list[Any] = list(back.pages)
        assert [page.description for page in found] == ["page 0", "page 1", "page 2"]
        assert [page.resolution for page in found] == [(100, 100), (101, 101), (102, 102)]
        assert np.array_equal(back.asarray(), pages)


def test_fault_173_a_page_without_a_profile_has_none_of_the_page_before(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        about: dict[str, Any] = {"iccprofile": PROFILE, "resolution": (300, 300), "resolutionunit": INCHES}
        for one in (about, {}):
            pixels = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
            file.write(pixels, photometric="rgb", metadata=None, **one)
    with tifffile.TiffFile(again(tmp_path / "a.tif", tmp_path / "b.tif")) as back:
        found: list[Any] = list(back.pages)
        assert [page.iccprofile for page in found] == [PROFILE, None]
        assert [282 in page.tags and page.resolution for page in found] in ([(300, 300), False], [(300, 300), (1, 1)])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_fault_173_texts_beyond_ascii_come_through(dtype: str, tmp_path: Path) -> None:
    pixels, text = RNG.integers(0, 256, (9, 13, 3)).astype(dtype), "2 µm, größer"
    about: dict[str, Any] = {"photometric": "rgb", "metadata": None, "extratags": [(ARTIST, "s", 0, "Åsa".encode(), 1)]}
    tifffile.imwrite(tmp_path / "a.tif", pixels, description=text.encode(), **about)
    again(tmp_path / "a.tif", tmp_path / "b.png")
    for source, target in (("a.tif", "c.tif"), ("b.png", "d.tif")):
        with tifffile.TiffFile(again(tmp_path / source, tmp_path / target)) as back:
            page: Any = back.pages[0]
            assert (page.tags[DESCRIPTION].value, page.tags[ARTIST].value) == (text, "Åsa")


def test_fault_173_a_resolution_that_a_png_cannot_hold_stays_behind(tmp_path: Path) -> None:
    pixels, finest = RNG.integers(0, 65536, (9, 13, 3), dtype=np.uint16), (2**32 - 1, 1)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", resolution=(finest, finest), resolutionunit="CENTIMETER"
    )
    with Image.open(again(tmp_path / "a.tif", tmp_path / "b.png")) as png:
        assert "dpi" not in png.info
