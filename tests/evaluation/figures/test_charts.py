"""The chart of a sweep: where its points stand, on which axis."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation.figures.charts import errors_against


def test_sizes_that_double_stand_at_even_steps_under_their_own_names() -> None:
    lines = {"ours": [("2", 0.3), ("8", 0.1), ("32", 0.05)], "PCA": [("2", 0.4), ("32", 0.2)]}
    axes = errors_against("z_size", lines, mark="8").axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[2, 0.3], [8, 0.1], [32, 0.05]])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "8", "32"]
    assert any("large enough" in text.get_text() for text in axes.texts)


def test_words_stand_side_by_side_and_close_numbers_to_scale() -> None:
    words = errors_against("activation", {"ours": [("relu", 0.3), ("silu", 0.1)]}).axes[0]
    np.testing.assert_array_equal(words.lines[0].get_xdata(), [0, 1])
    near = errors_against("dropout", {"ours": [("0.1", 0.3), ("0.2", 0.1)]}).axes[0]
    assert near.get_xscale() == "linear"
    np.testing.assert_array_equal(near.lines[0].get_xdata(), [0.1, 0.2])


def test_every_line_has_its_name_at_its_end_without_touching_another() -> None:
    lines = {f"line {i}": [("1", 0.1 + i * 1e-4), ("2", 0.1 + i * 1e-4)] for i in range(4)}
    figure = errors_against("z_size", lines)
    heights = sorted(text.get_position()[1] * figure.get_figheight() * figure.dpi for text in figure.texts)
    assert len(heights) == 4
    assert min(np.diff(heights)) >= 21.9  # pixels, a line of text
