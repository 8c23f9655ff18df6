"""`isthmus feature`: what is learned from, the evidence that is told, and what is listed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import isthmus
import tiny
from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.errors import FolderInUseError, ModelFileError, UsageError
from isthmus.tools.editing import directions, edits, feature_learning
from isthmus.tools.sampling.traversal import usual_code


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a table whose last column is a tenth of the sum of the others."""
    folder = tmp_path_factory.mktemp("rows")
    table = tiny.table(200)
    pl.DataFrame(np.c_[table[:, :3], table[:, :3].sum(1) * 10], schema=list("abcd")).write_csv(folder / "table.csv")
    settings = tiny.FAST | {"epochs": 60, "z_size": 3, "hidden": [16]}
    return isthmus.train(folder / "table.csv", out=folder / "run", **settings)


def test_a_class_is_learned_with_its_evidence(digit_run: Run) -> None:
    feature = feature_learning.learn(digit_run, "round", {"class": "0", "against": "1"})
    labels = digit_run.prepared.splits.test.labels
    assert feature.evidence["n_held_out"] == np.isin(labels, [0, 1]).sum()
    assert feature.evidence["auroc"] > 0.95
    assert 0 <= feature.evidence["success"] <= 1
    assert "are classified as the target" in feature_learning.words(feature)
    assert feature_learning.about(feature)["name"] == "round"


def test_two_sets_are_learned_and_part_of_them_is_held_out(digit_run: Run) -> None:
    source = {"with": "mnist-2k:label=7", "without": "mnist-2k:label=1"}
    feature = feature_learning.learn(digit_run, "sevenish", source, method="means")
    assert (feature.evidence["n_with"], feature.evidence["n_held_out"]) == (200, 100)
    assert feature.evidence["auroc"] > 0.95
    few = feature_learning.learn(digit_run, "few", {"with": "mnist-2k:label=7", "without": "mnist-2k:0-5"})
    assert "auroc" not in few.evidence  # six samples leave one to be held out


def test_a_column_of_a_table_is_added(rows: Run) -> None:
    feature = feature_learning.learn(rows, "more", {"column": "d"})
    test = rows.prepared.splits.test.x
    z = rows.model.encode(test)
    moved = rows.model.decode(edits.edit_of(rows, ["more"]).apply(z)) - rows.model.decode(z)
    sd = rows.prepared.splits.train.x[:, 3].std()
    assert moved[:, 3].mean() == pytest.approx(sd, rel=0.2)
    assert feature.evidence["r2"] > 0.8
    assert [f["told"] for f in feature_learning.list_features(rows)][1:] == ["a column"] * 4


def test_one_source_and_only_one(digit_run: Run, rows: Run) -> None:
    with pytest.raises(UsageError, match="2 are given"):
        feature_learning.learn(digit_run, "x", {"class": "0", "measure": "slant"})
    with pytest.raises(UsageError, match="0 are given"):
        feature_learning.learn(digit_run, "x", {})
    for alone in ("with", "without"):
        with pytest.raises(UsageError, match="must be given together"):
            feature_learning.learn(digit_run, "x", {alone: "mnist-2k:1"})
    with pytest.raises(UsageError, match="--against names the class without the feature, but --class is not given"):
        feature_learning.learn(digit_run, "x", {"measure": "slant", "against": "1"})
    with pytest.raises(UsageError, match="name the same samples, mnist-2k:1"):
        feature_learning.learn(digit_run, "x", {"with": "mnist-2k:1", "without": "mnist-2k:1"})
    with pytest.raises(UsageError, match="images have no columns"):
        feature_learning.learn(digit_run, "x", {"column": "pixel3"})
    with pytest.raises(UsageError, match="a table has no pixels"):
        feature_learning.learn(rows, "x", {"measure": "slant"})


def test_fault_184_a_column_without_test_values_is_learned_and_reported(tmp_path: Path) -> None:
    """R^2 needs values to compare with; one alone has no variance."""
    x = tiny.table(60, 3)
    pl.DataFrame(x, schema=list("abc")).write_csv(tmp_path / "t.csv")
    pl.DataFrame(x[:8], schema=list("abc")).with_columns(
        c=pl.Series([1.0, *[None] * 7]), b=pl.Series([None] * 8, dtype=pl.Float64)
    ).write_csv(tmp_path / "test.csv")
    settings = tiny.FAST | {"kinds": ["a=number"], "test": str(tmp_path / "test.csv")}
    run = isthmus.train(tmp_path / "t.csv", out=tmp_path / "run", **settings)
    for column, n in (("a", 8), ("b", 0), ("c", 1)):
        feature = feature_learning.learn(run, f"more {column}", {"column": column})
        assert feature.evidence["n_held_out"] == n
        assert ("r2" in feature.evidence) == ("R2" in feature_learning.words(feature)) == (n == 8)
        assert np.isfinite(feature.evidence["moved"])
    assert (run.path / "report.html").read_text(encoding="utf-8").count("no values") == 1


