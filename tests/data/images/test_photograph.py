"""An image file read and written again with other pixels: same size, mode, frames, transparency, and metadata."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from isthmus.data.images.photograph import Photograph, suffix_of
from isthmus.data.images.unreadable import Unreadable

RNG = np.random.default_rng(0)
MODES = {"L": (9, 13), "RGB": (9, 13, 3), "LA": (9, 13, 2), "RGBA": (9, 13, 4)}


def again(path: Path, target: Path) -> Image.Image:
    photograph = Photograph(path)
    photograph.save(list(photograph.frames()), target)
    return Image.open(io.BytesIO(target.read_bytes()))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_every_mode_comes_back_pixel_by_pixel(mode: str, suffix: str, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, MODES[mode], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = again(tmp_path / "a.png", tmp_path / f"b{suffix}")
    if suffix != ".webp":  # which is lossy here, and always in color
        assert found.mode == mode
        assert np.array_equal(np.asarray(found), pixels)
    assert found.size == (13, 9)
    frame = next(Photograph(tmp_path / "a.png").frames())
    assert frame.pixels.shape == ((1 if mode in {"L", "LA"} else 3), 9, 13)
    assert (frame.alpha is not None) == mode.endswith("A")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_stay_sixteen(suffix: str, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 65536, (9, 13), dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}")
    assert np.array_equal(np.asarray(again(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")), pixels)


def test_pages_stay_pages_and_their_compression_stays(tmp_path: Path) -> None:
    pages = [Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)) for _ in range(12)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    found = again(tmp_path / "a.tif", tmp_path / "b.tif")
    assert (found.n_frames, found.info["compression"]) == (12, "tiff_lzw")  # type: ignore[attr-defined]
    for number, page in enumerate(pages):
        found.seek(number)
        assert np.array_equal(np.asarray(found), np.asarray(page))
    assert suffix_of(Photograph(tmp_path / "a.tif"), Path("out/a.jpg")) == Path("out/a.tif")
    assert suffix_of(Photograph(tmp_path / "a.tif"), Path("out/a")) == Path("out/a.tif")


def test_an_animation_keeps_its_timing(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (40 * k, 0, 255 - 40 * k)) for k in range(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[100, 200, 300, 400], loop=0)
    found = again(tmp_path / "a.gif", tmp_path / "b.gif")
    times = []
    for number in range(found.n_frames):  # type: ignore[attr-defined]
        found.seek(number)
        times.append(found.info["duration"])
    assert (times, found.info["loop"]) == ([100, 200, 300, 400], 0)


def test_jpegs_keep_profile_resolution_and_exif_and_come_out_upright(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"  # to be turned by a quarter; its maker
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16] = 255
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95, dpi=(300, 300), icc_profile=profile, exif=exif)
    found = again(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert (found.size, found.format, found.info["dpi"], found.info["icc_profile"]) == (
        (16, 32),
        "JPEG",
        (300, 300),
        profile,
    )
    assert (found.getexif()[0x010F], found.getexif().get(0x0112, 1)) == ("a camera", 1)
    assert np.asarray(found)[4, 8].min() > 250  # the white half is on top
    assert np.asarray(found)[28, 8].max() < 5


def test_texts_of_a_png_stay(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    Image.new("L", (4, 4)).save(tmp_path / "a.png", pnginfo=text)
    assert again(tmp_path / "a.png", tmp_path / "b.png").text["Author"] == "somebody"  # type: ignore[attr-defined]


def test_palettes_become_colors_and_transparency_is_carried_over(tmp_path: Path) -> None:
    picture = Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)).quantize(16)
    picture.save(tmp_path / "a.png", transparency=3)
    found = again(tmp_path / "a.png", tmp_path / "b.png")
    assert found.mode == "RGBA"
    assert np.array_equal(np.asarray(found)[..., 3] == 0, np.asarray(picture) == 3)


def test_pixels_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(Unreadable, match="holds NaN or infinite pixels"):
        list(Photograph(tmp_path / "a.tif").frames())


DEEP = RNG.integers(0, 65536, (3, 9, 11, 12)).astype(np.uint16)  # pages of twelve bands


@pytest.mark.parametrize(
    "pages",
    [DEEP, DEEP[..., :4], DEEP[..., :3], DEEP[..., :2], (DEEP[..., :3] / 100 - 300).astype(np.float32),
     DEEP.astype(np.float32)[..., 0], DEEP.astype(np.uint8)[..., :5]],
    ids=["12 bands", "4 bands", "color", "2 bands", "float color", "float", "5 bands of bytes"],
)  # fmt: skip
def test_tiffs_of_any_depth_and_bands_come_back_with_their_pages(tmp_path: Path, pages: np.ndarray) -> None:
    color = pages.ndim == 4 and pages.shape[-1] == 3
    about = {"extrasamples": ["unspecified"] * (pages.shape[-1] - 1)} if pages.ndim == 4 and not color else {}
    about |= {"resolution": (300, 300), "resolutionunit": 2, "description": "a microscope", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="rgb" if color else "minisblack", **about)
    photograph = Photograph(tmp_path / "a.tif")
    photograph.save(list(photograph.frames()), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as found:
        np.testing.assert_array_equal(np.stack([page.asarray() for page in found.pages]), pages)
        tags = found.pages[0].tags
        assert tags["XResolution"].value[0] / tags["XResolution"].value[1] == 300
        assert pages.ndim == 3 or tags["ImageDescription"].value == "a microscope"
    assert suffix_of(photograph, tmp_path / "b.jpg").suffix == ".tif"


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_deep_pngs_come_back_with_their_bits_and_metadata(tmp_path: Path, bands: int) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    Image.new("L", (4, 4)).save(tmp_path / "small.png", pnginfo=text, dpi=(300, 300))
    source, made = (
        (tmp_path / "small.png").read_bytes(),
        imagecodecs.png_encode(np.ascontiguousarray(DEEP[0][..., :bands])),
    )
    (tmp_path / "a.png").write_bytes(made[:33] + source[33 : source.index(b"IDAT") - 4] + made[33:])
    photograph = Photograph(tmp_path / "a.png")
    photograph.save(list(photograph.frames()), tmp_path / "b.png")
    np.testing.assert_array_equal(imagecodecs.png_decode((tmp_path / "b.png").read_bytes()), DEEP[0][..., :bands])
    with Image.open(tmp_path / "b.png") as found:
        assert (found.info["Author"], round(found.info["dpi"][0])) == ("somebody", 300)


def test_jpeg_2000_comes_back_as_it_was(tmp_path: Path) -> None:
    for name, pixels in (("deep", DEEP[0][..., :3].copy()), ("bytes", (DEEP[0][..., :3] >> 8).astype(np.uint8))):
        (tmp_path / f"{name}.jp2").write_bytes(imagecodecs.jpeg2k_encode(pixels, level=0))
        photograph = Photograph(tmp_path / f"{name}.jp2")
        photograph.save(list(photograph.frames()), tmp_path / f"{name}-2.jp2")
        found = imagecodecs.jpeg2k_decode((tmp_path / f"{name}-2.jp2").read_bytes())
        np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize(
    ("pixels", "wanted", "written"),
    [
        (np.zeros((4, 4), np.uint16), "a.jpg", "a.png"),
        (np.zeros((4, 4, 4), np.uint8), "a.jpg", "a.png"),
        (np.zeros((4, 4, 2), np.uint8), "a.bmp", "a.png"),
        (np.zeros((4, 4, 4), np.uint8), "a.tif", "a.tif"),
        (np.zeros((4, 4, 3), np.uint8), "a.jpg", "a.jpg"),
    ],
)
def test_depth_and_transparency_are_never_dropped_for_a_suffix(
    pixels: np.ndarray, wanted: str, written: str, tmp_path: Path
) -> None:
    Image.fromarray(pixels).save(tmp_path / "in.png")
    target = suffix_of(Photograph(tmp_path / "in.png"), tmp_path / wanted)
    assert target == tmp_path / written
    found = again(tmp_path / "in.png", target)
    assert np.asarray(found).shape == pixels.shape
    assert np.asarray(found).dtype == pixels.dtype


def test_a_stack_is_parsed_once_however_many_pages_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = RNG.integers(0, 65536, (9, 4, 5, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="rgb")
    opened, real = [], tifffile.TiffFile
    monkeypatch.setattr(tifffile, "TiffFile", lambda *given: opened.append(given) or real(*given))
    photograph = Photograph(tmp_path / "a.tif")
    frames = list(photograph.frames())
    photograph.save(frames, tmp_path / "b.tif")
    assert len(opened) == 3  # its header, its pages, and what is said beside them
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), pages)


def test_pictures_in_inks_stay_so_and_a_profile_of_other_colors_is_not_carried_over(tmp_path: Path) -> None:
    inks = RNG.integers(0, 200, (16, 24, 4), dtype=np.uint8)
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = b"CMYK"
    picture = Image.fromarray(inks, mode="CMYK")
    picture.save(tmp_path / "a.tif", icc_profile=bytes(profile))
    found = again(tmp_path / "a.tif", tmp_path / "b.tif")
    assert found.mode == "CMYK"
    assert found.info["icc_profile"] == bytes(profile)
    np.testing.assert_array_equal(np.asarray(found)[..., 3], inks[..., 3])
    # red, green and blue are rounded to bytes, and divided by as little as 55 of 255, what the black leaves
    assert np.abs(np.asarray(found).astype(int) - inks).max() <= 3
    np.testing.assert_allclose(np.asarray(found.convert("RGB")), np.asarray(picture.convert("RGB")), atol=1)
    as_colors = again(tmp_path / "a.tif", tmp_path / "c.png")
    assert as_colors.mode == "RGB"
    assert "icc_profile" not in as_colors.info


def test_an_empty_file_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(Unreadable, match=r"is empty \(0 bytes\)"):
        Photograph(tmp_path / "a.png")
