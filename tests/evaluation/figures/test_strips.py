from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from isthmus.evaluation.figures import strips
from isthmus.evaluation.figures.canvas import png


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def shown(figure: Figure) -> np.ndarray:
    with Image.open(io.BytesIO(png(figure))) as picture:
        return np.asarray(picture.convert("L"))


def gray(*values: float) -> np.ndarray:
    return np.broadcast_to(np.array(values, np.float32)[:, None, None, None], (len(values), 1, 28, 28)).copy()


def test_pairs_stand_nearest_first_and_the_too_near_are_marked() -> None:
    figure = strips.beside_nearest(
        gray(0.1, 0.5, 0.9), gray(0.2, 0.6, 1.0), np.array([0.3, 0.01234, 0.2]), ["a", "b", "c"], limit=0.1
    )
    told = texts(figure)
    assert [t for t in told if t[0] == "0"] == ["0.0123 !", "0.200", "0.300"]
    assert [t for t in told if t in "abc"] == ["b", "c", "a"]


def test_at_most_twenty_pairs_are_drawn_in_bands_of_ten() -> None:
    figure = strips.beside_nearest(
        gray(*np.zeros(30)), gray(*np.zeros(30)), np.arange(30) / 100 + 0.5, [str(i) for i in range(30)], limit=0.1
    )
    told = texts(figure)
    assert [t for t in told if t.isdigit()] == [str(i) for i in range(20)]
    assert told.count("nearest training sample") == 2


def test_the_given_ends_stand_over_the_ends_of_each_way() -> None:
    way = gray(0.0, 0.25, 0.5, 0.75, 1.0)
    figure = strips.between(gray(0.2, 0.8), ["12, 3", "40, 8"], {"straight": way, "spherical": way})
    assert [text for text in texts(figure) if text] == ["12, 3", "40, 8", "original", "straight", "spherical"]
    images = figure.axes[0].images
    levels = [float(np.asarray(image.get_array()).mean()) for image in images]
    np.testing.assert_allclose(levels, [0.2, 0.8, *np.linspace(0, 1, 5), *np.linspace(0, 1, 5)], atol=1e-6)
    left = [image.get_extent()[0] for image in images]
    assert left[:2] == [left[2], left[6]]


def test_a_long_way_is_thinned_and_keeps_its_ends() -> None:
    figure = strips.between(gray(0.0, 1.0), ["a", "b"], {"straight": gray(*np.linspace(0, 1, 100))})
    levels = [float(np.asarray(image.get_array()).mean()) for image in figure.axes[0].images][2:]
    assert len(levels) == strips.MOST_COLUMNS
    np.testing.assert_allclose([levels[0], levels[-1]], [0, 1], atol=1e-6)


def test_units_have_their_values_and_how_far_they_move() -> None:
    values = np.array([[-2.0, -0.0004, 2.0], [0.1, 0.2, 0.3]])
    x = gray(*np.linspace(0, 1, 6)).reshape(2, 3, 1, 28, 28)
    told = texts(strips.sweeps(x, [7, 3], [0.25, 0.1], values, (0.05, 0.5, 0.95)))
    assert told[:4] == ["5%", "50%", "95%", "quantile"]
    assert [t for t in told if t.startswith(("unit", "change"))] == ["unit 7", "change 0.25", "unit 3", "change 0.1"]
    assert {"−2", "0", "2", "0.1", "0.2", "0.3"} <= set(told)
    assert shown(strips.sweeps(x, [7, 3], [0.25, 0.1], values, (0.05, 0.5, 0.95))).std() > 10
