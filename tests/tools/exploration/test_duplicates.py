from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.api import Run
from isthmus.data.images.saving import save_images
from isthmus.tools.exploration.duplicates import find_duplicates
from tiny import Digits


@pytest.fixture
def folder(digits: Digits, tmp_path: Path) -> Path:
    """200 digits to train on, 50 to test on: one of them equal to a training digit, one a step brighter."""
    x = digits.x[:250].copy()
    x[210], x[220] = x[7], np.where(x[9] > 0, np.minimum(x[9].astype(int) + 1, 255), 0)
    save_images(tmp_path / "data" / "train", x[:200], [f"{i}.png" for i in range(200)])
    save_images(tmp_path / "data" / "test", x[200:], [f"{i}.png" for i in range(200, 250)])
    return tmp_path / "data"


def test_planted_copies_are_found_across_parts(digit_run: Run, folder: Path) -> None:
    found = find_duplicates(digit_run, folder)
    table = found.columns()
    assert list(zip(table["first"], table["second"], strict=True)) == [("7.png", "210.png"), ("9.png", "220.png")]
    assert (table["first_part"], table["second_part"]) == (["train"] * 2, ["test"] * 2)
    assert table["exact"] == [True, False]
    x = found.data.samples.x / 255
    first, second = found.pairs[1].first, found.pairs[1].second
    assert table["rms_difference"][1] == pytest.approx(np.sqrt(np.mean((x[first] - x[second]) ** 2)))
    about = found.as_dict()
    assert (about["n"], about["exact"], about["near"], about["crossing"]) == (250, 1, 1, 2)
    assert about["pairs"][0]["second"] == "210.png"
    assert len(found.draw().axes[0].images) == 2 * 3 + 1  # both pairs with their difference, and its scale


def test_the_shipped_digits_are_silent(digit_run: Run) -> None:
    found = find_duplicates(digit_run)
    assert (found.pairs, found.crossing, len(found.data)) == ((), 0, 2_000)
    assert found.parts == ("train", "validation", "test")
    assert np.bincount(found.part).tolist() == [1_600, 200, 200]
    assert found.as_dict()["pairs"] == []


def test_labels_stand_beside(digit_run: Run) -> None:
    found = find_duplicates(digit_run, "mnist-2k", chance=1e9)
    assert found.pairs
    table, labels = found.columns(), found.data.samples.labels
    assert labels is not None
    assert [int(k) for k in table["second_label"]] == [labels[pair.second] for pair in found.pairs]
    assert len(found.parts) == 1
    assert found.crossing == 0
