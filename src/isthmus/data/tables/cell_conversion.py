"""Converts cells of a table to raw values by the schema of its columns, and back to cells in the original format.

A raw value is a number, a count, 0 for no and 1 for yes, the index of a level in its category (the number of levels
for a level that is not listed), or the seconds of a time; NaN is a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.data.numeric import LARGEST
from isthmus.data.schema import OTHER, Schema, TableColumn
from isthmus.data.tables.cells import Style
from isthmus.data.tables.kind_finding import allowed, missing_texts
from isthmus.data.tables.number_units import numbers_with
from isthmus.data.tables.text_cells import Columns, TextCells, by_column, columns_of
from isthmus.data.tables.times import seconds_of, texts_of, to_seconds, to_text
from isthmus.errors import DataError
from isthmus.system.heap import small_pages
from isthmus.system.workers import results

AT_ONCE = 4_096  # rows of all columns that are copied at once: for 50 columns 1.6 MB; 1,024 take a fifth longer


Spread = tuple[np.ndarray, np.ndarray | None]  # values of levels, and the level of each cell (None: one level per cell)


class Converted(NamedTuple):
    """Raw values (N, K) float64 of the modeled columns, with masks of missing cells and of cells that do not fit.

    `unseen` holds, by column, the levels that are not in the schema, with their numbers of rows.
    """

    values: np.ndarray
    missing: np.ndarray
    bad: np.ndarray
    unseen: dict[str, dict[str, int]]


def to_raw(cells: pl.DataFrame | Columns, schema: Schema, style: Style) -> Converted:
    """Raw values of cells (text or numbers) in columns named as in the schema."""
    columns = columns_of(cells)
    n = max(map(len, columns.values()), default=0)
    read = by_column(lambda column: _raw_column(columns[column.name], column, style), schema.modeled, n)
    unseen = {c.name: new for c, found in zip(schema.modeled, read, strict=True) if (new := found.unseen)}
    missing, bad = (_marks([(getattr(part, what), part.places) for part in read]) for what in ("missing", "bad"))
    return Converted(_side_by_side([(part.values, part.places) for part in read]), missing, bad, unseen)


def _side_by_side(columns: Sequence[Spread]) -> np.ndarray:
    """Columns as (n, K), copied some rows at a time, which stay in the processor's cache."""
    found = small_pages((_length(columns[0]), len(columns)))

    def copy(start: int) -> None:
        some = slice(start, start + AT_ONCE)
        for k, (values, places) in enumerate(columns):
            found[some, k] = values[some] if places is None else values[places[some]]

    results(copy, range(0, len(found), AT_ONCE))
    return found


def _marks(columns: Sequence[Spread]) -> np.ndarray:
    """Masks as (n, K); memory is used only for columns in which one is True."""
    found = np.zeros((len(columns), _length(columns[0])), bool)
    for k, (marks, places) in enumerate(columns):
        if marks.any():
            found[k] = marks if places is None else marks[places]
    return found.T


def _length(column: Spread) -> int:
    values, places = column
    return len(values if places is None else places)


def refuse_foreign(values: np.ndarray, schema: Schema) -> None:
    """Raises: DataError for raw values (N, K) that their column cannot hold, such as 2.5 if 0 to 3 are categories. Rows
    are counted from 0, as in the array.
    """
    problems = []
    for k, column in enumerate(schema.modeled):
        wrong = np.flatnonzero(~allowed(column, values[:, k].astype(np.float64)))
        holds = f"allowed: {_holds(column)}"
        problems += [f"row {i}, column {column.name!r}: {values[i, k]:g} is not allowed; {holds}" for i in wrong]
    if problems:
        fix = "correct it, or pass a data frame, whose cells are read as in training"
        raise DataError("DATA-VALUE", f"{problems[0]}.", fix=fix, problems=problems if len(problems) > 1 else ())


def _holds(column: TableColumn) -> str:
    """A phrase for the raw values that a column may hold."""
    names = {
        "count": "whole numbers, 0 or more",
        "yes-no": "0 for no and 1 for yes",
        "category": f"0 to {len(column.levels) - 1} for its categories, and {len(column.levels)} for any other",
    }
    return names.get(column.kind, f"numbers up to {LARGEST:.2g}")


def to_cells(values: np.ndarray, schema: Schema) -> dict[str, np.ndarray | Sequence[Any]]:
    """Raw values (N, K) as columns by name in the original format: text, integers, floats; None for a gap."""
    return {column.name: _written(values[:, k], column) for k, column in enumerate(schema.modeled)}


