"""Safe pieces of HTML and SVG for the page: they are built as trees, so that every text is escaped."""

from __future__ import annotations

import math
import unicodedata
from typing import Any
from xml.etree import ElementTree as ET

from isthmus.wording import three_digits

DIGITS = 3  # more digits vary from run to run; the exact value is in the element's attribute


class Html(str):
    """Text that is already markup; templates escape all other text."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def element(name: str, attributes: dict[str, Any], *children: ET.Element | str) -> ET.Element:
    """An element with attributes (floats with two decimals, None left out), texts and children."""
    made = ET.Element(name, {k: _value(v) for k, v in attributes.items() if v is not None})
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + legible(child)
        else:
            made.text = (made.text or "") + legible(child)
    return made


def html(tree: ET.Element) -> Html:
    """The tree as markup for the page."""
    return Html(ET.tostring(tree, encoding="unicode", short_empty_elements=tree.tag == "svg"))


def numeral(value: Any, unit: str = "") -> Html:
    """A rounded number for people, with the exact value in the element: `<data value="0.00283145">0.00283</data>`."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return html(element("span", {"class": "none"}, "–"))
    text = f"{value:,}" if isinstance(value, int) else three_digits(value)
    return html(element("data", {"value": repr(value)}, text + (f"\u202f{unit}" if unit else "")))


def legible(text: str) -> str:
    """The text without control characters, lone surrogates and marks that change the text direction."""
    if text.isprintable():  # fast path: a picture in the page is one text of 10,000 characters
        return text
    return "".join("\ufffd" if unicodedata.category(c)[0] == "C" and c not in "\n\t" else c for c in text)


def _value(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else legible(str(value))
