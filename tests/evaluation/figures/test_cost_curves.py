"""Cost curves: the lines hold the history, the floor stands at the floor, names do not touch."""

from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import png
from isthmus.evaluation.figures.cost_curves import cost_curves, live_curve, spaced_apart
from overlap import assert_no_text_overlaps


def falling(n: int, first: float = 0.26, last: float = 0.07) -> list[dict]:
    costs = [last + (first - last) * math.exp(-0.5 * k) for k in range(n)]
    return [{"epoch": k + 1, "train_cost": c, "validation_cost": 1.02 * c} for k, c in enumerate(costs)]


def line(figure: Figure, label: str):
    return next(line for line in figure.axes[0].lines if line.get_label() == label)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 40, 400])
def test_the_lines_hold_the_history(n):
    history = falling(n)
    figure = cost_curves(history, best_epoch=n, floor=0.0581, reference={"mean image": 0.2625})
    for key, label in (("train_cost", "training"), ("validation_cost", "validation")):
        np.testing.assert_array_equal(line(figure, label).get_xdata(), [row["epoch"] for row in history])
        np.testing.assert_array_equal(line(figure, label).get_ydata(), [row[key] for row in history])
    assert f"training  {history[-1]['train_cost']:.4f}" in texts(figure)
    assert_no_text_overlaps(figure)


def test_floor_and_reference_stand_at_their_values():
    figure = cost_curves(falling(10), floor=0.0581, reference={"mean image": 0.2625, "PCA-32": 0.1})
    assert set(line(figure, "floor").get_ydata()) == {0.0581}
    assert line(figure, "floor").is_dashed()
    assert set(line(figure, "PCA-32").get_ydata()) == {0.1}
    assert "lowest possible, test  0.0581" in texts(figure)
    low, high = figure.axes[0].get_ylim()
    assert low < 0.0581
    assert high > 0.2625


def test_the_best_epoch_is_ringed_and_named():
    history = falling(10)
    history[6]["validation_cost"] = 0.0650
    figure = cost_curves(history, best_epoch=7)
    assert (list(line(figure, "best").get_xdata()), list(line(figure, "best").get_ydata())) == ([7], [0.0650])
    assert "best epoch 7  (0.0650)" in texts(figure)
    assert_no_text_overlaps(figure)


@pytest.mark.parametrize("best", [1, 2, 20, 39, 40])
def test_the_name_of_the_best_epoch_stays_on_the_page(best):
    assert_no_text_overlaps(cost_curves(falling(40), best_epoch=best, floor=0.0581, reference={"mean image": 0.26}))


@pytest.mark.parametrize("best", [None, 0, 99])
def test_a_best_epoch_that_is_not_in_the_history_is_not_marked(best):
    figure = cost_curves(falling(5), best_epoch=best)
    assert not any("best" in text for text in texts(figure))


def test_without_validation_there_is_one_line():
    history = [{"epoch": k, "train_cost": 1 / k} for k in range(1, 6)]
    figure = cost_curves(history, best_epoch=5)
    assert [line.get_label() for line in figure.axes[0].lines if not line.get_label().startswith("_")] == [
        "training",
        "best",
    ]


def test_missing_and_undefined_costs_leave_gaps():
    history = falling(10)
    history[3]["validation_cost"] = math.nan
    history[4]["validation_cost"] = None
    del history[5]["validation_cost"]
    history[6]["validation_cost"] = ""  # as in a CSV file
    y = line(cost_curves(history), "validation").get_ydata()
    assert np.isnan(y).tolist() == [False] * 3 + [True] * 4 + [False] * 3


def test_a_value_between_gaps_is_a_dot():
    history = falling(60)
    for k in range(60):
        history[k]["validation_cost"] = history[k]["validation_cost"] if k == 30 else math.nan
    assert list(line(cost_curves(history), "validation").get_markevery()) == [30]


def test_a_terrible_epoch_does_not_flatten_the_others():
    history = falling(40)
    history[20]["validation_cost"] = 1e6
    history[21]["train_cost"] = math.inf
    figure = cost_curves(history)
    top = figure.axes[0].get_ylim()[1]
    assert top < 1.0
    marks = [(float(x), float(y)) for m in figure.axes[0].lines if m.get_marker() == "^" for x, y in m.get_xydata()]
    assert sorted(marks) == [(21.0, top), (22.0, top)]


