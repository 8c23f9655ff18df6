"""SVG charts that stretch with the page: positions are shares of width and height, texts keep their size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import numpy as np

from isthmus.report.markup import Html, element, html
from isthmus.sparkline import worth_showing
from isthmus.wording import three_digits

UNITS = 1_000  # width and height of the inner drawing
ROOM = 0.05  # share of the height that stays free above and below
LEVELS_NEAR = 1.0  # times the curves' span: levels farther away would flatten the curves, and appear only in the legend
FAR = 100.0  # heights above the axis: beyond it, a line looks vertical anyway
EDGE = 0.1  # share of the width; names of groups closer to the side would be cut off
MOST_TICKS = 6
COLORS, SHAPES = 10, 3  # of points; more than ten colors cannot be told apart, so further groups get another shape
WIDE, NARROW = (700, 544), (330, 352)  # size in pixels of a map on a desktop and on a phone
LETTER, LINE = 11, 22  # pixels of a letter's width and of a line in a group's name (18 pixels, bold)


@dataclass(frozen=True)
class Line:
    """A curve; `kind` is its class in style.css. Values that are not finite leave a gap."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    kind: str


@dataclass(frozen=True)
class ReferenceLine:
    """A known value, drawn as a line from edge to edge."""

    name: str
    value: float
    kind: str = "level"


