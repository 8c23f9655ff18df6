"""A drawing of a network as SVG: one bar per layer, whose height shows the width of the layer.

The file is self-contained (no external fonts, scripts or pictures), follows the reader's light or dark setting, and
has a title and a description for screen readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from isthmus.evaluation.figures.layers import Layer, layers_of

__all__ = ["Layer", "architecture_svg", "layers_of"]

WIDTH = 1_100
LOWEST, HIGHEST = 22, 190  # pixels of the narrowest and the widest layer
BAR = 12
EDGE = 30  # room at the sides
LONGEST = 300  # pixels of a rotated label
TOP = 92  # the top of the widest bar
LINE = 18  # from one line of text to the next

# One class per color, with the same names in both schemes. Okabe and Ito's vermilion and blue, lighter in dark mode.
STYLE = """
.isthmus-net text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.isthmus-net .paper { fill: #ffffff; } .isthmus-net .ink { fill: #1f2328; } .isthmus-net .muted { fill: #59636e; }
.isthmus-net .bar { fill: #0072b2; } .isthmus-net .tint { fill: #0072b2; fill-opacity: 0.13; }
.isthmus-net .code { fill: #d55e00; } .isthmus-net .tag { fill: none; stroke: #8c959f; }
.isthmus-net .line { stroke: #8c959f; stroke-width: 1.2; fill: none; }
@media (prefers-color-scheme: dark) {
.isthmus-net .paper { fill: #0d1117; } .isthmus-net .ink { fill: #f0f6fc; } .isthmus-net .muted { fill: #9198a1; }
.isthmus-net .bar { fill: #56b4e9; } .isthmus-net .tint { fill: #56b4e9; fill-opacity: 0.16; }
.isthmus-net .code { fill: #ff9248; } .isthmus-net .tag { stroke: #656c76; } .isthmus-net .line { stroke: #656c76; }
}
"""


def architecture_svg(
    layers: Sequence[Layer], *, title: str, subtitle: str = "", corruption: str = "none", likelihood: str = ""
) -> str:
    """The network as a self-contained SVG: bars from input to output, the code in the accent color, parameters below.

    Heights are linear in the logarithm of the widths. `corruption` and `likelihood` are small tags before the input
    and after the output; "none" or "" leaves them out. All texts are escaped.
    """
    before, after = ("" if text == "none" else text for text in (corruption, likelihood))
    xs = _places(len(layers), max(_tag_room(before), _tag_room(after)))
    turned = any(_text_width(line) > _step(xs) - 8 for layer in layers for line in _labels(layer))
    top = TOP if subtitle else TOP - 18
    feet = top + HIGHEST + 14
    below = feet + _label_height(layers, turned=turned) + 24
    root = _root(below + 26, title, _description(layers, corruption, likelihood))
    _text(root, EDGE, 40, title, "ink", size=20, weight="600", room=WIDTH - 2 * EDGE)
    _text(root, EDGE, 64, subtitle, "muted", size=14, room=WIDTH - 2 * EDGE)
    middle = top + HIGHEST / 2
    _draw_hourglass(root, layers, xs, middle)
    for layer, x in zip(layers, xs, strict=True):
        _draw_labels(root, layer, x, feet, turned=turned)
    if xs:
        _draw_tag(root, "noise", before, EDGE, xs[0] - BAR / 2 - 21, middle)
        _draw_tag(root, "likelihood", after, WIDTH - EDGE - _tag_width(after), xs[-1] + BAR / 2 + 4, middle)
    total = sum(layer.parameters for layer in layers)
    _text(root, WIDTH / 2, below, f"{total:,} parameters", "muted", size=14, anchor="middle")
    return ET.tostring(root, encoding="unicode") + "\n"


def _places(n: int, aside: float) -> list[float]:
    """The centers of n bars, with the same room at the left and at the right."""
    start, end = 64 + aside, WIDTH - 64 - aside
    return [start + (end - start) * (i / (n - 1) if n > 1 else 0.5) for i in range(n)]


def _step(xs: Sequence[float]) -> float:
    return xs[1] - xs[0] if len(xs) > 1 else WIDTH


def _label_height(layers: Sequence[Layer], *, turned: bool) -> float:
    if turned:
        return min(max(_text_width(", ".join(_labels(layer))) for layer in layers), LONGEST)
    return LINE * max((len(_labels(layer)) for layer in layers), default=0)


def _heights(layers: Sequence[Layer]) -> list[float]:
    """Pixels of each bar, linear in the logarithm of the width, so that both 784 and 2 can be seen."""
    logs = [math.log(max(layer.width, 1)) for layer in layers]
    low, high = min(logs, default=0.0), max(logs, default=0.0)
    return [LOWEST + (HIGHEST - LOWEST) * ((t - low) / (high - low) if high > low else 0.5) for t in logs]


def _root(height: float, title: str, description: str) -> ET.Element:
    root = ET.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {_n(height)}", "width": str(WIDTH),
        "height": _n(height), "class": "isthmus-net", "role": "img", "aria-label": _legible(title),
    })  # fmt: skip
    ET.SubElement(root, "title").text = _legible(title)
    ET.SubElement(root, "desc").text = _legible(description)
    ET.SubElement(root, "style").text = STYLE
    ET.SubElement(root, "rect", {"class": "paper", "width": "100%", "height": "100%", "rx": "8"})
    return root


def _draw_hourglass(root: ET.Element, layers: Sequence[Layer], xs: Sequence[float], middle: float) -> None:
    heights = _heights(layers)
    for i in range(len(layers) - 1):
        (x0, h0), (x1, h1) = (xs[i] + BAR / 2, heights[i]), (xs[i + 1] - BAR / 2, heights[i + 1])
        corners = [(x0, middle - h0 / 2), (x1, middle - h1 / 2), (x1, middle + h1 / 2), (x0, middle + h0 / 2)]
        ET.SubElement(root, "polygon", {"class": "tint", "points": " ".join(f"{_n(x)},{_n(y)}" for x, y in corners)})
    for layer, x, h in zip(layers, xs, heights, strict=True):
        box = {"x": _n(x - BAR / 2), "y": _n(middle - h / 2), "width": str(BAR), "height": _n(h), "rx": "2"}
        bar = ET.SubElement(root, "rect", {"class": "code" if layer.is_code else "bar"} | box)
        ET.SubElement(bar, "title").text = _legible(_sentence(layer))


def _draw_labels(root: ET.Element, layer: Layer, x: float, y: float, *, turned: bool) -> None:
    """Width, kind, activation and notes under the bar; in one line rotated by 90 degrees if the bars are close."""
    width, *rest = _labels(layer)
    color = "code" if layer.is_code else "ink"
    if not turned:
        _text(root, x, y + 10, width, color, size=15, weight="600", anchor="middle")
        for i, line in enumerate(rest, 1):
            _text(root, x, y + 10 + i * LINE, line, "code" if line == "code" else "muted", size=13, anchor="middle")
        return
    place = {"transform": f"translate({_n(x + 4)} {_n(y)}) rotate(90)"}
    element = ET.SubElement(root, "text", place | {"font-size": "13"})
    ET.SubElement(element, "tspan", {"class": color, "font-weight": "600"}).text = width
    if rest:
        ET.SubElement(element, "tspan", {"class": "muted", "dx": "6"}).text = _cut(
            _legible(", ".join(rest)), LONGEST - _text_width(width), 13
        )


def _tag_width(text: str) -> float:
    return min(_text_width(text) + 20, 220)


def _tag_room(text: str) -> float:
    """Pixels that a tag and its arrow need."""
    return _tag_width(text) + 8 if text else 0


def _draw_tag(root: ET.Element, caption: str, text: str, x: float, arrow: float, middle: float) -> None:
    """A small box with a caption at half height, and an arrow of 17 pixels that starts at `arrow`."""
    if not text:
        return
    width = _tag_width(text)
    box = {"x": _n(x), "y": _n(middle - 14), "width": _n(width), "height": "28", "rx": "14"}
    ET.SubElement(root, "rect", {"class": "tag"} | box)
    _text(root, x + width / 2, middle - 22, caption, "muted", size=12, anchor="middle")
    _text(root, x + width / 2, middle + 4.5, text, "ink", size=13, anchor="middle", room=width - 14)
    ET.SubElement(root, "path", {"class": "line", "d": f"M{_n(arrow)} {_n(middle)} h17 m-4 -4 l4 4 l-4 4"})


def _text(
    root: ET.Element, x: float, y: float, text: str, color: str, *,
    size: float, weight: str = "400", anchor: str = "start", room: float = math.inf,
) -> None:  # fmt: skip
    """A line of text, cut to `room` pixels, with the whole text as a tooltip."""
    if not text:
        return
    place = {"x": _n(x), "y": _n(y), "class": color, "font-size": _n(size), "text-anchor": anchor}
    element = ET.SubElement(root, "text", place | ({} if weight == "400" else {"font-weight": weight}))
    element.text = _cut(_legible(text), room, size)
    if element.text != text:
        ET.SubElement(element, "title").text = _legible(text)


def _labels(layer: Layer) -> list[str]:
    """The lines under a bar: 512 / SiLU / dropout 0.1; 32×14×14 / Conv 3×3 /2 / ReLU; 32 / code."""
    width = "×".join(map(str, layer.shape)) if len(layer.shape) > 1 else f"{layer.width:,}"
    kind = {"Linear": "code" if layer.is_code else ""}.get(layer.kind, layer.kind)
    kind = f"code, {kind}" if layer.is_code and kind != "code" else kind
    return [width, *(line for line in (kind, layer.activation, *layer.notes) if line)]


def _sentence(layer: Layer) -> str:
    about = [layer.kind, f"{layer.width:,} values", layer.activation, *layer.notes]
    counted = f"{layer.parameters:,} parameters" if layer.parameters else ""
    return ", ".join(part for part in (*about, counted) if part)


def _description(layers: Sequence[Layer], corruption: str, likelihood: str) -> str:
    chain = " → ".join(" ".join(_labels(layer)) for layer in layers)
    return f"{chain}. Corruption: {corruption or 'none'}. Likelihood: {likelihood or 'unknown'}."


def _legible(text: str) -> str:
    """The text without control characters, which are not allowed in XML and would make the file unreadable."""
    return "".join(c if c.isprintable() else " " for c in text)


def _text_width(text: str, size: float = 13) -> float:
    """An upper estimate in pixels: fonts differ, and 0.6 of the size is the mean width of a wide sans-serif."""
    return 0.6 * size * len(text)


def _cut(text: str, room: float, size: float) -> str:
    most = int(min(room / (0.6 * size), 10_000))
    return text if len(text) <= most else text[: max(most - 1, 1)].rstrip() + "…"


def _n(value: float) -> str:
    """A coordinate in tenths of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
