"""Columns of a text table that are parsed as numbers directly, if its first rows hold nothing else.

Each cell is then parsed only once, not first as text.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from isthmus.data.schema import TableColumn
from isthmus.data.tables.kind_finding import ANY_CASE, allowed, missing_texts

PROBED = 100  # cells of only digits may be codes, such as 007; these are read as text
ANY = TableColumn("", "number")
KINDS = {"number", "count"}


def early_numbers(
    cells: pl.DataFrame, known: Mapping[str, TableColumn]
) -> tuple[dict[str, TableColumn], list[pl.Series]]:
    """Columns of `cells`, the first rows as text, that hold only numbers and gaps, but not only digits, and their
    numbers; for a trained model (`known`, by name), those that are numbers or counts in its schema.
    """
    asked = {name: known.get(name) for name in cells.columns}
    likely = _likely(
        cells.select(name for name, column in asked.items() if column is None or column.kind in KINDS), asked
    )
    numbers = _numbers(cells.select(likely))
    columns = {name: asked[name] or ANY for name, series in numbers.items() if series is not None}
    fits = _fit(pl.DataFrame([numbers[name] for name in columns]), columns)
    columns = {name: column for (name, column), fit in zip(columns.items(), fits, strict=True) if fit}
    return columns, [series for name, series in numbers.items() if series is not None and name in columns]


def _likely(cells: pl.DataFrame, asked: Mapping[str, TableColumn | None]) -> list[str]:
    """The columns in which the first cells are numbers, all in one pass: single columns would take 3 ms each."""
    if not cells.width:
        return []
    texts = cells.head(2 * PROBED).select(pl.all().str.strip_chars())
    known = texts.select(pl.when(pl.all().is_in(ANY_CASE[True])).then(None).otherwise(pl.all()).name.keep())
    first = pl.all().drop_nulls().head(PROBED)
    of_words, of_digits = first.n_unique(), first.str.contains(r"^\d+$").all()
    of_others = first.cast(pl.Float64, strict=False).null_count()
    words, digits, others = (known.select(found).row(0) for found in (of_words, of_digits, of_others))
    # A few words may be a constant, yes-no or categories.
    return [
        name
        for name, n, only_digits, n_others in zip(cells.columns, words, digits, others, strict=True)
        if n >= PROBED // 10 and not n_others and (asked[name] is not None or not only_digits)
    ]


def as_numbers(cells: pl.DataFrame, columns: Mapping[str, TableColumn]) -> pl.DataFrame | None:
    """`cells` with `columns` as float64, null for a gap; None if a cell is neither a number nor a gap."""
    texts = _numbers(cells.select(name for name in columns if cells[name].dtype == pl.String))
    numbers = [series for series in texts.values() if series is not None]
    if len(numbers) < len(texts):
        return None
    cells = cells.with_columns(numbers)
    return cells if all(_fit(cells, columns)) else None


def _numbers(cells: pl.DataFrame) -> dict[str, pl.Series | None]:
    """Texts as numbers by column, null for a gap; None if a cell is neither."""
    if not cells.width:
        return {}
    texts = cells.select(pl.all().str.strip_chars())
    found = texts.select(pl.all().cast(pl.Float64, strict=False))
    gaps = found.select(pl.all().null_count() + pl.all().is_nan().sum()).row(0)  # "nan" is a gap too
    return {
        name: _with_gaps(texts[name], found[name]) if n_gaps else found[name]
        for name, n_gaps in zip(cells.columns, gaps, strict=True)
    }


def _with_gaps(text: pl.Series, numbers: pl.Series) -> pl.Series | None:
    none = text.filter(numbers.is_null() | numbers.is_nan())
    return numbers.fill_nan(None) if bool(missing_texts(none, numbers=True).all()) else None


def _fit(cells: pl.DataFrame, columns: Mapping[str, TableColumn]) -> list[bool]:
    """Whether all values of each column are allowed in it; all columns in one pass."""
    if not columns:
        return []
    some, counts = pl.col(*columns), [name for name, column in columns.items() if column.kind == "count"]
    ends = (some.min().name.prefix("least "), some.max().name.prefix("most "))
    sums = some.sum().name.prefix("sum ")  # infinite or NaN if any value is; min and max ignore NaN
    found = np.array(cells.select(*ends, sums).row(0), np.float64).reshape(3, -1)
    whole = cells.select((pl.col(name) == pl.col(name).floor()).all() for name in counts).row(0) if counts else ()
    broken = {name for name, is_whole in zip(counts, whole, strict=True) if not is_whole}
    return [
        bool(np.isfinite(total)) and name not in broken and bool(allowed(column, ends).all())
        for (name, column), ends, total in zip(columns.items(), found[:2].T, found[2], strict=True)
    ]


__all__ = ["as_numbers", "early_numbers"]
