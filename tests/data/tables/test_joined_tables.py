"""Several files with columns of several kinds are read as one table; problems name the file and its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus.config import DataConfig
from isthmus.data.read import read
from isthmus.data.samples import Samples
from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.pipeline import train as pipeline
from isthmus.system.memory import at_most
from isthmus.tools.inference.apply import reconstruct
from isthmus.tools.inference.intake import read_input
from tiny import FAST

N = 90


def orders() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    drinks = [drink if i % 7 else None for i, drink in enumerate(rng.choice(["tea", "=milk", "rum"], N))]
    return pl.DataFrame({
        "order": [f"A{i:03d}" for i in range(N)],
        "day": [f"2024-01-{1 + i % 28:02d}" for i in range(N)],
        "count": [("few", "many")[i % 2] for i in range(N)],
        "drink": pl.Series(drinks, dtype=pl.String),
        "price": rng.normal(size=N).round(2),
    })  # fmt: skip


def split(folder: Path, *, cuts: tuple[int, ...] = (40, 65)) -> Path:
    """The table in three files: two dialects of text, and Parquet with its columns in another order."""
    folder.mkdir()
    first, second, third = (orders()[list(rows)] for rows in np.split(np.arange(N), cuts))
    first.write_csv(folder / "part-1.csv")
    second.write_csv(folder / "part-2.csv", separator=";", decimal_comma=True)
    third.select(reversed(third.columns)).write_parquet(folder / "part-10.parquet")
    return folder


def assert_same_table(found: Samples, expected: Samples) -> None:
    np.testing.assert_array_equal(found.x, expected.x)
    assert found.schema == expected.schema
    assert found.columns == expected.columns


@pytest.mark.parametrize("pattern", ["part-*", "*.[cp]*"])
def test_files_in_any_format_are_read_as_the_whole_table(tmp_path: Path, pattern: str) -> None:
    orders().write_csv(tmp_path / "whole.csv")
    whole = read(tmp_path / "whole.csv").train
    found = read(split(tmp_path / "days") / pattern).train
    assert_same_table(found, whole)
    assert found.name == "days"
    assert [found.id_of(row) for row in (0, 39, 40, 65)] == ["part-1/0", "part-1/39", "part-2/0", "part-10/0"]
    assert "3 files are read as one set, part-1.csv to part-10.parquet" in found.notes[0]


def test_labels_groups_and_words_for_gaps_are_those_of_all_files(tmp_path: Path) -> None:
    orders().write_csv(tmp_path / "whole.csv")
    options = DataConfig(label="count", group="day", null_values=("rum",), kinds=("order=category",))
    whole, found = (read(path, options).train for path in (tmp_path / "whole.csv", split(tmp_path / "days") / "*"))
    assert_same_table(found, whole)
    assert found.classes == ("few", "many")
    np.testing.assert_array_equal(np.asarray(found.labels), np.asarray(whole.labels))
    np.testing.assert_array_equal(np.asarray(found.groups), np.asarray(whole.groups))
    less = read(tmp_path / "days" / "*", DataConfig(missing="drop")).train
    assert less.id_of(0) == "part-1/1"  # the first drink is missing
    assert len(less) == N - len(range(0, N, 7))


def test_fault_195_problems_of_all_files_are_listed_with_file_and_row(tmp_path: Path) -> None:
    days = split(tmp_path / "days")
    lines = (days / "part-1.csv").read_text().splitlines()
    lines[3] = lines[3].rpartition(",")[0] + ",cheap"
    (days / "part-1.csv").write_text("\n".join(lines) + "\n")
    lines = (days / "part-2.csv").read_text().splitlines()
    lines[5], lines[8] = lines[5].rpartition(";")[0] + ";dear", "tea;2"
    (days / "part-2.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="2 cells are not usable numbers, 1 row has too many or too few") as caught:
        read(days / "*")
    assert caught.value.problems == (
        'part-1.csv, row 4, column "price": "cheap" is not a number',
        'part-2.csv, row 6, column "price": "dear" is not a number',
        'part-2.csv, row 9: expected 5 fields, found 2: "tea;2"',
    )
    found = read(days / "*", DataConfig(skip_bad_rows=True)).train
    assert len(found) == N - 3
    assert [found.id_of(row) for row in (1, 2, 38)] == ["part-1/1", "part-1/3", "part-1/39"]
    assert found.id_of(45) == "part-2/8"  # without rows 4 and 7 of part-2, counted from 0


def test_fault_195_other_columns_are_listed_with_an_option_that_works(tmp_path: Path) -> None:
    days = split(tmp_path / "days")
    pl.read_parquet(days / "part-10.parquet").rename({"price": "cost"}).write_parquet(days / "part-10.parquet")
    with pytest.raises(DataError, match=r'part-10\.parquet lacks "price" and also has "cost"') as caught:
        read(days / "*")
    assert "--drop-column price --drop-column cost" in str(caught.value.fix)
    assert read(days / "*", DataConfig(drop_columns=("price", "cost"))).train.columns == ("day", "count", "drink")


def test_fault_195_a_column_of_numbers_that_only_later_files_have_is_left_out(tmp_path: Path) -> None:
    rows = pl.DataFrame({"a": [0.5, 1.5, 2.5], "b": [3.5, 1.0, 2.0]})
    for k, part in enumerate((rows, rows.with_columns(c=pl.col("a")), rows.with_columns(c=pl.lit("x")))):
        part.write_csv(tmp_path / f"p{k}.csv")
    with pytest.raises(DataError, match=r"2 of 3 files do not have the columns of p0\.csv") as caught:
        read(tmp_path, DataConfig())
    assert "--drop-column c" in str(caught.value.fix)
    found = read(tmp_path, DataConfig(drop_columns=("c",))).train
    assert (found.columns, len(found)) == (("a", "b"), 9)


def test_fault_195_more_than_memory_is_refused_with_what_helps(tmp_path: Path) -> None:
    days = split(tmp_path / "days")
    with at_most(3_000), pytest.raises(ResourceError, match="days, with columns of several kinds or gaps") as caught:
        read(days / "*")
    assert "use fewer of the files, or leave out columns with --drop-column" in str(caught.value.fix)


def test_fault_195_patterns_that_match_nothing_useful(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    for pattern, words in (("*.csv", "no table or array matches"), ("*", "only images")):
        with pytest.raises(DataError, match=words):
            read(tmp_path / pattern)
    (tmp_path / "a.csv").write_text("a\n1\n")
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    with pytest.raises(DataError, match="matches both tables and arrays"):
        read(tmp_path / "*")


def test_a_run_on_a_pattern_is_used_resumed_and_kept(tmp_path: Path) -> None:
    days = split(tmp_path / "days")
    run = isthmus.train(f"{days}/*.*", validation=str(days / "part-2.csv"), out=tmp_path / "run", **FAST)
    assert run.metrics["data"]["name"] == "days"
    assert len(run.prepared.splits.test) == 9  # read again
    again = isthmus.resume(run.path, epochs=3, show=False)
    assert again.metrics["epochs"] == 3
    found = read_input(run, str(days / "*"))  # new data, read by the schema of the model
    np.testing.assert_array_equal(found.x, read(days / "*").train.x)
    assert found.id_of(N - 1) == "part-10/24"
    with pytest.raises(UsageError, match="is the training data of the run"):
        reconstruct(run, tmp_path / "days" / "part-2.csv", days / "part-1.csv")


def test_the_steps_of_a_series_may_lie_in_several_files(tmp_path: Path) -> None:
    hours = pl.DataFrame({
        "at": [f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00" for i in range(240)],
        "load": np.sin(np.arange(240) / 4).round(3),
        "state": [("on", "off")[i // 12 % 2] for i in range(240)],
    })  # fmt: skip
    for k in (2, 1, 0):
        hours[k * 80 : k * 80 + 80].write_csv(tmp_path / f"week{k}.csv")
    config = pipeline.configure(f"{tmp_path}/week*.csv", "modern", {"data": {"window": 12, "time": "at"}}, {})
    assert config.data.source == f"{tmp_path}/week*.csv"
    found = read(f"{tmp_path}/week*.csv", config.data).train
    assert found.schema is not None
    assert [column.kind for column in found.schema.columns] == ["time", "number", "yes-no"]
    assert (np.diff(found.x[:, 0]) == 3600).all()
