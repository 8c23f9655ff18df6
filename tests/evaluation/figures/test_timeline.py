"""The picture of a series: every outlier can be seen, however many rows share a pixel."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from isthmus.evaluation.figures.timeline import Timeline, draw_timeline


@pytest.mark.parametrize("n", [50, 1461, 20_000])
def test_fault_183_an_outlier_of_one_row_is_visible_in_a_long_series(n: int) -> None:
    flags = np.zeros(n, bool)
    flags[np.linspace(n / 20, n - n / 20, 9).astype(int)] = True
    line = Timeline(np.zeros((n, 1)), ("a",), np.zeros(n), flags, np.inf, [str(i) for i in range(n)], np.array([0]))
    marks, plain = _pixels(line), _pixels(line._replace(flags=np.zeros(n, bool)))
    changed = (np.abs(marks - plain).max(-1) > 40).any(0)
    assert np.count_nonzero(np.diff(changed.astype(int)) == 1) == 9


def _pixels(line: Timeline) -> np.ndarray:
    file = io.BytesIO()
    draw_timeline(line, "t").savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB")).astype(int)
