"""Turns a table into a time series: finds the time column and sorts the rows by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.samples import Samples
from isthmus.data.schema import Schema, TableColumn, asked_kinds
from isthmus.data.series.series_rows import SeriesRows, in_order
from isthmus.data.series.series_split import settled_stride
from isthmus.data.series_layout import MOST_WINDOW, SeriesLayout
from isthmus.data.tables.cell_conversion import to_raw
from isthmus.data.tables.cells import PLAIN
from isthmus.data.tables.kind_finding import find_schema
from isthmus.errors import DataError, UsageError
from isthmus.wording import counted, listed, printable, shell_word


class Series(NamedTuple):
    """The sorted rows of a table, and the layout of its windows."""

    rows: SeriesRows
    layout: SeriesLayout


def as_series(table: Samples, options: DataConfig) -> Series:
    """A table as a series, for training with `--window`.

    Raises: DataError if the time column is missing or not unique, or as in `in_order`; UsageError for images, or a
    window that is too long.
    """
    assert options.window is not None
    if options.window > MOST_WINDOW:
        message = f"a window of {options.window:,} rows is too long; the maximum is {MOST_WINDOW:,}."
        raise UsageError("USAGE-WINDOW", message, fix=f"pass --window {max(1, min(1024, len(table) // 16))}")
    if table.is_image:
        message = f"{table.display_name} holds images, but --window is only for tables."
        raise UsageError("USAGE-WINDOW", message, fix="leave --window out")
    table = _with_schema(table, options)
    time = _time(table, options)
    table = _without_other_times(table, time, options)
    assert table.schema is not None
    layout = SeriesLayout(options.window, 1, table.schema, time)
    if not layout.n_columns:
        kinds = "; ".join(f"{printable(c.name)} is {c.kind}" for c in table.schema.columns[:5])
        message = f"{table.display_name} has no column to learn from besides its times: {kinds}."
        raise DataError("DATA-COLUMNS", message, fix="add a column whose values change")
    ordered = in_order(table, layout)
    stride = settled_stride(options.stride, len(table), layout.window, layout.n_columns)
    layout = replace(layout, stride=stride, step=ordered.rows.step)
    notes = (*table.notes, *ordered.notes, *_rising(table, layout), *_about_stride(options, layout))
    return Series(replace(ordered.rows, table=replace(table, notes=notes)), layout)


def known_series(table: Samples, layout: SeriesLayout) -> Series:
    """A table with the columns of `layout.table` as a series, for a trained model. Raises: as `in_order`."""
    ordered = in_order(table, layout, predicting=True)
    return Series(replace(ordered.rows, table=replace(table, notes=(*table.notes, *ordered.notes))), layout)


def _about_stride(options: DataConfig, layout: SeriesLayout) -> tuple[str, ...]:
    if options.stride is None and layout.stride > 1:
        return (
            f"only 1 in {layout.stride:,} windows is used for training, to save memory (--stride sets another number)",
        )
    if layout.stride > layout.window:
        n = counted(layout.stride - layout.window, "row")
        return (f"a stride of {layout.stride:,} leaves {n} between one window and the next out of training",)
    return ()


def _with_schema(table: Samples, options: DataConfig) -> Samples:
    """Adds a schema to samples from an array."""
    if table.schema is not None:
        return table
    names = table.columns or tuple(f"column_{i + 1}" for i in range(table.x.shape[1]))
    asked = asked_kinds(options.kinds)
    if options.time in names:
        asked = {str(options.time): "number"} | asked
    cells = pl.DataFrame({name: table.x[:, i].astype(np.float64) for i, name in enumerate(names)})
    schema = find_schema(cells, PLAIN, asked)
    if not schema.modeled:
        kinds = "; ".join(f"{printable(c.name)} is {c.kind}" for c in schema.columns[:5])
        raise DataError("DATA-COLUMNS", f"{table.display_name} has no column to learn from: {kinds}.", fix="add one")
    raw = to_raw(cells.select(schema.names), schema, PLAIN).values
    return replace(table, x=raw, schema=schema, columns=schema.names)


def _time(table: Samples, options: DataConfig) -> str | None:
    """The time column."""
    assert table.schema is not None
    names = [column.name for column in table.schema.columns]
    if options.time is not None:
        if options.time not in table.schema.names:
            message = f'{table.display_name} has no column "{printable(options.time)}" for --time.'
            raise DataError("DATA-COLUMNS", message, fix=f"the columns are {listed(names, 10)}")
        return options.time
    times = [column.name for column in table.schema.modeled if column.kind == "time"]
    if len(times) > 1:
        message = (
            f"{table.display_name} has {len(times)} time columns, {listed(times)}, but only one can order the rows."
        )
        raise DataError("DATA-TIME", message, fix=f"pass --time {shell_word(_finest(table, times))}")
    return times[0] if times else None


def _finest(table: Samples, names: Sequence[str]) -> str:
    """The column with the most distinct values: days cannot order hours."""
    assert table.schema is not None
    place = table.schema.names.index
    return max(names, key=lambda name: len(np.unique(table.x[:, place(name)])))


def _rises(table: Samples, name: str) -> bool:
    assert table.schema is not None
    return bool((np.diff(table.x[:, table.schema.names.index(name)]) > 0).all())


def _rising(table: Samples, layout: SeriesLayout) -> tuple[str, ...]:
    """A hint if there is no time column, but a column of numbers increases from row to row."""
    names = () if layout.time or table.schema is None or len(table) < 3 else table.schema.quantities
    found = [name for name in names if _rises(table, name)]
    said = "increases from row to row; if it is the time, pass --time"
    return tuple(f'{table.display_name}: column "{printable(name)}" {said} {shell_word(name)}.' for name in found[:1])


def _without_other_times(table: Samples, time: str | None, options: DataConfig) -> Samples:
    """Leaves out other time columns unless requested, because new times lie outside the range seen in training."""
    assert table.schema is not None
    asked = asked_kinds(options.kinds)
    others = [c.name for c in table.schema.modeled if c.kind == "time" and c.name != time and c.name not in asked]
    if not others:
        return table
    columns = tuple(_skipped(c) if c.name in others else c for c in table.schema.columns)
    kept = [k for k, name in enumerate(table.schema.names) if name not in others]
    schema = Schema(columns)
    note = f"{table.display_name}: {listed(others)} left out, as new times are later than all in training"
    note += " (--column NAME=time keeps one)."
    return replace(table, x=table.x[:, kept], schema=schema, columns=schema.names, notes=(*table.notes, note))


def _skipped(column: TableColumn) -> TableColumn:
    return TableColumn(column.name, "skip", "another time column")


def refuse_series_options(options: DataConfig) -> None:
    """Raises: UsageError for series options without `--window`, and for options that would break up a series."""
    if options.window is not None and options.duplicates == "drop":
        message = "--duplicates drop would leave gaps in a series, whose rows are not separate samples."
        raise UsageError("USAGE-WINDOW", message, fix="leave --duplicates out")
    given: Sequence[str] = [f"--{name}" for name in ("stride", "time") if getattr(options, name) is not None]
    if given and options.window is None:
        message = f"{' and '.join(given)}: only for a series, but without --window each row is a sample of its own."
        raise UsageError("USAGE-WINDOW", message, fix="set the number of rows per sample, as in --window 24")


__all__ = ["Series", "as_series", "known_series", "refuse_series_options"]
