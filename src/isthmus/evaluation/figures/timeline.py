"""A time series: its values, the anomaly score of each row, and the outliers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import BLUE, DPI, HAIRLINE, MUTED, SMALL, VERMILION, look
from isthmus.wording import counted

MOST_PANELS = 6  # columns that are drawn: those that contribute most to the scores
WIDTH, PANEL, HEAD, FOOT, LEFT, RIGHT = 1_100, 130, 44, 54, 150, 20  # pixels
BINS = 1_000  # of the width: if there are more points than pixels, the range of each bin is drawn
LONGEST = 16  # characters of a column's name
TICKS = 6


class Timeline(NamedTuple):
    """N rows in order of time: `values` (N, K) of the columns `names`, each in its own unit; `score` (N,); `flags`
    (N,), True for outliers; `limit`, the score above which rows are outliers (infinite if none can be); `times`, a
    text for each row; `starts`, the first rows of stretches without a break.
    """

    values: np.ndarray
    names: tuple[str, ...]
    score: np.ndarray
    flags: np.ndarray
    limit: float
    times: list[str]
    starts: np.ndarray


@look()
def draw_timeline(line: Timeline, title: str) -> Figure:
    """One panel per column and one for the score at the bottom, over the rows; outliers have a red background."""
    K = min(len(line.names), MOST_PANELS)
    height = HEAD + (K + 1) * PANEL + FOOT
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
    figure.text(LEFT / WIDTH, 1 - HEAD / 2 / height, title, va="center", parse_math=False)
    for k in range(K + 1):
        bottom = FOOT + (K - k) * PANEL
        at = (LEFT / WIDTH, bottom / height, 1 - (LEFT + RIGHT) / WIDTH, (PANEL - 16) / height)
        axes = figure.add_axes(at)
        _panel(axes, line, k if k < K else None)
        _time_axis(axes, line, shown=k == K)
    return figure


def _panel(axes: Axes, line: Timeline, column: int | None) -> None:
    values = line.score if column is None else line.values[:, column]
    pixel = len(values) / (WIDTH - LEFT - RIGHT)  # in rows; a narrower background would not be drawn
    for first, last in _runs(line.flags):
        middle, half = (first + last) / 2, max((last - first + 1) / 2, pixel)
        axes.axvspan(middle - half, middle + half, color=VERMILION, alpha=0.35, linewidth=0)
    for start in line.starts[1:]:
        axes.axvline(start - 0.5, color=HAIRLINE, linewidth=1)
    x, low, high = _binned(values)
    if len(x) < len(values):
        axes.fill_between(x, low, high, color=BLUE, linewidth=0.6)
    else:
        axes.plot(*_with_gaps(x, values, line.starts), color=BLUE, linewidth=1.1, marker="." if len(x) < 60 else None)
    if column is None and np.isfinite(line.limit):
        axes.axhline(line.limit, color=VERMILION, linewidth=1, linestyle="--")
    name = "score" if column is None else line.names[column]
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    axes.set_ylabel(short, rotation=0, ha="right", va="center", fontsize=SMALL * 72 / DPI, parse_math=False)
    axes.tick_params(axis="y", labelsize=0.85 * SMALL * 72 / DPI, length=3)
    axes.set_xlim(-0.5, len(values) - 0.5)


def _binned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, smallest, largest value) of bins of rows; of single rows if there are few."""
    N = len(values)
    if N <= 2 * BINS:
        return np.arange(N), values, values
    edges = np.linspace(0, N, BINS + 1).astype(np.int64)[:-1]
    low = np.fmin.reduceat(values, edges)
    return (edges + N / BINS / 2).astype(np.float64), low, np.fmax.reduceat(values, edges)


def _with_gaps(x: np.ndarray, values: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points with a gap before each stretch, so that no line crosses a break."""
    return np.insert(x.astype(np.float64), starts[1:], np.nan), np.insert(values, starts[1:], np.nan)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """The first and the last row of each run of outliers."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _time_axis(axes: Axes, line: Timeline, *, shown: bool) -> None:
    N = len(line.score)
    ticks = np.unique(np.linspace(0, N - 1, TICKS).round().astype(np.int64))
    axes.set_xticks(
        ticks, [line.times[i] for i in ticks] if shown else [], fontsize=0.85 * SMALL * 72 / DPI, color=MUTED
    )
    labels = axes.get_xticklabels()
    for text in labels:
        text.set_horizontalalignment("left" if text is labels[0] else "right" if text is labels[-1] else "center")
        text.set_parse_math(False)


def timeline_title(name: str, flags: np.ndarray) -> str:
    """The title of the picture."""
    n = int(flags.sum())
    return f"{name}: {n:,} of {counted(len(flags), 'row')} {'is an outlier' if n == 1 else 'are outliers'} (red)"


__all__ = ["Timeline", "draw_timeline", "timeline_title"]