def test_directions_are_drawn_and_kept(digit_run: Run, tmp_path: Path) -> None:
    found = feature_learning.discover(digit_run, 3, tmp_path / "sheet.png", save=True)
    assert [f.name for f in found] == ["principal-1", "principal-2", "principal-3"]
    shares = [f.evidence["share"] for f in found]
    assert shares == sorted(shares, reverse=True)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > picture.height
    assert {"principal-1", "0", "slant"} <= {row["name"] for row in feature_learning.list_features(digit_run)}


def test_the_matrix_of_edits_and_its_success(digit_run: Run, tmp_path: Path) -> None:
    about = feature_learning.matrix(digit_run, tmp_path / "matrix.png", method="means")
    assert len(about["pairs"]) == 90
    assert about["rate"] == pytest.approx(np.mean([pair["rate"] for pair in about["pairs"]]))
    with Image.open(tmp_path / "matrix.png") as picture:
        assert picture.width > 500


def test_tables_have_no_matrix(rows: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"matrix.png can be drawn only for runs on images; .* on a table") as error:
        feature_learning.matrix(rows, tmp_path / "matrix.png")
    assert "isthmus edit RUN TABLE --remove A --add B" in str(error.value.fix)


def test_directions_of_a_table_are_a_table_of_what_each_column_gains(rows: Run, tmp_path: Path) -> None:
    found = feature_learning.discover(rows, 3, tmp_path / "d.csv")
    table = pl.read_csv(tmp_path / "d.csv")
    assert table.columns == ["direction", "share", *"abcd"]
    assert table["direction"].to_list() == [f.name for f in found] == ["principal-1", "principal-2", "principal-3"]
    z = usual_code(rows.latent)[None]
    for k, feature in enumerate(found):
        gained = rows.model.decode((z + feature.shift).astype(np.float32)) - rows.model.decode(z.astype(np.float32))
        np.testing.assert_allclose(table.select(list("abcd")).row(k), gained[0], rtol=1e-3, atol=1e-3)
    with pytest.raises(UsageError, match="only for runs on images") as error:
        feature_learning.discover(rows, 3, tmp_path / "d.png")
    assert error.value.fix == "write a table instead: -o directions.csv"
    assert str(feature_learning.usual_out(rows)) == "directions.csv"


def test_directions_of_images_are_no_table(digit_run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a \.png file"):
        feature_learning.discover(digit_run, 3, tmp_path / "d.csv")
    assert str(feature_learning.usual_out(digit_run)) == "directions.png"


def test_one_class_alone_is_not_offered(tmp_path: Path) -> None:
    pl.DataFrame(tiny.table(60), schema=list("abcdef")).with_columns(kind=pl.lit("oak")).write_csv(tmp_path / "t.csv")
    run = isthmus.train(tmp_path / "t.csv", label="kind", out=tmp_path / "run", **tiny.FAST)
    assert run.latent.classes == ("oak",)
    assert [row["name"] for row in feature_learning.list_features(run)] == list("abcdef")
    with pytest.raises(UsageError, match="all samples of this run are in class oak"):
        edits.edit_of(run, ["oak"])


def test_long_names_stand_in_a_column_of_their_own(
    digit_run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = Run(shutil.copytree(digit_run.path, tmp_path / "run"))
    directions.keep(run, replace(directions.feature_of(run, "slant"), name="leaning to the right side"))
    assert run_guarded(build_app(), ["feature", "list", str(run.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line[:27].rstrip() for line in lines} >= {"leaning to the right side", "7", "thickness"}
    assert all(line[25:27] == "  " and line[27] != " " for line in lines)


def test_fault_87_features_of_a_run_that_was_trained_on_are_left_out_of_the_list_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame(tiny.table(120), schema=list("abcdef")).write_csv(tmp_path / "rows.csv")
    isthmus.train(tmp_path / "rows.csv", out=tmp_path / "my run", **tiny.FAST)
    opened = Run(tmp_path / "my run")
    feature_learning.learn(opened, "more a", {"column": "a"})
    isthmus.resume(opened.path, epochs=6, show=False)
    assert run_guarded(build_app(), ["feature", "list", str(opened.path)]) == 0
    said, *listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list("abcdef")
    assert "left out: more a, learned before" in said
    assert "more a" not in Run(opened.path).features()
    with pytest.raises(ModelFileError, match="'more a' was learned with different weights than") as caught:
        Run(opened.path).edit(tiny.table(3), add="more a")
    assert "isthmus feature learn" in str(caught.value.fix)
    with pytest.raises(FolderInUseError, match="was trained further while latent/features/more b was being made"):
        feature_learning.learn(opened, "more b", {"column": "b"})
    feature_learning.learn(Run(opened.path), "more a", {"column": "a"})
    assert [f.name for f in directions.learned(Run(opened.path))] == ["more a"]
