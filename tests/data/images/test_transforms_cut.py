from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.images.image_folder import read_images, samples_from_pictures
from isthmus.data.images.transforms import Cut, conform, cut_of, cut_samples
from isthmus.data.samples import Samples
from isthmus.data.whole_samples import piece_name
from isthmus.errors import DataError, UsageError

RNG = np.random.default_rng(0)


def save(folder: Path, **sizes: tuple[int, int]) -> dict[str, np.ndarray]:
    """Gray PNGs of these sizes, and what they hold."""
    made = {name: RNG.integers(0, 256, size, dtype=np.uint8) for name, size in sizes.items()}
    for name, pixels in made.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return made


@pytest.mark.parametrize(
    ("cut", "size", "corners"),
    [
        (Cut((4, 4), False), (4, 4), [(0, 0)]),
        (Cut((4, 4), False), (9, 6), [(2, 1)]),
        (Cut((4, 4), False), (3, 9), []),
        (Cut((4, 3), True), (9, 6), [(0, 0), (0, 3), (4, 0), (4, 3)]),
        (Cut((4, 4), True), (11, 5), [(1, 0), (5, 0)]),  # three rows are left: one above, two below
        (Cut((4, 4), True), (3, 3), []),
    ],
)
def test_corners_lie_in_the_middle(cut: Cut, size: tuple[int, int], corners: list) -> None:
    assert cut.corners(*size) == corners
    assert (cut.why_not(*size) is None) == bool(corners)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": "8", "patches": "8"}, "--crop 8 and --patches 8 were both given"),
        ({"crop": "8x"}, "'8x' is not an image size"),
        (
            {"crop": "64", "resize": "32x80"},
            "after --resize 32x80, every image has 32 x 80 pixels .* --crop 64x64 needs",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused_before_anything_is_read(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cut_of(DataConfig(**options))
    assert cut_of(DataConfig()) is None


def test_fault_36_the_middle_of_images_of_mixed_sizes(tmp_path: Path) -> None:
    made = save(tmp_path, a=(6, 8), b=(5, 5), c=(4, 9))
    found = read_images(tmp_path, DataConfig(crop="4x5"))
    expected = [made["a"][1:5, 1:6], made["b"][0:4, 0:5], made["c"][0:4, 2:7]]
    np.testing.assert_array_equal(found.x[:, 0], expected)
    assert (found.ids, found.groups, found.cut) == (("a.png", "b.png", "c.png"), None, "--crop 4x5")
    assert f"{tmp_path.name}: every image is cropped to its center, 4 x 5 pixels (height x width)." in found.notes


def test_fault_36_images_of_mixed_sizes_in_pieces(tmp_path: Path) -> None:
    made = save(tmp_path, a=(8, 5), b=(4, 8))
    found = read_images(tmp_path, DataConfig(patches="4"))
    a, b = made["a"], made["b"]
    np.testing.assert_array_equal(found.x[:, 0], [a[0:4, 0:4], a[4:8, 0:4], b[:, 0:4], b[:, 4:8]])
    assert found.ids == ("a_0_0.png", "a_4_0.png", "b_0_0.png", "b_0_4.png")
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0, 1, 1]
    assert any("2 images cut into 4 pieces of 4 x 4 pixels" in note for note in found.notes)


def test_labels_go_to_every_piece(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        save(tmp_path / name, x=(8, 8), y=(4, 4))
    found = read_images(tmp_path, DataConfig(patches="4"))
    assert found.labels is not None
    assert [found.classes[k] for k in found.labels] == ["cats"] * 5 + ["dogs"] * 5
    assert found.ids is not None
    assert found.ids[3] == "cats/x_4_4.png"


def test_resizing_comes_first(tmp_path: Path) -> None:
    save(tmp_path, a=(30, 20), b=(16, 16))
    resized = read_images(tmp_path, DataConfig(resize="12x10")).x
    found = read_images(tmp_path, DataConfig(resize="12x10", crop="6x4"))
    np.testing.assert_array_equal(found.x, resized[:, :, 3:9, 3:7])
    assert conform(found, DataConfig(resize="12x10", crop="6x4")) is found  # not once more


def test_images_that_are_too_small_are_named_and_can_be_left_out(tmp_path: Path) -> None:
    save(tmp_path, a=(8, 8), small=(3, 8), b=(9, 9))
    with pytest.raises(DataError, match=r"1 of 3 files under .* cannot be read as images") as caught:
        read_images(tmp_path, DataConfig(crop="4"))
    told = "small.png has 3 x 8 pixels (height x width), fewer than --crop 4x4 needs"
    assert caught.value.problems == (told,)
    left = read_images(tmp_path, DataConfig(crop="4", skip_bad_files=True))
    assert (left.ids, left.skipped) == (("a.png", "b.png"), (told,))


@pytest.mark.parametrize("skip_bad_files", [False, True])
def test_fault_a_cut_that_no_image_is_large_enough_for_is_refused_with_one_that_fits(
    tmp_path: Path, skip_bad_files: bool
) -> None:
    save(tmp_path, a=(8, 6), b=(7, 9))
    with pytest.raises(DataError, match="2 of 2 files") as caught:
        read_images(tmp_path, DataConfig(patches="10x8", skip_bad_files=skip_bad_files))
    assert caught.value.fix == "pass --patches 7x6, which fits every image, or use larger images"
    assert len(read_images(tmp_path, DataConfig(patches="7x6"))) == 2


@pytest.mark.parametrize("options", [{"crop": "4x6"}, {"patches": "4x6"}])
def test_arrays_and_pictures_are_cut_as_files_are(tmp_path: Path, options: dict) -> None:
    made = np.stack(list(save(tmp_path, a=(9, 13), b=(9, 13)).values()))
    from_files = read_images(tmp_path, DataConfig(**options))
    labels = np.array([1, 0])
    from_array = conform(Samples(made[:, None], "x", labels=labels, classes=("p", "q")), DataConfig(**options))
    pictures = [Image.fromarray(pixels) for pixels in made]
    from_pictures = samples_from_pictures(pictures, DataConfig(**options), name="x")
    for found in (from_array, from_pictures):
        np.testing.assert_array_equal(found.x, from_files.x)
        assert (found.groups is None) == ("crop" in options)
    if "patches" in options:
        assert (
            from_array.ids
            == from_pictures.ids
            == tuple(piece_name(str(i), corner) for i in range(2) for corner in Cut((4, 6), True).corners(9, 13))
        )
    assert from_array.labels is not None
    assert from_array.labels.tolist() == np.repeat(labels, len(from_array) // 2).tolist()
    assert conform(from_array, DataConfig(**options)) is from_array


def test_pictures_of_mixed_sizes_may_be_cropped_and_small_ones_are_named() -> None:
    pictures = [Image.fromarray(RNG.integers(0, 256, size, dtype=np.uint8)) for size in ((6, 6), (8, 5))]
    assert samples_from_pictures(pictures, DataConfig(crop="5"), name="x").x.shape == (2, 1, 5, 5)
    with pytest.raises(DataError, match=r"x: image 1 has 8 x 5 pixels .* fewer than --crop 6x6 needs"):
        samples_from_pictures(pictures, DataConfig(crop="6"), name="x")


def test_arrays_that_are_too_small_are_refused() -> None:
    samples = Samples(np.zeros((3, 1, 8, 9), np.uint8), "x")
    message = r"x: every image has 8 x 9 pixels .* fewer than --patches 16x16 needs"
    with pytest.raises(DataError, match=message) as caught:
        cut_samples(samples, Cut((16, 16), True))
    assert caught.value.fix == "pass --patches 8x9"
