"""Sets of whole images whose pieces are of different sizes are cut again, each keeping its labels and its images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.batching.split import split
from isthmus.data.pairs.pairing import paired
from isthmus.data.read import read, read_samples
from isthmus.errors import DataError

WHOLE = DataConfig(whole=True)


def folder(path: Path, sizes: list[tuple[int, int]], seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for i, size in enumerate(sizes):
        place = path / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(place / f"{i}.png")
    return path


def test_test_images_of_other_sizes_are_cut_like_the_training_images(tmp_path: Path) -> None:
    train = read(folder(tmp_path / "train", [(100, 120)] * 12, 0), WHOLE)
    test = read_samples(folder(tmp_path / "test", [(64, 90), (70, 65)], 1), WHOLE)
    assert (train.train.shape, test.shape) == ((1, 100, 100), (1, 64, 64))
    splits = split(train, seed=0, test=test)
    assert {splits.train.shape, splits.validation.shape, splits.test.shape} == {(1, 64, 64)}
    for part in (splits.train, splits.validation, splits.test):
        assert part.whole is not None
        assert part.groups is not None
        assert part.labels is not None
        for row in range(len(part)):
            stem, top, left = part.id_of(row).removesuffix(".png").rsplit("_", 2)
            image = part.whole.image(int(part.groups[row]))
            piece = image[:, int(top) : int(top) + 64, int(left) : int(left) + 64]
            assert np.array_equal(part.x[row], piece)
            assert part.whole.names[int(part.groups[row])] == f"{stem}.png"
            assert part.classes[part.labels[row]] == stem[0]
    assert splits.train.notes[-1].endswith("pieces of 64 x 64 pixels.")


def test_a_folder_of_train_and_test_is_one_set_of_data(tmp_path: Path) -> None:
    folder(tmp_path / "d" / "train", [(80, 90)] * 6, 0)
    folder(tmp_path / "d" / "test", [(40, 50)] * 4, 1)
    splits = split(read(tmp_path / "d", WHOLE), seed=0)
    assert splits.train.shape == splits.test.shape == (1, 40, 40)
    assert len(np.unique(splits.test.groups)) == 4


def stack(path: Path, n: int, side: int, seed: int) -> np.ndarray:
    pages = np.random.default_rng(seed).integers(0, 4096, (n, side, side), dtype=np.uint16)
    tifffile.imwrite(path, pages, photometric="minisblack")
    return pages


def test_every_page_of_a_stack_is_an_image_of_its_own(tmp_path: Path) -> None:
    pages = stack(tmp_path / "a.tif", 12, 64, 0)
    samples = read_samples(tmp_path / "a.tif", replace(WHOLE, frames="all"))
    assert samples.whole is not None
    assert [samples.whole.names[0], samples.whole.names[11]] == ["a.tif#00", "a.tif#11"]
    np.testing.assert_array_equal(samples.whole.image(7)[0], pages[7])
    assert samples.groups is not None
    assert len(set(samples.groups)) == 12  # one file is all that there is
    with pytest.raises(DataError, match="has 1 sample") as error:
        read_all(tmp_path / "a.tif")
    assert "pass --frames all" in (error.value.fix or "")


def read_all(path: Path) -> None:
    split(read(path, WHOLE), seed=0)


def test_pages_of_one_file_among_others_stay_together(tmp_path: Path) -> None:
    for i in range(3):
        stack(tmp_path / f"{i}.tif", 4, 64, i)
    samples = read_samples(tmp_path, replace(WHOLE, frames="all"))
    assert samples.whole is not None
    assert samples.groups is not None
    assert len(samples.whole.names) == 12
    assert samples.groups.tolist() == [i for i in range(3) for _ in range(len(samples) // 3)]


def test_noisy_and_clean_stacks_are_pairs_page_by_page(tmp_path: Path) -> None:
    noisy, clean = stack(tmp_path / "n.tif", 6, 64, 0), stack(tmp_path / "c.tif", 6, 64, 1)
    options = replace(WHOLE, frames="all")
    pairs = paired(read_samples(tmp_path / "n.tif", options), read_samples(tmp_path / "c.tif", options))
    assert pairs.x_in is not None
    assert len(pairs) == 6
    np.testing.assert_array_equal(pairs.x_in[3, 0], noisy[3])
    np.testing.assert_array_equal(pairs.x[3, 0], clean[3])
    stack(tmp_path / "short.tif", 5, 64, 2)
    with pytest.raises(DataError, match=r"n.tif holds 6 and short.tif holds 5 pages"):
        paired(read_samples(tmp_path / "n.tif", options), read_samples(tmp_path / "short.tif", options))


def test_fault_images_that_are_all_too_small_are_refused_even_where_bad_files_are_skipped(tmp_path: Path) -> None:
    path = folder(tmp_path, [(10, 30), (30, 15)], 0)
    with pytest.raises(DataError, match="2 of 2 files") as caught:
        read(path, DataConfig(whole=True, skip_bad_files=True))
    assert caught.value.problems[0] == "a/0.png has 30 x 10 pixels; at least 16 per side are needed"
