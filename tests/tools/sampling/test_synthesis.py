from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageSequence

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.samples import Samples
from isthmus.errors import UsageError
from isthmus.evaluation.figures import strips
from isthmus.tools.editing import edits
from isthmus.tools.inference import apply
from isthmus.tools.inference.picking import pick_one
from isthmus.tools.sampling import interpolation_files, synthesis
from isthmus.tools.sampling.sampling import draw_samples


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a table without labels."""
    folder = tmp_path_factory.mktemp("rows")
    pl.DataFrame(tiny.table(80), schema=list("abcdef")).write_csv(folder / "table.csv")
    return isthmus.train(folder / "table.csv", out=folder / "run", **tiny.FAST)


def count(picture: Image.Image) -> int:
    return sum(1 for _ in ImageSequence.Iterator(picture))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_folder_of_samples_a_grid_and_their_nearest(digit_run: Run, tmp_path: Path) -> None:
    made = synthesis.sample(digit_run, 12, tmp_path / "out", density="gaussian")
    names = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png"))
    assert names == ["grid.png", *(f"images/{i:02d}.png" for i in range(12)), "nearest.png"]
    # judged by 1,000 samples, of which the first twelve are kept
    expected = draw_samples(digit_run, 1_000, density="gaussian").x[:12]
    found = np.stack([pixels(tmp_path / "out" / f"images/{i:02d}.png") for i in range(12)])
    np.testing.assert_array_equal(found, expected[:, 0])
    assert made.said[0] == "drawn from one Gaussian fitted to 1,600 training codes"
    assert made.said[1].startswith("Precision ")
    assert "copying" in made.said[2]
    assert json.loads(json.dumps(made.as_dict()))["quality"]["n_test"] == 200
    assert made.listing == "grid.png, nearest.png, images/ (12 files)"
    synthesis.sample(digit_run, 3, tmp_path / "out", density="gaussian")  # over its own results


def test_one_picture_is_the_grid(digit_run: Run, tmp_path: Path) -> None:
    synthesis.sample(digit_run, 9, tmp_path / "a.png", judge=False, density="gaussian")
    synthesis.sample(digit_run, 9, tmp_path / "b.png", judge=False, density="gaussian")
    synthesis.sample(digit_run, 9, tmp_path / "c.png", judge=False, density="gaussian", seed=1)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes() != (tmp_path / "c.png").read_bytes()
    width, height = pixels(tmp_path / "a.png").shape[1::-1]
    assert width == height  # three by three


def test_a_judged_picture_has_the_nearest_training_images_beside_it(digit_run: Run, tmp_path: Path) -> None:
    made = synthesis.sample(digit_run, 4, tmp_path / "one.png", density="gaussian")
    assert made.files == ("one.png", "one-nearest.png")
    assert made.listing == "one.png, one-nearest.png"
    (tmp_path / "two-nearest.png").write_text("somebody else's")
    assert synthesis.sample(digit_run, 4, tmp_path / "two.png", density="gaussian").files[1] == "two-nearest-2.png"
    assert (tmp_path / "two-nearest.png").read_text() == "somebody else's"
    pixels(tmp_path / "two-nearest-2.png")


def test_samples_of_a_class_as_a_table_carry_its_name(digit_run: Run, tmp_path: Path) -> None:
    synthesis.sample(digit_run, 5, tmp_path / "s.csv", of="3", judge=False)
    table = pl.read_csv(tmp_path / "s.csv")
    assert table["label"].to_list() == [3] * 5
    assert table.shape == (5, 785)
    synthesis.sample(digit_run, 5, tmp_path / "s.npy", of="3", judge=False)
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy").reshape(5, -1), table.drop("label").to_numpy())


def test_rows_of_a_table(rows: Run, tmp_path: Path) -> None:
    made = synthesis.sample(rows, 7, tmp_path / "s.parquet")
    assert pl.read_parquet(tmp_path / "s.parquet").columns == list("abcdef")
    assert "the scaled columns" in made.said[1]
    with pytest.raises(UsageError, match=r"\.png would hold pictures, but this run is on rows of a table") as caught:
        synthesis.sample(rows, 7, tmp_path / "s.png")
    assert caught.value.fix == "name one of .csv, .npy or .parquet with -o"


def test_without_its_data_a_run_draws_and_says_that_it_cannot_compare(digit_run: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(digit_run.path, tmp_path / "moved"))
    config = (run.path / "config.toml").read_text()
    (run.path / "config.toml").write_text(config.replace("mnist-2k", "gone.csv", 1))
    made = synthesis.sample(run, 4, tmp_path / "out")
    assert made.said[1].startswith("not compared with real samples: the data that ")
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == ["grid.png"]


def test_a_way_in_every_form(digit_run: Run, tmp_path: Path) -> None:
    made = interpolation_files.interpolate(digit_run, "mnist-2k:0", "mnist-2k:1", tmp_path / "way", steps=5)
    assert (made.n, made.about["a"], made.about["b"]) == (10, "0", "1")
    for path in ("straight", "spherical"):
        ends = digit_run.model.reconstruct(isthmus.read("mnist-2k").train.x[:2])
        for i, end in ((0, ends[0]), (4, ends[1])):
            found = pixels(tmp_path / "way" / f"frames/{path}-{i}.png").astype(int)
            assert np.abs(found - end[0]).max() <= 1  # a code in float32 may be rounded to the other side
        with Image.open(tmp_path / "way" / f"{path}.webp") as animation:
            assert count(animation) == 2 * (4 * 4 + 1) - 2
    assert (tmp_path / "way" / "strip.png").is_file()
    interpolation_files.interpolate(
        digit_run, "mnist-2k:0", "mnist-2k:1", tmp_path / "way.npy", steps=5, path="spherical"
    )
    middle = pixels(tmp_path / "way" / "frames" / "spherical-2.png")
    np.testing.assert_array_equal(np.load(tmp_path / "way.npy")[2, 0], middle)
    with pytest.raises(UsageError, match=r"way\.webp can hold only one path"):
        interpolation_files.interpolate(digit_run, "mnist-2k:0", "mnist-2k:1", tmp_path / "way.webp")


def test_a_way_between_rows_of_a_table(rows: Run, tmp_path: Path) -> None:
    source = rows.config.data.source
    interpolation_files.interpolate(rows, f"{source}:3", f"{source}:9", tmp_path / "way.csv", steps=4)
    table = pl.read_csv(tmp_path / "way.csv")
    assert table["path"].to_list() == ["straight"] * 4 + ["spherical"] * 4
    assert table["step"].to_list() == [0, 1, 2, 3] * 2
    expected = rows.model.reconstruct(tiny.table(80)[[3, 9]])
    np.testing.assert_allclose(table.select(list("abcdef")).to_numpy()[[0, 3]], expected, atol=1e-4)  # text, float32


def test_fault_84_names_of_columns_like_formulas_are_told_wherever_they_are_written(tmp_path: Path) -> None:
    source = tmp_path / "table.csv"
    pl.DataFrame(tiny.table(80), schema=["-neg", "=b", *"cdef"]).write_csv(source)
    run = isthmus.train(source, out=tmp_path / "run", **tiny.FAST)
    apply.encode(run, source, tmp_path / "z.csv")
    out = tmp_path / "out.csv"
    wanted = edits.edit_of(run, ["c"])
    for made in (
        apply.reconstruct(run, source, out),
        apply.decode(run, tmp_path / "z.csv", out),
        edits.edit(run, str(source), out, wanted),
        synthesis.sample(run, 3, out, judge=False, density="gaussian"),
        interpolation_files.interpolate(run, f"{source}:3", f"{source}:9", out),
        synthesis.traverse(run, out),
    ):
        assert sum(said.startswith("2 column names begin with = + - or @") for said in made.said) == 1
        assert {"'-neg", "'=b", "c"} <= set(pl.read_csv(out).columns)
    assert not any("column name" in said for said in synthesis.traverse(run, tmp_path / "out.parquet").said)


def test_an_end_without_a_class_has_none_in_its_caption() -> None:
    x, classes = np.zeros((1, 1, 4, 4), np.uint8), ("oak", "elm")
    captions = [
        interpolation_files._caption(Samples(x, "t", labels=np.array([k]), classes=classes, ids=("a.png",)))
        for k in (0, -1)
    ]
    assert captions == ["a.png, class oak", "a.png"]


def test_what_is_said_of_both_ends_is_said_once(
    digit_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(run: Run, text: str, settings: Any) -> Samples:
        return replace(pick_one(run, text, settings), notes=("both are gray", text))

    monkeypatch.setattr(interpolation_files, "pick_one", noted)
    made = interpolation_files.interpolate(digit_run, "mnist-2k:0", "mnist-2k:1", tmp_path / "way.png")
    assert made.said == ("both are gray", "mnist-2k:0", "mnist-2k:1")


def test_files_that_cannot_hold_it_are_refused(digit_run: Run, rows: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written to .*u\.txt, only as \.csv, \.parquet, \.png or a folder"):
        synthesis.traverse(digit_run, tmp_path / "u.txt")
    with pytest.raises(UsageError, match=r"cannot be written to .*u\.npy, only as \.csv or \.parquet") as caught:
        synthesis.traverse(rows, tmp_path / "u.npy")
    assert caught.value.fix == "name one of .csv or .parquet with -o"
    with pytest.raises(UsageError, match=r"can hold only one path.\nfix: .* or name a \.csv file with -o"):
        interpolation_files.interpolate(rows, "t.csv:0", "t.csv:1", tmp_path / "way.npy")
    with pytest.raises(UsageError, match="units would hold pictures, but this run is on rows of a table"):
        synthesis.traverse(rows, tmp_path / "units")


def test_units_as_a_sheet_and_as_a_table(digit_run: Run, tmp_path: Path) -> None:
    made = synthesis.traverse(digit_run, tmp_path / "units", units=[3, 5], around="mnist-2k:7")
    table = pl.read_csv(tmp_path / "units" / "units.csv")
    assert set(table["unit"].to_list()) == {3, 5}
    assert table["quantile"].to_list()[:9] == [0.01, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.99]
    moved = made.about["movement"]
    assert list(moved) == [str(unit) for unit in table["unit"].unique(maintain_order=True)]
    assert list(moved.values()) == sorted(moved.values(), reverse=True)
    assert (tmp_path / "units" / "traverse.png").is_file()


def test_only_a_sheet_says_which_units_it_shows(
    digit_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "MOST_ROWS", 3)
    sheet, table = (synthesis.traverse(digit_run, tmp_path / name).said for name in ("u.png", "u.csv"))
    n = digit_run.latent.z_size
    assert sheet == (*table, f"the sheet shows 3 of {n} units, those that change the output most")
    assert table[0].startswith("the units that change the output most: ")
    one = synthesis.traverse(digit_run, tmp_path / "one.csv", units=[1]).said
    assert one == ("the unit that changes the output most: 1",)


def test_units_of_a_table_tell_what_becomes_of_each_column(rows: Run, tmp_path: Path) -> None:
    synthesis.traverse(rows, tmp_path / "units.csv")
    table = pl.read_csv(tmp_path / "units.csv")
    assert table.columns == ["unit", "movement", "quantile", "value", *"abcdef"]
    assert len(table) == 4 * 9


def test_what_has_nothing_between_two_codes_says_so(images: Path, tmp_path: Path) -> None:
    run = isthmus.train(images, bottleneck="fsq:5", out=tmp_path / "run", **tiny.FAST)
    with pytest.raises(UsageError, match="interpolation needs a continuous code; 'fsq'"):
        interpolation_files.interpolate(run, f"{images}:0", f"{images}:1", tmp_path / "way.png")
    with pytest.raises(UsageError, match="a sweep of the units needs a continuous code"):
        synthesis.traverse(run, tmp_path / "units.png")
    synthesis.sample(run, 4, tmp_path / "s.npy", judge=False)
    assert np.load(tmp_path / "s.npy").shape == (4, 1, 28, 28)


def test_inputs_are_not_written_over(digit_run: Run, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="input"):
        interpolation_files.interpolate(digit_run, f"{images}:0", f"{images}:1", images)
    foreign = tmp_path / "out" / "grid.png"
    foreign.parent.mkdir()
    foreign.write_text("mine")
    with pytest.raises(UsageError, match="contains a file that would be overwritten"):
        synthesis.sample(digit_run, 2, tmp_path / "out", judge=False)
    assert foreign.read_text() == "mine"


def test_in_python_a_run_gives_arrays(digit_run: Run) -> None:
    np.testing.assert_array_equal(digit_run.sample(3, seed=5), draw_samples(digit_run, 3, seed=5).x)
    a, b = isthmus.read("mnist-2k").train.x[:2]
    way = digit_run.interpolate(a, b, steps=3)
    middle = digit_run.model.decode(digit_run.model.encode(np.stack([a, b])).mean(0, keepdims=True))
    np.testing.assert_allclose(way[1].astype(int), middle[0], atol=1)  # rounding of one in 255
    assert digit_run.traverse([4]).units.tolist() == [4]
