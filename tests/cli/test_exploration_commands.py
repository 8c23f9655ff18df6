"""`isthmus map`, `neighbors`, `duplicates` and `probe` as people and scripts meet them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from PIL import Image

from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.tools.exploration import projection
from tiny import Digits


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: Any) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["isthmus", *map(str, arguments)])
        capsys.readouterr()
        code = run_guarded(build_app(), [str(a) for a in arguments])
        return Outcome(code, *map(str, capsys.readouterr()))

    return run


def width(path: str) -> int:
    with Image.open(path) as picture:
        return picture.size[0]


def test_a_map_leaves_a_picture_and_coordinates(digit_run: Run, command: Command) -> None:
    outcome = command("map", digit_run.path, "--method", "pca", "--table", "map.csv")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("200 samples (two principal components, ")
    assert outcome.out.endswith("map.png, map.csv\n")
    assert width("map.png") > 1_000
    table = pl.read_csv("map.csv")
    assert (table.columns, len(table)) == (["id", "label", "x", "y"], 200)
    found = json.loads(command("map", digit_run.path, "--method", "pca", "-o", "b.png", "--json").out)
    np.testing.assert_allclose(found["points"]["x"], table["x"].to_numpy(), rtol=1e-5, atol=1e-6)  # seven digits
    assert found["out"] == ["b.png"]


def test_neighbors_are_printed_drawn_and_listed(digit_run: Run, digits: Digits, command: Command) -> None:
    Image.fromarray(digits.x[0, 0]).save("five.png")
    outcome = command("neighbors", digit_run.path, "five.png", "-k", "3", "-o", "sheet.png")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == "nearest to five.png:"
    assert lines[1].split() == ["by", "code", "distance", "by", "values", "difference"]
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "3"]
    assert lines[-1] == "written to sheet.png"
    assert width("sheet.png") > 300
    outcome = command("neighbors", digit_run.path, "mnist-2k:1,2", "--in", "mnist-2k", "-o", "all.csv", "--json")
    assert len(json.loads(outcome.out)["neighbors"]) == len(pl.read_csv("all.csv")) == 40
    outcome = command("neighbors", digit_run.path, "mnist-2k:1,2", "-k", "1", "-o", "one.png")
    assert "note: the picture shows only the first of 2 samples" in outcome.out


def test_duplicates_are_told_and_a_clean_set_leaves_no_picture(
    digit_run: Run, digits: Digits, command: Command
) -> None:
    np.save("clean.npy", digits.x[:100])
    outcome = command("duplicates", digit_run.path, "clean.npy", "-o", "pairs.png")
    assert outcome.code == 0
    assert "100 samples; equal pairs: 0, nearly equal pairs: 0\n" in outcome.out
    assert "note: no pairs found, so pairs.png was not written\n" in outcome.out
    assert not Path("pairs.png").exists()
    np.save("twice.npy", digits.x[[*range(100), *range(12)]])
    outcome = command("duplicates", digit_run.path, "twice.npy", "-o", "pairs.png")
    assert "train 0  =  train 100  (equal)\n" in outcome.out
    assert "… and 2 more\nwritten to pairs.png\n" in outcome.out
    assert width("pairs.png") > 1_000
    found = json.loads(command("duplicates", digit_run.path, "twice.npy", "--json").out)
    assert (found["exact"], found["near"], len(found["pairs"])) == (12, 0, 12)


def test_a_probe_prints_a_table(digit_run: Run, command: Command) -> None:
    outcome = command("probe", digit_run.path)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].endswith("trained on 1,800 samples, tested on 200, 10 classes")
    assert lines[1].split() == ["size", "5-NN", "linear", "NMI", "ARI"]
    found = json.loads(command("probe", digit_run.path, "--json").out)
    for line, name in zip(lines[2:5], ("codes", "pca", "raw"), strict=True):
        assert float(line.split()[-4]) == pytest.approx(found[name]["knn"], abs=5e-5)  # four digits are printed
    assert lines[5].startswith("accuracies are measured on 200 samples: ±")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["map", "--method", "umap"], "UMAP is not installed"),
        (["map", "--method", "tnse"], "unknown method 'tnse'"),
        (["map", "--color", "price"], "unknown color 'price'"),
        (["map", "-o", "map.gif"], "cannot be written as .gif"),
        (["duplicates", "-o", "pairs"], "cannot be written as a folder"),
        (["probe", "-k", "0"], "-k 0: expected at least 1"),
        (["neighbors", "mnist-2k:x", "-k", "0"], "-k 0: expected at least 1"),
    ],
)
def test_what_cannot_be_meant_is_exit_2(
    digit_run: Run, arguments: list[str], words: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "umap", None)
    outcome = command(arguments[0], digit_run.path, *arguments[1:])
    assert outcome.code == 2
    assert words in outcome.err
    assert "\nfix: " in outcome.err


def test_codes_without_labels_cannot_be_probed(denoiser: Run, command: Command) -> None:
    outcome = command("probe", denoiser.path)
    assert outcome.code == 3
    assert "no labels, so codes cannot be judged" in outcome.err
