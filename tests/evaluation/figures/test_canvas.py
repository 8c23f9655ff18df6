"""The page in pixels, the look, and how pictures are written."""

from __future__ import annotations

import io
import os
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image

from isthmus.errors import ResourceError
from isthmus.evaluation.figures import canvas


def rendered(page: canvas.Page) -> np.ndarray:
    with Image.open(io.BytesIO(canvas.png(page.figure))) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def checker() -> np.ndarray:
    return np.array([[0.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize("size", [(333, 127), (1000, 401), (57, 999)])
def test_a_page_has_exactly_the_pixels_asked_for(size):
    assert rendered(canvas.Page(*size)).shape == (size[1], size[0], 3)


def test_enlarged_pixels_are_squares_at_the_place_asked_for(checker):
    page = canvas.Page(70, 50)
    page.image(checker, 11, 7, 32, 32, cmap="gray", vmin=0, vmax=1)
    expected = np.full((50, 70, 3), 255)
    expected[7:39, 11:43] = np.kron(checker * 255, np.ones((16, 16)))[..., None]
    np.testing.assert_array_equal(rendered(page), expected)


def test_a_frame_lies_just_around_its_box(checker):
    page = canvas.Page(60, 60)
    page.image(checker * 0, 10, 20, 16, 16, cmap="gray", vmin=0, vmax=1)
    page.frames([(10, 20, 16, 16)])
    pixels = rendered(page)
    hairline = [int(canvas.HAIRLINE[i : i + 2], 16) for i in (1, 3, 5)]
    for y, x in ((28, 9), (28, 26), (19, 18), (36, 18)):
        assert pixels[y, x].tolist() == hairline, (y, x)
    assert (pixels[20:36, 10:26] == 0).all()


def test_the_same_figure_gives_the_same_bytes_without_a_date(checker):
    def draw() -> bytes:
        page = canvas.Page(64, 64)
        page.image(checker, 0, 0, 64, 64)
        page.text("x", 32, 32)
        return canvas.png(page.figure, metadata={"Title": "größer 桜"})

    first, second = draw(), draw()
    assert first == second
    with Image.open(io.BytesIO(first)) as image:
        assert image.text == {"Software": "isthmus", "Title": "größer 桜"}


def test_the_pixels_are_those_of_matplotlib_in_no_more_bytes(checker):
    page = canvas.Page(300, 200)
    page.image(np.kron(checker, np.random.default_rng(0).random((8, 8))), 20, 20, 160, 160)
    page.text("some words", 240, 100, color=canvas.BLUE)
    found, drawn = canvas.png(page.figure), io.BytesIO()
    with canvas.look():
        page.figure.savefig(drawn, format="png", dpi=canvas.DPI, pil_kwargs={"optimize": True})
    with Image.open(io.BytesIO(found)) as image, Image.open(drawn) as expected:
        assert (image.mode, image.info["dpi"]) == ("RGB", expected.info["dpi"])
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected)[..., :3])
    assert len(found) <= len(drawn.getvalue())


def test_save_replaces_the_old_picture_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    page = canvas.Page(40, 30)
    assert canvas.save(page.figure, path) == path
    assert path.read_bytes() == canvas.png(page.figure)
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_drawing_that_fails_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(canvas, "png", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        canvas.save(canvas.Page(10, 10).figure, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"file[/\\]a\.png cannot be written"):
        canvas.save(canvas.Page(10, 10).figure, tmp_path / "file" / "a.png")


def test_a_users_style_is_neither_used_nor_lost():
    plain = canvas.png(canvas.Page(50, 50).figure)
    with matplotlib.rc_context({"figure.facecolor": "black", "savefig.facecolor": "black", "font.size": 50}):
        assert canvas.png(canvas.Page(50, 50).figure) == plain
        assert matplotlib.rcParams["font.size"] == 50


def test_pyplot_is_never_imported():
    code = "import sys, isthmus.evaluation.figures.figures; assert 'matplotlib.pyplot' not in sys.modules"
    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", code) == 0


def test_dollar_signs_are_text_and_not_mathematics():
    page = canvas.Page(200, 60)
    with canvas.look():
        page.text("$a_1$ and $", 100, 30)
    assert (rendered(page) < 128).any()


def test_text_is_measured_as_it_is_drawn():
    with canvas.look():
        page = canvas.Page(400, 60)
        page.text("reconstruction", 20, 30, size=17, ha="left")
        columns = np.flatnonzero((rendered(page) < 160).any(axis=(0, 2)))
    # within three pixels: side bearings and anti-aliasing
    assert columns[-1] - 20 == pytest.approx(canvas.text_width("reconstruction", 17), abs=3)


@pytest.mark.parametrize(("keep", "expected"), [("start", "scan"), ("end", ".png")])
def test_a_long_text_is_cut_to_its_room(keep, expected):
    text = "scan_of_a_page_0001234.png"
    short = canvas.fitted(text, 90, keep=keep)
    assert canvas.text_width(short) <= 90 < canvas.text_width(text)
    assert expected in short
    assert "…" in short


def test_a_text_that_fits_stays_and_line_breaks_become_blanks():
    assert canvas.fitted("a\nb\x00", 90) == "a b "


def test_a_name_that_was_shortened_before_gets_no_second_ellipsis():
    shorter = [canvas.fitted("photographs-of-the…hts-trip.png", width) for width in range(60, 260, 5)]
    assert not [text for text in shorter if "……" in text]
