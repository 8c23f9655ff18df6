"""Pairs keep noisy and clean beside each other, cut alike, and never divide what shows the same scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.batching.patches import Patches
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.batching.split import split
from isthmus.data.pairs.pairing import paired
from isthmus.data.pairs.targets import read_targets
from isthmus.data.read import read
from isthmus.data.samples import Samples
from isthmus.errors import DataError
from isthmus.randomness import generator_for

WHOLE = DataConfig(whole=True)


def picture(size: tuple[int, int], seed: int, color: bool = False) -> np.ndarray:
    shape = (*size, 3) if color else size
    return np.random.default_rng(seed).integers(0, 200, shape, dtype=np.uint8)


def folders(root: Path, names: dict[str, list[str]], *, size: tuple[int, int] = (40, 40)) -> tuple[Path, Path]:
    """Clean pictures by name, each with its noisy ones, which are 30 brighter."""
    for k, (clean, noisy) in enumerate(names.items()):
        for folder, files, x in (("clean", [clean], picture(size, k)), ("noisy", noisy, picture(size, k) + 30)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            for name in files:
                Image.fromarray(x).save(root / folder / name)
    return root / "noisy", root / "clean"


def pairs_of(noisy: Path, clean: Path, options: DataConfig) -> Samples:
    found = read_targets(options, clean)
    assert found is not None
    return found.of_bundle(read(noisy, options)).train


TEN = {f"{k}_gt.png": [f"{k}_a.png", f"{k}_b.png"] for k in range(10)}


@pytest.mark.parametrize("options", [WHOLE, DataConfig(), DataConfig(patches="16")], ids=["whole", "images", "patches"])
def test_pairs_stay_together_and_shots_of_one_scene_on_one_side(tmp_path: Path, options: DataConfig) -> None:
    found = pairs_of(*folders(tmp_path, TEN), options)
    assert found.x_in is not None
    assert np.array_equal(found.x_in, found.x + 30)
    splits = split(read_bundle(found), seed=3)
    parts = (splits.train, splits.validation, splits.test)
    scenes = [{part.id_of(row).split("_")[0] for row in range(len(part))} for part in parts]
    assert all(scenes)
    assert sum(len(each) for each in scenes) == len(set.union(*scenes)) == 10
    for part in parts:
        assert part.x_in is not None
        assert np.array_equal(part.x_in, part.x + 30)


def read_bundle(samples: Samples):
    from isthmus.data.samples import Bundle

    return Bundle(samples)


def test_patches_of_pairs_are_cut_and_turned_alike(tmp_path: Path) -> None:
    found = pairs_of(*folders(tmp_path, TEN), WHOLE)
    assert found.whole is not None
    preprocess = fit_preprocess(found, "auto")
    batches = Patches(
        found.whole, np.arange(20), preprocess, patch=16, batch_size=64, seed=0, device=torch.device("cpu")
    )
    x = batches.take(batches.rows(0)[0], generator_for(0, "patches"))
    assert x.shape == (64, 2, 16, 16)
    assert torch.allclose(x[:, 1] - x[:, 0], torch.tensor(30 / 255), atol=1e-6)  # a rounding of float32
    assert len(x[:, 0].flatten(1).unique(dim=0)) > 50


def test_copies_of_a_clean_picture_under_other_names_are_one_scene(tmp_path: Path) -> None:
    noisy, clean = folders(tmp_path, {"a.png": ["a.png"], "b.png": ["b.png"], "c.png": ["c.png"]})
    (clean / "b.png").write_bytes((clean / "a.png").read_bytes())
    for options in (WHOLE, DataConfig()):
        groups = pairs_of(noisy, clean, options).groups
        assert groups is not None
        assert groups.tolist().count(groups[0]) == 2


@pytest.mark.parametrize("whole", [True, False])
def test_fault_123_pictures_without_just_one_clean_one_are_all_listed(tmp_path: Path, whole: bool) -> None:
    options = DataConfig(whole=whole)
    noisy, clean = folders(tmp_path, {"a.png": ["a_1.png"], "b.png": ["b_1.png", "c_1.png"], "d_1.png": ["d.png"]})
    Image.fromarray(picture((40, 40), 9)).save(clean / "d_2.png")
    with pytest.raises(
        DataError, match="clean does not have exactly one clean image of the same size for 2 of 4 noisy images in noisy"
    ) as caught:
        pairs_of(noisy, clean, options)
    assert caught.value.problems == (
        "c_1.png: no clean image (looked for c_1 or c)",
        "d.png: 2 clean images (d_1.png, d_2.png)",
    )
    assert str(caught.value.fix).startswith("pass --skip-bad-files to leave these out (2 pairs would be left)")
    found = pairs_of(noisy, clean, DataConfig(whole=whole, skip_bad_files=True))
    assert [found.id_of(row)[:3] for row in range(len(found))] == ["a_1", "b_1"]
    assert found.skipped == caught.value.problems


def test_fault_123_a_clean_picture_of_another_size_is_none(tmp_path: Path) -> None:
    noisy, clean = folders(tmp_path, {"a.png": ["a_1.png"], "b.png": ["b_1.png"]})
    Image.fromarray(picture((41, 40), 0)).save(clean / "a.png")
    with pytest.raises(DataError, match="1 of 2 noisy images") as caught:
        pairs_of(noisy, clean, WHOLE)
    assert caught.value.problems == ("a_1.png: 40 x 40 pixels, but a.png: 40 x 41",)


def test_fault_123_color_and_gray_are_no_pairs(tmp_path: Path) -> None:
    noisy, clean = folders(tmp_path, TEN)
    for path in noisy.iterdir():
        Image.fromarray(picture((40, 40), 1, color=True)).save(path)
    for options in (WHOLE, DataConfig()):
        with pytest.raises(DataError, match=r"noisy holds samples of 3 x 40 x .* and clean .* of 1 x 40") as caught:
            pairs_of(noisy, clean, options)
        assert "--gray" in str(caught.value.fix)
    assert len(pairs_of(noisy, clean, DataConfig(whole=True, gray=True))) == 20


def test_fault_123_arrays_of_other_lengths_are_no_pairs() -> None:
    x = np.zeros((5, 1, 8, 8), np.uint8)
    with pytest.raises(DataError, match="a holds 5 samples and b 4 samples"):
        paired(Samples(x, "a"), Samples(x[:4], "b"))


def test_arrays_are_matched_by_position_and_equal_targets_are_one_scene() -> None:
    x = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
    found = paired(Samples(255 - x, "noisy"), Samples(x, "clean"))
    assert found.groups is None
    assert np.array_equal(found.both, np.concatenate([x, 255 - x], axis=1))
    twice = paired(Samples(255 - x, "noisy"), Samples(x[[0, 1, 2, 0, 1, 2]], "clean"))
    assert twice.groups is not None
    assert [list(twice.groups).index(g) for g in twice.groups] == [0, 1, 2, 0, 1, 2]
    assert twice.duplicates.count == 0  # each has a noise of its own


def test_two_single_files_are_a_pair_whatever_they_are_called(tmp_path: Path) -> None:
    noisy, clean = folders(tmp_path, {"truth.png": ["shot.png"]})
    assert len(pairs_of(noisy / "shot.png", clean / "truth.png", WHOLE)) == 1
    Image.fromarray(picture((40, 40), 5)).save(clean / "b.png")
    with pytest.raises(DataError, match="1 of 1 noisy image in"):
        pairs_of(noisy, clean, WHOLE)


@pytest.mark.parametrize("whole", [True, False])
def test_files_of_8_and_of_16_bits_are_compared_by_their_range(tmp_path: Path, whole: bool) -> None:
    noisy, clean = folders(tmp_path, TEN)
    for path in clean.iterdir():
        eight = np.asarray(Image.open(path))
        Image.fromarray(eight.astype(np.uint16) * 257).save(path)
    found = pairs_of(noisy, clean, DataConfig(whole=whole))
    assert found.x_in is not None
    assert found.x.dtype == found.x_in.dtype == np.uint16
    assert np.array_equal(found.x_in, found.x + 30 * 257)


def test_columns_of_tables_are_matched_by_name() -> None:
    frame = pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    noisy, clean = (Samples(f.to_numpy(), "t", columns=tuple(f.columns)) for f in (frame, frame.select("b", "a")))
    found = paired(noisy, clean)
    assert np.array_equal(found.x, frame.to_numpy())
    assert found.columns == ("a", "b")
    with pytest.raises(DataError, match="different columns") as caught:
        paired(noisy, Samples(clean.x, "u", columns=("b", "c")))
    assert caught.value.problems == ('"c": only in u', '"a": only in t')
