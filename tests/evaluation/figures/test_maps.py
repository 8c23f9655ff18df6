"""Maps of codes: sizes, what is drawn where, and that texts can be read."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from isthmus.evaluation.figures import maps
from isthmus.evaluation.figures.canvas import DPI, png
from overlap import assert_no_text_overlaps


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def size(figure: Figure) -> tuple[int, int]:
    width, height = figure.get_size_inches() * DPI
    return round(width), round(height)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def raster(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


@pytest.mark.parametrize(("n", "side"), [(40, 44), (1_000, 32), (10_000, 26)])
def test_every_field_shows_one_picture(rng: np.random.Generator, n: int, side: int) -> None:
    points, labels = rng.normal(size=(n, 2)), np.arange(n) % 3
    images = np.zeros((n, 1, 8, 8), np.uint8)
    images[:, :, 2:6, 2:6] = 255  # a square of ink on a dark ground
    figure = maps.thumbnails(points, images, labels, ["a", "b", "c"], "by chance")
    sheet = raster(figure)
    inked = np.any(sheet[: sheet.shape[0] // side * side] < 0.999, axis=-1)
    fields = [
        inked[y : y + side, x : x + side].any()
        for y in range(0, sheet.shape[0] - side, side)
        for x in range(0, sheet.shape[1] - side, side)
    ]
    shown = next((int(t.split(" of ")[0].rpartition(" ")[2].replace(",", "")) for t in texts(figure) if " of " in t), n)
    assert shown == pytest.approx(sum(fields), abs=0.12 * shown)  # the last fields of a side may be cut
    assert shown <= n
    assert max(size(figure)) <= 1_300
    assert_no_text_overlaps(figure)


def test_ink_has_the_color_of_the_class() -> None:
    points, images = np.array([[0.0, 0], [1, 1]]), np.zeros((2, 1, 4, 4), np.uint8)
    images[:, :, 1:3, 1:3] = 255
    sheet = raster(maps.thumbnails(points, images, np.array([0, 1]), ["a", "b"]))
    colors = {tuple(c) for c in sheet.reshape(-1, 3).round(3)}
    for color in maps.TEN[:2]:
        assert any(np.allclose(c, to_rgb(color), atol=0.002) for c in colors)
    left, right = sheet[:, : sheet.shape[1] // 2], sheet[:, sheet.shape[1] // 2 :]
    assert np.abs(left[left.shape[0] // 2 :] - to_rgb(maps.TEN[0])).sum(-1).min() < 0.01  # low values lie below
    assert np.abs(right[: right.shape[0] // 2] - to_rgb(maps.TEN[1])).sum(-1).min() < 0.01


def test_photographs_keep_their_colors_in_a_frame(rng: np.random.Generator) -> None:
    images = np.full((3, 3, 20, 30), 0.5, np.float32)
    images[:, 0] = 1.0
    sheet = raster(maps.thumbnails(rng.normal(size=(3, 2)), images, np.arange(3), ["a", "b", "c"]))
    colors = {tuple(c) for c in sheet.reshape(-1, 3).round(2)}
    assert (1.0, 0.5, 0.5) in colors
    assert sum(any(np.allclose(c, to_rgb(t), atol=0.01) for c in colors) for t in maps.TEN[:3]) == 3
    plain = raster(maps.thumbnails(rng.normal(size=(3, 2)), images))
    assert {tuple(c) for c in plain.reshape(-1, 3).round(2)} == {(1.0, 0.5, 0.5), (1.0, 1.0, 1.0)}


def test_the_sample_nearest_to_the_middle_is_shown() -> None:
    places = np.array([[1.0, 1], [5, 5], [9, 9], [15, 3], [12, 8], [25, 25]])
    fields, rows = maps.one_a_field(places, 10)
    assert fields.tolist() == [[0, 0], [1, 0], [2, 2]]
    assert rows.tolist() == [1, 3, 5]


def test_points_lie_in_true_proportion_with_up_above() -> None:
    figure = maps.dots(np.array([[0.0, 0], [4, 0], [0, 3]]), np.array([0, 1, 1]), ["a", "b"])
    drawn = np.sort(np.asarray(figure.axes[0].collections[0].get_offsets()), axis=0)
    places = {tuple(p) for p in np.asarray(figure.axes[0].collections[0].get_offsets()).round(3)}
    assert len(places) == 3
    assert (drawn[-1, 0] - drawn[0, 0]) / (drawn[-1, 1] - drawn[0, 1]) == pytest.approx(4 / 3)
    top = min(places, key=lambda p: p[1])
    assert top[0] == min(p[0] for p in places)  # (0, 3): left and above, in pixels from the top


def test_names_stand_in_the_map_and_in_the_key(rng: np.random.Generator) -> None:
    groups = np.repeat([0, 1, -1], 20)
    points = rng.normal(size=(60, 2)) + 30 * np.array([[0, 0], [1, 0], [0, 1]])[groups]
    figure = maps.dots(points, groups, ["oak", "a name that is far too long for the key of the map"], "t-SNE")
    told = texts(figure)
    assert told.count("oak") == 2
    assert [t for t in told if t in {"no label", "t-SNE"}] == ["t-SNE", "no label"]
    assert told.count("20") == 3
    assert any(t.endswith("…") for t in told)
    assert_no_text_overlaps(figure)


def test_names_of_few_points_stand_in_the_key_alone(rng: np.random.Generator) -> None:
    groups = np.repeat([0, 1], [14, 20])
    told = texts(maps.dots(rng.normal(size=(34, 2)), groups, ["oak", "elm"]))
    assert (told.count("oak"), told.count("elm")) == (1, 2)
    many = texts(maps.dots(rng.normal(size=(60, 2)), np.arange(60) % 40, [f"class {k}" for k in range(40)]))
    assert many.count("class 39") == 1  # has no place in the key


def test_many_classes_are_cut_in_the_key_and_stay_on_the_page(rng: np.random.Generator) -> None:
    n = 100
    figure = maps.dots(rng.normal(size=(1_000, 2)), np.arange(1_000) % n, [f"class {k}" for k in range(n)])
    assert "… and 70 more" in texts(figure)
    assert_no_text_overlaps(figure)
    hues = {maps._hue(k) for k in range(24)}
    assert len(hues) == 24


def test_thirty_classes_of_points_look_different(rng: np.random.Generator) -> None:
    figure = maps.dots(rng.normal(size=(900, 2)), np.arange(900) % 30, [f"class {k}" for k in range(30)])
    key = figure.axes[0].collections[-30:]
    looks = [
        (
            points.get_facecolor().round(3).tobytes(),
            points.get_edgecolor().round(3).tobytes(),
            tuple(points.get_linewidths()),
        )
        for points in key
    ]
    assert len(set(looks)) == 30
    assert key[3].get_facecolor()[0, :3].tolist() == pytest.approx(list(to_rgb(maps.TEN[3])))
    assert key[13].get_edgecolor()[0, :3].tolist() == pytest.approx(list(to_rgb(maps.TEN[3])))


def test_a_number_colors_points_and_has_a_scale(rng: np.random.Generator) -> None:
    values = np.append(rng.uniform(-1, 3, 499), np.nan)
    figure = maps.gradient(rng.normal(size=(500, 2)), values, "c3", "PCA")
    low, high = np.nanquantile(values, [0.01, 0.99])
    assert figure.axes[0].collections[0].get_clim() == pytest.approx((low, high))
    assert {"c3", "PCA", "0"} <= set(texts(figure))
    assert_no_text_overlaps(figure)


def test_the_scale_of_a_number_has_no_powers_of_ten_where_digits_fit(rng: np.random.Generator) -> None:
    seats = np.repeat([8.0, 382.0], 250)
    assert {"8", "382"} <= set(texts(maps.gradient(rng.normal(size=(500, 2)), seats, "seats")))
    assert "12,382" in texts(maps.gradient(rng.normal(size=(500, 2)), seats + 12_000, "seats"))


def test_equal_points_and_lines_are_drawn_too() -> None:
    images = np.zeros((6, 1, 5, 5), np.uint8)
    for points in (np.zeros((6, 2)), np.column_stack([np.arange(6.0), np.zeros(6)])):
        assert png(maps.thumbnails(points, images))[:4] == b"\x89PNG"
        assert png(maps.dots(points))[:4] == b"\x89PNG"


def test_the_same_map_is_the_same_file(rng: np.random.Generator) -> None:
    points = rng.normal(size=(50, 2))
    assert png(maps.dots(points)) == png(maps.dots(points))
