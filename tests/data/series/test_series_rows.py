"""The order of rows, the breaks between them, and clocks that are set."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.read import read_samples
from isthmus.data.series.clock_changes import clock_changes, without_changes
from isthmus.data.series.series_reading import Series, as_series, known_series
from isthmus.data.series.series_rows import as_given, stamp_texts
from isthmus.errors import DataError

HOUR, START = dt.timedelta(hours=1), dt.datetime(2024, 1, 1)
RNG = np.random.default_rng(0)


def table(stamps: list[dt.datetime], path: Path, form: str = "%Y-%m-%d %H:%M", **more: list[str]) -> Path:
    """A column of random values beside these times."""
    values = np.round(np.random.default_rng(len(stamps)).normal(size=len(stamps)), 3)
    pl.DataFrame({"time": [stamp.strftime(form) for stamp in stamps], "value": values, **more}).write_csv(path)
    return path


def series(path: Path, **options: object) -> Series:
    settings = DataConfig(**{"window": 4, **options})  # pyright: ignore
    return as_series(read_samples(path, settings), settings)


def hours(n: int) -> list[dt.datetime]:
    return [START + i * HOUR for i in range(n)]


def test_rows_in_any_order_are_sorted_and_go_back(tmp_path: Path) -> None:
    stamps = hours(50)
    shuffled = [stamps[i] for i in RNG.permutation(50)]
    found, layout = series(table(shuffled, tmp_path / "a.csv"))
    assert found.stamps is not None
    assert (np.diff(found.stamps) == 3600).all()
    assert layout.time == "time"
    assert layout.step == 3600
    values = pl.read_csv(tmp_path / "a.csv")["value"].to_numpy()
    np.testing.assert_array_equal(as_given(found, found.raw)[:, 0], values)
    assert stamp_texts(found, layout) == [stamp.strftime("%Y-%m-%d %H:%M") for stamp in shuffled]
    assert any('rows moved, to sort the table by "time"' in note for note in found.table.notes)


def test_fault_140_missing_and_double_stamps_are_breaks_and_named(tmp_path: Path) -> None:
    stamps = hours(40)
    del stamps[10:13]
    stamps.insert(30, stamps[30])
    found, _ = series(table(stamps, tmp_path / "a.csv"))
    assert found.starts.tolist() == [0, 10, 31]
    note = next(note for note in found.table.notes if "break" in note)
    assert "2 breaks in time" in note
    assert "3 rows missing between 2024-01-01 09:00 and 2024-01-01 13:00" in note
    assert "2024-01-02 09:00 occurs twice" in note


def test_fault_140_rows_without_a_time_are_told(tmp_path: Path) -> None:
    path = table(hours(40), tmp_path / "a.csv")
    path.write_text(path.read_text().replace("2024-01-01 05:00", ""))
    with pytest.raises(DataError, match='1 row without a time in column "time"') as error:
        series(path)
    assert list(error.value.problems) == ['row 5, column "time": no time']
    assert "Rows are counted from 0" in error.value.message
    assert error.value.message.startswith("a.csv: ")  # the file, not only its stem
    found, _ = series(path, missing="drop")
    assert found.starts.tolist() == [0, 5]


@pytest.mark.parametrize("minutes", [10, 60])
def test_local_times_of_a_clock_that_is_set_have_no_break(tmp_path: Path, minutes: int) -> None:
    zone, begin = zoneinfo.ZoneInfo("Europe/Berlin"), dt.datetime(2024, 10, 25, tzinfo=dt.UTC)
    stamps = [(begin + i * dt.timedelta(minutes=minutes)).astimezone(zone) for i in range(600)]
    found, layout = series(table(stamps, tmp_path / "local.csv"))
    assert len(found.starts) == 1
    assert (found.order == np.arange(600)).all()
    assert any("the clock seems to have been set back after 2024-10-27 02:" in note for note in found.table.notes)
    zoned, _ = series(table(stamps, tmp_path / "zoned.csv", "%Y-%m-%dT%H:%M:%S%z"))
    assert zoned.stamps is not None
    assert found.stamps is not None
    np.testing.assert_array_equal(np.diff(zoned.stamps), np.diff(found.stamps))
    texts = stamp_texts(found, layout)
    assert texts == [stamp.strftime("%Y-%m-%d %H:%M") for stamp in stamps]


def test_a_missing_hour_of_another_day_is_no_change_of_the_clock() -> None:
    stamps = np.arange(100) * 3600.0 + 1_700_000_000 // 3600 * 3600
    stamps[50:] += 3600
    day = dt.datetime.fromtimestamp(stamps[49], dt.UTC)
    assert day.weekday() != 6  # no Sunday
    assert clock_changes(stamps, 3600.0) == []
    assert (without_changes(stamps, []) == stamps).all()


def test_groups_are_stretches_of_their_own(tmp_path: Path) -> None:
    stamps = [stamp for stamp in hours(30) for _ in "ab"]
    path = table(stamps, tmp_path / "a.csv", sensor=["a", "b"] * 30)
    found, layout = series(path, group="sensor")
    assert [part.stop - part.start for part in found.stretches] == [30, 30]
    assert layout.rows.names == ("value",)


def test_several_columns_of_times_are_an_error_that_names_the_finest(tmp_path: Path) -> None:
    path = table(hours(60), tmp_path / "a.csv", day=[f"{stamp:%Y-%m-%d}" for stamp in hours(60)])
    with pytest.raises(DataError, match="2 time columns") as error:
        series(path)
    assert error.value.fix == "pass --time time"
    found, layout = series(path, time="time")
    assert layout.rows.names == ("value",)
    assert any('"day" left out' in note for note in found.table.notes)


def test_a_column_of_text_is_no_time_and_the_fix_leaves_out_both(tmp_path: Path) -> None:
    path = table(hours(60), tmp_path / "a.csv", note=[f"some words {i}" for i in range(60)])
    with pytest.raises(DataError, match="60 of 60 rows hold no number") as error:
        series(path, time="note")
    assert error.value.fix == "leave it out with --drop-column note and leave out --time"
    assert series(path, drop_columns=("note",))[1].rows.names == ("value",)
    path = table(hours(60), tmp_path / "b.csv", note2=[f"some words {i}" for i in range(60)], note=["1"] * 60)
    with pytest.raises(DataError) as error:
        series(path, time="note", kinds=("note2=number",))
    assert "leave out --time" not in (error.value.fix or "")  # another column whose name begins alike


def test_numbers_may_be_times_and_rows_may_have_none(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    pl.DataFrame({"t": np.arange(40) / 2, "value": RNG.normal(size=40)}).write_csv(path)
    found, layout = series(path, time="t")
    assert (layout.step, layout.rows.names) == (0.5, ("value",))
    found, layout = series(path)
    assert layout.time is None
    assert any('column "t" increases from row to row' in note for note in found.table.notes)


def test_fault_141_rows_further_apart_than_in_training_are_refused(tmp_path: Path) -> None:
    _, layout = series(table(hours(60), tmp_path / "a.csv"))
    other = table([START + i * HOUR / 6 for i in range(60)], tmp_path / "b.csv")
    read = read_samples(other, DataConfig(window=4), expected=layout.table)
    with pytest.raises(
        DataError, match="its rows are 10 minutes apart, but the model was trained on rows 1 hour apart"
    ) as error:
        known_series(read, layout)
    assert error.value.fix == "resample the table to one row every 1 hour"
