"""The methods of a run: each does the same as its command, on arrays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import isthmus
import tiny
from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.errors import DataError, UsageError
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.editing.edits import edit_of
from isthmus.tools.inference import apply
from isthmus.tools.inference.intake import read_input
from isthmus.training import prepare
from tiny import Digits

COMMANDS = {"sample", "interpolate", "traverse", "edit", "score", "neighbors", "map", "duplicates", "probe", "export"}


def test_the_methods_are_called_like_the_commands() -> None:
    methods = {name for name in vars(Run) if not name.startswith("_")}
    assert methods == COMMANDS | {"encode", "decode", "reconstruct", "denoise", "impute"} | {"features", "of", "show"}


def test_codes_and_back_are_those_of_the_model(digit_run: Run, denoiser: Run, digits: Digits) -> None:
    x, model = digits.x[:5], digit_run.model
    np.testing.assert_array_equal(digit_run.encode(x), model.encode(x))
    np.testing.assert_array_equal(digit_run.decode(digit_run.encode(x)), model.decode(model.encode(x)))
    np.testing.assert_array_equal(digit_run.reconstruct(x), model.reconstruct(x))
    np.testing.assert_array_equal(denoiser.denoise(x), denoiser.model.denoise(x))
    with pytest.raises(UsageError, match="noise"):
        digit_run.denoise(x)


def test_edited_arrays_are_those_of_the_command(digit_run: Run, digits: Digits, tmp_path: Path) -> None:
    arguments = ["mnist-2k:0-4", "--add", "7", "--strength", "0.5", "-o", str(tmp_path / "e.npy")]
    assert run_guarded(build_app(), ["edit", str(digit_run.path), *arguments]) == 0
    found = digit_run.edit(digits.x[:5], add="7", strength=0.5)
    np.testing.assert_array_equal(found, np.load(tmp_path / "e.npy"))
    np.testing.assert_array_equal(digit_run.edit(digits.x[:5], ["7"], strength=0.5), found)
    with pytest.raises(UsageError, match="unknown feature"):
        digit_run.edit(digits.x[:5], add="smile")
    assert {"7", "slant", "thickness"} <= set(digit_run.features())


def test_scores_are_those_of_the_command(digit_run: Run, digits: Digits, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    assert run_guarded(build_app(), ["score", str(digit_run.path), "mnist-2k:0-4", "-o", str(out)]) == 0
    found = digit_run.score(digits.x[:5])
    table = pl.read_csv(out)
    np.testing.assert_allclose(found.score, table["score"], rtol=1e-6)  # as text
    np.testing.assert_allclose(found.p_value, table["p_value"], rtol=1e-6)


def test_sources_are_named_as_on_the_command_line(digit_run: Run, tmp_path: Path) -> None:
    found = digit_run.neighbors("mnist-2k:3", "mnist-2k:0-9", k=9)
    assert sorted(found.columns()["id"][:9]) == [str(i) for i in range(10) if i != 3]
    assert digit_run.map("mnist-2k:0-99", method="pca").points.shape == (100, 2)
    assert digit_run.duplicates("mnist-2k:3,3,8").pairs[0].is_exact
    assert set(digit_run.probe("mnist-2k:0-199")) >= {"codes", "pca", "raw"}
    assert [file.part for file in digit_run.export(tmp_path / "m.onnx").files] == ["whole", "encoder", "decoder"]


ROWS = tiny.table(200)
BEFORE = Path(__file__).parent / "fixtures" / "before_layers" / "table"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of one epoch on a table; twenty more epochs change its weights."""
    pl.DataFrame(ROWS, schema=list("abcdef")).write_csv(tmp_path / "rows.csv")
    isthmus.train(tmp_path / "rows.csv", out=tmp_path / "run", **tiny.FAST | {"epochs": 1, "device": "cpu"})
    return tmp_path / "run"


def trained_on(run: Path) -> Path:
    """Extends the run, and returns a copy of the result that was not open anywhere."""
    isthmus.resume(run, epochs=21, show=False)
    return Path(shutil.copytree(run, run.parent / "apart"))


def test_fault_87_what_an_open_run_makes_is_not_taken_for_that_of_the_new_weights(run: Path) -> None:
    before, opened = Path(shutil.copytree(run, run.parent / "before")), RunFolder(run)
    assert opened.latent.n == 160  # read with its model, as a server or a running tool does
    apart = trained_on(run)
    right = Run(apart).score(ROWS[:9]).score
    assert np.abs(right - Run(before).score(ROWS[:9]).score).max() > 0.1  # the two cannot be confused
    np.testing.assert_array_equal(Detector.of_run(opened).scores(ROWS[:9]).score, Run(before).score(ROWS[:9]).score)
    np.testing.assert_array_equal(Run(run).score(ROWS[:9]).score, right)


