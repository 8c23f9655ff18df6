"""The panels under the cost curves: which there are, what they hold, and that nothing touches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isthmus.evaluation.figures import penalties
from isthmus.evaluation.figures.cost_curves import HEIGHT, cost_curves
from overlap import assert_no_text_overlaps


def rows(n: int, **values) -> list[dict]:
    """A history of n epochs; `values` are functions of the epoch."""
    common = {"train_cost": lambda k: 0.3 / k, "validation_cost": lambda k: 0.31 / k, "lr": lambda k: 0.01}
    return [{"epoch": k} | {key: f(k) for key, f in (common | values).items()} for k in range(1, n + 1)]


@pytest.mark.parametrize("n", [1, 2, 25, 400])
def test_a_panel_holds_what_the_rows_hold(n):
    history = rows(n, kl=lambda k: 25 - 20 / k, perplexity=lambda k: 500.0 - k, log_var_held=lambda k: 0.0)
    figure = cost_curves(history, best_epoch=n, floor=0.0581, reference={"mean image": 0.2625})
    assert len(figure.axes) == 3  # what is 0 in every epoch has none
    for axes, key, name in zip(figure.axes[1:], ("kl", "perplexity"), ("KL", "perplexity"), strict=True):
        np.testing.assert_array_equal(axes.lines[-1].get_xdata(), [row["epoch"] for row in history])
        np.testing.assert_array_equal(axes.lines[-1].get_ydata(), [row[key] for row in history])
        assert axes.texts[0].get_text() == f"{name}  {history[-1][key]:.3g}"
        assert axes.get_xlim() == figure.axes[0].get_xlim()
    assert (figure.axes[0].get_xlabel(), figure.axes[2].get_xlabel()) == ("", "epoch")
    assert_no_text_overlaps(figure)


def test_without_penalties_the_picture_is_as_tall_as_ever():
    plain, one = (cost_curves(history) for history in (rows(9), rows(9, mmd=lambda k: 0.1 / k)))
    heights = [figure.get_size_inches()[1] * figure.dpi for figure in (plain, one)]
    assert heights == pytest.approx([HEIGHT, HEIGHT + penalties.height(1)])
    boxes = [figure.axes[0].get_position().height * tall for figure, tall in zip((plain, one), heights, strict=True)]
    assert boxes[0] == pytest.approx(boxes[1])  # the cost's panel keeps its size


def test_gaps_words_and_infinities_are_left_out():
    history = rows(6, kl=lambda k: "" if k == 2 else k, note=lambda k: "fine", l2=lambda k: math.inf)
    found = penalties.series(history)
    assert list(found) == ["KL"]
    np.testing.assert_array_equal(found["KL"], [1, np.nan, 3, 4, 5, 6])
    assert len(penalties.series(rows(3, **{f"p{i}": lambda k: k for i in range(9)}))) == penalties.MOST
    assert penalties.series([]) == {}


def test_a_wide_range_is_drawn_by_its_logarithm():
    figure = cost_curves(rows(10, contractive=lambda k: 1000.0 / 3**k, sparsity=lambda k: 10.0 - k))
    assert [axes.get_yscale() for axes in figure.axes[1:]] == ["log", "linear"]
    assert_no_text_overlaps(figure)
