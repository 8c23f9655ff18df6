"""The cost over the epochs: as a picture, and live in a notebook."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

from isthmus import wording
from isthmus.evaluation.figures import penalties
from isthmus.evaluation.figures.canvas import (
    BLUE,
    DPI,
    HAIRLINE,
    INK,
    MUTED,
    SMALL,
    VERMILION,
    look,
    png,
    save,
    text_width,
)
from isthmus.sparkline import worth_showing

WIDTH, HEIGHT = 1_150, 500  # pixels
ROOM = 0.775  # the share of the height between the epoch axis and the name of the best epoch
SIZE = 15  # pixels of all text except the numbers on the axes
EVERY = 1.0  # seconds between live drawings, which take about 0.15 seconds each: short epochs are not slowed down
Row = Mapping[str, Any]
FLOOR = "lowest possible, test"  # the training data may have a lower one
SERIES = (("train_cost", "training", BLUE), ("validation_cost", "validation", VERMILION))


@look()
def cost_curves(
    history: Sequence[Row],
    *,
    best_epoch: int | None = None,
    floor: float | None = None,
    unit: str = "binary cross-entropy per pixel",
    reference: Mapping[str, float] | None = None,
) -> Figure:
    """Training and validation cost over the epochs; every line has its name and last value at its right end.

    `history` rows have `epoch`, `train_cost` and, if there is a validation set, `validation_cost`; missing and
    non-finite values leave a gap. `floor` is the lowest cost that any model can reach on the test set; `reference` are
    costs of other models by name. The scale is logarithmic if costs span a factor of more than 2. Single epochs that
    are far worse than the rest are drawn as triangles at the upper edge, so that they do not flatten the curves. Each
    other value of the rows (penalties, perplexity) has a small panel below; see `penalties.series`.
    """
    beside = penalties.series(history)
    total = HEIGHT + penalties.height(len(beside))
    figure = Figure(figsize=(WIDTH / DPI, total / DPI), dpi=DPI)
    bottom, tall = (total - (0.875 * HEIGHT)) / total, ROOM * HEIGHT / total
    axes = figure.add_axes((0.085, bottom, 0.7, tall))
    epochs = _values(history, "epoch")
    lines = {name: (_values(history, key), color) for key, name, color in SERIES}
    levels = {name: value for name, value in (reference or {}).items() if math.isfinite(value)}
    if floor is not None and math.isfinite(floor):
        levels["floor"] = floor
    costs = np.concatenate([values for values, _ in lines.values()])
    limits = _limits(costs[np.isfinite(costs)], levels, axes)
    ends = [end for name, (values, color) in lines.items() if (end := _line(axes, epochs, values, color, name, limits))]
    ends += [_level(axes, name, value, limits) for name, value in levels.items()]
    widest = max([text_width(text, SIZE) for _, text, _ in ends] + [penalties.widest(beside)])
    place = 0.085, 0.89 - min(widest, WIDTH / 3) / WIDTH
    axes.set_position((place[0], bottom, place[1], tall))
    _epoch_axis(axes, epochs, unit)
    _name_ends(axes, ends)
    _mark_best(axes, history, best_epoch, limits)
    if beside:
        panels = penalties.draw(figure, place, 0.125 * HEIGHT, epochs, axes.get_xlim(), beside, best_epoch)
        _epochs_under(panels[-1], axes)
    return figure


def _epochs_under(lowest: Axes, axes: Axes) -> None:
    """Moves the epoch numbers from under the cost to under the lowest panel."""
    lowest.xaxis.set_major_locator(FixedLocator([t for t in axes.get_xticks() if _within(t, axes.get_xlim())]))
    lowest.set_xlabel(axes.get_xlabel(), size=SIZE * 72 / DPI)
    lowest.tick_params(labelbottom=True)
    axes.set_xlabel("")
    axes.tick_params(labelbottom=False)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _values(history: Sequence[Row], key: str) -> np.ndarray:
    return np.array([np.nan if row.get(key) in (None, "") else float(row[key]) for row in history])


def _limits(costs: np.ndarray, levels: Mapping[str, float], axes: Axes) -> tuple[float, float]:
    """Sets the scale and the limits of the cost axis."""
    if not costs.size:
        costs = np.array([0.5, 1.0])
        axes.text(0.5, 0.5, "no epoch with a finite cost", transform=axes.transAxes, ha="center", color=MUTED)
        axes.tick_params(labelleft=False, labelbottom=False)
    positive = costs.min() > 0
    forward = np.log if positive else np.asarray
    t = forward(np.sort(costs))
    low, high = t[0], worth_showing(t, t[0])
    span = max(high - low, 2.0 if positive else max(abs(low), abs(high)))  # 2: a factor of 7
    near = [v for v in levels.values() if (v > 0 or not positive) and low - span <= forward(v) <= high + span]
    shown = np.array([costs.min(), np.sort(costs)[np.searchsorted(t, high)], *near])
    log = bool(positive and shown.max() > 2 * shown.min())
    ends = np.log(shown) if log else shown
    room = 0.06 * (np.ptp(ends) or abs(ends[0]) or 1.0)
    limits = float(ends.min() - room), float(ends.max() + room)
    limits = (math.exp(limits[0]), math.exp(limits[1])) if log else limits
    axes.set_yscale("log" if log else "linear")
    axes.set_ylim(*limits)
    _cost_ticks(axes, limits, log)
    return limits


def _cost_ticks(axes: Axes, limits: tuple[float, float], log: bool) -> None:
    """About six plain numbers; on a logarithmic axis round ones, closer together if its range is small."""
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    if not log:
        axes.yaxis.set_major_locator(MaxNLocator(6))
        return
    low, high = limits
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [m * 10.0**d for d in decades for m in mantissas if low <= m * 10.0**d <= high]
        if len(ticks) >= 4:
            break
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}")


def _line(
    axes: Axes, epochs: np.ndarray, values: np.ndarray, color: str, name: str, limits: tuple[float, float]
) -> tuple[float, str, str] | None:
    """Draws one curve and returns the label at its end: (height, text, color); None if there is nothing to draw."""
    finite = np.flatnonzero(np.isfinite(values))
    if not finite.size:
        return None
    alone = [i for i in finite if not {i - 1, i + 1} & set(finite)]  # a line needs two neighbors
    dots = list(range(len(values))) if len(values) <= 30 else alone
    axes.plot(epochs, values, color=color, lw=1.6, marker="o", ms=3.2, markevery=dots, label=name, zorder=3)
    above = values > limits[1]
    axes.plot(epochs[above], np.full(above.sum(), limits[1]), "^", color=color, ms=5, clip_on=False, zorder=4)
    last = float(values[finite[-1]])
    return last, f"{name}  {wording.cost(last)}", color


def _level(axes: Axes, name: str, value: float, limits: tuple[float, float]) -> tuple[float, str, str]:
    """A horizontal line at a reference cost: dashed for the floor, dotted for others."""
    inside = limits[0] <= value <= limits[1]
    if inside:
        axes.axhline(
            value, color=MUTED, lw=1.0, ls=(0, (5, 4)) if name == "floor" else (0, (1, 2.5)), label=name, zorder=2
        )
    text = f"{FLOOR if name == 'floor' else name}  {wording.cost(value)}"
    return value, text if inside else f"{text} {'↑' if value > limits[1] else '↓'}", MUTED


def _epoch_axis(axes: Axes, epochs: np.ndarray, unit: str) -> None:
    first, last = (epochs[0], epochs[-1]) if len(epochs) else (1, 1)
    room = 0.02 * (last - first) or 0.5
    axes.set_xlim(first - room, last + room)
    many = MaxNLocator(10, integer=True, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(many if last > first else FixedLocator([last]))
    axes.set_xlabel("epoch", size=SIZE * 72 / DPI)
    axes.set_ylabel(unit, size=SIZE * 72 / DPI)
    axes.tick_params(labelsize=SMALL * 72 / DPI, length=3, width=0.7)
    axes.grid(axis="y", color="#eaeef2", lw=0.7)
    axes.set_axisbelow(True)


def _name_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """The names at the right, each at the height of its line, moved apart if they would touch."""
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = np.array([to_axes.transform((0.0, value))[1] for value, _, _ in ends]).clip(0.0, 1.0)
    order = np.argsort(heights, kind="stable")
    placed = spaced_apart(heights[order], 1.35 * SIZE / (HEIGHT * ROOM))
    for i, height in zip(order, placed, strict=True):
        _, text, color = ends[i]
        axes.text(
            1.015, height, text, transform=axes.transAxes, color=color, va="center_baseline", size=SIZE * 72 / DPI
        )


def spaced_apart(heights: np.ndarray, gap: float) -> np.ndarray:
    """Increasing `heights`, moved as little as possible (least squares) so that neighbors are `gap` apart.

    With the gaps subtracted, this is isotonic regression: neighbors that meet are pooled at their mean.
    """
    pools: list[list[float]] = []
    for i, height in enumerate(heights):
        pools.append([height - i * gap])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    means = [np.mean(pool) for pool in pools for _ in pool]
    return np.array([mean + i * gap for i, mean in enumerate(means)])


def _mark_best(axes: Axes, history: Sequence[Row], best_epoch: int | None, limits: tuple[float, float]) -> None:
    """A ring and a thin line at the best epoch, with its name above the axes, where there are no curves."""
    row = next((row for row in history if row.get("epoch") == best_epoch), None)
    if row is None or best_epoch is None:
        return
    pair = _values([row], "validation_cost")[0], _values([row], "train_cost")[0]
    cost = next((value for value in pair if math.isfinite(value)), None)
    axes.axvline(best_epoch, color=HAIRLINE, lw=1.0, zorder=1)
    where = axes.transData.transform((best_epoch, limits[0]))[0] / WIDTH
    ha = "left" if where < 0.25 else "right" if where > 0.6 else "center"
    text = f"best epoch {best_epoch}" + ("" if cost is None else f"  ({wording.cost(cost)})")
    axes.annotate(text, (best_epoch, 1), (0, 5), xycoords=("data", "axes fraction"), textcoords="offset points",
                  ha=ha, va="bottom", color=INK, size=SIZE * 72 / DPI)  # fmt: skip
    if cost is not None and limits[0] <= cost <= limits[1]:
        axes.plot([best_epoch], [cost], "o", ms=8, mfc="none", mec=INK, mew=1.2, zorder=5, label="best", clip_on=False)


@dataclass
class LiveCurve:
    """The output cell of a notebook in which the curves of one history are redrawn."""

    history: Sequence[Row] | None = None
    display: Any = None
    epochs: int = 0  # in the history at the last call
    drawn_at: float = -math.inf

    def is_due(self) -> bool:
        """Once a second, and always if no epoch was added, because this is the last call of a training."""
        added = len(self.history or ()) - self.epochs
        return not added or time.monotonic() - self.drawn_at >= EVERY


_live = LiveCurve()  # of the current training; another history gets its own


def draw_costs(history: Sequence[Row], out: Path | None, *, best_epoch: int | None = None, **settings: Any) -> None:
    """The cost curves: live in a notebook, and as `curves.png` in the folder `out`, if it is given."""
    if not history:
        return
    live_curve(history, now=True, best_epoch=best_epoch, **settings)
    if out is not None:
        save(cost_curves(history, best_epoch=best_epoch, **settings), out / "curves.png")


def live_curve(history: Sequence[Row], *, now: bool = False, **options: Any) -> bool:
    """Draws the cost curves in a notebook, and redraws them in place in later calls with the same history list.

    At most once a second unless `now`; `options` are those of `cost_curves`. Outside a notebook, nothing happens.
    Returns True if it drew.
    """
    global _live
    if not in_notebook() or not history:
        return False
    from IPython.display import Image, display

    if _live.history is not history:
        _live = LiveCurve(history)
    due, _live.epochs = now or _live.is_due(), len(history)
    if not due:
        return False
    image = Image(png(cost_curves(history, **options)), format="png", width=WIDTH * 2 // 3)
    if _live.display is None:
        _live.display = display(image, display_id=True)
    else:
        _live.display.update(image)
    _live.drawn_at = time.monotonic()
    return True


def show_picture(path: Path) -> bool:
    """Shows a PNG file in a notebook; outside a notebook, nothing happens. Returns True if it was shown."""
    if not in_notebook():
        return False
    from IPython.display import Image, display

    display(Image(filename=str(path)))
    return True


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel (the plain IPython terminal shows no pictures)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
