"""Edits of real digits: their files, their pictures, and whether they do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.images.saving import save_images
from isthmus.errors import UsageError
from isthmus.evaluation.metrics.strokes import measure
from isthmus.tools.editing import edits
from isthmus.tools.inference.picking import pick
from tiny import Digits


def test_strength_zero_leaves_the_reconstruction_and_one_goes_all_the_way(digit_run: Run) -> None:
    z = digit_run.latent.codes[digit_run.latent.labels == 1]
    edit = edits.edit_of(digit_run, ["7"], ["1"])
    np.testing.assert_array_equal(edit.apply(z, 0.0), z)
    sevens = digit_run.latent.codes[digit_run.latent.labels == 7]
    np.testing.assert_allclose(edit.apply(z).mean(0), sevens.mean(0), atol=1e-4)
    np.testing.assert_allclose(np.cov(edit.apply(z).T), np.cov(sevens.T), atol=0.3 * sevens.var())  # both are shrunk


@pytest.mark.parametrize("name", ["slant", "thickness"])
def test_an_added_measure_is_measured_again_on_the_edited_images(digit_run: Run, name: str) -> None:
    test = digit_run.prepared.splits.test.x
    z = digit_run.model.encode(test)
    edit = edits.edit_of(digit_run, [name])
    less, same, more = (np.nanmean(measure(name, digit_run.model.decode(edit.apply(z, s)))) for s in (-1.0, 0.0, 1.0))
    sd = np.nanstd(measure(name, digit_run.prepared.splits.train.x))
    assert less < same < more
    assert 0.5 < (more - same) / sd < 1.5  # strength 1 is one standard deviation


def test_what_an_edit_of_a_measure_reached_is_told(digit_run: Run, tmp_path: Path) -> None:
    edit = edits.edit_of(digit_run, remove=["slant"])
    made = edits.edit(digit_run, "mnist-2k:0-99", tmp_path / "out.npy", edit, strength=0.5)
    (moved,) = made.about["moved"]
    again = digit_run.model.reconstruct(pick(digit_run, "mnist-2k:0-99").x)
    change = np.nanmean(measure("slant", np.load(tmp_path / "out.npy")) - measure("slant", again))
    assert moved["reached"] == pytest.approx(change, rel=1e-3)
    kept = digit_run.prepared.splits.train.x[digit_run.latent.rows]
    assert moved["asked"] == pytest.approx(-0.5 * np.nanstd(measure("slant", kept)))
    assert f"slant: wanted {moved['asked']:+.3g}, reached {moved['reached']:+.3g} on average" in made.said


def test_a_column_that_the_code_cannot_hold_falls_short_and_that_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = np.c_[tiny.table(200, 3)[:, :3], rng.normal(size=200) * 5]  # the last hangs together with nothing
    pl.DataFrame(table, schema=list("abcd")).write_csv(tmp_path / "t.csv")
    given: dict[str, Any] = tiny.FAST | {"z_size": 1, "epochs": 20}
    run = isthmus.train(tmp_path / "t.csv", out=tmp_path / "run", **given)
    made = edits.edit(run, str(tmp_path / "t.csv"), tmp_path / "e.csv", edits.edit_of(run, ["d"]), strength=2)
    (moved,) = made.about["moved"]
    after, before = pl.read_csv(tmp_path / "e.csv")["d"], run.model.reconstruct(table.astype(np.float32))[:, 3]
    assert moved["reached"] == pytest.approx(after.to_numpy().mean() - before.mean(), abs=1e-3)
    assert moved["asked"] == pytest.approx(2 * run.prepared.splits.train.x[:, 3].std(), rel=1e-4)
    assert ("too little information" in made.said[-1]) == (moved["reached"] < moved["asked"] / 2)
    assert edits._reached({"name": "d", "asked": 28.6, "reached": 7.05}).startswith(
        "d: wanted +28.6, reached +7.05 on average; the code holds too little"
    )
    assert edits._reached({"name": "d", "asked": -2, "reached": -1.5}) == "d: wanted -2, reached -1.5 on average"
    kept = edits._reached({"name": "d", "asked": 2, "reached": 0.1}, keeps=True)
    assert kept.endswith("too little information about d, apart from what is kept, for more")


def test_what_is_kept_stays_by_its_measure(digit_run: Run) -> None:
    from isthmus.tools.editing.directions import feature_of

    z = digit_run.model.encode(digit_run.prepared.splits.test.x)
    edit = edits.edit_of(digit_run, ["slant"], keep=["thickness"])
    readout = feature_of(digit_run, "thickness").readout
    np.testing.assert_allclose((edit.apply(z) - z) @ readout, 0, atol=1e-4)  # codes are float32
    assert (edit.keeps, edits.edit_of(digit_run, ["slant"]).keeps) == (True, False)


def test_removing_is_adding_the_other_way(digit_run: Run) -> None:
    z = digit_run.model.encode(digit_run.prepared.splits.test.x[:5])
    added, removed = edits.edit_of(digit_run, ["slant"]), edits.edit_of(digit_run, remove=["slant"])
    np.testing.assert_allclose(added.apply(z, 1.5), removed.apply(z, -1.5), atol=1e-6)


def test_files_and_a_strip(digit_run: Run, tmp_path: Path) -> None:
    edit = edits.edit_of(digit_run, ["7"], ["1"])
    made = edits.edit(digit_run, "mnist-2k:label=1", tmp_path / "out", edit, strip=tmp_path / "strip.png")
    assert (made.n, made.said[-1]) == (200, f"strip: {tmp_path / 'strip.png'}")
    files = sorted((tmp_path / "out").glob("*.png"))
    assert len(files) == 200
    with Image.open(files[0]) as picture:
        assert (picture.size, picture.mode) == ((28, 28), "L")
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.width > picture.height / 2
    assert made.as_dict()["features"][0]["unit"] == "the full step from 1 to 7"
    edits.edit(digit_run, "mnist-2k:3", tmp_path / "one.png", edit)
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size == (28, 28)


def test_labels_that_no_longer_hold_are_not_written(digit_run: Run, tmp_path: Path) -> None:
    turned = edits.edit(digit_run, "mnist-2k:label=1", tmp_path / "sevens.csv", edits.edit_of(digit_run, ["7"], ["1"]))
    assert turned.said[-1] == 'the column "label" is left out: the original labels no longer apply'
    assert "label" not in pl.read_csv(tmp_path / "sevens.csv").columns
    leaning = edits.edit(digit_run, "mnist-2k:label=1", tmp_path / "leaning.csv", edits.edit_of(digit_run, ["slant"]))
    assert leaning.said[-1] == 'the column "label" holds the original labels'
    assert pl.read_csv(tmp_path / "leaning.csv")["label"].unique().to_list() == [1]
    for name in ("sevens", "leaning"):  # a table that the run itself can take
        assert len(pick(digit_run, str(tmp_path / f"{name}.csv"))) == 200


def test_a_picture_out_of_a_folder_is_edited_into_one_file(digit_run: Run, digits: Digits, tmp_path: Path) -> None:
    save_images(tmp_path / "in", digits.x[:2], ["a.png", "b.png"])
    edit = edits.edit_of(digit_run, ["slant"])
    assert edits.edit(digit_run, f"{tmp_path / 'in'}:1", tmp_path / "b.png", edit).out == tmp_path / "b.png"


def test_pairs_are_judged_on_test_images_by_a_classifier(digit_run: Run) -> None:
    found = edits.judge_pairs(digit_run, [("1", "7"), ("7", "1")])
    test = digit_run.prepared.splits.test
    counts = {name: int((test.labels == test.classes.index(name)).sum()) for name in ("1", "7")}
    assert [(s.away, s.to, s.n) for s in found] == [("1", "7", counts["1"]), ("7", "1", counts["7"])]
    for success in found:
        assert success.rate >= 0.5  # by chance 0.1
        assert 0 < success.identity < 1.2
    assert len(edits.all_pairs(digit_run)) == 90


def test_nothing_named_no_picture_and_the_input_itself_are_refused(digit_run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no feature to add or remove"):
        edits.edit_of(digit_run)
    edit = edits.edit_of(digit_run, ["7"])
    with pytest.raises(UsageError, match=r"is not a \.png file"):
        edits.edit(digit_run, "mnist-2k:3", tmp_path / "o.png", edit, strip=tmp_path / "strip.csv")
    digit = tmp_path / "digit.png"
    edits.edit(digit_run, "mnist-2k:3", digit, edit)
    with pytest.raises(UsageError, match="is the input itself"):
        edits.edit(digit_run, str(digit), digit, edit)
