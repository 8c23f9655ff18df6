"""Sets beside the training part, from one target: paired by name, or refused where the clean ones would be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.config import Config, DataConfig
from isthmus.data.pairs.targets import read_targets
from isthmus.data.samples import Bundle, Samples
from isthmus.errors import DataError
from isthmus.training.display import Quiet
from isthmus.training.prepare import read_splits

RNG = np.random.default_rng(0)


def folders(tmp_path: Path, names: dict[str, list[str]]) -> dict[str, Path]:
    """A folder of pictures of 8 x 8 pixels for each name; what a picture shows follows from its name, not so noise."""
    for folder, files in names.items():
        (tmp_path / folder).mkdir()
        for file in files:
            seed = int("".join(c for c in file if c.isdigit()))
            pixels = np.random.default_rng(seed).integers(30, 220, (8, 8))
            pixels = pixels if folder.startswith("clean") else pixels + RNG.integers(-20, 20, (8, 8))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / folder / file)
    return {folder: tmp_path / folder for folder in names}


def splits_of(found: dict[str, Path], target: str = "clean", **others: str):
    named = {role: str(found[folder]) for role, folder in others.items()}
    options = DataConfig(source=str(found["noisy"]), target=str(found[target]), **named)
    return read_splits(Config(data=options), None, Quiet())


def test_test_and_validation_find_their_clean_ones_by_name(tmp_path: Path) -> None:
    train, test, validation = ([f"{k}.png" for k in range(a, b)] for a, b in ((0, 8), (8, 11), (11, 14)))
    found = folders(tmp_path, {"noisy": train, "t": test, "v": validation, "clean": [*train, *test, *validation]})
    splits = splits_of(found, test="t", validation="v")
    for samples, names in ((splits.test, test), (splits.validation, validation)):
        assert samples.ids == tuple(names)
        for row, name in enumerate(names):
            assert np.array_equal(samples.x[row, 0], np.asarray(Image.open(found["clean"] / name)))
        assert samples.x_in is not None
    assert len(splits.train) == 8


def test_those_without_a_clean_one_are_listed(tmp_path: Path) -> None:
    train = [f"{k}.png" for k in range(8)]
    found = folders(tmp_path, {"noisy": train, "t": ["21.png", "22.png"], "clean": train})
    with pytest.raises(DataError, match="for 2 of 2 noisy images") as error:
        splits_of(found, test="t")
    assert len(error.value.problems) == 2


@pytest.mark.parametrize("role", ["test", "validation"])
def test_other_pictures_of_the_same_names_are_never_paired_with_the_clean_ones_of_the_training(
    role: str, tmp_path: Path
) -> None:
    train = [f"{k}.png" for k in range(8)]
    found = folders(tmp_path, {"noisy": train, "t": train[:4], "clean": train})
    with pytest.raises(DataError, match="4 of 4 samples have the same clean ones as the training data") as error:
        splits_of(found, **{role: "t"})
    assert "isthmus evaluate RUN NOISY --target CLEAN" in str(error.value.fix)


@pytest.mark.parametrize("n", [8, 5])
def test_arrays_beside_the_training_are_refused_whatever_their_number(n: int, tmp_path: Path) -> None:
    for name, count in (("noisy", 8), ("clean", 8), ("t", n)):
        np.save(tmp_path / f"{name}.npy", RNG.integers(0, 255, (count, 8, 8), dtype=np.uint8))
    found = {name: tmp_path / f"{name}.npy" for name in ("noisy", "clean", "t")}
    with pytest.raises(DataError, match="have no file names by which to find their clean samples"):
        splits_of(found, test="t")


def test_a_target_of_two_parts_goes_with_data_of_two_parts() -> None:
    x = RNG.random((12, 1, 4, 4)).astype(np.float32)
    bundle = Bundle(Samples(x[:8] / 2, "train"), Samples(x[8:] / 2, "test"))
    targets = read_targets(DataConfig(), {"train": x[:8], "test": x[8:]})
    assert targets is not None
    made = targets.of_bundle(bundle)
    assert made.test is not None
    assert np.array_equal(made.test.x, x[8:])
    alone = read_targets(DataConfig(), x[:8])
    assert alone is not None
    with pytest.raises(DataError, match="have no file names"):
        alone.of_bundle(bundle)
