"""Folders of images and single images: modes and sizes by Pillow's and numpy's own values; faults 33 to 42."""

from __future__ import annotations

import os
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.batching.split import split
from isthmus.data.images.image_folder import read_images, samples_from_pictures
from isthmus.data.samples import Bundle
from isthmus.errors import DataError, ResourceError, UsageError

GRAY = (np.arange(12).reshape(3, 4) * 20).astype(np.uint8)  # 0, 20 … 220
RGB = np.stack([GRAY, GRAY // 2, 255 - GRAY], axis=-1)
OPTIONS = DataConfig()
PIXELS = b"\0\0\0\1IDAT\0" + struct.pack(">I", zlib.crc32(b"IDAT\0"))  # a chunk of pixels, cut at once


def save(folder: Path, name: str, pixels: np.ndarray, **extra: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **extra)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "gif"])
def test_lossless_gray_comes_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    samples = read_images(save(tmp_path, f"a.{suffix}", GRAY), OPTIONS)
    assert samples.x.dtype == np.uint8
    assert samples.ids == (f"a.{suffix}",)
    np.testing.assert_array_equal(samples.x, GRAY[None, None])


@pytest.mark.parametrize(("suffix", "extra"), [("png", {}), ("tiff", {}), ("bmp", {}), ("webp", {"lossless": True})])
def test_lossless_color_comes_back_as_it_was(tmp_path: Path, suffix: str, extra: dict[str, object]) -> None:
    samples = read_images(save(tmp_path, f"a.{suffix}", RGB, **extra), OPTIONS)
    np.testing.assert_array_equal(samples.x[0], RGB.transpose(2, 0, 1))


def test_jpeg_is_near_what_was_saved(tmp_path: Path) -> None:
    smooth = np.full((16, 16), 130, np.uint8)
    samples = read_images(save(tmp_path, "a.jpg", smooth, quality=95), OPTIONS)
    assert abs(samples.x.astype(int) - 130).max() <= 1  # a flat block survives JPEG but for rounding


def test_folder_in_natural_order_without_labels(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        save(tmp_path, f"img{number}.png", np.full((2, 2), number, np.uint8))
    samples = read_images(tmp_path, OPTIONS)
    assert samples.ids == ("img1.png", "img2.png", "img10.png")
    assert samples.x[:, 0, 0, 0].tolist() == [1, 2, 10]
    assert samples.labels is None
    assert samples.notes == ()


def test_one_sub_folder_a_class_gives_labels(tmp_path: Path) -> None:
    for name, value in (("dogs/1.png", 1), ("cats/1.png", 2), ("cats/2.png", 3), ("class 10/x.png", 4)):
        save(tmp_path, name, np.full((2, 2), value, np.uint8))
    samples = read_images(tmp_path, OPTIONS)
    assert samples.classes == ("cats", "class 10", "dogs")
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 0, 1, 2]
    assert samples.ids == ("cats/1.png", "cats/2.png", "class 10/x.png", "dogs/1.png")


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    for number in range(70):  # more than one task of 32 files
        save(tmp_path, f"{number}.png", GRAY)
    seen: list[tuple[int, int]] = []
    read_images(tmp_path, OPTIONS, lambda done, total: seen.append((done, total)))
    assert seen == [(n, 140) for n in (32, 64, 70, 102, 134, 140)]


def test_fault_33_truncated_images_are_all_listed(tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for number in range(14):
        save(tmp_path, f"{number}.png", noisy)
    for number in range(12):
        path = tmp_path / f"{number}.png"
        path.write_bytes(path.read_bytes()[:1500])
    save(tmp_path, "cut.jpg", noisy)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:900])
    with pytest.raises(DataError, match="13 of 15 files under") as caught:
        read_images(tmp_path, OPTIONS)
    assert len(caught.value.problems) == 13
    assert re.match(r"0\.png is damaged or truncated: .*truncated", caught.value.problems[0])
    assert "… and 3 more" in str(caught.value)
    assert "--skip-bad-files (2 images would be left)" in (caught.value.fix or "")


