"""A line chart of errors against a setting, for sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from isthmus.evaluation.figures.canvas import BLUE, DPI, HAIRLINE, INK, MUTED, SMALL, VERMILION, look
from isthmus.evaluation.figures.cost_curves import spaced_apart

WIDTH, HEIGHT = 1_150, 560  # pixels
COLORS = (BLUE, VERMILION, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK, MUTED)  # Okabe and Ito's palette
DECADE = 8.0  # values that span a larger factor are drawn on a logarithmic axis


@look()
def errors_against(name: str, lines: Mapping[str, Sequence[tuple[str, float]]], *, mark: str | None = None) -> Figure:
    """Test errors over the values of the setting `name`, one named line of (value, error) pairs each.

    Numbers are drawn to scale, on a logarithmic axis if they span a factor of more than 8; words are evenly spaced.
    `mark` is a value to be marked. The errors are drawn on a logarithmic axis.
    """
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
    axes = figure.add_axes((0.095, 0.14, 0.74, 0.8))
    values = list(dict.fromkeys(value for line in lines.values() for value, _ in line))
    places = _places(values)
    ends = []
    for (title, line), color in zip(lines.items(), COLORS * (1 + len(lines) // len(COLORS)), strict=False):
        points = sorted((places[value], error) for value, error in line if error > 0)
        if points:
            x, y = zip(*points, strict=True)
            style = (0, (4, 2)) if title == "PCA" else "-"
            axes.plot(x, y, color=color, marker="o", markersize=5, linewidth=1.8, linestyle=style)
            ends.append((y[-1], title, color))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if _spans(values):
        axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([places[value] for value in values]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(values)
    axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(name)
    axes.set_ylabel("test error (MSE)")
    if mark is not None:
        axes.axvline(places[mark], color=MUTED, linewidth=0.8, dashes=(2, 3))
        axes.annotate("large enough", (places[mark], 1), xycoords=("data", "axes fraction"), xytext=(6, -2),
                      textcoords="offset points", va="top", color=MUTED, fontsize=SMALL * 72 / DPI)  # fmt: skip
    _name_ends(axes, ends)
    return figure


def _name_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """The name of each line at its right end, moved apart if they would touch."""
    if not ends:
        return
    order, figure = sorted(ends), axes.get_figure(root=True)
    assert figure is not None
    heights = axes.transData.transform([(axes.get_xlim()[1], y) for y, *_ in order])[:, 1]
    right = axes.get_window_extent().x1
    for (_, title, color), y in zip(order, spaced_apart(np.asarray(heights), 22), strict=True):
        x, height = figure.transFigure.inverted().transform((right + 12, y))
        figure.text(x, height, title, color=color, va="center")


def _places(values: Sequence[str]) -> dict[str, float]:
    """The position of each value: numbers at their value, words in their order."""
    numbers = _numbers(values)
    return dict(zip(values, numbers or map(float, range(len(values))), strict=True))


def _spans(values: Sequence[str]) -> bool:
    numbers = _numbers(values)
    return bool(numbers) and min(numbers) > 0 and max(numbers) / min(numbers) > DECADE


def _numbers(values: Sequence[str]) -> list[float] | None:
    try:
        return [float(value) for value in values]
    except ValueError:
        return None


__all__ = ["errors_against"]
