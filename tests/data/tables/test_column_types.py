"""Types of columns that a model keeps as texts: raw values become the frame that was trained on, of the same types."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.schema import Schema
from isthmus.data.tables.column_types import text_of, trained_frame
from isthmus.data.tables.reading import samples_from_frame

N = 40
POLARS = pl.DataFrame({
    "day": [date(2024, 1 + i % 12, 1 + i % 28) for i in range(N)],
    "moment": [datetime(2024, 1, 1 + i % 28, i % 24, 30) for i in range(N)],
    "zoned": [datetime(2024, 3, 20 + i % 12, i % 24, tzinfo=UTC) for i in range(N)],
    "clock": [time(i % 24, 5) for i in range(N)],
    "paid": [i % 3 == 0 for i in range(N)],
    "answer": [("yes", "no")[i % 2] for i in range(N)],
    "drink": [("tea", "rum", "=milk")[i % 3] for i in range(N)],
    "size": [("S", "L", "M", "M")[i % 4] for i in range(N)],
    "count": [i % 5 for i in range(N)],
    "price": [1.25 * (i % 7) for i in range(N)],
    "cost": [Decimal(i % 7) + Decimal("0.25") for i in range(N)],
}).with_columns(
    pl.col("zoned").dt.convert_time_zone("Europe/Berlin").dt.cast_time_unit("ms"), pl.col("drink").cast(pl.Categorical),
    pl.col("size").cast(pl.Enum(["S", "M", "L", "XL"])), pl.col("count").cast(pl.UInt8),
    pl.col("price").cast(pl.Float32), pl.col("cost").cast(pl.Decimal(10, 2)),
)  # fmt: skip


def pandas_frame() -> pd.DataFrame:
    i = np.arange(N)
    return pd.DataFrame({
        "day": [date(2024, 1 + k % 12, 1 + k % 28) for k in range(N)],
        "moment": pd.to_datetime("2024-01-01") + pd.to_timedelta(i, unit="h"),
        "zoned": pd.date_range("2024-03-20", periods=N, freq="31h", tz="Europe/Berlin", unit="us"),
        "paid": pd.array(i % 3 == 0, dtype="boolean"),
        "plain": i % 5 == 0,
        "objects": np.array([k % 4 == 0 for k in range(N)], dtype=object),
        "drink": pd.Categorical([("tea", "rum")[k % 2] for k in range(N)], ["rum", "tea", "gin"], ordered=True),
        "room": pd.Categorical([(30, 10)[k % 2] for k in range(N)]),
        "name": pd.Series([("a", "b", "c")[k % 3] for k in range(N)], dtype=object),
        "count": pd.array(i % 5, dtype="Int16"),
        "price": (1.25 * (i % 7)).astype(np.float32),
    }).rename_axis(columns=None)  # fmt: skip


FRAMES = {"polars": POLARS, "pandas": pandas_frame()}


def read(frame: Any) -> tuple[np.ndarray, Schema, str]:
    """Raw values, and the schema as a model's file gives it back."""
    found = samples_from_frame(frame, name="f", options=DataConfig(kinds=("room=category",) if "room" in frame else ()))
    assert found.schema is not None
    return found.x, Schema.from_dict(found.schema.as_dict()), found.frame


def test_every_type_of_polars_is_there_again() -> None:
    assert trained_frame(*read(POLARS)).equals(POLARS)
    assert trained_frame(*read(POLARS)).schema == POLARS.schema


def test_every_type_of_pandas_is_there_again() -> None:
    pd.testing.assert_frame_equal(trained_frame(*read(FRAMES["pandas"])), FRAMES["pandas"])


@pytest.mark.parametrize("kind", FRAMES)
def test_one_row_and_none_have_the_same_columns(kind: str) -> None:
    raw, schema, library = read(FRAMES[kind])
    for n in (0, 1):
        found = trained_frame(raw[:n], schema, library)
        assert list(found.columns) == list(FRAMES[kind].columns)
        assert len(found) == n
    if kind == "pandas":
        pd.testing.assert_frame_equal(found, FRAMES[kind][:1])


@pytest.mark.parametrize("kind", FRAMES)
def test_cells_are_the_same_in_the_other_library(kind: str) -> None:
    raw, schema, library = read(FRAMES[kind])
    raw[3, :] = np.nan
    other = "pandas" if kind == "polars" else "polars"
    found = trained_frame(raw, schema, library, other)
    assert type(found).__module__.partition(".")[0] == other
    assert [str(v) for v in found["day"]][:2] == [str(v) for v in FRAMES[kind]["day"]][:2]
    assert [bool(v) for k, v in enumerate(found["paid"]) if k != 3] == [k % 3 == 0 for k in range(N) if k != 3]
    assert found["count"][3] is None if other == "polars" else pd.isna(found["count"][3])


def test_columns_of_a_file_come_as_they_were_written() -> None:
    raw, schema, _ = read(POLARS)
    plain = Schema(tuple(replace(column, dtype="") for column in schema.columns))
    found = trained_frame(raw, plain, "")
    assert found["day"].to_list() == [str(value) for value in POLARS["day"]]
    assert found["drink"].to_list() == POLARS["drink"].to_list()
    assert found["count"].to_list() == POLARS["count"].to_list()
    assert found["count"].dtype == pl.Int64
    assert found["price"].to_list() == POLARS["price"].to_list()


WRONG = ["DataFrame", "read_csv", "Enum {broken", 'Datetime {"time_unit": 3}', "os.system", "O8"]


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("kind", FRAMES)
def test_a_type_that_is_none_gives_texts(kind: str, text: str) -> None:
    raw, schema, library = read(FRAMES[kind])
    wrong = Schema(tuple(replace(c, dtype=text if c.name == "drink" else c.dtype) for c in schema.columns))
    found = trained_frame(raw, wrong, library)
    assert [str(value) for value in found["drink"]] == [str(value) for value in FRAMES[kind]["drink"]]


def test_too_many_categories_are_not_kept() -> None:
    assert text_of(pl.Series(["a"], dtype=pl.Enum([str(i) for i in range(20_000)] + ["a"]))) == ""
    assert text_of(pl.Series([], dtype=pl.Enum(["ä"]))) == 'Enum {"categories": ["ä"]}'
