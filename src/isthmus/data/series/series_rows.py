"""Sorts the rows of a table by time, and splits them at breaks and groups, which windows must not cross."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from isthmus.data.samples import Samples
from isthmus.data.schema import TableColumn, column_option
from isthmus.data.series.clock_changes import clock_changes, without_changes
from isthmus.data.series_layout import SeriesLayout
from isthmus.data.tables.times import to_text
from isthmus.errors import DataError
from isthmus.wording import FROM_ZERO, counted, listed, printable

SLACK = 0.5  # share of the step; months have 28 to 31 days, and clocks run late, without a missing row
OTHER_STEP = 0.05  # relative difference from the step in training that is still accepted
SHOWN = 3  # breaks that are listed individually
LEAST_STEPS = 3  # distances needed to estimate the usual step


@dataclass(frozen=True)
class SeriesRows:
    """`raw` (N, K), sorted by group, then by time. `order` (N,) is the index of each row in `table`, `stamps` (N,) its
    time on a clock that is never set (None: unknown), and `starts` the first row of each stretch without a break.
    """

    table: Samples
    raw: np.ndarray
    order: np.ndarray
    stamps: np.ndarray | None
    starts: np.ndarray
    step: float | None
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def stretches(self) -> list[slice]:
        """The rows of each stretch."""
        return [slice(a, b) for a, b in pairwise([*self.starts.tolist(), len(self)])]

    @property
    def longest(self) -> int:
        """The number of rows of the longest stretch."""
        return max(part.stop - part.start for part in self.stretches)


class Ordered(NamedTuple):
    """The rows, and notes on their order and on breaks."""

    rows: SeriesRows
    notes: tuple[str, ...]


def in_order(table: Samples, layout: SeriesLayout, *, predicting: bool = False) -> Ordered:
    """The rows of `table` (N, K), which includes the time column, sorted by group and time.

    For a trained model (`predicting`), `layout.step` is the step of the training data.

    Raises: DataError for rows without a time, if all times are equal, or if the step differs from that in training.
    """
    groups = np.zeros(len(table), np.int64) if table.groups is None else table.groups
    column = layout.time_column
    if column is None or table.columns is None:
        order = np.argsort(groups, kind="stable")
        rows = _parted(table, table.x, order, None, None, groups)
        return Ordered(rows, (*_about_order(table, order, "its groups"), *_about_nothing(table, predicting)))
    place = table.columns.index(column.name)
    given = table.x[:, place].astype(np.float64)
    _refuse_missing(table, given, column)
    stamps, notes = _even_clock(table, given, column, groups)
    order = np.lexsort((stamps, groups))
    step = _step(stamps[order], groups[order])
    _refuse_step(table, step, layout, column, predicting)
    raw = np.delete(table.x, place, 1)
    rows = _parted(table, raw, order, stamps, step, groups)
    notes += (*_about_order(table, order, f'"{printable(column.name)}"'), *_about_breaks(rows, given[order], column))
    return Ordered(rows, notes)


def _parted(
    table: Samples,
    raw: np.ndarray,
    order: np.ndarray,
    stamps: np.ndarray | None,
    step: float | None,
    groups: np.ndarray,
) -> SeriesRows:
    ordered = groups[order]
    ends = np.diff(ordered) != 0
    if stamps is not None:
        ends |= ~_follows(np.diff(stamps[order]), step)
    starts = np.concatenate([[0], np.flatnonzero(ends) + 1])
    at = None if stamps is None else stamps[order]
    return SeriesRows(table, raw[order].astype(np.float64), order, at, starts, step, ordered)


def _follows(apart: np.ndarray, step: float | None) -> np.ndarray:
    """Which distances are those between consecutive rows, without a break."""
    return np.ones(len(apart), bool) if step is None else np.abs(apart - step) <= SLACK * step


def _refuse_missing(table: Samples, stamps: np.ndarray, column: TableColumn) -> None:
    rows = np.flatnonzero(np.isnan(stamps))
    if not len(rows):
        return
    problems = [f'row {table.id_of(int(i))}, column "{printable(column.name)}": no time' for i in rows]
    message = f'{table.display_name}: {counted(len(rows), "row")} without a time in column "{printable(column.name)}".'
    message += f" {FROM_ZERO.capitalize()}."
    fix = "pass --missing drop to leave these rows out"
    raise DataError("DATA-TIME", message, fix=fix, problems=problems)


def _even_clock(
    table: Samples, stamps: np.ndarray, column: TableColumn, groups: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stamps of a clock that is never set, if local times are otherwise in order."""
    local = column.kind == "time" and not column.zone and "%d" in column.format and column.step < 86_400
    step = _step(stamps, groups) if local else None
    if step is None:
        return stamps, ()
    even, shown = stamps.copy(), []
    for rows in _rows_of_groups(groups):
        changes = clock_changes(stamps[rows], step)
        going_on = without_changes(stamps[rows], changes)
        if (np.diff(going_on) >= 0).all():  # otherwise, rows are out of order for other reasons
            even[rows] = going_on
            texts = [(c.forward, _text(float(stamps[rows[c.row - 1]]), column)) for c in changes]
            shown += [f"{'forward' if forward else 'back'} after {text}" for forward, text in texts]
    if not (found := list(dict.fromkeys(shown))):
        return stamps, ()
    said = f"the clock seems to have been set {listed(found, SHOWN, quote='')}; the times are corrected for this"
    return even, (f"{table.display_name}: {said}.",)


