"""TIFFs of all layouts: written again they hold what they held, for tifffile too; cut ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.data.images.photograph import Photograph
from isthmus.data.images.pixels import look
from isthmus.data.images.tiff_structure import refuse_cut
from isthmus.data.images.unreadable import Unreadable

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (33, 45), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (33, 45, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 4096, (3, 33, 45), dtype=np.uint16)
LAYOUTS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "bands apart": (np.moveaxis(COLOR, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
    "five bands apart": (DEEP[[0, 1, 2, 0, 1]], {"photometric": "minisblack", "planarconfig": "separate"}),
    "tiles": (COLOR, {"photometric": "rgb", "tile": (16, 16), "compression": "zlib", "predictor": True}),
    "white is zero": (GRAY, {"photometric": "miniswhite"}),
    "white is zero, 16 bits": (DEEP[0], {"photometric": "miniswhite"}),
    "BigTIFF": (GRAY, {"bigtiff": True}),
    "BigTIFF in the order of Motorola": (DEEP[0], {"bigtiff": True, "byteorder": ">"}),
    "a compression unknown to Pillow": (COLOR, {"photometric": "rgb", "compression": "png"}),
    "inks": (RNG.integers(0, 65536, (33, 45, 4), dtype=np.uint16), {"photometric": "separated"}),
    "a stack": (DEEP, {"photometric": "minisblack"}),
    "a stack of ImageJ": (DEEP, {"imagej": True, "metadata": {"axes": "ZYX"}, "resolution": (2.5, 2.5)}),
    "a stack of OME": (DEEP[None], {"ome": True, "photometric": "minisblack", "metadata": {"axes": "TCYX"}}),
    "signed": ((DEEP[0].astype(np.int16) - 1024), {}),
    "32 bits": (DEEP[0].astype(np.uint32) * 4097, {}),
    "signed bytes": (GRAY.view(np.int8), {}),
    "64 bits, up to the largest": (np.where(DEEP[0] > 4000, np.uint64(2**64 - 1), DEEP[0]).astype(np.uint64), {}),
    "64 bits, signed": (np.where(DEEP[0] > 4000, np.int64(2**63 - 1), DEEP[0]).astype(np.int64), {}),
    "colors and near infrared": (DEEP[[0, 1, 2, 0]], {"photometric": "rgb", "extrasamples": ["unspecified"]}),
    "double": (DEEP[0] / 7.0, {}),
    "half": ((DEEP[0] / 4096).astype(np.float16), {}),
}  # fmt: skip


def again(path: Path, target: Path) -> Photograph:
    photograph = Photograph(path)
    photograph.save(list(photograph.frames()), target)
    return photograph


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_comes_back_as_tifffile_reads_it(layout: str, tmp_path: Path) -> None:
    values, settings = LAYOUTS[layout]
    tifffile.imwrite(tmp_path / "a.tif", values, **settings)
    again(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as before, tifffile.TiffFile(tmp_path / "b.tif") as after:
        assert [(s.shape, s.axes, s.dtype) for s in after.series] == [(s.shape, s.axes, s.dtype) for s in before.series]
        assert after.is_bigtiff == before.is_bigtiff
        assert after.pages.first.photometric == before.pages.first.photometric
        tolerance = 1e-6 if values.dtype == np.float64 else 0  # networks work in float32
        np.testing.assert_allclose(after.asarray(), before.asarray(), rtol=tolerance)


@pytest.mark.parametrize(
    ("suffix", "settings"),
    [(".tif", {"compression": "jpeg", "quality": 95}), (".tif", {"compression": "group4"}), (".tif", {})],
    ids=["JPEG", "fax", "turned"],
)
def test_what_pillow_reads_looks_the_same_once_it_is_written(
    suffix: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    picture = Image.fromarray(GRAY).convert("1") if "group4" in settings.values() else Image.fromarray(COLOR)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = (1 if settings else 8), "a maker"
    picture.save(tmp_path / "a.tif", exif=exif, **settings)
    again(tmp_path / "a.tif", tmp_path / "b.tif")
    with Image.open(tmp_path / "a.tif") as before, Image.open(tmp_path / "b.tif") as after:
        np.testing.assert_array_equal(np.asarray(after.convert("RGB")), np.asarray(before.convert("RGB")))
        assert after.getexif()[0x010F] == "a maker"
        assert "dpi" not in after.info or after.info["dpi"] == (1, 1)  # none, as before


def test_pages_of_different_sizes_and_pointers_to_small_copies_spoil_nothing(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(COLOR, photometric="rgb", subifds=1)
        file.write(COLOR[::2, ::2], photometric="rgb", subfiletype=1)
        file.write(GRAY[:20])
        file.write(DEEP[0, :9])
    again(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as found:
        for page, wanted in zip(found.pages, (COLOR, GRAY[:20], DEEP[0, :9]), strict=True):
            np.testing.assert_array_equal(page.asarray(), wanted)
        assert "SubIFDs" not in found.pages.first.tags


def test_a_palette_of_a_bigtiff_is_in_color(tmp_path: Path) -> None:
    colors = np.zeros((3, 256), np.uint16)
    colors[:, 7] = (65535, 257, 514)
    tifffile.imwrite(
        tmp_path / "a.tif", np.full((4, 5), 7, np.uint8), photometric="palette", colormap=colors, bigtiff=True
    )
    frame = next(Photograph(tmp_path / "a.tif").frames())
    assert frame.pixels.shape == (3, 4, 5)
    assert frame.pixels[:, 0, 0].tolist() == [255, 1, 2]
    assert look(tmp_path / "a.tif")[0].n_bands == 3


def test_whole_numbers_are_rounded_and_stay_within_their_type(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.int8))
    photograph = Photograph(tmp_path / "a.tif")
    frame = next(photograph.frames())
    frame.pixels[0, 0] = [-200.0, -1.4, 1.6, 126.9, 300.0]
    photograph.save([frame], tmp_path / "b.tif")
    assert tifffile.imread(tmp_path / "b.tif")[0].tolist() == [-128, -1, 2, 127, 127]


@pytest.mark.parametrize("bigtiff", [False, True])
def test_fault_157_a_cut_stack_is_never_taken_for_a_shorter_one(bigtiff: bool, tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=bigtiff) as file:  # each page's tags before its pixels
        for page in DEEP:
            file.write(page, contiguous=False)
    whole = (tmp_path / "a.tif").read_bytes()
    refuse_cut(tmp_path / "a.tif")
    for at in range(10, len(whole) - 1, 97):
        (tmp_path / "b.tif").write_bytes(whole[:at])
        with pytest.raises(OSError, match=r"past the end|the file has|the file ends|truncated"):
            list(Photograph(tmp_path / "b.tif").frames())


def test_fault_157_pages_that_go_round_in_a_circle_are_told(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DEEP, metadata=None, photometric="minisblack")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        first, last = file.pages[0].offset, file.pages[2].offset
    n = int.from_bytes(data[last : last + 2], "little")
    data[last + 2 + 12 * n : last + 6 + 12 * n] = first.to_bytes(4, "little")
    (tmp_path / "b.tif").write_bytes(data)
    with pytest.raises(OSError, match="page 4 points back to an earlier page"):
        refuse_cut(tmp_path / "b.tif")


def test_white_of_12_bits_is_4095(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DEEP[0, :, :44], bitspersample=12, photometric="miniswhite")
    (frame,) = Photograph(tmp_path / "a.tif").frames()
    np.testing.assert_array_equal(frame.pixels[0], 4095 - DEEP[0, :, :44])


@pytest.mark.parametrize("color", ["cielab", "icclab", "ycbcr", "cfa", "logluv"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_fault_169_colors_that_are_not_read_are_never_taken_for_red_green_and_blue(
    color: str, dtype: str, tmp_path: Path
) -> None:
    shape = (9, 13) if color == "cfa" else (9, 13, 3)
    about: Any = {"photometric": color, "bigtiff": True}
    tifffile.imwrite(tmp_path / "a.tif", RNG.integers(0, 200, shape).astype(dtype), **about)
    for read in (look, Photograph):
        with pytest.raises(Unreadable, match=f"(?i)is a TIFF in .*{color}.* save it as RGB or gray"):
            read(tmp_path / "a.tif")


def test_lab_of_8_bits_is_brought_to_rgb(tmp_path: Path) -> None:
    """White, black and a middle gray, whose L* is 53.6 of 100: 137 of 255. CIE 15."""
    lab = np.array([[[255, 0, 0], [0, 0, 0], [137, 0, 0]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", np.repeat(lab, 9, 0), photometric="cielab")
    frame = next(Photograph(tmp_path / "a.tif").frames())
    assert np.abs(frame.pixels[:, 0].astype(int) - np.array([255, 0, 128])).max() <= 2  # 8 bits of L*


@pytest.mark.parametrize("is_big", [False, True])
def test_black_and_white_alone_is_seen_in_every_tiff(is_big: bool, tmp_path: Path) -> None:
    for name, values in (("two", GRAY > 128), ("many", GRAY)):
        tifffile.imwrite(tmp_path / f"{name}.tif", values, photometric="minisblack", bigtiff=is_big)
        assert Photograph(tmp_path / f"{name}.tif").is_bilevel == (name == "two")


def test_fault_169_colors_of_a_later_page_are_not_taken_for_others(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for color in ("rgb", "cielab"):
            file.write(RNG.integers(0, 200, (9, 13, 3), dtype=np.uint16), photometric=color, metadata=None)
    with pytest.raises(Unreadable, match="is a TIFF in an unsupported form of CIELab"):
        list(Photograph(tmp_path / "a.tif").frames())