def test_fault_33_skip_bad_files_keeps_the_good_ones(tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        save(tmp_path, name, noisy)
    (tmp_path / "a/2.png").write_bytes((tmp_path / "a/2.png").read_bytes()[:500])
    samples = read_images(tmp_path, DataConfig(skip_bad_files=True))
    assert samples.ids == ("a/1.png", "b/3.png")
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(samples.x, np.stack([noisy[None]] * 2))
    assert samples.notes[-1].startswith("1 file left out: a/2.png is damaged or truncated")


def test_fault_34_empty_and_foreign_files(tmp_path: Path) -> None:
    save(tmp_path, "good.png", GRAY)
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "readme.txt").write_text("words")
    (tmp_path / "drawing.png").write_text("<svg xmlns='x'/>")
    for quiet in (".DS_Store", "Thumbs.db", ".hidden.png", "desktop.ini"):
        (tmp_path / quiet).write_bytes(b"\0")
    with pytest.raises(DataError, match="4 of 5 files under") as caught:
        read_images(tmp_path, OPTIONS)
    assert caught.value.code == "DATA-FILE"
    assert caught.value.exit_code == 3
    assert caught.value.problems == (
        "drawing.png is not an image in a supported format (it is SVG)",
        "empty.png is empty (0 bytes)",
        "readme.txt is not an image in a supported format (it starts with b'words')",
        "text.png is not an image in a supported format (it starts with b'not an i')",
    )
    assert len(read_images(tmp_path, DataConfig(skip_bad_files=True))) == 1


def test_fault_34_single_bad_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.png is empty \(0 bytes\)"):
        read_images(path, DataConfig(skip_bad_files=True))


def test_fault_34_broken_link_and_pipe_do_not_hang(tmp_path: Path) -> None:
    save(tmp_path, "good.png", GRAY)
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="3 of 4 files") as caught:
        read_images(tmp_path, OPTIONS)
    assert caught.value.problems[0] == "link.png is a link to a file that does not exist"
    assert caught.value.problems[1] == "pipe.png is not a file"


@pytest.mark.parametrize("side", [17_000, 30_000])  # under and over the size at which Pillow itself refuses
def test_fault_35_bomb_is_refused_from_its_header(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    header = struct.pack(">4sIIBBBBB", b"IHDR", side, side, 8, 0, 0, 0, 0)  # 8-bit gray; the pixels need not be there
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + PIXELS
    )
    with pytest.raises(DataError, match=r"declares .* pixels; the limit is 268,435,456 \(--max-pixels \d+ raises it\)"):
        read_images(path, OPTIONS)


def test_fault_35_the_limit_of_pixels_may_be_set(tmp_path: Path) -> None:
    path = save(tmp_path, "a.png", GRAY)
    n = GRAY.size
    assert len(read_images(path, DataConfig(max_pixels=n))) == 1
    with pytest.raises(DataError) as caught:
        read_images(path, DataConfig(max_pixels=n - 1))
    assert f"the limit is {n - 1} (--max-pixels {n} raises it)" in str(caught.value)
    assert Image.MAX_IMAGE_PIXELS == 89_478_485  # Pillow's own limit is back


def test_fault_35_only_listed_formats_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(GRAY).save(path, format="PPM")  # valid for Pillow, not on our list
    with pytest.raises(DataError, match="not an image in a supported format"):
        read_images(path, OPTIONS)


def test_fault_36_mixed_sizes_are_counted_with_examples(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path, f"{name}.png", GRAY)
    save(tmp_path, "wide.png", np.zeros((3, 9), np.uint8))
    with pytest.raises(DataError, match="images of 2 sizes") as caught:
        read_images(tmp_path, OPTIONS)
    assert caught.value.problems == ("3 x 4: 3 images, e.g. a.png, b.png", "3 x 9: 1 image, e.g. wide.png")
    assert caught.value.fix == (
        "pass --resize 3x4 to resize all to one size, --crop 3x4 to keep the center of each, or --patches 3x4 to cut "
        "each into pieces"
    )


def test_resize_brings_all_to_one_size(tmp_path: Path) -> None:
    save(tmp_path, "a.png", np.full((8, 8), 77, np.uint8))
    save(tmp_path, "b.png", np.full((20, 10), 200, np.uint8))
    samples = read_images(tmp_path, DataConfig(resize="6x5"))
    expected = np.stack([np.full((1, 6, 5), value, np.uint8) for value in (77, 200)])
    np.testing.assert_array_equal(samples.x, expected)  # a flat image stays flat at every size
    assert samples.notes == ("2 images resized to 6 x 5 pixels (height x width); this distorts them.",)