def to_texts(values: np.ndarray, column: TableColumn) -> list[str]:
    """Raw values (n,) of one column as text; "" for a gap."""
    written = _written(values, column)
    return ["" if value is None or value != value else _text(value) for value in list(written)]


def _text(value: Any) -> str:
    if isinstance(value, str | int):
        return str(value)
    return repr(float(value))


class _RawColumn(NamedTuple):
    """As `Converted`, for one column: for its levels if `places` gives the level of each cell, else for its cells.
    `unseen` are the new levels with their numbers of rows.
    """

    values: np.ndarray
    missing: np.ndarray
    bad: np.ndarray
    unseen: dict[str, int]
    places: np.ndarray | None = None


def _raw_column(column: pl.Series | TextCells, about: TableColumn, style: Style) -> _RawColumn:
    if isinstance(column, TextCells):
        return _of_texts(column, about, style)
    if column.dtype.is_numeric() and about.kind in {"number", "count"}:
        values = column.cast(pl.Float64).to_numpy()  # a null is NaN
        return _allowed_only(values, np.isnan(values), about, {})
    if column.dtype.is_temporal() and about.kind == "time":
        return _allowed_only(seconds_of(column, about.format), column.is_null().to_numpy(), about, {})
    return _of_texts(TextCells.of(as_texts(column)), about, style)


def _of_texts(cells: TextCells, column: TableColumn, style: Style) -> _RawColumn:
    """Converts each distinct level once."""
    numeric = column.kind in {"number", "count", "time"}
    missing = missing_texts(cells.levels, numbers=numeric).to_numpy()
    read = {"number": _numbers, "count": _numbers, "time": _times, "category": _levels, "yes-no": _truths}
    values = np.array(read[column.kind](cells, column, style), np.float64)
    values[missing] = np.nan
    new = _unseen(cells, missing, column) if column.kind == "category" else {}
    return _allowed_only(values, missing, column, new)._replace(places=cells.places)


def _allowed_only(values: np.ndarray, missing: np.ndarray, column: TableColumn, new: dict[str, int]) -> _RawColumn:
    fits = allowed(column, values)
    bad = ~missing & (np.isnan(values) | ~fits)
    return _RawColumn(values if fits.all() else np.where(fits, values, np.nan), missing, bad, new)


def as_texts(cells: pl.Series) -> pl.Series:
    """Cells as stripped text; whole numbers stored as floats lose their ".0", because 3.0 is the level "3"."""
    if cells.dtype.is_temporal():
        cells = texts_of(cells)
    if cells.dtype.is_float():
        whole = cells.drop_nulls().drop_nans()
        cells = cells.fill_nan(None)
        if bool((whole == whole.floor()).all()):
            cells = cells.cast(pl.Int64)
    return cells.cast(pl.String).fill_null("").str.strip_chars()


def _numbers(cells: TextCells, column: TableColumn, style: Style) -> np.ndarray:
    return numbers_with(cells.levels, column.template, style) if column.template else cells.numbers(style)


def _times(cells: TextCells, column: TableColumn, style: Style) -> np.ndarray:
    return to_seconds(cells.levels, column.format)


def _levels(cells: TextCells, column: TableColumn, style: Style) -> np.ndarray:
    places = {level: float(i) for i, level in enumerate(column.levels)}
    return cells.levels.replace_strict(places, default=float(len(places)), return_dtype=pl.Float64).to_numpy()


def _truths(cells: TextCells, column: TableColumn, style: Style) -> np.ndarray:
    """Compares words without case, and numbers by value: 1.0 is 1. True and False also match 1 and 0."""
    words = {level.lower(): float(i) for i, level in enumerate(column.levels)}
    if set(words) in ({"0", "1"}, {"false", "true"}):
        words |= {"false": 0.0, "true": 1.0, "0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0}
    lowered = cells.levels.str.to_lowercase()
    return lowered.replace_strict(words, default=float("nan"), return_dtype=pl.Float64).to_numpy()


def _unseen(cells: TextCells, missing: np.ndarray, column: TableColumn) -> dict[str, int]:
    new = ~missing & ~cells.levels.is_in(list(column.levels)).to_numpy()
    found = cells.counted(new) if new.any() else None
    return {} if found is None else dict(zip(found.to_series(0).to_list(), found["count"].to_list(), strict=True))


def _written(values: np.ndarray, column: TableColumn) -> Any:
    make: dict[str, Callable[[], Any]] = {
        "number": lambda: _rounded(values, column.decimals),
        "count": lambda: _rounded(values, 0),
        "yes-no": lambda: _named(values, column.levels),
        "category": lambda: _named(values, (*column.levels, OTHER)),
        "time": lambda: [t or None for t in to_text(values, column.format, column.zone, column.bare, column.months)],
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
