"""The hourglass as SVG: well-formed, complete, safe, and inside its frame."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from isthmus.evaluation.figures.layers import Layer
from isthmus.evaluation.figures.network_drawing import HIGHEST, LOWEST, WIDTH, architecture_svg

SVG = "{http://www.w3.org/2000/svg}"


def hourglass(*widths: int, **settings) -> list[Layer]:
    code = widths.index(min(widths))
    return [
        Layer(
            "input" if i == 0 else "Linear",
            w,
            side="code" if i == code else "encoder" if i < code else "decoder",
            **settings,
        )
        for i, w in enumerate(widths)
    ]


def drawn(layers: list[Layer], **settings) -> ET.Element:
    return ET.fromstring(architecture_svg(layers, **({"title": "a title"} | settings)))


def written(root: ET.Element) -> list[str]:
    return ["".join(t for t in element.itertext()) for element in root.iter(f"{SVG}text")]


def bars(root: ET.Element) -> list[ET.Element]:
    return [r for r in root.iter(f"{SVG}rect") if r.get("class") in {"bar", "code"}]


def number(element: ET.Element, name: str) -> float:
    return float(element.get(name, "nan"))


def test_every_layer_is_a_bar_with_its_width():
    root = drawn(hourglass(784, 512, 256, 32, 256, 512, 784))
    assert [b.get("class") for b in bars(root)] == ["bar"] * 3 + ["code"] + ["bar"] * 3
    assert [t for t in written(root) if t.isdigit()] == ["784", "512", "256", "32", "256", "512", "784"]
    assert len(list(root.iter(f"{SVG}polygon"))) == 6
    assert "code" in written(root)


def test_heights_follow_the_logarithm_of_the_widths():
    heights = [number(b, "height") for b in bars(drawn(hourglass(1024, 32, 1024)))]
    assert heights == [HIGHEST, LOWEST, HIGHEST]
    middle = number(bars(drawn(hourglass(1024, 181, 32, 1024)))[1], "height")
    expected = LOWEST + (HIGHEST - LOWEST) * math.log(181 / 32) / math.log(1024 / 32)
    assert middle == pytest.approx(expected, abs=0.05)  # coordinates are written in tenths of a pixel


def test_equal_widths_are_equally_high():
    heights = {number(b, "height") for b in bars(drawn(hourglass(8, 8, 8)))}
    assert heights == {(LOWEST + HIGHEST) / 2}


def test_labels_tell_activation_shape_and_notes():
    layers = [
        Layer("input", 3072, (3, 32, 32)),
        Layer("Conv 3×3 /2", 4096, (16, 16, 16), "ReLU", ("BatchNorm2d",)),
        Layer("Linear", 12_345, (12_345,), side="code", activation="Sigmoid"),
        Layer("Linear", 3072, (3072,), parameters=1_234_567, side="decoder"),
    ]
    assert {
        "3×32×32",
        "input",
        "Conv 3×3 /2",
        "ReLU",
        "BatchNorm2d",
        "12,345",
        "code",
        "Sigmoid",
        "1,234,567 parameters",
    } <= set(written(drawn(layers)))


def test_tags_stand_at_the_ends_unless_there_is_nothing_to_tell():
    both = written(drawn(hourglass(9, 3, 9), corruption="gaussian:0.5", likelihood="bernoulli"))
    assert {"noise", "gaussian:0.5", "likelihood", "bernoulli"} <= set(both)
    assert not {"noise", "likelihood", "none"} & set(written(drawn(hourglass(9, 3, 9), corruption="none")))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 12, 30])
@pytest.mark.parametrize("noise", ["none", "salt-and-pepper:0.05-0.25,a=1,b=2"])
def test_everything_lies_inside_the_frame_and_the_code_in_the_middle(n, noise):
    half = [4096 - 128 * k for k in range(n // 2)]
    widths = [*half, *([16] if n % 2 else []), *reversed(half)]
    root = drawn(
        hourglass(*widths, activation="LeakyReLU", notes=("BatchNorm1d", "dropout 0.1")),
        corruption=noise,
        likelihood="x",
    )
    _, _, width, height = map(float, root.get("viewBox", "").split())
    assert (width, len(bars(root))) == (WIDTH, n)
    for bar in root.iter(f"{SVG}rect"):
        if bar.get("class") != "paper":
            assert number(bar, "x") >= 0
            assert number(bar, "x") + number(bar, "width") <= width
            assert number(bar, "y") + number(bar, "height") <= height
    if n % 2:
        code = next(b for b in bars(root) if b.get("class") == "code")
        assert number(code, "x") + number(code, "width") / 2 == pytest.approx(WIDTH / 2)


def test_an_empty_network_is_a_picture_too():
    assert bars(drawn([])) == []


HOSTILE = "<script>alert('1')</script> & \x00\x1b\ud800 ]]> \"quoted\""


def test_fault_79_hostile_names_stay_text():
    layers = [Layer(HOSTILE, 9, (), HOSTILE, (HOSTILE,)) for _ in range(3)]
    text = architecture_svg(layers, title=HOSTILE, subtitle=HOSTILE, corruption=HOSTILE, likelihood=HOSTILE)
    root = ET.fromstring(text)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "polygon", "text", "tspan", "path"}
    assert "<script" not in text
    assert "alert('1')" in root.findtext(f"{SVG}title", "")
    text.encode("utf-8")


def test_nothing_is_loaded_from_elsewhere_and_both_schemes_are_served():
    text = architecture_svg(hourglass(9, 3, 9), title="t")
    assert "prefers-color-scheme: dark" in text
    for loading in ("href", "url(", "@import", "@font-face", "<image", "<script", "foreignObject", "onload"):
        assert loading not in text
    assert text.count("http") == 1  # the namespace


def test_screen_readers_get_a_title_and_a_description():
    root = drawn(hourglass(784, 32, 784), title="mnist, recipe seed", corruption="gaussian:0.5", likelihood="bernoulli")
    assert (root.get("role"), root.get("aria-label")) == ("img", "mnist, recipe seed")
    assert root.findtext(f"{SVG}title") == "mnist, recipe seed"
    assert root.findtext(f"{SVG}desc") == "784 input → 32 code → 784. Corruption: gaussian:0.5. Likelihood: bernoulli."


def test_long_titles_are_cut_and_kept_as_tooltip():
    root = drawn(hourglass(9, 3, 9), title="long " * 100)
    first = next(root.iter(f"{SVG}text"))
    assert (first.text or "").endswith("…")
    assert first.findtext(f"{SVG}title") == "long " * 100


def test_labels_are_turned_where_bars_stand_close():
    few, many = hourglass(*[64] * 3, 2, 64), hourglass(*[4096] * 14, 2, *[4096] * 14)
    assert "rotate(90)" not in architecture_svg(few, title="t")
    assert architecture_svg(many, title="t").count("rotate(90)") == 29


def test_the_same_layers_give_the_same_text():
    assert architecture_svg(hourglass(9, 3, 9), title="t") == architecture_svg(hourglass(9, 3, 9), title="t")
