"""A square of colored cells as SVG: the associations between the columns of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from isthmus.report.markup import Html, element, html
from isthmus.wording import elided

CELL, LEFT, TOP = 30.0, 112.0, 96.0  # units of the drawing; names are at the left, and rotated at the top
LETTERS = 15  # of a name: as many as fit next to the square
STRONG = 0.65  # above it, numbers are easier to read in the background color
WRITTEN = 14  # most columns for which cells contain numbers; with more, these would be too small to read


def association_grid(values: np.ndarray, names: Sequence[str], *, label: str) -> Html:
    """Associations (K, K), from -1 to 1, NaN if undefined. Each cell has a tooltip."""
    K = len(names)
    root = element("svg", {"class": "associations", "role": "img", "aria-label": label,
                           "viewBox": f"0 0 {LEFT + K * CELL + TOP / 2:g} {TOP + K * CELL:g}"})  # fmt: skip
    for k, name in enumerate(names):
        shown, middle = elided(name, LETTERS), (k + 0.5) * CELL
        root.append(element("text", {"class": "row", "x": LEFT - 6, "y": TOP + middle + 4}, shown))
        place = f"translate({LEFT + middle:g} {TOP - 6:g}) rotate(-45)"
        root.append(element("text", {"class": "column", "transform": place}, shown))
    for i in range(K):
        for j in range(K):
            for part in _cell(i, j, float(values[i, j]), names, written=K <= WRITTEN):
                root.append(part)
    return html(root)


def _cell(i: int, j: int, value: float, names: Sequence[str], *, written: bool):
    x, y, known = LEFT + j * CELL, TOP + i * CELL, math.isfinite(value)
    told = f"{names[i]} and {names[j]}: " + (f"{value:.2f}" if known else "one of them never changes")
    kind = "same" if i == j else "none" if not known else "negative" if value < 0 else "positive"
    size = {"x": x + 1, "y": y + 1, "width": CELL - 2, "height": CELL - 2, "rx": "3"}
    strength = {"fill-opacity": min(abs(value), 1.0)} if kind in {"negative", "positive"} else {}
    yield element("rect", {"class": kind} | size | strength, element("title", {}, told))
    if written and kind in {"negative", "positive"}:
        place = {"class": "value strong" if abs(value) > STRONG else "value", "x": x + CELL / 2, "y": y + CELL / 2 + 4}
        yield element("text", place, f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−"))


__all__ = ["association_grid"]