def test_resize_keeps_16_bits_and_equals_pillow(tmp_path: Path) -> None:
    wide = np.random.default_rng(1).integers(0, 65536, (12, 12)).astype(np.uint16)
    path = save(tmp_path, "a.png", wide)
    samples = read_images(path, DataConfig(resize="7"))
    floats = np.asarray(Image.fromarray(wide.astype(np.float32)).resize((7, 7), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(samples.x[0, 0], floats.clip(0, 65535).round().astype(np.uint16))


def test_resize_text_is_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'big' is not an image size"):
        read_images(save(tmp_path, "a.png", GRAY), DataConfig(resize="big"))


def test_fault_37_sixteen_bits_are_kept(tmp_path: Path) -> None:
    wide = GRAY.astype(np.uint16) * 200  # up to 44,000: Pillow's convert("L") would saturate it
    for name in ("a.png", "b.tif"):
        save(tmp_path, name, wide)
    samples = read_images(tmp_path, OPTIONS)
    assert samples.x.dtype == np.uint16
    np.testing.assert_array_equal(samples.x[:, 0], np.stack([wide, wide]))
    assert samples.notes == ()


def test_fault_37_eight_and_sixteen_bits_are_scaled_by_range(tmp_path: Path) -> None:
    save(tmp_path, "8.png", np.full((2, 2), 255, np.uint8))
    save(tmp_path, "16.png", np.full((2, 2), 65535, np.uint16))
    samples = read_images(tmp_path, OPTIONS)
    assert samples.x.dtype == np.uint16
    assert (samples.x == 65535).all()
    assert samples.notes == ("Images by mode: 1 gray, 1 16-bit gray; all are read as 16-bit gray, scaled by range.",)


def test_fault_37_sixteen_bit_color_keeps_sixteen_bits(tmp_path: Path) -> None:
    deep = RGB.astype(np.uint16) * 257 + 3
    tifffile.imwrite(tmp_path / "a.tif", deep)
    (tmp_path / "b.png").write_bytes(imagecodecs.png_encode(deep))
    samples = read_images(tmp_path, OPTIONS)
    np.testing.assert_array_equal(samples.x, np.stack([deep.transpose(2, 0, 1)] * 2))
    assert samples.x.dtype == np.uint16


def test_fault_37_gray_and_color_become_color_or_gray(tmp_path: Path) -> None:
    save(tmp_path, "gray.png", GRAY)
    save(tmp_path, "rgb.png", RGB)
    samples = read_images(tmp_path, OPTIONS)
    np.testing.assert_array_equal(samples.x[0], np.stack([GRAY] * 3))
    np.testing.assert_array_equal(samples.x[1], RGB.transpose(2, 0, 1))
    assert samples.notes == ("Images by mode: 1 gray, 1 RGB; all are read as RGB.",)
    gray = read_images(tmp_path, DataConfig(gray=True))
    luma = RGB @ np.array([0.299, 0.587, 0.114])  # ITU-R 601
    assert abs(gray.x[1, 0] - luma).max() <= 0.51  # rounding of fixed-point weights


def test_fault_37_one_bit_palette_and_cmyk(tmp_path: Path) -> None:
    bits = GRAY > 100
    save(tmp_path / "bit", "a.png", bits)
    np.testing.assert_array_equal(read_images(tmp_path / "bit", OPTIONS).x[0, 0], bits * np.uint8(255))
    Image.fromarray(GRAY).convert("P").save(tmp_path / "palette of grays.png")
    np.testing.assert_array_equal(read_images(tmp_path / "palette of grays.png", OPTIONS).x[0, 0], GRAY)
    Image.fromarray(RGB).quantize(12).save(tmp_path / "palette.png")
    samples = read_images(tmp_path / "palette.png", OPTIONS)
    np.testing.assert_array_equal(samples.x[0], RGB.transpose(2, 0, 1))  # twelve colors fit the palette
    Image.new("CMYK", (2, 2), (255, 0, 0, 0)).save(tmp_path / "cmyk.tif")
    assert read_images(tmp_path / "cmyk.tif", OPTIONS).x[0, :, 0, 0].tolist() == [0, 255, 255]  # cyan


@pytest.mark.parametrize(
    ("alpha", "expected"), [("auto", (255, 127, 127)), ("white", (255, 127, 127)), ("black", (128, 0, 0))]
)
def test_fault_37_transparency_is_laid_on_a_color(tmp_path: Path, alpha: str, expected: tuple[int, ...]) -> None:
    Image.new("RGBA", (2, 2), (255, 0, 0, 128)).save(tmp_path / "a.png")
    samples = read_images(tmp_path, DataConfig(alpha=alpha))  # type: ignore[arg-type]
    assert samples.x.shape == (1, 3, 2, 2)
    assert samples.x[0, :, 0, 0].tolist() == list(expected)
    assert "1 image with transparency" in samples.notes[-1]


def test_fault_37_transparency_is_kept_by_choice(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (255, 0, 9, 128)).save(tmp_path / "a.png")
    save(tmp_path, "b.png", np.full((2, 2), 7, np.uint8))
    samples = read_images(tmp_path, DataConfig(alpha="keep"))
    assert samples.x[:, :, 0, 0].tolist() == [[255, 0, 9, 128], [7, 7, 7, 255]]


def test_fault_37_transparent_color_of_a_palette(tmp_path: Path) -> None:
    picture = Image.fromarray(GRAY).convert("P")
    picture.save(tmp_path / "a.png", transparency=0)  # the first pixel is index 0
    assert read_images(tmp_path, OPTIONS).x[0, :, 0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_fault_38_exif_rotation_is_applied(tmp_path: Path, suffix: str, turn: int) -> None:
    # Source: EXIF 2.32, tag 0x0112: where row 0 and column 0 of the file belong in the upright image
    upright = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: np.transpose,
               6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).T, 8: np.rot90}[turn]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = turn
    extra = {"lossless": True} if suffix == "webp" else {}
    samples = read_images(save(tmp_path, f"a.{suffix}", GRAY, exif=exif, **extra), OPTIONS)
    np.testing.assert_array_equal(samples.x[0, 0], upright(GRAY))
    assert any("EXIF" in note for note in samples.notes) == (turn > 1)


def test_fault_38_frames_first_or_all(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((2, 3), value, np.uint8)) for value in (10, 20, 30)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    save(tmp_path, "b.png", np.full((2, 3), 40, np.uint8))
    first = read_images(tmp_path, OPTIONS)
    assert first.x[:, 0, 0, 0].tolist() == [10, 40]
    assert first.notes == (
        "1 file with several frames or pages; only the first is read (--frames all reads every one).",
    )
    every = read_images(tmp_path, DataConfig(frames="all"))
    assert every.x[:, 0, 0, 0].tolist() == [10, 20, 30, 40]
    assert every.ids == ("a.tif#0", "a.tif#1", "a.tif#2", "b.png")


def test_fault_91_frames_of_one_file_belong_together(tmp_path: Path) -> None:
    for number in range(12):
        pages = [Image.fromarray(np.full((2, 3), 20 * number + page, np.uint8)) for page in range(5)]
        pages[0].save(tmp_path / f"{number:02}.tif", save_all=True, append_images=pages[1:])
    every = read_images(tmp_path, DataConfig(frames="all"))
    assert every.groups is not None
    assert every.groups.tolist() == np.repeat(np.arange(12), 5).tolist()
    splits = split(Bundle(every), seed=0)
    parts = [set(part.groups.tolist()) for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 12
    assert read_images(tmp_path, OPTIONS).groups is None  # a frame a file
    for path in sorted(tmp_path.iterdir())[1:]:
        path.unlink()
    assert read_images(tmp_path, DataConfig(frames="all")).groups is None  # the frames are all that there is


def test_fault_38_animated_gif(tmp_path: Path) -> None:
    colors = [(255, 0, 0), (0, 255, 0)]
    frames = [Image.new("RGB", (4, 4), color) for color in colors]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_images(tmp_path, DataConfig(frames="all")).x[:, :, 0, 0].tolist() == [list(c) for c in colors]


def test_fault_39_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / ".DS_Store").touch()
    with pytest.raises(DataError, match=r"0 images under .* \(looked for \.bmp, .*\.png.*\.webp\)"):
        read_images(tmp_path, OPTIONS)
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(DataError, match="0 images under") as caught:
        read_images(tmp_path, OPTIONS)
    assert caught.value.problems[0].startswith("notes.txt is not an image")


def test_fault_39_nested_folders_are_stated(tmp_path: Path) -> None:
    save(tmp_path, "cats/young/1.png", GRAY)
    save(tmp_path, "dogs/2.png", GRAY)
    samples = read_images(tmp_path, OPTIONS)
    assert samples.classes == ("cats", "dogs")
    assert samples.notes == ("Files are nested up to 2 folders deep; the first sub-folder is the class.",)


def test_fault_39_images_beside_sub_folders_make_no_classes(tmp_path: Path) -> None:
    for name in ("cats/1.png", "dogs/2.png", "3.png"):
        save(tmp_path, name, GRAY)
    samples = read_images(tmp_path, OPTIONS)
    assert samples.labels is None
    assert samples.notes == ("1 image found next to the sub-folders, so these are not used as classes.",)


def test_fault_39_a_text_beside_sub_folders_takes_no_class_away(tmp_path: Path) -> None:
    for name in ("cats/1.png", "dogs/2.png"):
        save(tmp_path, name, GRAY)
    (tmp_path / "readme.txt").write_text("two animals")
    samples = read_images(tmp_path, replace(OPTIONS, skip_bad_files=True))
    assert samples.labels is not None
    assert (samples.classes, samples.labels.tolist()) == (("cats", "dogs"), [0, 1])


def test_fault_39_symlink_loop_is_left(tmp_path: Path) -> None:
    save(tmp_path, "cats/1.png", GRAY)
    save(tmp_path, "dogs/1.png", GRAY)
    (tmp_path / "cats" / "again").symlink_to(tmp_path)
    (tmp_path / "more").symlink_to(tmp_path / "dogs")  # no loop: read as it stands
    samples = read_images(tmp_path, OPTIONS)
    assert samples.ids == ("cats/1.png", "dogs/1.png", "more/1.png")
    assert samples.notes == ("The link cats/again points back to a folder above it and is not followed.",)


def test_fault_41_names_that_differ_only_by_case_are_told(tmp_path: Path) -> None:
    save(tmp_path, "A.png", GRAY)
    save(tmp_path, "a.png", GRAY)
    samples = read_images(tmp_path, OPTIONS)
    if len(samples) == 2:  # a file system that keeps them apart
        assert samples.notes == ("2 file names differ only in upper and lower case, e.g. A.png, a.png.",)


def test_fault_42_float_image_outside_its_range(tmp_path: Path) -> None:
    pixels = GRAY.astype(np.float32) - 1000
    path = save(tmp_path, "a.tif", pixels)
    np.testing.assert_array_equal(read_images(path, OPTIONS).x[0, 0], pixels)
    with pytest.raises(DataError, match=r"has values from -1000 to -780; float images must stay within 0 to 1"):
        read_images(path, DataConfig(range="type"))
    gap = save(tmp_path, "b.tif", np.full((2, 2), np.nan, np.float32))
    with pytest.raises(DataError, match="holds NaN or infinite pixels"):
        read_images(gap, OPTIONS)


def test_float_image_in_range_is_kept(tmp_path: Path) -> None:
    path = save(tmp_path, "a.tif", GRAY.astype(np.float32) / 255)
    samples = read_images(path, OPTIONS)
    assert samples.x.dtype == np.float32
    np.testing.assert_array_equal(samples.x[0, 0], GRAY.astype(np.float32) / 255)


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no quotes, line breaks or broken bytes in names")
def test_fault_66_names_of_all_kinds(tmp_path: Path) -> None:
    names = ['a "quoted" name.png', "line\nbreak.png", "ünïcödé 猫.png", "x" * 250 + ".png"]
    for name in names:
        save(tmp_path, name, GRAY)
    raw = os.fsencode(tmp_path) + b"/bad\xff.png"
    with open(raw, "wb") as file:
        Image.fromarray(GRAY).save(file, format="PNG")
    (tmp_path / "empty\n.png").touch()
    with pytest.raises(DataError, match="1 of 6 files") as caught:
        read_images(tmp_path, OPTIONS)
    assert caught.value.problems == (r"empty\n.png is empty (0 bytes)",)
    samples = read_images(tmp_path, DataConfig(skip_bad_files=True))
    assert set(samples.ids or ()) == {*names, "bad%FF.png"}
    assert "".join(samples.ids or ()).encode("utf-8")  # they can be written to any table


def test_memory_is_checked_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.system.memory.available_bytes", lambda: 10)
    monkeypatch.setattr("isthmus.system.scratch.kind_of_disk", lambda folder: "tmpfs")  # which is memory too
    with pytest.raises(Exception, match="needs 12 bytes, but only 8 bytes of memory may be used") as caught:
        read_images(save(tmp_path, "a.png", GRAY), OPTIONS)
    assert caught.value.exit_code == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_fault_33_no_cut_and_no_flipped_byte_does_worse_than_an_error(tmp_path: Path, kind: str, harm: str) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path, kind)
    whole = path.read_bytes()
    outcomes = set()
    for at in range(1, len(whole), max(1, len(whole) // 100)):
        path.write_bytes(whole[:at] if harm == "cut" else whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            outcomes.add(read_images(path, OPTIONS).x.ndim)
        except DataError as error:
            outcomes.add(error.code)
        except ResourceError as error:  # a flipped byte may claim a size beyond the memory
            outcomes.add(error.code)
    assert outcomes <= {4, "DATA-FILE", "RESOURCE-MEMORY"}
    assert "DATA-FILE" in outcomes


def test_open_pictures_become_samples() -> None:
    samples = samples_from_pictures([Image.fromarray(GRAY), Image.fromarray(RGB)], OPTIONS, name="list")
    np.testing.assert_array_equal(samples.x, np.stack([np.stack([GRAY] * 3), RGB.transpose(2, 0, 1)]))
    assert samples.notes == ("Images by mode: 1 gray, 1 RGB; all are read as RGB.",)
