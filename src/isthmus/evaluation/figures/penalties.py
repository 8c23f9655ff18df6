"""Other values of each epoch, such as penalties and perplexity: one small panel each below the cost curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from isthmus.evaluation.figures.canvas import DPI, HAIRLINE, INK, MUTED, SMALL, fitted, text_width
from isthmus.wording import label

PANEL, GAP = 64, 26  # pixels of a panel, and above it
MOST = 4  # panels: more would take too much room; history.csv has all values
WIDE = 30.0  # ratio of largest to smallest value above which the scale is logarithmic
NOT_SO = {"epoch", "train_cost", "validation_cost", "lr", "seconds", "step", "batch"}  # columns without a panel
NAMES = {"kl": "KL", "mmd": "MMD", "l2": "L2", "l1": "L1"}
Row = Mapping[str, Any]


def series(history: Sequence[Row]) -> dict[str, np.ndarray]:
    """At most four columns of the history, without costs, rate and time; gaps are NaN, all zeros are left out."""
    keys = dict.fromkeys(key for row in history for key in row if key not in NOT_SO)
    values = {key: np.array([_number(row.get(key)) for row in history]) for key in keys}
    drawn = [key for key, v in values.items() if np.isfinite(v).any() and np.nan_to_num(v, posinf=0, neginf=0).any()]
    return {NAMES.get(key, key.replace("_", " ")): values[key] for key in drawn[:MOST]}


def height(n: int) -> int:
    """The height of n panels in pixels."""
    return n * (PANEL + GAP)


def draw(figure: Figure, place: tuple[float, float], bottom: float, epochs: np.ndarray, limits: tuple[float, float],
         shown: Mapping[str, np.ndarray], best_epoch: int | None) -> list[Axes]:  # fmt: skip
    """One panel per series, from the top; `place`: left edge and width as shares; `bottom`: pixels below the lowest."""
    total = figure.get_size_inches()[1] * DPI
    panels = []
    for i, (name, values) in enumerate(shown.items()):
        low = bottom + (len(shown) - 1 - i) * (PANEL + GAP)
        axes = figure.add_axes((place[0], low / total, place[1], PANEL / total))
        axes.set_xlim(*limits)
        axes.tick_params(labelsize=SMALL * 72 / DPI, length=3, width=0.7, labelbottom=False)
        if best_epoch is not None and limits[0] < best_epoch < limits[1]:
            axes.axvline(best_epoch, color=HAIRLINE, lw=1.0, zorder=1)
        _line(axes, epochs, values)
        finite = values[np.isfinite(values)]
        room = (1 - sum(place)) * figure.get_size_inches()[0] * DPI - 20
        text = fitted(f"{name}  {label(float(finite[-1]), 3)}", room, SMALL)
        axes.text(1.015, 0.5, text, transform=axes.transAxes, va="center_baseline", color=MUTED, size=SMALL * 72 / DPI)
        panels.append(axes)
    return panels


def widest(shown: Mapping[str, np.ndarray]) -> float:
    """The width of the widest name with its last value, in pixels."""
    last = {name: values[np.isfinite(values)][-1] for name, values in shown.items()}
    return max((text_width(f"{name}  {label(float(value), 3)}", SMALL) for name, value in last.items()), default=0.0)


def _line(axes: Axes, epochs: np.ndarray, values: np.ndarray) -> None:
    """One line, with its smallest and its largest value as the only ticks."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    log = low > 0 and high > WIDE * low
    axes.set_yscale("log" if log else "linear")
    few = np.isfinite(values).sum() <= 30
    axes.plot(epochs, values, color=INK, lw=1.1, marker="o" if few else "", ms=2, zorder=3)
    ends = (math.log(low), math.log(high)) if log else (low, high)
    room = 0.12 * (ends[1] - ends[0]) or 0.5 * abs(ends[0]) or 0.5
    edges = ends[0] - room, ends[1] + room
    axes.set_ylim(*((math.exp(edges[0]), math.exp(edges[1])) if log else edges))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(FixedLocator([low, high] if label(low, 3) != label(high, 3) else [low]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: label(value, 3)))
    axes.xaxis.set_major_locator(NullLocator())


def _number(value: Any) -> float:
    try:
        return math.nan if value is None or value == "" else float(value)
    except (TypeError, ValueError):  # a custom history may contain text
        return math.nan


__all__ = ["MOST", "draw", "height", "series", "widest"]
