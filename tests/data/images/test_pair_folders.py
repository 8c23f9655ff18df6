"""Two class folders that are the sides of pairs are told as such, with the command that takes them so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.data.images.pair_folders import note_on_pairs
from isthmus.data.read import read


@pytest.mark.parametrize(
    ("classes", "sides"),
    [
        (["noisy", "clean"], ("noisy", "clean")),
        (["GT", "Input"], ("Input", "GT")),
        (["high", "low"], ("low", "high")),
        (["mean", "real"], ("real", "mean")),
    ],
)
def test_both_sides_are_known_by_their_names(classes: list[str], sides: tuple[str, str]) -> None:
    found = note_on_pairs(Path("my shots"), classes)
    assert found[0].endswith(f": isthmus train 'my shots/{sides[0]}' --target 'my shots/{sides[1]}' --recipe photo")


@pytest.mark.parametrize("classes", [["oak", "elm"], ["noisy", "clean", "x"], ["noisy", "low"], ["clean", "oak"], []])
def test_other_classes_are_none(classes: list[str]) -> None:
    assert note_on_pairs(Path("x"), classes) == ()


def test_fault_126_folders_of_pairs_are_read_as_classes_and_told(tmp_path: Path) -> None:
    for name in ("noisy", "clean"):
        (tmp_path / name).mkdir()
        for k in range(3):
            Image.fromarray(np.full((20, 20), 40 * k, np.uint8)).save(tmp_path / name / f"{k}.png")
    found = read(tmp_path).train
    assert found.classes == ("clean", "noisy")
    assert any(f"--target {tmp_path / 'clean'}" in note for note in found.notes)
