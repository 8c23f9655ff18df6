"""The section on how columns go together, of a run on a table of several kinds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import isthmus
import tiny
from isthmus.report.association_grid import association_grid

N = 150


def test_the_squares_hold_what_the_test_rows_say(tmp_path: Path) -> None:
    a = np.random.default_rng(0).normal(size=N)
    table = pl.DataFrame({"size": a.round(2), "twice": (-2 * a).round(1), "drink": np.where(a > 0, "tea", "rum & <b>"),
                          "firmware": "v1"})  # fmt: skip
    table.write_csv(tmp_path / "t.csv")
    settings: dict[str, Any] = tiny.FAST | {"epochs": 20}
    run = isthmus.train(tmp_path / "t.csv", out=tmp_path / "run", **settings)
    page = (run.path / "report.html").read_text("utf-8")
    section = page[page.index("Associations between columns") :]
    test = run.prepared.splits.test.x
    known = float(np.corrcoef(test[:, 0], test[:, 1])[0, 1])
    told = re.findall(r"size and twice: (-?\d\.\d\d)", section)
    assert len(told) == 2  # in the data and in the reconstructions
    assert float(told[0]) == pytest.approx(known, abs=0.006)
    assert "Cramér" in section
    assert "rum &amp; &lt;b&gt;" not in section[: section.index("</section>")]  # names of columns, not of cells
    assert "<b>" not in section[: section.index("</section>")]


def test_a_cell_says_what_it_is_and_a_constant_has_none() -> None:
    grid = association_grid(np.array([[1.0, np.nan], [np.nan, 1.0]]), ["a<b", "c"], label="both")
    assert grid.count('class="none"') == 2
    assert grid.count('class="same"') == 2
    assert "a&lt;b and c: one of them never changes" in grid
    assert 'class="value"' not in grid
    numbers = association_grid(np.array([[1.0, -0.83], [-0.83, 1.0]]), ["a", "b"], label="both")
    assert 'class="negative"' in numbers
    assert "−0.8" in numbers
