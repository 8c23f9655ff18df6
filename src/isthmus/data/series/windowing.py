"""Windows of a series as samples, and results for windows converted to results for rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from isthmus.data.samples import Samples, Windows
from isthmus.data.series.series_rows import SeriesRows
from isthmus.data.series_layout import SeriesLayout

CHUNK_VALUES = 2**22  # in windows that are cut at once: 32 MB, instead of gigabytes for a million rows


def first_rows(stretches: list[slice], window: int, stride: int) -> np.ndarray:
    """The first row of every `stride`-th window that lies within one stretch."""
    found = [np.arange(part.start, part.stop - window + 1, stride) for part in stretches]
    return np.concatenate([np.zeros(0, np.int64), *found])


def covering(stretches: list[slice], window: int, stride: int) -> np.ndarray:
    """As `first_rows`, plus a last window at the end of each stretch, so that every row is in a window. For a stretch
    that is shorter than a window, its first row.
    """
    found = []
    for part in stretches:
        last = max(part.start, part.stop - window)
        found.append(np.unique([*range(part.start, last, stride), last]))
    return np.concatenate([np.zeros(0, np.int64), *found]).astype(np.int64)


def cut_windows(raw: np.ndarray, first: np.ndarray, window: int) -> np.ndarray:
    """Windows (n, window * K) of rows (N, K), starting at the rows `first` (n,)."""
    return raw[first[:, None] + np.arange(window)].reshape(len(first), -1)


def window_samples(rows: SeriesRows, first: np.ndarray, layout: SeriesLayout) -> Samples:
    """Windows as samples; the ids are the first and last row numbers in the table."""
    last = rows.order[first + layout.window - 1]
    ids = tuple(f"{a}-{b}" for a, b in zip(rows.order[first].tolist(), last.tolist(), strict=True))
    return Samples(
        cut_windows(rows.raw, first, layout.window), rows.table.name, ids=ids, columns=layout.windows.names,
        notes=rows.table.notes, schema=layout.windows, windows=Windows(first, layout.window),
    )  # fmt: skip


class WindowCut(NamedTuple):
    """Windows (n, window * K), and `rows` (n, window), the rows of the series in each; -1 beyond the end of a stretch,
    where the window has gaps.
    """

    raw: np.ndarray
    rows: np.ndarray


def all_windows(rows: SeriesRows, layout: SeriesLayout) -> Iterator[WindowCut]:
    """Windows that together cover every row, in chunks; windows of short stretches are padded with gaps."""
    W, K = layout.window, layout.n_columns
    first = covering(rows.stretches, W, layout.cover)
    stop = np.append(rows.starts[1:], len(rows))[np.searchsorted(rows.starts, first, side="right") - 1]
    n = max(1, CHUNK_VALUES // (W * K))
    for at in range(0, len(first), n):
        place = first[at : at + n, None] + np.arange(W)
        beyond = place >= stop[at : at + n, None]
        raw = rows.raw[np.where(beyond, 0, place)]
        raw[beyond] = np.nan
        yield WindowCut(raw.reshape(len(raw), -1), np.where(beyond, -1, place))


class RowMeans:
    """The mean of window results for each row (N, K), over all windows that contain the row."""

    def __init__(self, n_rows: int, n_columns: int) -> None:
        self._sums, self._n = np.zeros((n_rows, n_columns)), np.zeros(n_rows)

    def add(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Adds `values` (n, window, K) for the `rows` (n, window); row -1 is ignored."""
        there = rows >= 0
        at, flat = rows[there], values[there]
        self._n += np.bincount(at, minlength=len(self._n))
        for k in range(flat.shape[1]):
            self._sums[:, k] += np.bincount(at, flat[:, k], minlength=len(self._n))

    @property
    def values(self) -> np.ndarray:
        """The means (N, K); NaN for rows in no window."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._sums / self._n[:, None]


__all__ = ["RowMeans", "WindowCut", "all_windows", "covering", "cut_windows", "first_rows", "window_samples"]
