"""Images to files: read back with Pillow or tifffile, never outside the folder, never half."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.images.image_folder import read_images
from isthmus.data.images.saving import save_image, save_images
from isthmus.errors import DataError, ResourceError

RNG = np.random.default_rng(0)


def pixels(channels: int, dtype: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, (channels, 5, 7), dtype=dtype)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_every_number_of_channels_comes_back(tmp_path: Path, channels: int, suffix: str) -> None:
    image = pixels(channels)
    path = save_image(tmp_path / f"a{suffix}", image, alpha=channels in (2, 4))
    assert path.name == f"a{suffix}"
    found = np.asarray(Image.open(path))
    np.testing.assert_array_equal(
        found if channels == 1 else found.transpose(2, 0, 1), image.squeeze(0) if channels == 1 else image
    )


@pytest.mark.parametrize(("suffix", "channels"), [(".bmp", 1), (".bmp", 3), (".webp", 3)])
def test_other_lossless_formats(tmp_path: Path, suffix: str, channels: int) -> None:
    image = pixels(channels)
    path = save_image(tmp_path / f"a{suffix}", image)
    assert path.suffix == suffix
    np.testing.assert_array_equal(read_images(path, DataConfig()).x[0], image)


@pytest.mark.parametrize(
    ("name", "channels", "dtype", "expected"),
    [
        ("a.jpg", 1, np.uint8, "a.png"),  # lossy
        ("a.gif", 3, np.uint8, "a.png"),  # 256 colors
        ("a.webp", 1, np.uint8, "a.png"),  # WebP knows no gray
        ("a.bmp", 1, np.uint16, "a.png"),
        ("a", 1, np.uint8, "a.png"),
        ("v1.2", 1, np.uint8, "v1.2.png"),  # not a file type
        ("film.gif#3", 1, np.uint8, "film.gif#3.png"),
    ],
)
def test_what_would_lose_something_becomes_png(
    tmp_path: Path, name: str, channels: int, dtype: type, expected: str
) -> None:
    path = save_image(tmp_path / name, pixels(channels, dtype))
    assert path.name == expected
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fault_128_a_further_band_is_not_taken_for_transparency(tmp_path: Path, channels: int, dtype: type) -> None:
    image = pixels(channels, dtype)
    bands, seen = save_image(tmp_path / "a.png", image), save_image(tmp_path / "b.bmp", image, alpha=True)
    assert (bands.name, seen.name) == ("a.tif", "b.png")
    with tifffile.TiffFile(bands) as file:
        assert not {1, 2} & set(file.pages[0].extrasamples)
        np.testing.assert_array_equal(file.asarray(), image.transpose(1, 2, 0))
    np.testing.assert_array_equal(imagecodecs.png_decode(seen.read_bytes()), image.transpose(1, 2, 0))


def test_sixteen_bit_gray_stays(tmp_path: Path) -> None:
    image = pixels(1, np.uint16)
    np.testing.assert_array_equal(np.asarray(Image.open(save_image(tmp_path / "a.png", image))), image[0])
    np.testing.assert_array_equal(tifffile.imread(save_image(tmp_path / "a.tif", image)), image[0])


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_color_keeps_its_bits(tmp_path: Path, name: str) -> None:
    image = pixels(3, np.uint16)
    (path,) = save_images(tmp_path, image[None], [name]).paths
    found = tifffile.imread(path) if name == "a.tif" else imagecodecs.png_decode(path.read_bytes())
    np.testing.assert_array_equal(found, image.transpose(1, 2, 0))


def test_bands_and_floats_on_a_scale_of_their_own_become_tiffs(tmp_path: Path) -> None:
    bands, values = pixels(5, np.uint16), (pixels(1).astype(np.float32) - 1000) / 3
    saved = save_images(tmp_path, [bands, values], ["a.png", "b.npy"], own_scale=True)
    assert [path.name for path in saved.paths] == ["a.tif", "b.npy.tif"]
    np.testing.assert_array_equal(tifffile.imread(saved.paths[0]), bands.transpose(1, 2, 0))
    np.testing.assert_array_equal(tifffile.imread(saved.paths[1]), values[0])


def test_floats_are_rounded_and_cut(tmp_path: Path) -> None:
    image = np.array([[[0.0, 1.0, 0.5, -0.3, 1.7, 0.2]]], dtype=np.float32)
    found = np.asarray(Image.open(save_image(tmp_path / "a.png", image)))
    assert found.tolist() == [[0, 255, 128, 0, 255, 51]]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"an array of shape \(4, 4\) is not an image"),
        (np.full((1, 2, 2), np.nan), "holds NaN or infinite pixels"),
        (np.zeros((1, 2, 2), np.int64), "pixels of type int64 cannot be saved"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, image: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        save_image(tmp_path / "a.png", image)
    assert list(tmp_path.iterdir()) == []


def test_fault_74_names_stay_in_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = [
        "../../up.png",
        "/abs.png",
        "a/../../b.png",
        "..\\win.png",
        "C:\\x\\y.png",
        "nul\0.png",
        "..",
        "",
        "sub/ok.png",
    ]
    saved = save_images(out, np.stack([pixels(1)] * len(names)), names)
    assert all(path.resolve().is_relative_to(out.resolve()) for path in saved.paths)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    below = [path.relative_to(out).as_posix() for path in saved.paths]
    assert below == [
        "up.png", "abs.png", "a/b.png", "win.png", "x/y.png", "nul_.png", "unnamed.png", "unnamed-2.png", "sub/ok.png",
    ]  # fmt: skip


def test_fault_80_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "cats").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResourceError, match="would be outside"):
        save_images(tmp_path / "out", pixels(1)[None], ["cats/1.png"])
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_names_that_meet_get_numbers(tmp_path: Path) -> None:
    images = np.stack([pixels(1) for _ in range(4)])
    saved = save_images(tmp_path, images, ["a.jpg", "a.png", "A.png", "b/a.png"])
    assert [path.relative_to(tmp_path).as_posix() for path in saved.paths] == ["a.png", "a-2.png", "A-3.png", "b/a.png"]
    assert saved.notes == ("3 of 4 images are saved under another name or format, e.g. a.jpg as a.png.",)
    for path, image in zip(saved.paths, images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), image[0])


def test_fault_66_names_make_the_round_trip(tmp_path: Path) -> None:
    names = ["a 'b' \"c\".png", "line\nbreak.png", "ünï 猫/ö.png", "x" * 190 + ".png"]
    images = np.stack([pixels(3) for _ in names])
    saved = save_images(tmp_path, images, names)
    assert saved.notes == ()
    samples = read_images(tmp_path, DataConfig())
    order = [names.index(name) for name in samples.ids or ()]
    np.testing.assert_array_equal(samples.x, images[order])


def test_row_numbers_become_names(tmp_path: Path) -> None:
    saved = save_images(tmp_path, np.stack([pixels(1)] * 2), ["0", "17"])
    assert [path.name for path in saved.paths] == ["0.png", "17.png"]
    assert saved.notes == ()


def test_fault_52_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_image(tmp_path / "a.png", pixels(1))
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        save_image(path, pixels(1))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_fault_171_floats_in_a_tiff_stay_floats(name: str, channels: int, tmp_path: Path) -> None:
    image = np.linspace(-0.1, 1.1, channels * 20, dtype=np.float32).reshape(channels, 4, 5)
    (path,) = save_images(tmp_path, image[None], [name]).paths
    assert path.name == name
    found = tifffile.imread(path)
    assert found.dtype == np.float32
    expected = np.clip(image, 0, 1)
    assert np.array_equal(
        found if channels == 1 else np.moveaxis(found, -1, 0), expected[0] if channels == 1 else expected
    )


def test_floats_in_a_png_have_8_bits(tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.png", np.full((1, 4, 5), 0.5, np.float32))
    assert set(np.asarray(Image.open(path)).ravel().tolist()) == {128}  # 127.5, rounded to even
