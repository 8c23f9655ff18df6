"""Splits a series by time: training, then validation, then test, with a gap of one window between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isthmus.data.batching.split import TEST_SHARE, VALIDATION_SHARE, Splits
from isthmus.data.schema import column_option
from isthmus.data.series.series_rows import SeriesRows
from isthmus.data.series.windowing import first_rows, window_samples
from isthmus.data.series_layout import SeriesLayout
from isthmus.errors import DataError
from isthmus.wording import counted, shell_word

ROLES = ("train", "validation", "test")
LEAST_TRAINED = 2  # windows: a single one has no variance
FEW_WINDOWS = 2  # consecutive windows that each part should hold if there are few rows
MOST_SHARE = 6  # for this, a part takes at most this fraction of the rows: 1/6
AGAIN = 0.3  # share of rows with a repeated time: half for two series, far less after a clock change
# Values in training windows: 256 MB. Windows that share nearly all their rows teach hardly more than every second or
# fourth of them.
MOST_VALUES = 2**25


def divide_series(
    rows: SeriesRows, layout: SeriesLayout, others: dict[str, SeriesRows], limit: int | None = None
) -> Splits:
    """The three sets of windows; roles in `others` are cut from those series instead.

    Raises: DataError if a set would have no window, or training fewer than two.
    """
    wanted = [role for role in ROLES if role not in others]
    parts = dict(zip(wanted, _windows_of(rows, layout, wanted), strict=True))
    least = {role: len(parts[role]) - (LEAST_TRAINED if role == "train" else 1) for role in wanted}
    if min(least.values()) < 0:
        raise _too_few(rows, layout, wanted)
    found = {role: window_samples(rows, first, layout) for role, first in parts.items()}
    for role, other in others.items():
        first = first_rows(other.stretches, layout.window, layout.stride)
        if not len(first):
            raise _too_few(other, layout, [role])
        found[role] = window_samples(other, first, layout)
    if limit is not None and limit < len(found["train"]):
        kept = np.linspace(0, len(found["train"]) - 1, limit).round().astype(np.int64)
        found["train"] = found["train"].take(kept)
    return Splits(found["train"], found["validation"], found["test"], series=layout)


def _windows_of(rows: SeriesRows, layout: SeriesLayout, roles: list[str]) -> list[np.ndarray]:
    """The first rows of the windows of each part."""
    part, W = parts_of(rows, layout.window, roles), layout.window
    first = first_rows(rows.stretches, W, layout.stride)
    held = part[first] == part[first + W - 1]
    return [first[held & (part[first] == k)] for k in range(len(roles))]


def parts_of(rows: SeriesRows, window: int, roles: list[str]) -> np.ndarray:
    """The index into `roles`, which follow each other in time, for each row (N,); -1 in the gaps between.

    Groups with times are all cut at the same times, so that no part contains later data than the next one. Without
    times, each group is cut on its own.
    """
    if rows.stamps is not None and rows.step is not None:
        return _cut(rows.stamps, rows.step, window, roles, len(np.unique(rows.groups)))
    found = np.empty(len(rows), np.int64)
    for group in np.unique(rows.groups):
        of_group = rows.groups == group
        found[of_group] = _cut(np.arange(int(of_group.sum())), 1.0, window, roles, 1)
    return found


def _cut(stamps: np.ndarray, step: float, window: int, roles: list[str], n_groups: int) -> np.ndarray:
    ordered, N = np.sort(stamps), len(stamps)
    found, end = np.full(N, -1), np.inf
    for k in range(len(roles) - 1, 0, -1):
        share = TEST_SHARE if roles[k] == "test" else VALIDATION_SHARE
        n = max(round(share * N), min(FEW_WINDOWS * window * n_groups, N // MOST_SHARE), 1)
        below = int(np.searchsorted(ordered, end, side="left"))
        start = ordered[max(0, below - n)]
        found[(stamps >= start) & (stamps < end)] = k
        end = start - window * step
    found[stamps < end] = 0
    return found


def _too_few(rows: SeriesRows, layout: SeriesLayout, roles: list[str]) -> DataError:
    """The error for a series that is too short for its windows, with a window that fits."""
    W = layout.window
    breaks = len(rows.starts) - 1
    longest = f" (at most {rows.longest:,} without a break)" if breaks else ""
    parts = " and ".join([", ".join(roles[:-1]), roles[-1]]) + " sets" if len(roles) > 1 else f"{roles[0]} set"
    found = f"{counted(len(rows), 'row')}{longest}"
    message = f"{rows.table.display_name} has {found}, too few for windows of {W:,} rows in the {parts}."
    fitting = next(
        (w for w in _smaller(min(W - 1, rows.longest)) if _fits(rows, replace(layout, window=w), roles)), None
    )
    fix = "use more rows" if fitting is None else f"pass --window {fitting}"
    if (apart := _telling_apart(rows)) is not None:
        message += " It seems to hold several series, because times repeat."
        return DataError("DATA-COUNT", message, fix=f"pass --group {shell_word(apart)}")
    if breaks and layout.time is not None:
        fix += f", or ignore the times, with {column_option(layout.time, 'skip')} and without --time"
    return DataError("DATA-COUNT", message, fix=fix)


def _telling_apart(rows: SeriesRows) -> str | None:
    """If times repeat, the category column that splits the table into series without repeated times; else None."""
    table, stamps = rows.table, rows.stamps
    if stamps is None or table.schema is None or (np.diff(np.sort(stamps)) == 0).mean() < AGAIN:
        return None
    at = np.unique(stamps, return_inverse=True)[1]
    for name, kind in ((column.name, column.kind) for column in table.schema.modeled):
        of_row = table.x[rows.order, table.schema.names.index(name)]
        if kind == "category" and len(np.unique(np.column_stack([at, of_row]), axis=0)) == len(rows):
            return name
    return None


def _smaller(window: int) -> list[int]:
    """Windows to try: this one, half, a quarter …"""
    found = []
    while window >= 1:
        found.append(window)
        window //= 2
    return found


def _fits(rows: SeriesRows, layout: SeriesLayout, roles: list[str]) -> bool:
    if roles in (["validation"], ["test"]):
        return rows.longest >= layout.window
    counts = [len(first) for first in _windows_of(rows, replace(layout, stride=1), roles)]
    return counts[0] >= LEAST_TRAINED and min(counts) >= 1


def settled_stride(asked: int | None, n_rows: int, window: int, n_columns: int) -> int:
    """The distance between training windows: the requested one, or the smallest that keeps memory within bounds."""
    return asked if asked is not None else max(1, -(-n_rows * window * n_columns // MOST_VALUES))


__all__ = ["divide_series", "parts_of", "settled_stride"]
