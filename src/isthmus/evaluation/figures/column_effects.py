"""The effect of each unit of the code on each column of a table, as a grid of numbers and colors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import DPI, INK, MUTED, SMALL, look
from isthmus.wording import printable

MOST_UNITS, MOST_COLUMNS = 20, 24  # a larger picture would not be readable
CELL = 62, 34  # pixels, wide and high: room for `+1.25`
LEFT, TOP, EDGE = 90, 130, 20  # pixels for the names of units, and of columns, which are slanted
WIDTH = 620  # pixels at least: the width of the lines under the grid
NOTE = 44  # pixels for two lines under the grid
TOLD = (
    "change when a unit goes from its 5% to its 95% value: in standard deviations for\n"
    "numbers and times, as the share of rows that change for categories"
)
LONGEST = 18  # characters of a column's name
FULL = 2.0  # standard deviations with the full color: a normal column has 3.3 from its 5 % to its 95 % quantile
DARK = 0.6  # of the full color, from which white text is easier to read


@look()
def draw_column_effects(
    effects: np.ndarray, units: Sequence[int], names: Sequence[str], shares: Sequence[bool]
) -> Figure:
    """Effects (U, K) of units on columns: the change in standard deviations of the column or, if `shares`, the share of
    rows whose category changes. At most 20 units and 24 columns are drawn.
    """
    shown = effects[:MOST_UNITS, :MOST_COLUMNS]
    U, K = shown.shape
    width, height = max(LEFT + K * CELL[0] + EDGE + TOP // 2, WIDTH), TOP + U * CELL[1] + EDGE + NOTE
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((LEFT / width, (EDGE + NOTE) / height, K * CELL[0] / width, U * CELL[1] / height))
    full = np.where(np.array(shares[:K]), 1.0, FULL)
    colors = np.clip(shown / full, -1, 1)
    axes.imshow(colors, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    size = SMALL * 72 / DPI
    for i, k in np.ndindex(U, K):
        text = f"{shown[i, k]:.0%}" if shares[k] else f"{shown[i, k]:+.2f}"
        color = "white" if abs(colors[i, k]) > DARK else INK
        axes.text(k, i, text, ha="center", va="center", fontsize=size, color=color)
    figure.text(EDGE / width, (EDGE + NOTE / 4) / height, TOLD, fontsize=size, color=MUTED, va="center")
    axes.set_yticks(range(U), [f"unit {unit}" for unit in units[:U]], fontsize=size)
    axes.xaxis.tick_top()
    short = [printable(name) for name in names[:K]]
    short = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in short]
    axes.set_xticks(range(K), short, rotation=40, ha="left", fontsize=size, parse_math=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


__all__ = ["draw_column_effects"]