def test_fault_87_an_open_run_that_was_trained_on_says_so_and_reads_itself_anew(run: Path) -> None:
    opened = Run(run)
    before = opened.encode(ROWS[:9])
    apart = trained_on(run)
    with pytest.warns(RuntimeWarning, match="trained further after it was opened"):
        found = opened.encode(ROWS[:9])
    np.testing.assert_array_equal(found, Run(apart).encode(ROWS[:9]))
    assert np.abs(found - before).max() > 0.1
    np.testing.assert_array_equal(opened.score(ROWS[:9]).score, Run(apart).score(ROWS[:9]).score)  # no second warning
    assert len(opened.history) == 21


def test_fault_87_numbers_of_an_open_run_are_those_that_the_folder_holds_now(run: Path) -> None:
    opened = Run(run)
    assert (opened.metrics["epochs"], len(opened.history)) == (1, 1)
    trained_on(run)
    assert (opened.metrics["epochs"], len(opened.history)) == (21, 21)
    assert opened.metrics is opened.metrics  # not read again


def test_fault_87_a_run_that_was_handed_its_model_notices_too(run: Path) -> None:
    longer = isthmus.resume(run, epochs=2, show=False)  # the model at the end of training
    apart = trained_on(run)
    with pytest.warns(RuntimeWarning, match="trained further after"):
        measured = isthmus.evaluate(longer)
    assert measured["test"] == isthmus.evaluate(apart)["test"]
    np.testing.assert_array_equal(longer.sample(3), Run(apart).sample(3))


def test_fault_87_a_model_that_was_changed_in_memory_keeps_nothing_in_the_folder(run: Path) -> None:
    right, changed = Run(run).score(ROWS[:9]).score, Run(run)
    kept = Run(run).sample(3)
    shutil.rmtree(run / "latent" / "density")
    with torch.no_grad():
        for weight in changed.model.parameters():
            weight.mul_(1.5)
    assert np.abs(changed.score(ROWS[:9]).score - right).max() > 0.1
    assert np.abs(changed.sample(3) - kept).max() > 0.1
    assert not (run / "latent" / "density").exists()
    np.testing.assert_array_equal(Run(run).score(ROWS[:9]).score, right)


