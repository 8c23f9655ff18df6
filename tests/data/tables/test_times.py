"""Times: the format that a column is in, and texts that come back as they were; Python's datetime is the reference."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from isthmus.data.schema import Schema
from isthmus.data.tables.cell_conversion import to_texts
from isthmus.data.tables.cells import PLAIN
from isthmus.data.tables.kind_finding import find_schema
from isthmus.data.tables.times import _shapes, find_format, step_of, to_seconds, to_text


@pytest.mark.parametrize(
    ("texts", "pattern", "zone"),
    [
        (["2024-01-02", "2023-12-31"], "%Y-%m-%d", ""),
        (["2024-01-02 10:00", "2024-05-02 13:30"], "%Y-%m-%d %H:%M", ""),
        (["2024-01-02T10:00:05Z", "2024-05-02T13:30:00Z"], "%Y-%m-%dT%H:%M:%S", "Z"),
        (["2024-01-02T10:00:05+01:30", "2024-05-02T13:30:00+01:30"], "%Y-%m-%dT%H:%M:%S", "+01:30"),
        (["31.12.2023", "01.02.2024"], "%d.%m.%Y", ""),
        (["12/31/2023", "02/01/2024"], "%m/%d/%Y", ""),
        (["03 Jan 2024", "04 May 2023"], "%d %b %Y", ""),
        (["10:05", "23:59"], "%H:%M", ""),
        (["2024-01-02 10:00:00.125", "2024-01-02 10:00:00.500"], "%Y-%m-%d %H:%M:%S%.3f", ""),
    ],
)
def test_a_format_is_found_and_texts_come_back(texts: list[str], pattern: str, zone: str) -> None:
    series = pl.Series(texts)
    found = find_format(series)
    assert found is not None
    assert (found.pattern, found.zone) == (pattern, zone)
    assert to_text(to_seconds(series, pattern), pattern, zone) == texts


@pytest.mark.parametrize(
    ("texts", "bare"),
    [
        (["3/8/2021 9:05", "12/31/2021 14:30", "3/8/2021 0:00"], "dmH"),
        (["3/8/2021 9:05 AM", "12/31/2021 11:30 PM"], "dmI"),
        (["3.8.2021", "31.12.2021"], "dm"),
        (["2021-03-08 9:05", "2021-12-31 14:30"], "H"),
        (["03/08/2021", "12/31/2021"], ""),
        (["8:52:00", "12:00:00"], "H"),
        (["12/31/2021", "10/10/2021"], ""),
    ],
)
def test_fault_159_times_without_zeros_in_front_come_back_so(texts: list[str], bare: str) -> None:
    series = pl.Series(texts)
    column = find_schema(series.alias("when").to_frame(), PLAIN, {}).columns[0]
    assert (column.kind, column.bare) == ("time", bare)
    assert Schema.from_dict(Schema((column,)).as_dict()).columns == (column,)
    assert to_texts(to_seconds(series, column.format), column) == texts


@pytest.mark.parametrize("clock", ["10:00:05", "10:00:05.125"])
def test_fault_159_zones_of_hours_alone_as_databases_write_them(clock: str) -> None:
    texts = [f"2024-01-02 {clock}+00", f"2024-05-02 {clock}-05"]
    expected = [datetime.fromisoformat(text).timestamp() for text in texts]
    found = find_format(pl.Series(texts))
    assert found is not None
    assert to_seconds(pl.Series(texts), found.pattern).tolist() == expected
    one = find_format(pl.Series(texts[:1] * 2))
    assert one is not None
    assert to_text(to_seconds(pl.Series(texts[:1]), one.pattern), one.pattern, one.zone) == texts[:1]


@pytest.mark.parametrize("texts", [["10:00-12", "14:30-18"], ["2024-01-02", "2024-05-12"]])
def test_ranges_and_dates_have_no_zone(texts: list[str]) -> None:
    found = find_format(pl.Series(texts))
    assert found is None or not found.zone


def test_seconds_are_those_of_python() -> None:
    texts = ["2024-02-29 23:59", "1969-12-31 00:01", "2025-03-30 02:30"]
    expected = [datetime.strptime(t, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp() for t in texts]
    assert to_seconds(pl.Series(texts), "%Y-%m-%d %H:%M").tolist() == expected
    assert to_seconds(pl.Series(["2024-02-29T23:59:00+02:00"]), "%Y-%m-%dT%H:%M:%S").tolist() == [
        datetime.fromisoformat("2024-02-29T23:59:00+02:00").timestamp()
    ]


def test_several_zones_are_brought_to_one() -> None:
    series = pl.Series(["2024-01-02T10:00:00+01:00", "2024-07-02T10:00:00+02:00"])
    found = find_format(series)
    assert found is not None
    seconds = to_seconds(series, found.pattern)
    assert to_text(seconds, found.pattern, found.zone) == ["2024-01-02T09:00:00+00:00", "2024-07-02T08:00:00+00:00"]


@pytest.mark.parametrize(
    "texts", [["1.5", "2.5"], ["20240102", "20240103"], ["a1", "b2"], ["12-5", "3-4"], ["2024", "7"]]
)
def test_what_is_no_time_is_none(texts: list[str]) -> None:
    assert find_format(pl.Series(texts)) is None


def test_no_format_that_reads_a_text_is_left_out_by_its_shape() -> None:
    moments = pl.Series([datetime(2024, 5, 7, 3, 4, 5, 123_000), datetime(1999, 12, 31, 23, 59, 59, 999_000)])
    for pattern, shape in _shapes():
        for text in moments.dt.strftime(pattern):
            for written in (text, text.lower(), text.upper(), text.replace(" 0", " ")):
                read = np.isfinite(to_seconds(pl.Series([written]), pattern))
                assert shape.fullmatch(written) or not read.any(), (pattern, written)


def test_two_orders_of_day_and_month_are_told() -> None:
    ambiguous, plain = (find_format(pl.Series(t)) for t in (["01/02/2024", "03/04/2024"], ["13/02/2024", "03/04/2024"]))
    assert ambiguous is not None
    assert plain is not None
    assert (ambiguous.ambiguous, plain.ambiguous) == (True, False)


def test_the_step_divides_every_time() -> None:
    assert step_of(np.array([0.0, 86_400.0, np.nan]), "") == 86_400
    assert step_of(np.array([3600.0, 7200.0]), "") == 3600
    assert step_of(np.array([-3600.0, 82_800.0]), "+01:00") == 86_400  # midnights there
    assert step_of(np.array([0.25]), "") == 1e-3
