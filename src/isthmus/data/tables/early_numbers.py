"""Columns of a text table that are parsed as numbers directly, if its first rows hold nothing else.

Each cell is then parsed only once, not first as text.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from isthmus.data.schema import TableColumn
from isthmus.data.tables.kind_finding import allowed, missing_texts

PROBED = 100  # cells of only digits may be codes, such as 007; these are read as text
ANY = TableColumn("", "number")


def early_numbers(
    cells: pl.DataFrame, known: Mapping[str, TableColumn]
) -> tuple[dict[str, TableColumn], list[pl.Series]]:
    """Columns of `cells`, the first rows as text, that hold only numbers and gaps, but not only digits, and their
    numbers; for a trained model (`known`, by name), those that are numbers or counts in its schema.
    """
    found = {name: _as_early(cells[name], known.get(name)) for name in cells.columns}
    numbers = {name: series for name, series in found.items() if series is not None}
    return {name: known.get(name, ANY) for name in numbers}, list(numbers.values())


def _as_early(text: pl.Series, column: TableColumn | None) -> pl.Series | None:
    if column is not None and column.kind not in {"number", "count"}:
        return None
    first = text.head(2 * PROBED).str.strip_chars()
    first = first.filter(~missing_texts(first, numbers=True)).head(PROBED)
    if first.n_unique() < PROBED // 10:  # a few words may be a constant, yes-no or categories
        return None
    if column is None and bool(first.str.contains(r"^\d+$").all()):
        return None
    if first.cast(pl.Float64, strict=False).null_count():
        return None
    values = _numbers(text.str.strip_chars())
    return values if values is not None and _fit(values.to_frame(), {text.name: column or ANY}) else None


def as_numbers(cells: pl.DataFrame, columns: Mapping[str, TableColumn]) -> pl.DataFrame | None:
    """`cells` with `columns` as float64, null for a gap; None if a cell is neither a number nor a gap."""
    texts = [_numbers(cells[name].str.strip_chars()) for name in columns if cells[name].dtype == pl.String]
    numbers = [series for series in texts if series is not None]
    if len(numbers) < len(texts):
        return None
    cells = cells.with_columns(numbers)
    return cells if _fit(cells, columns) else None


def _numbers(text: pl.Series) -> pl.Series | None:
    """Stripped text as numbers, null for a gap; None if a cell is neither."""
    found = text.cast(pl.Float64, strict=False)
    none = text.filter(found.is_null() | found.is_nan())  # "nan" is a gap too
    if not len(none):
        return found
    return found.fill_nan(None) if bool(missing_texts(none, numbers=True).all()) else None


def _fit(cells: pl.DataFrame, columns: Mapping[str, TableColumn]) -> bool:
    """Whether all values are allowed in their columns; all columns in one pass."""
    if not columns:
        return True
    some, counts = pl.col(*columns), [name for name, column in columns.items() if column.kind == "count"]
    ends = (some.min().name.prefix("least "), some.max().name.prefix("most "))
    sums = some.sum().name.prefix("sum ")  # infinite or NaN if any value is; min and max ignore NaN
    found = np.array(cells.select(*ends, sums).row(0), np.float64).reshape(3, -1)
    whole = cells.select((pl.col(name) == pl.col(name).floor()).all() for name in counts).row(0) if counts else ()
    fits = [allowed(column, pair) for column, pair in zip(columns.values(), found[:2].T, strict=True)]
    return bool(np.isfinite(found[2]).all()) and all(whole) and bool(np.all(fits))


__all__ = ["as_numbers", "early_numbers"]