@dataclass(frozen=True)
class Axis:
    """Maps values to shares of the axis, from 0 at `low` to 1 at `high`."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, v = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return (v - low) / ((high - low) or 1.0)

    def ticks(self) -> list[float]:
        """About five round numbers on the axis."""
        if not self.log:
            return _round_steps(self.low, self.high)
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for mantissas in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
            found = [m * 10.0**d for d in decades for m in mantissas if self.low <= m * 10.0**d <= self.high]
            if len(found) >= 4:
                return found[:: -(-len(found) // (MOST_TICKS + 2))]
        return _round_steps(self.low, self.high)

    def as_list(self) -> list[float | bool]:
        """The axis in the form for script.js."""
        return [self.low, self.high, self.log]


def _round_steps(low: float, high: float) -> list[float]:
    rough = (high - low) / (MOST_TICKS - 1) or 1.0
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def y_axis(lines: Sequence[Line], levels: Sequence[ReferenceLine], *, log: bool) -> Axis | None:
    """An axis that fits the curves; a few values far above all others are cut off. None without any value."""
    ys = np.concatenate([np.asarray(line.ys, float) for line in lines] or [np.empty(0)])
    ys = np.sort(ys[np.isfinite(ys)])
    if not ys.size or (log and ys[0] <= 0):
        return None
    t = np.log(ys) if log else ys
    low, high = float(t[0]), float(worth_showing(t, t[0]))
    reach = LEVELS_NEAR * ((high - low) or abs(high) or 1.0)
    near = [
        math.log(v.value) if log else v.value for v in levels if math.isfinite(v.value) and (v.value > 0 or not log)
    ]
    heights = [low, high, *(v for v in near if low - reach <= v <= high + reach)]
    room = ROOM * ((max(heights) - min(heights)) or abs(high) or 1.0)
    low, high = min(heights) - room, max(heights) + room
    return Axis(math.exp(low), math.exp(high), True) if log else Axis(low, high)


def line_chart(
    lines: Sequence[Line],
    levels: Sequence[ReferenceLine],
    x: Axis,
    y: Axis,
    *,
    label: str,
    mark: tuple[float, float] | None = None,
) -> Html:
    """Curves over whole numbers; `label` is the description for screen readers."""
    root = element("svg", {"class": "plot", "role": "img", "aria-label": label})
    for tick in y.ticks():
        height = _percent(1 - y.at(tick))
        root.append(element("line", {"class": "grid", "x1": "0", "x2": "100%", "y1": height, "y2": height}))
        root.append(element("text", {"class": "tick y", "x": "0", "y": height, "dx": "-8", "dy": "4"}, f"{tick:g}"))
    for tick in (v for v in x.ticks() if v == round(v)):
        place = {"class": "tick x", "x": _percent(x.at(tick)), "y": "100%", "dy": "20"}
        root.append(element("text", place, f"{tick:,.0f}"))
    for level in levels:
        _draw_level(root, level, y)
    inner = element("svg", {"viewBox": f"0 0 {UNITS} {UNITS}", "preserveAspectRatio": "none", "class": "stretch"})
    for line in lines:
        inner.append(element("path", {"class": f"curve {line.kind}", "d": _path(line, x, y)}))
    root.append(inner)
    for line in lines:
        _draw_lone_point(root, line, x, y)
    if mark is not None and 0 <= y.at(mark[1]) <= 1:
        place = {"cx": _percent(x.at(mark[0])), "cy": _percent(1 - y.at(mark[1]))}
        root.append(element("circle", {"class": "best", "r": "5"} | place))
    return html(root)


def _draw_level(root: ET.Element, level: ReferenceLine, y: Axis) -> None:
    if not (math.isfinite(level.value) and (level.value > 0 or not y.log) and 0 <= y.at(level.value) <= 1):
        return
    height = _percent(1 - y.at(level.value))
    root.append(element("line", {"class": level.kind, "x1": "0", "x2": "100%", "y1": height, "y2": height}))
    text = f"{level.name} {three_digits(level.value)}"
    root.append(element("text", {"class": "name", "x": "100%", "y": height, "dy": "-6"}, text))


def _path(line: Line, x: Axis, y: Axis) -> str:
    steps, pen = [], "M"
    for a, b in zip(line.xs, line.ys, strict=True):
        if not math.isfinite(b) or (y.log and b <= 0):
            pen = "M"
            continue
        # Values that are cut off continue beyond the upper edge of the inner drawing.
        steps.append(f"{pen}{UNITS * x.at(a):.1f} {UNITS * (1 - min(y.at(b), FAR)):.1f}")
        pen = "L"
    return "".join(steps)


def _draw_lone_point(root: ET.Element, line: Line, x: Axis, y: Axis) -> None:
    """A dot for a curve with a single value, which a line cannot show."""
    known = [(a, b) for a, b in zip(line.xs, line.ys, strict=True) if math.isfinite(b)]
    if len(known) == 1 and (known[0][1] > 0 or not y.log) and y.at(known[0][1]) <= 1:
        place = {"cx": _percent(x.at(known[0][0])), "cy": _percent(1 - y.at(known[0][1]))}
        root.append(element("circle", {"class": f"lone {line.kind}", "r": "2"} | place))


def histogram(counts: Sequence[float], most: float, *, label: str, zero: float | None = None) -> Html:
    """Bars without gaps; `most` is the full height. A thin line marks `zero`, a share of the width."""
    root = element("svg", {"class": "histogram", "role": "img", "aria-label": label,
                           "viewBox": f"0 0 {len(counts)} 100", "preserveAspectRatio": "none"})  # fmt: skip
    tops = [100 * (1 - min(c / (most or 1.0), 1.0)) for c in counts]
    steps = "".join(f"V{top:.1f}H{i + 1}" for i, top in enumerate(tops))
    root.append(element("path", {"class": "bars", "d": f"M0 100{steps}V100Z"}))
    if zero is not None and 0 <= zero <= 1:
        at = f"{zero * len(counts):.2f}"
        root.append(element("line", {"class": "zero", "x1": at, "x2": at, "y1": "0", "y2": "100"}))
    return html(root)


def bar(share: float, kind: str = "") -> Html:
    """A horizontal bar that fills this share of its cell."""
    width = _percent(min(max(share, 0.0), 1.0)) if math.isfinite(share) else "0%"
    root = element("svg", {"class": "bar", "aria-hidden": "true"})
    root.append(element("rect", {"class": f"fill {kind}".strip(), "width": width, "height": "100%", "rx": "2"}))
    return html(root)


def spot(group: int) -> str:
    """The class of a group in style.css: one of ten colors; filled for the first ten groups, then ring, then outlined.

    >>> spot(3), spot(13), spot(23)
    ('c3', 'c3 round-1', 'c3 round-2')
    """
    color, turn = f"c{group % COLORS}", group // COLORS % SHAPES
    return f"{color} round-{turn}" if turn else color


def scatter(points: np.ndarray, groups: Sequence[int], names: dict[int, str], *, label: str) -> Html:
    """Points (N, 2) in [0, 1] with the style of their group, and the names of the groups at their centers, unless a
    name would cover another one; the legend has all names.
    """
    root = element("svg", {"class": "plot map", "role": "img", "aria-label": label})
    for (px, py), group in zip(points.tolist(), groups, strict=True):
        place = {"cx": _percent(px), "cy": _percent(1 - py), "r": "3"}
        root.append(element("circle", {"class": f"dot {spot(group)}"} | place))
    middles = {group: np.median(points[np.asarray(groups) == group], axis=0) for group in names}
    wide, narrow = (_apart(names, middles, size) for size in (WIDE, NARROW))
    for group, name in names.items():
        if group not in wide:
            continue
        middle = middles[group]
        place = {"x": _percent(float(middle[0])), "y": _percent(1 - float(middle[1])), "dy": "6"}
        side = " first" if middle[0] < EDGE else " last" if middle[0] > 1 - EDGE else ""
        root.append(element("text", {"class": f"group{side}{'' if group in narrow else ' wide-only'}"} | place, name))
    return html(root)


def _apart(names: dict[int, str], middles: dict[int, np.ndarray], size: tuple[int, int]) -> set[int]:
    """The groups whose names do not cover an earlier name, on a map of this size in pixels."""
    kept: dict[int, tuple[float, float, float]] = {}
    for group, name in names.items():
        width, (x, y) = LETTER * len(name), middles[group] * size
        left = x if x < EDGE * size[0] else x - width if x > (1 - EDGE) * size[0] else x - width / 2
        if all(left + width < a or a + w < left or abs(y - b) > LINE for a, w, b in kept.values()):
            kept[group] = (left, width, y)
    return set(kept)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"
