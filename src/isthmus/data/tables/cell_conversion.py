"""Cells of a table to raw values by the schema of its columns, and raw values back to cells as they were written.

A raw value is a number as it stands, a count, 0 for no and 1 for yes, the place of a level in its category (their
number for a level that training has no name for), or seconds of a time; NaN is a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.data.numeric import LARGEST
from isthmus.data.schema import OTHER, Schema, TableColumn
from isthmus.data.tables.cells import Style, numbers_of_texts
from isthmus.data.tables.kind_finding import allowed, missing_texts
from isthmus.data.tables.times import seconds_of, texts_of, to_seconds, to_text
from isthmus.errors import DataError


class Converted(NamedTuple):
    """Raw values (N, K) float64 of the modeled columns, where they are missing, and where a cell is none of its kind.

    `unseen` holds, by column, the levels that the schema has no name for, with their numbers of rows.
    """

    values: np.ndarray
    missing: np.ndarray
    bad: np.ndarray
    unseen: dict[str, dict[str, int]]


def to_raw(cells: pl.DataFrame, schema: Schema, style: Style) -> Converted:
    """Raw values of cells (texts, stripped, or numbers), whose columns are named as in the schema."""
    shape = (cells.height, len(schema.modeled))
    found = Converted(np.full(shape, np.nan), np.zeros(shape, bool), np.zeros(shape, bool), {})
    for k, column in enumerate(schema.modeled):
        values, missing = _raw_column(cells[column.name], column, style)
        fits = allowed(column, values)
        found.values[:, k] = np.where(fits, values, np.nan)
        found.missing[:, k] = missing
        found.bad[:, k] = ~missing & (np.isnan(values) | ~fits)
        if column.kind == "category" and (new := _unseen(cells[column.name], missing, column)):
            found.unseen[column.name] = new
    return found


def refuse_foreign(values: np.ndarray, schema: Schema) -> None:
    """Raises: DataError for raw values (N, K) that no column of their kind holds, such as 2.5 where 0 to 3 stand for
    names. Rows are counted from 0, as in the array.
    """
    problems = []
    for k, column in enumerate(schema.modeled):
        wrong = np.flatnonzero(~allowed(column, values[:, k].astype(np.float64)))
        holds = f"allowed are {_holds(column)}"
        problems += [f"row {i}, column {column.name!r}: {values[i, k]:g} is none of its values; {holds}" for i in wrong]
    if problems:
        fix = "correct it, or pass a data frame, whose cells are read as in training"
        raise DataError("DATA-VALUE", f"{problems[0]}.", fix=fix, problems=problems if len(problems) > 1 else ())


def _holds(column: TableColumn) -> str:
    """The raw values of a column, for a sentence."""
    names = {
        "count": "whole numbers from 0 on",
        "yes-no": "0 for no and 1 for yes",
        "category": f"0 to {len(column.levels) - 1}, the places of its names, and {len(column.levels)} for any other",
    }
    return names.get(column.kind, f"numbers up to {LARGEST:.2g}")


def to_cells(values: np.ndarray, schema: Schema) -> dict[str, np.ndarray | Sequence[Any]]:
    """Columns as they were written, by name, of raw values (N, K): texts, whole numbers, numbers; None for a gap."""
    return {column.name: _written(values[:, k], column) for k, column in enumerate(schema.modeled)}


def to_texts(values: np.ndarray, column: TableColumn) -> list[str]:
    """The raw values (n,) of one column as texts; "" for a gap."""
    written = _written(values, column)
    return ["" if value is None or value != value else _text(value) for value in list(written)]


def _text(value: Any) -> str:
    if isinstance(value, str | int):
        return str(value)
    return repr(float(value))


def _raw_column(cells: pl.Series, column: TableColumn, style: Style) -> tuple[np.ndarray, np.ndarray]:
    """(values, missing), both (n,)."""
    if cells.dtype.is_numeric() and column.kind in {"number", "count"}:
        values = cells.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return values, np.isnan(values)
    if cells.dtype.is_temporal() and column.kind == "time":
        return seconds_of(cells, column.format), cells.is_null().to_numpy()
    text = as_texts(cells)
    missing = missing_texts(text, numbers=column.kind in {"number", "count", "time"}).to_numpy()
    read = {"number": _numbers, "count": _numbers, "time": _times, "category": _levels, "yes-no": _truths}
    values = np.array(read[column.kind](text, column, style), np.float64)
    values[missing] = np.nan
    return values, missing


def as_texts(cells: pl.Series) -> pl.Series:
    """Cells as stripped texts; whole numbers kept as floats lose their ".0", as 3.0 is the level "3"."""
    if cells.dtype.is_temporal():
        cells = texts_of(cells)
    if cells.dtype.is_float():
        whole = cells.drop_nulls().drop_nans()
        cells = cells.fill_nan(None)
        if bool((whole == whole.floor()).all()):
            cells = cells.cast(pl.Int64)
    return cells.cast(pl.String).fill_null("").str.strip_chars()


def _numbers(text: pl.Series, column: TableColumn, style: Style) -> np.ndarray:
    return numbers_of_texts(text, style)


def _times(text: pl.Series, column: TableColumn, style: Style) -> np.ndarray:
    return to_seconds(text, column.format)


def _levels(text: pl.Series, column: TableColumn, style: Style) -> np.ndarray:
    places = {level: float(i) for i, level in enumerate(column.levels)}
    return text.replace_strict(places, default=float(len(places)), return_dtype=pl.Float64).to_numpy()


def _truths(text: pl.Series, column: TableColumn, style: Style) -> np.ndarray:
    """By the words, whatever their case; numbers by their value, as 1.0 is 1; True and False for 1 and 0."""
    words = {level.lower(): float(i) for i, level in enumerate(column.levels)}
    if set(words) in ({"0", "1"}, {"false", "true"}):
        words |= {"false": 0.0, "true": 1.0, "0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0}
    return text.str.to_lowercase().replace_strict(words, default=float("nan"), return_dtype=pl.Float64).to_numpy()


def _unseen(cells: pl.Series, missing: np.ndarray, column: TableColumn) -> dict[str, int]:
    texts = as_texts(cells).filter(pl.Series(~missing))
    new = texts.filter(~texts.is_in(list(column.levels))).value_counts(sort=True)
    return dict(zip(new.to_series(0).to_list(), new.to_series(1).to_list(), strict=True)) if len(new) else {}


def _written(values: np.ndarray, column: TableColumn) -> Any:
    make: dict[str, Callable[[], Any]] = {
        "number": lambda: _rounded(values, column.decimals),
        "count": lambda: _rounded(values, 0),
        "yes-no": lambda: _named(values, column.levels),
        "category": lambda: _named(values, (*column.levels, OTHER)),
        "time": lambda: [t or None for t in to_text(values, column.format, column.zone)],
    }
    return make[column.kind]()


def _rounded(values: np.ndarray, decimals: int | None) -> list[float | int | None]:
    rounded = values if decimals is None else np.round(values, decimals) + 0.0
    kind = int if decimals == 0 else float
    return [kind(v) if np.isfinite(v) else None for v in rounded]


def _named(places: np.ndarray, names: tuple[str, ...]) -> list[str | None]:
    known = np.isfinite(places)
    at = np.where(known, places, 0).round().clip(0, len(names) - 1).astype(np.int64)
    return [names[k] if there else None for k, there in zip(at, known, strict=True)]


__all__ = ["Converted", "as_texts", "refuse_foreign", "to_cells", "to_raw", "to_texts"]
