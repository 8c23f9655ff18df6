"""Sheets of neighbors and of pairs: sizes, texts and pixels."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from isthmus.evaluation.figures import neighbor_sheets
from isthmus.evaluation.figures.canvas import DPI
from overlap import assert_no_text_overlaps


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 1, 12, 16), dtype=np.uint8)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def drawn(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


@pytest.mark.parametrize("k", [1, 10, 23])
def test_every_neighbor_is_drawn_with_its_texts(images: np.ndarray, k: int) -> None:
    rows = np.arange(1, k + 1)
    names, told = [f"{i}.png" for i in rows], [f"0.{i}" for i in rows]
    figure = neighbor_sheets.neighbors(images[0], "query.png", [("one", images[rows], names, told)] * 2)
    shown = drawn(figure)
    assert len(shown) == 1 + 2 * k
    np.testing.assert_allclose(shown[0], images[0, 0] / 255, atol=1e-6)  # float32
    for i in range(k):
        np.testing.assert_allclose(shown[1 + k + i], images[i + 1, 0] / 255, atol=1e-6)  # float32
    assert {"query.png", "one", *names, *told} == set(texts(figure))
    assert figure.get_size_inches()[0] * DPI <= 1_300
    assert_no_text_overlaps(figure)


def test_long_names_are_cut(images: np.ndarray) -> None:
    figure = neighbor_sheets.neighbors(
        images[0], "x" * 90, [("t", images[:10], ["a/very/long/name.png"] * 10, ["1"] * 10)]
    )
    assert_no_text_overlaps(figure)


@pytest.mark.parametrize(("n", "most"), [(1, 1), (4, 4), (23, 23), (55, 40)])
def test_pairs_stand_below_each_other(images: np.ndarray, n: int, most: int) -> None:
    first, second = images[np.arange(n)], images[(np.arange(n) + 1) % 60]
    ids = [(f"train {i}", f"test {i}") for i in range(n)]
    figure = neighbor_sheets.pairs(first, second, ids, [0.0, *np.linspace(0.01, 0.2, n - 1)])
    found = texts(figure)
    assert sum(text.startswith("train ") for text in found) == most
    assert found.count("identical") == 1
    assert_no_text_overlaps(figure)
    expected = np.abs(first[0, 0] / 255.0 - second[0, 0] / 255.0)
    assert any(x.shape == expected.shape and np.allclose(x, expected, atol=1e-6) for x in drawn(figure))
