"""Raw values as columns of the frame that was given: of its types, and all other cells as they were."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.schema import Schema, TableColumn
from isthmus.data.tables.given_columns import column_like, filled_frame, in_type, like_given
from isthmus.data.tables.reading import samples_from_frame

N = 40
FRAME = pl.DataFrame({
    "day": [date(2024, 1 + i % 12, 1 + i % 28) for i in range(N)],
    "moment": [datetime(2024, 1, 1 + i % 28, i % 24, 30, 0, 500_000 * (i % 2)) for i in range(N)],
    "zoned": [datetime(2024, 3, 20 + i % 12, i % 24, tzinfo=UTC) for i in range(N)],
    "clock": [time(i % 24, 5) for i in range(N)],
    "paid": [i % 3 == 0 for i in range(N)],
    "drink": [("tea", "rum", "milk")[i % 3] for i in range(N)],
    "count": [i % 5 for i in range(N)],
    "price": [1.25 * (i % 7) for i in range(N)],
}).with_columns(
    pl.col("zoned").dt.convert_time_zone("Europe/Berlin"), pl.col("drink").cast(pl.Categorical),
    pl.col("count").cast(pl.UInt8), pl.col("price").cast(pl.Float32),
)  # fmt: skip


def read(frame: Any) -> tuple[np.ndarray, Schema]:
    found = samples_from_frame(frame, name="f", options=DataConfig())
    assert found.schema is not None
    return found.x, found.schema


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
def test_fault_153_a_column_without_a_cell_is_filled_in_a_type_of_its_kind(make: Any) -> None:
    values, schema = read(FRAME.select("count", "price", "drink"))
    empty = make({"count": [None] * N, "price": [None] * N, "drink": [None] * N})
    filled = filled_frame(empty, values, np.ones_like(values, bool), schema)
    for name in ("count", "price", "drink"):
        assert [*filled[name]] == FRAME[name].to_list()
        assert {type(cell) for cell in filled[name].to_list()} == {type(cell) for cell in FRAME[name].to_list()}


def with_gaps(frame: pl.DataFrame) -> pl.DataFrame:
    gaps = np.random.default_rng(1).random(frame.shape) < 0.2
    return frame.select(pl.when(pl.Series(~gaps[:, j])).then(pl.col(n)).alias(n) for j, n in enumerate(frame.columns))


def pandas_of(frame: pl.DataFrame) -> pd.DataFrame:
    plain = frame.with_columns(pl.col("zoned").dt.convert_time_zone("UTC").dt.replace_time_zone(None))
    found = pd.DataFrame({name: plain[name].to_list() for name in plain.columns}, index=range(100, 100 + N))
    found["zoned"] = found["zoned"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    return found.astype({"drink": "category", "count": "Int64", "paid": "boolean"})


def test_every_type_of_polars_comes_back_as_it_was() -> None:
    raw, schema = read(FRAME)
    assert pl.DataFrame(like_given(raw, schema, FRAME)).equals(FRAME)


def test_every_type_of_pandas_comes_back_as_it_was() -> None:
    frame = pandas_of(FRAME)
    raw, schema = read(frame)
    np.testing.assert_array_equal(raw, read(FRAME)[0])
    again = pd.DataFrame(like_given(raw, schema, frame))
    pd.testing.assert_frame_equal(again[list(frame.columns)], frame)
    assert type(again["day"].iloc[0]) is date  # which pandas keeps as objects


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_gaps_alone_are_filled(kind: str) -> None:
    holed = with_gaps(FRAME)
    truth, schema = read(FRAME)
    given = holed if kind == "polars" else pandas_of(holed)
    raw = samples_from_frame(given, name="f", options=DataConfig(), expected=schema).x
    full = filled_frame(given, truth, np.isnan(raw), schema)
    if kind == "polars":
        assert full.equals(FRAME)
    else:
        kept = pandas_of(FRAME).drop(columns=["day", "clock"])
        pd.testing.assert_frame_equal(full[list(kept.columns)], kept)


def test_what_a_type_cannot_hold_comes_as_text_or_float() -> None:
    _, schema = read(FRAME)
    raw = np.array([[0, 0, 0, 0, 1, 3, 300, 0.5]], np.float64)  # drink 3 has no name, 300 does not fit a byte
    found = like_given(raw, schema, FRAME)
    assert found["drink"].to_list() == ["(other)"]
    assert found["count"].to_list() == [300.0]
    enum = FRAME.with_columns(pl.col("drink").cast(pl.Enum(["tea", "rum", "milk"])))
    assert like_given(raw, schema, enum)["drink"].dtype == pl.String


def test_frames_with_times_fit_runs_of_texts_and_the_other_way_round() -> None:
    texts = FRAME.select(pl.col("moment").dt.strftime("%d.%m.%Y %H:%M"), "price")
    _, schema = read(texts)
    raw = samples_from_frame(FRAME.select("moment", "price"), name="f", options=DataConfig(), expected=schema).x
    np.testing.assert_array_equal(raw[:, 0], FRAME["moment"].dt.epoch("us").to_numpy() / 1e6)


def test_a_number_beyond_its_decimals_is_a_float() -> None:
    """As a model may make it: 9999.99 is the most that Decimal(6, 2) holds."""
    column = TableColumn("price", "number", decimals=2)
    for values in ([9999.99, np.nan, -9999.99], [10_000.0, 1.25, np.nan]):
        made = in_type(np.array(values), column, pl.Decimal(6, 2))
        assert (made.dtype == pl.Decimal(6, 2)) == (max(values) < 10_000)
        np.testing.assert_array_equal(made.cast(pl.Float64).fill_null(np.nan), values)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_times_beyond_those_that_a_type_holds_are_the_nearest_ones(unit: Any, zone: str | None) -> None:
    column, values = TableColumn("at", "time", format="%Y-%m-%d"), np.array([1e13, -1e13, 0.0, np.nan])
    given = pd.Series(pd.to_datetime([0]).tz_localize(zone).as_unit(unit))
    for made in (
        in_type(values, column, pl.Datetime(unit, zone)).to_list(),
        column_like(values, column, given).to_list(),
    ):
        years = [moment.year for moment in made[:3]]
        assert years == ([2262, 1677, 1970] if unit == "ns" else [9999, 1, 1970])
        assert pd.isna(made[3])
    days = in_type(values, column, pl.Date()).to_list()
    assert days == [date(9999, 12, 31), date(1, 1, 1), date(1970, 1, 1), None]