def _rows_of_groups(groups: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _step(stamps: np.ndarray, groups: np.ndarray) -> float | None:
    """The median of the positive distances between rows of a group; None if there are none."""
    apart = np.diff(stamps)[np.diff(groups) == 0]
    forward = apart[apart > 0]
    return float(np.median(forward)) if len(forward) else None


def _refuse_step(
    table: Samples, step: float | None, layout: SeriesLayout, column: TableColumn, predicting: bool
) -> None:
    name = printable(column.name)
    if step is None and not predicting:
        message = f'{table.display_name}: column "{name}" has the same time in all rows, so it cannot order them.'
        skip = column_option(column.name, "skip")
        raise DataError("DATA-TIME", message, fix=f"keep the order of the table, with {skip} and without --time")
    wanted = layout.step
    if step is None or wanted is None or not predicting or len(table) <= LEAST_STEPS:
        return
    if abs(step - wanted) > OTHER_STEP * wanted:
        near, far = (_distance(each, column) for each in (step, wanted))
        message = f"{table.display_name}: its rows are {near} apart, but the model was trained on rows {far} apart."
        raise DataError("DATA-TIME", message, fix=f"resample the table to one row every {far}")


def _about_order(table: Samples, order: np.ndarray, what: str) -> tuple[str, ...]:
    moved = int((order != np.arange(len(order))).sum())
    return (f"{table.display_name}: {counted(moved, 'row')} moved, to sort the table by {what}.",) if moved else ()


def _about_nothing(table: Samples, predicting: bool) -> tuple[str, ...]:
    """A note that there is no time column."""
    said = f"{table.display_name}: no time column; the rows are used in table order, without breaks."
    return () if predicting else (said,)


def _about_breaks(rows: SeriesRows, stamps: np.ndarray, column: TableColumn) -> tuple[str, ...]:
    """A note on the breaks within groups, listing the first ones; `stamps` (N,) are sorted, as written in the table."""
    at = [int(i) for i in rows.starts[1:] if rows.groups[i] == rows.groups[i - 1]]
    if not at or rows.stamps is None or rows.step is None:
        return ()
    shown = [_break(rows, stamps, i, column) for i in at[:SHOWN]]
    more = f"; and {len(at) - SHOWN:,} more" if len(at) > SHOWN else ""
    what = f"{counted(len(at), 'break')} in time, which no window crosses"
    return (f"{rows.table.display_name}: {what}: {'; '.join(shown)}{more}.",)


def _break(rows: SeriesRows, stamps: np.ndarray, i: int, column: TableColumn) -> str:
    assert rows.stamps is not None
    assert rows.step is not None
    before, after = _text(stamps[i - 1], column), _text(stamps[i], column)
    apart = float(rows.stamps[i] - rows.stamps[i - 1])
    if apart <= SLACK * rows.step:
        twice = before == after
        return f"{before} occurs twice" if twice else f"{after} is only {_distance(apart, column)} after {before}"
    n = round(apart / rows.step) - 1
    return f"{counted(n, 'row')} missing between {before} and {after}"


def _texts(stamps: np.ndarray, column: TableColumn) -> list[str]:
    return to_text(stamps, column.format, column.zone, column.bare, column.months)


def _text(stamp: float, column: TableColumn) -> str:
    return _texts(np.array([stamp]), column)[0] if column.kind == "time" else f"{stamp:.10g}"


def _distance(apart: float, column: TableColumn) -> str:
    """A distance in words; seconds in the largest unit that divides them."""
    if column.kind != "time":
        return f"{apart:.6g}"
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if apart >= length and apart % length == 0:
            return counted(round(apart / length), unit)
    return f"{apart:.6g} seconds"


def stamp_texts(rows: SeriesRows, layout: SeriesLayout) -> list[str] | None:
    """The times of the rows of the table, as written there; None without a time column."""
    column, columns = layout.time_column, rows.table.columns
    if column is None or columns is None:
        return None
    stamps = rows.table.x[:, columns.index(column.name)]
    return _texts(stamps, column) if column.kind == "time" else [f"{v:.15g}" for v in stamps]


def as_given(rows: SeriesRows, values: np.ndarray) -> np.ndarray:
    """Values (N, ...) of sorted rows, in the order of the table."""
    found = np.empty_like(values)
    found[rows.order] = values
    return found


__all__ = ["Ordered", "SeriesRows", "as_given", "in_order", "stamp_texts"]