ANOTHER_ORDER = list("fbdace")
KINDS = {
    "polars": lambda x: pl.DataFrame(x, schema=list("abcdef")).select(ANOTHER_ORDER),
    "polars, lazy": lambda x: pl.LazyFrame(x, schema=list("abcdef")).select(ANOTHER_ORDER),
    "polars, as texts": lambda x: pl.DataFrame(x, schema=list("abcdef")).select(pl.col(ANOTHER_ORDER).cast(pl.String)),
    "pandas": lambda x: pd.DataFrame(x, columns=list("abcdef"))[ANOTHER_ORDER],
    "pandas, with gaps allowed": lambda x: pd.DataFrame(x, columns=list("abcdef"))[ANOTHER_ORDER].convert_dtypes(),
    "numpy": lambda x: x.astype(np.float64),
    "torch": torch.from_numpy,
    "lists": lambda x: x.tolist(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_fault_88_every_method_takes_columns_by_name_and_all_kinds_of_data(table_run: Run, kind: str) -> None:
    x, make = ROWS[:4], KINDS[kind]
    z = table_run.model.encode(x)
    np.testing.assert_allclose(table_run.score(make(x)).score, table_run.score(x).score, rtol=1e-5)  # float32, texts
    np.testing.assert_allclose(np.asarray(table_run.encode(make(x))), z, rtol=1e-5, atol=1e-6)
    stepped = table_run.model.decode(edit_of(table_run, ["a"]).apply(z, 0.5))
    np.testing.assert_allclose(
        np.asarray(table_run.edit(make(x), add="a", strength=0.5)), stepped, rtol=1e-5, atol=1e-6
    )
    way = table_run.interpolate(make(x[:1]), make(x[1:2]), 3)
    np.testing.assert_allclose(np.asarray(way)[[0, -1]], table_run.model.reconstruct(x[:2]), rtol=1e-5, atol=1e-6)


def test_fault_88_columns_are_found_by_name_where_a_run_is_measured(table_run: Run) -> None:
    frame = pl.DataFrame(ROWS, schema=list("abcdef"))
    right = isthmus.evaluate(table_run, ROWS)["test"]
    for given in (frame.select(ANOTHER_ORDER), frame.select(ANOTHER_ORDER).to_dict(as_series=False)):
        given = given if isinstance(given, pl.DataFrame) else pd.DataFrame(given)
        assert isthmus.evaluate(table_run, given)["test"]["mse"] == pytest.approx(right["mse"], rel=1e-6)
    with pytest.raises(DataError, match='missing: "b"'):
        isthmus.evaluate(table_run, frame.drop("b"))


def test_fault_88_one_sample_is_needed_for_each_end_of_a_way(table_run: Run) -> None:
    with pytest.raises(UsageError, match="the second end of the path has 3 samples") as caught:
        table_run.interpolate(ROWS[:1], ROWS[:3])
    assert "x[:1]" in str(caught.value.fix)


GAPS = np.where(np.arange(9 * 6).reshape(9, 6) % 7 == 3, np.nan, ROWS[:9])
FILLING = [
    ["score", "{run}", "{gaps}", "-o", "{out}.csv"],
    ["evaluate", "{run}", "{gaps}"],
    ["encode", "{run}", "{gaps}", "-o", "{out}.npy"],
    ["reconstruct", "{run}", "{gaps}", "-o", "{out}.csv"],
    ["edit", "{run}", "{gaps}", "--add", "a", "-o", "{out}.csv"],
    ["duplicates", "{run}", "{gaps}"],
    ["map", "{run}", "{gaps}", "--method", "pca", "-o", "{out}.csv"],
    ["neighbors", "{run}", "{gaps}:0", "-k", "3"],
]


@pytest.mark.parametrize("command", FILLING, ids=lambda command: command[0])
def test_fault_89_gaps_in_new_rows_are_filled_with_what_the_training_knew(
    table_run: Run, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    medians = np.median(table_run.prepared.splits.train.x, axis=0)
    said, written = {}, {}
    for name, rows in (("gaps", GAPS), ("full", np.where(np.isnan(GAPS), medians, GAPS))):
        given, out = tmp_path / f"{name}.csv", tmp_path / f"out-{name}"
        pl.DataFrame(rows, schema=list("abcdef")).fill_nan(None).write_csv(given)
        words = [word.format(run=table_run.path, gaps=given, out=out) for word in command]
        assert run_guarded(build_app(), [*words, "--missing", "median", "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        said[name] = numbers({key: value for key, value in answer.items() if key != "queries"})  # unchanged
        written[name] = [_values(path) for path in tmp_path.glob(f"out-{name}.*")]
    assert said["gaps"] == pytest.approx(said["full"], rel=1e-4)  # medians of float32, written as texts
    for found, right in zip(written["gaps"], written["full"], strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)


def _values(path: Path) -> np.ndarray:
    return np.load(path) if path.suffix == ".npy" else pl.read_csv(path).select(pl.col(pl.Float64)).to_numpy()


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, lambda x: pl.DataFrame(x, schema=list("abcdef"))])
def test_fault_89_gaps_are_filled_in_every_method(table_run: Run, make: Any) -> None:
    filled = np.where(np.isnan(GAPS), np.median(table_run.prepared.splits.train.x, axis=0), GAPS)
    right, found = table_run.score(filled), table_run.score(make(GAPS))
    np.testing.assert_allclose(found.score, right.score, rtol=1e-5)  # float32
    edited = np.asarray(table_run.edit(make(GAPS), add="a"))
    np.testing.assert_allclose(edited, table_run.edit(filled, add="a"), rtol=1e-5, atol=1e-6)
    with pytest.raises(DataError, match="missing value") as caught:
        isthmus.evaluate(table_run, pl.DataFrame(GAPS, schema=list("abcdef")), settings={"missing": "error"})
    assert 'settings={"missing": "drop"}' in str(caught.value.fix)
    measured = isthmus.evaluate(table_run, pl.DataFrame(GAPS, schema=list("abcdef")))  # with its stored medians
    assert measured["test"]["mse"] == pytest.approx(isthmus.evaluate(table_run, filled)["test"]["mse"], rel=1e-5)


def test_fault_89_a_model_of_before_says_that_it_has_no_medians(tmp_path: Path) -> None:
    old = Run(Path(shutil.copytree(BEFORE, tmp_path / "old")))
    assert old.model.preprocess.fill is None
    columns = list(old.model.preprocess.columns or [])
    rows = pl.read_csv(BEFORE.parent / "rows.csv").select(columns)[:4]
    rows.write_csv(tmp_path / "whole.csv")
    gap = pl.when(pl.int_range(4) == 1).then(None).otherwise(pl.col(columns[0]))
    rows.with_columns(gap.alias(columns[0])).write_csv(tmp_path / "gaps.csv")
    assert len(read_input(old, tmp_path / "whole.csv", {"missing": "median"})) == 4
    with pytest.raises(DataError, match=r"gaps\.csv: 1 missing value, and this model, from an older version") as caught:
        read_input(old, tmp_path / "gaps.csv", {"missing": "median"})
    assert "--missing drop (1 of 4 rows left out)" in str(caught.value.fix)
    assert len(read_input(old, tmp_path / "gaps.csv", {"missing": "drop"})) == 3


def numbers(found: Any) -> list[float]:
    """All numbers in an answer, in their order."""
    if isinstance(found, dict | list):
        return [n for value in (found.values() if isinstance(found, dict) else found) for n in numbers(value)]
    return [float(found)] if isinstance(found, int | float) else []


def test_fault_90_a_large_offset_from_training_to_what_comes_back(tmp_path: Path) -> None:
    """A column of seconds counts like any other in the cost, and is reconstructed to a fraction of its deviation."""
    rng = np.random.default_rng(0)
    t = 1.7e9 + 1444 * rng.normal(size=300)
    a = rng.normal(size=300)
    frame = pl.DataFrame({"a": a, "b": a + 0.01 * rng.normal(size=300), "t": t})
    frame.write_csv(tmp_path / "t.csv")
    frame[:1].write_csv(tmp_path / "one.csv")  # with one row, nothing can be guessed
    run = isthmus.train(str(tmp_path / "t.csv"), out=tmp_path / "run", **tiny.FAST | {"epochs": 40, "z_size": 2})
    again = run.model.reconstruct(frame)["t"].to_numpy()
    assert np.median(np.abs(again - t)) < 0.2 * 1444  # two numbers can represent two columns
    assert len(np.unique(again)) > 290
    assert run.model.preprocess.scale[2] == pytest.approx(1 / 1444, rel=0.2)  # the sample's deviation
    assert run.model.encode(frame[:1]).to_numpy() == pytest.approx(np.asarray(run.model.encode(frame))[:1], abs=1e-5)
    apply.reconstruct(run, tmp_path / "one.csv", tmp_path / "one-again.csv")
    assert pl.read_csv(tmp_path / "one-again.csv")["t"][0] == pytest.approx(again[0], rel=0, abs=1e-3)
    assert isthmus.load(tmp_path / "run").preprocess == run.model.preprocess


def test_fault_90_test_data_named_apart_is_read_in_the_type_of_the_training_data(tmp_path: Path) -> None:
    """All of it is from one moment, so by itself it would seem to need more digits, or fewer."""
    rng = np.random.default_rng(0)
    wide, narrow = 1.7e9 + 1e8 * rng.normal(size=(60, 2)), 1.7e9 + 1e3 * rng.normal(size=(60, 2))
    for train, test, dtype in ((wide, narrow, np.float32), (narrow, wide, np.float64)):
        for name, x in (("train", train), ("test", test)):
            pl.DataFrame(x, schema=["a", "b"]).write_csv(tmp_path / f"{name}.csv")
        settings = tiny.config(source=str(tmp_path / "train.csv"), test=str(tmp_path / "test.csv"))
        splits = prepare.read_splits(settings, None, tiny.Said())
        assert {splits.train.x.dtype, splits.validation.x.dtype, splits.test.x.dtype} == {np.dtype(dtype)}


def test_fault_102_whatever_score_takes_can_be_explored(digit_run: Run, digits: Digits) -> None:
    x = digits.x[:200]
    named, given = digit_run.neighbors("mnist-2k:3", "mnist-2k:0-9", k=9), digit_run.neighbors(x[3], x[:10], k=10)
    assert given.code.rows[0].tolist() == [3, *named.code.rows[0].tolist()]  # nothing identifies it as one of them
    assert len(digit_run.neighbors(x[:10], k=2).queries) == 10
    assert digit_run.map(torch.from_numpy(x), method="pca").points.shape == (200, 2)
    assert digit_run.duplicates(x[[3, 3, 8]]).pairs[0].is_exact
    labels = digits.labels[:200].astype(str)
    assert digit_run.probe((x, labels))["codes"] == digit_run.probe("mnist-2k:0-199")["codes"]


def test_fault_102_frames_and_dicts_of_columns_can_be_explored(table_run: Run) -> None:
    rows = tiny.table(60).astype(np.float64)
    columns = dict(zip(table_run.model.preprocess.columns or "abcdef", rows.T, strict=True))
    frames = [pl.DataFrame(columns), columns, np.rec.fromarrays(list(columns.values()), names=list(columns))]
    expected = table_run.score(rows).score
    for frame in frames:
        np.testing.assert_allclose(table_run.score(frame).score, expected, rtol=1e-5)
        assert table_run.map(frame, method="pca").points.shape == (60, 2)
        assert table_run.neighbors(frame, k=1).code.rows.shape == (60, 1)
