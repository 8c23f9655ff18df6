"""Tables of results, read back with csv and pandas."""

import csv
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isthmus.data.tables.writing import about_formulas, without_apostrophes, write_table
from isthmus.errors import ResourceError, UsageError

COLUMNS = {"id": ["a", "b", 'c "d", e'], "z0": np.array([-1.5, 0.1, 3e-8], np.float32), "n": [1, 2, 3]}


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_text_holds_the_same_values(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = write_table(tmp_path / f"codes{suffix}", COLUMNS)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter=delimiter)
    assert header == list(COLUMNS)
    assert [row[0] for row in rows] == COLUMNS["id"]
    np.testing.assert_array_equal([np.float32(row[1]) for row in rows], COLUMNS["z0"])


def test_parquet_holds_values_and_types(tmp_path: Path) -> None:
    frame = pl.read_parquet(write_table(tmp_path / "codes.parquet", COLUMNS))
    np.testing.assert_array_equal(frame["z0"].to_numpy(), COLUMNS["z0"])
    assert frame["z0"].dtype == pl.Float32
    assert frame["id"].to_list() == COLUMNS["id"]


def test_fault_84_texts_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    cells = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "fine", "a=b"]
    path = write_table(tmp_path / "a.csv", {"=id": cells, "score": np.arange(-3.0, 4.0)})
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["'=id", "score"]
    assert [row[0] for row in rows] == ["'=1+1", "'+cmd|' /C calc'!A0", "'-2+3", "'@SUM(A1)", "'\tx", "fine", "a=b"]
    assert [float(row[1]) for row in rows] == [-3, -2, -1, 0, 1, 2, 3]  # numbers are as they were
    assert rows[0][1] == "-3.0"
    parquet = pl.read_parquet(write_table(tmp_path / "a.parquet", {"id": cells}))
    assert parquet["id"].to_list() == cells
    assert without_apostrophes([row[0] for row in rows]) == cells
    assert without_apostrophes(["'quoted'", "it's", "'"]) == ["'quoted'", "it's", "'"]


def test_fault_84_numbers_stay_as_they_are_also_as_text(tmp_path: Path) -> None:
    cells = ["-1", "+1", "-1.5e-3", "-.5", "+2.", "-1-1", "-"]
    path = write_table(tmp_path / "a.csv", {"label": cells})
    with path.open(newline="", encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)][1:] == [*cells[:5], "'-1-1", "'-"]


def test_fault_84_what_was_changed_is_said(tmp_path: Path) -> None:
    columns = {"id": ["=a", "b", None, "-c"], "label": ["@x", "-1", "y", "z"], "z": np.array([-1.0, 2, 3, 4])}
    assert about_formulas(tmp_path / "a.csv", columns)[0].startswith(
        "3 texts begin with = + - or @; an apostrophe was put in front"
    )
    assert about_formulas(tmp_path / "a.parquet", columns) == ()
    assert about_formulas(tmp_path / "a.csv", {"id": ["a", "-1"], "z": np.array([-1.0, 2])}) == ()
    assert about_formulas(tmp_path / "a.csv", {"id": ["=a"]})[0].startswith("1 text begins")
    named = {"-neg": np.array([1.0]), "=a": np.array([1.0]), "a=b": np.array([1.0]), "fine": ["@x"]}
    assert about_formulas(tmp_path / "a.csv", named)[0].startswith("1 text and 2 column names begin with = + - or @")
    del named["=a"], named["fine"]
    assert about_formulas(tmp_path / "a.csv", named)[0].startswith("1 column name begins with")
    assert about_formulas(tmp_path / "a.parquet", named) == ()


def test_old_table_stays_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_table(tmp_path / "a.csv", {"a": [1]})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        write_table(path, {"a": [2]})
    assert path.read_text() == "a\n1\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_other_suffixes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a table cannot be written as \.xlsx") as e:
        write_table(tmp_path / "a.xlsx", {"a": [1]})
    assert e.value.fix == "name it .csv, .tsv or .parquet"


def test_columns_of_lists_are_named_one_or_many(tmp_path: Path) -> None:
    one, two = {"a": [[1], [2]]}, {"a": [[1], [2]], "b": [[3], [4]]}
    for columns, said in ((one, 'column "a" has several'), (two, 'columns "a", "b" have several')):
        with pytest.raises(UsageError, match=said):
            write_table(tmp_path / "t.csv", columns)
        assert write_table(tmp_path / "t.parquet", columns).exists()
