"""Rows that Python gets of a run: a frame of the library and the types that it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import isthmus
import tiny
from isthmus.errors import DataError

N = 120
A = np.random.default_rng(0).normal(size=N)
DRINK = np.array(["tea", "=milk", "rum"])[np.digitize(A, [-0.5, 0.5])]
MINUTES = np.arange(N) * 1441


def polars_frame() -> pl.DataFrame:
    when = pl.Series(np.datetime64("2024-01-01T00:00:00", "us") + MINUTES.astype("timedelta64[m]"))
    return pl.DataFrame({
        "size": np.round(A, 2),
        "visits": (4 + 2 * A).clip(0).astype(np.uint16),
        "paid": A > 0,
        "drink": pl.Series(DRINK.tolist(), dtype=pl.Categorical),
        "at": when,
        "day": when.dt.date(),
    })  # fmt: skip


def pandas_frame() -> pd.DataFrame:
    return pd.DataFrame({
        "size": np.round(A, 2),
        "visits": pd.array((4 + 2 * A).clip(0).astype(int), dtype="Int64"),
        "paid": pd.array(A > 0, dtype="boolean"),
        "drink": pd.Categorical(DRINK),
        "at": pd.Timestamp("2024-01-01") + pd.to_timedelta(MINUTES, unit="m"),
    }, index=range(500, 500 + N))  # fmt: skip


FRAMES: dict[str, Any] = {"polars": polars_frame(), "pandas": pandas_frame()}
BOTH = pytest.mark.parametrize("kind", FRAMES)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, isthmus.Run]:
    folder = tmp_path_factory.mktemp("frames")
    return {kind: isthmus.train(frame, out=folder / kind, **tiny.FAST) for kind, frame in FRAMES.items()}


def types(frame: Any) -> dict[str, Any]:
    found = frame.dtypes
    return dict(zip(frame.columns, found, strict=True)) if isinstance(found, list) else found.to_dict()


@BOTH
def test_rows_that_are_made_have_the_types_of_training(runs: dict[str, isthmus.Run], kind: str) -> None:
    run, frame = isthmus.Run(runs[kind].path), FRAMES[kind]  # opened again: types are kept with the model
    z = run.encode(frame)
    made = [run.sample(5), run.decode(z), run.decode(np.asarray(z)), run.interpolate(frame[:1], frame[1:2], steps=3)]
    for found in [*made, run.reconstruct(frame), run.impute(frame)]:
        assert type(found) is type(frame)
        assert types(found) == types(frame)
    assert set(run.sample(20)["drink"]) <= set(DRINK)
    assert list(run.decode(z)["drink"]) == list(run.reconstruct(frame)["drink"])


@BOTH
def test_edited_rows_keep_types_and_index(runs: dict[str, isthmus.Run], kind: str) -> None:
    given = FRAMES[kind][:7]
    found = runs[kind].edit(given, add="drink=rum", strength=3)
    assert types(found) == types(given)
    if kind == "pandas":
        assert list(found.index) == list(given.index)
        assert runs[kind].edit(given.iloc[0], add="size").index.tolist() == list(given.columns)


def test_a_row_of_pandas_stands_for_an_end_of_a_way(runs: dict[str, isthmus.Run]) -> None:
    frame = FRAMES["pandas"]
    found = runs["pandas"].interpolate(frame.iloc[0], frame.iloc[1], steps=3)
    assert types(found) == types(frame)


def test_codes_in_a_frame_of_the_other_library_give_one_of_theirs(runs: dict[str, isthmus.Run]) -> None:
    z = runs["polars"].encode(FRAMES["polars"])
    found = runs["polars"].decode(pd.DataFrame(z.to_numpy(), columns=z.columns, index=range(9, 9 + N)))
    assert isinstance(found, pd.DataFrame)
    assert list(found.index) == list(range(9, 9 + N))
    assert found["at"].tolist() == runs["polars"].decode(z)["at"].to_list()


def test_numbers_come_as_a_frame_only_where_one_was_given(tmp_path: Path) -> None:
    x = tiny.table(60, 3)
    run = isthmus.train(pd.DataFrame(x, columns=list("abc")), out=tmp_path / "frame", **tiny.FAST)
    assert list(isthmus.Run(run.path).sample(4).columns) == list("abc")
    array = isthmus.train(x, out=tmp_path / "array", **tiny.FAST)
    assert isinstance(array.sample(4), np.ndarray)
    np.testing.assert_array_equal(run.sample(4).to_numpy(), array.sample(4))
    assert isinstance(run.decode(run.encode(x)), np.ndarray)


def test_a_table_of_a_file_gives_polars_frames_as_written(tmp_path: Path) -> None:
    frame = FRAMES["polars"].drop("day").with_columns(pl.col("at").dt.strftime("%d.%m.%Y %H:%M"))
    frame.with_columns(paid=pl.Series(np.where(A > 0, "yes", "no"))).write_csv(tmp_path / "t.csv")
    found = isthmus.train(tmp_path / "t.csv", out=tmp_path / "run", **tiny.FAST).sample(8)
    assert found.dtypes == [pl.Float64, pl.Int64, pl.String, pl.String, pl.String]
    assert set(found["paid"]) <= {"yes", "no"}
    assert found["at"].str.to_datetime("%d.%m.%Y %H:%M").null_count() == 0


def test_an_array_of_objects_is_refused_with_what_works(runs: dict[str, isthmus.Run]) -> None:
    with pytest.raises(DataError, match="object values") as told:
        runs["polars"].encode(FRAMES["polars"].select("size", "drink").to_numpy())
    assert told.value.fix == "pass a data frame, whose columns are found by name"
