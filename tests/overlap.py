"""Checks that the texts of a figure are readable: all inside the figure, no two overlapping."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from isthmus.evaluation.figures.canvas import look


def assert_no_text_overlaps(figure: Figure) -> None:
    """Asserts that all texts, also of visible axes, are inside the figure, and overlap by at most a pixel's edge."""
    canvas = FigureCanvasAgg(figure)
    with look():
        canvas.draw()  # only drawing decides which numbers appear at the axes
        written = [t for t in _texts(figure) if t.get_text() and t.get_visible()]
        boxes = np.array([t.get_window_extent(canvas.get_renderer()).extents for t in written])
    low, high = boxes[:, :2], boxes[:, 2:]
    assert (low >= 0).all()
    assert (high <= figure.get_size_inches() * figure.dpi).all()
    shared = (np.minimum(high[:, None], high) - np.maximum(low[:, None], low)).min(axis=-1)
    pairs = np.argwhere(np.triu(shared > 1, k=1))
    assert [(written[i].get_text(), written[j].get_text()) for i, j in pairs] == []


def _texts(figure: Figure) -> list[Text]:
    axes = figure.axes[0]
    if not axes.axison:
        return list(axes.texts)
    ticks = [tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()]
    return [*axes.texts, axes.xaxis.label, axes.yaxis.label, *ticks]