@pytest.mark.parametrize(("history", "scale"), [(falling(10), "log"), (falling(10, 0.1, 0.09), "linear")])
def test_the_scale_is_logarithmic_where_costs_span_a_factor_of_2(history, scale):
    assert cost_curves(history).axes[0].get_yscale() == scale


def test_negative_costs_are_drawn():
    history = [{"epoch": k, "train_cost": -1.0 - k / 10, "validation_cost": -1.0 - k / 12} for k in range(1, 20)]
    figure = cost_curves(history, best_epoch=19, reference={"mean": 0.0})
    assert figure.axes[0].get_yscale() == "linear"
    low, high = figure.axes[0].get_ylim()
    assert low < -2.9 < high
    assert any("−2.9000" in text for text in texts(figure))


@pytest.mark.parametrize("history", [[], [{"epoch": 1, "train_cost": math.nan, "validation_cost": math.nan}]])
def test_a_history_without_costs_says_so(history):
    figure = cost_curves(history, best_epoch=1, floor=0.0581)
    assert "no epoch with a finite cost" in texts(figure)
    assert_no_text_overlaps(figure)


def test_the_same_history_gives_the_same_bytes():
    assert png(cost_curves(falling(12), best_epoch=12)) == png(cost_curves(falling(12), best_epoch=12))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30),
    st.floats(-1, 10) | st.none(),
    st.dictionaries(st.sampled_from(["mean image", "PCA", "zero"]), st.floats(-10, 1e4), max_size=3),
)
def test_any_history_can_be_drawn(costs, floor, reference):
    history = [{"epoch": k + 1, "train_cost": c, "validation_cost": c} for k, c in enumerate(costs)]
    figure = cost_curves(history, best_epoch=1, floor=floor, reference=reference)
    low, high = figure.axes[0].get_ylim()
    assert math.isfinite(low) and math.isfinite(high)  # noqa: PT018
    assert low < min(costs) <= high


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_spread_keeps_order_distance_and_mean(heights, gap):
    heights = np.sort(heights)
    placed = spaced_apart(heights, gap)
    assert (np.diff(placed) >= gap - 1e-9).all()
    assert placed.mean() == pytest.approx(heights.mean(), abs=1e-9)  # least squares moves the whole by nothing


def test_spread_leaves_alone_what_does_not_touch():
    np.testing.assert_allclose(spaced_apart(np.array([0.1, 0.5, 0.9]), 0.05), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(spaced_apart(np.array([0.5, 0.5]), 0.1), [0.45, 0.55])


class Display:
    """What IPython gives for a shown object."""

    def __init__(self, shown: object) -> None:
        self.shown = [shown]

    def update(self, shown: object) -> None:
        self.shown.append(shown)


@pytest.fixture
def notebook(monkeypatch) -> list[Display]:
    """An IPython with a kernel, whose displays are kept."""
    displays: list[Display] = []

    def display(shown: object, display_id: bool) -> Display:
        displays.append(Display(shown))
        return displays[-1]

    inner = types.SimpleNamespace(display=display, Image=lambda data, **_: data)
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell, display=inner))
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    return displays


def test_outside_of_a_notebook_nothing_is_drawn(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert live_curve(falling(3), now=True) is False
    assert "IPython" not in sys.modules


def test_a_notebook_shows_one_picture_a_history_and_updates_it(notebook):
    history = falling(2)
    assert live_curve(history, now=True)
    history.append({"epoch": 3, "train_cost": 0.08, "validation_cost": 0.08})
    assert live_curve(history, now=True, best_epoch=3)
    assert len(notebook) == 1
    assert notebook[0].shown == [png(cost_curves(history[:2])), png(cost_curves(history, best_epoch=3))]
    assert live_curve(falling(2), now=True)
    assert len(notebook) == 2


def test_a_notebook_is_redrawn_once_a_second_and_at_the_end(notebook, monkeypatch):
    clock = iter([100.0, 100.5, 101.2, 101.3])
    now = [0.0]
    monkeypatch.setattr("isthmus.evaluation.figures.cost_curves.time.monotonic", lambda: now[0])
    history, drawn = [], []
    for row in falling(4):
        history.append(row)
        now[0] = next(clock)
        drawn.append(live_curve(history))
    assert drawn == [True, False, True, False]
    assert live_curve(history)  # no epoch was added: the training is over
    assert len(notebook[0].shown) == 3


def test_an_empty_history_shows_nothing(notebook):
    assert live_curve([], now=True) is False
    assert notebook == []
