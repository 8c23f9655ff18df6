"""Color profile, resolution, EXIF data and XMP of JPEG 2000 files; files made by hand, and read by Pillow."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from isthmus.data.images.jpeg_2000_boxes import jpeg_2000_info, parsed, with_info
from isthmus.data.images.photograph import Photograph

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (b"uuid", bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC") + b"<x:xmpmeta/>")
PIXELS = np.random.default_rng(0).integers(0, 65536, (9, 13, 3), dtype=np.uint16)
DEPTHS = [PIXELS, (PIXELS >> 8).astype(np.uint8)]


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def made(path: Path, pixels: np.ndarray) -> Path:
    """A file with a profile, 300 by 150 pixels an inch, XMP before the pixels and XML after them."""
    data = bytes(imagecodecs.jpeg2k_encode(pixels, level=0))
    boxes = dict(parsed(data))
    inner = dict(parsed(boxes[b"jp2h"]))
    size = struct.pack(">HHHHbb", 59055, 10, 11811, 1, 0, 0)  # 5,905.5 and 11,811 pixels a meter
    header = {**inner, b"colr": b"\2\0\0" + PROFILE, b"res ": box(b"resc", size)}
    outer = [box(name, content) for name, content in boxes.items() if name not in {b"jp2h", b"jp2c"}]
    outer += [box(b"jp2h", b"".join(box(*part) for part in header.items())), box(*XMP)]
    path.write_bytes(b"".join(outer) + box(b"jp2c", boxes[b"jp2c"]) + box(b"xml ", b"<a/>"))
    return path


def again(path: Path, target: Path) -> Path:
    photograph = Photograph(path)
    return photograph.save(list(photograph.frames()), target)


@pytest.mark.parametrize("pixels", DEPTHS)
def test_a_file_comes_back_with_all_of_its_metadata(pixels: np.ndarray, tmp_path: Path) -> None:
    path = again(made(tmp_path / "a.jp2", pixels), tmp_path / "b.jp2")
    boxes = parsed(path.read_bytes())
    codestream = dict(boxes)[b"jp2c"]  # decoded alone, because OpenJPEG would apply the profile to the colors
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(codestream), pixels)
    assert [boxes.count(part) for part in (XMP, (b"xml ", b"<a/>"))] == [1, 1]
    header = next(content for name, content in boxes if name == b"jp2h")
    assert [content[3:] for name, content in parsed(header) if name == b"colr"] == [PROFILE]
    with Image.open(path) as found:
        assert found.info["dpi"] == pytest.approx((300, 150), abs=0.01)


@pytest.mark.parametrize("pixels", DEPTHS)
def test_another_format_gets_profile_and_resolution(pixels: np.ndarray, tmp_path: Path) -> None:
    with Image.open(again(made(tmp_path / "a.jp2", pixels), tmp_path / "b.png")) as found:
        assert found.info["icc_profile"] == PROFILE
        assert found.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_the_metadata_of_another_format_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[315] = "Ada"
    picture = Image.fromarray(DEPTHS[1])
    picture.save(tmp_path / "a.jpg", icc_profile=PROFILE, dpi=(72, 300), exif=exif)
    again(tmp_path / "a.jpg", tmp_path / "b.jp2")
    with Image.open(again(tmp_path / "b.jp2", tmp_path / "c.png")) as found:
        assert (found.info["icc_profile"], found.getexif()[315]) == (PROFILE, "Ada")
        assert found.info["dpi"] == pytest.approx((72, 300), abs=0.1)


@pytest.mark.parametrize("dpi", [(0.01, 1.0), (72.0, 96.5), (300.0, 2400.0), (5e4, 3e6)])
def test_pillow_reads_every_resolution(dpi: tuple[float, float], tmp_path: Path) -> None:
    data = bytes(imagecodecs.jpeg2k_encode(DEPTHS[1], level=0))
    (tmp_path / "a.jp2").write_bytes(with_info(data, {"dpi": dpi}))
    with Image.open(tmp_path / "a.jp2") as found:
        assert found.info["dpi"] == pytest.approx(dpi, rel=1e-3)
    assert jpeg_2000_info(tmp_path / "a.jp2")["dpi"] == pytest.approx(dpi, rel=1e-3)


def with_boxes(path: Path, pixels: np.ndarray, *more: bytes, inner: bytes = b"") -> Path:
    """A file with boxes before its pixels, and with others in its header."""
    data = bytes(imagecodecs.jpeg2k_encode(pixels, level=0))
    parts = [(name, content + inner if name == b"jp2h" else content) for name, content in parsed(data)]
    path.write_bytes(b"".join(b"".join(more) * (name == b"jp2c") + box(name, content) for name, content in parts))
    return path


@pytest.mark.parametrize("pixels", DEPTHS)
@pytest.mark.parametrize("exponent", [5, 20, 127])
@pytest.mark.parametrize("suffix", [".tif", ".png", ".jp2"])
def test_fault_199_a_resolution_that_no_format_holds_is_left_out(
    pixels: np.ndarray, exponent: int, suffix: str, tmp_path: Path
) -> None:
    size = struct.pack(">HHHHbb", 65535, 1, 65535, 1, exponent, exponent)
    path = with_boxes(tmp_path / "a.jp2", pixels, inner=box(b"res ", box(b"resc", size)))
    photograph, target = Photograph(path), tmp_path / f"b{suffix}"
    photograph.save(list(photograph.frames()), target)
    np.testing.assert_array_equal(next(Photograph(target).frames()).pixels, np.moveaxis(pixels, -1, 0))
    if suffix == ".jp2":
        assert "dpi" not in jpeg_2000_info(target)


@pytest.mark.parametrize("pixels", DEPTHS)
@pytest.mark.parametrize("exif", [b"", b"junk", b"Exif\0\0junk"])
def test_fault_200_damaged_exif_data_is_left_out(pixels: np.ndarray, exif: bytes, tmp_path: Path) -> None:
    path = with_boxes(tmp_path / "a.jp2", pixels, box(b"uuid", b"JpgTiffExif->JP2" + exif))
    assert jpeg_2000_info(path) == {"boxes": []}
    photograph = Photograph(path)
    photograph.save(list(photograph.frames()), tmp_path / "b.tif")
    np.testing.assert_array_equal(next(Photograph(tmp_path / "b.tif").frames()).pixels, np.moveaxis(pixels, -1, 0))


def test_a_jpeg_gets_only_a_resolution_that_it_can_hold(tmp_path: Path) -> None:
    for dpi in ((300, 300), (70_000, 70_000)):
        Image.fromarray(DEPTHS[1]).save(tmp_path / "a.png", dpi=dpi)
        photograph = Photograph(tmp_path / "a.png")
        photograph.save(list(photograph.frames()), tmp_path / "b.jpg")
        with Image.open(tmp_path / "b.jpg") as found:
            assert found.info.get("dpi") == (dpi if dpi[0] == 300 else None)


@pytest.mark.parametrize("pixels", DEPTHS)
def test_a_profile_for_color_is_not_put_into_gray(pixels: np.ndarray, tmp_path: Path) -> None:
    photograph = Photograph(made(tmp_path / "a.jp2", pixels))
    frame = next(photograph.frames())
    photograph.save([frame._replace(pixels=frame.pixels[:1])], tmp_path / "b.jp2")
    assert "icc_profile" not in jpeg_2000_info(tmp_path / "b.jp2")
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode((tmp_path / "b.jp2").read_bytes()), pixels[..., 0])


def test_a_codestream_without_boxes_stays_as_it_is(tmp_path: Path) -> None:
    data = bytes(imagecodecs.jpeg2k_encode(DEPTHS[1], level=0, codecformat="j2k"))
    assert with_info(data, {"icc_profile": PROFILE, "dpi": (300, 300)}) == data
    (tmp_path / "a.j2k").write_bytes(data)
    assert jpeg_2000_info(tmp_path / "a.j2k") == {}
    path = again(tmp_path / "a.j2k", tmp_path / "b.j2k")
    assert path.read_bytes().startswith(b"\xff\x4f\xff\x51")
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(path.read_bytes()), DEPTHS[1])


@pytest.mark.parametrize("kept", [40, 100, 500])
def test_damaged_boxes_are_left_out(kept: int, tmp_path: Path) -> None:
    path = made(tmp_path / "a.jp2", DEPTHS[1])
    path.write_bytes(path.read_bytes()[:kept])
    assert set(jpeg_2000_info(path)) <= {"boxes", "icc_profile", "dpi"}
