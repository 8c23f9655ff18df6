"""Sets of whole images whose pieces are of different sizes are cut anew, each keeping its labels and its images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.batching.split import split
from isthmus.data.read import read, read_samples

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
