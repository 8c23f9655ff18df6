"""Parses a page: every element with its attributes and its text."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "link", "img", "input", "br", "hr"}
OUTSIDE = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "formaction", "background"}


class Element:
    """One element; `text` is all text inside of it."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.tag, self.attributes, self.parent, self.children = tag, attributes, parent, []
        self.parts: list[str] = []

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.parts)).strip()

    @property
    def own(self) -> str:
        """The unchanged text, for scripts and styles."""
        return "".join(self.parts)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """The elements inside with this tag and these attributes (class_ for class)."""
        wanted = {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items()}
        return [
            e for e in self.walk()
            if tag in ("", e.tag) and all(v in e.attributes.get(k, "").split() for k, v in wanted.items())
        ]  # fmt: skip

    def walk(self) -> Iterator[Element]:
        for child in self.children:
            yield child
            yield from child.walk()


class Page(HTMLParser):
    """The tree of a page. Raises if tags do not close in order."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source.read_text("utf-8") if isinstance(source, Path) else source
        self.root = Element("", {}, None)
        self.open = self.root
        self.feed(self.source)
        self.close()
        assert self.open is self.root, f"<{self.open.tag}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len({k for k, _ in attrs}), f"<{tag}> has an attribute twice"
        made = Element(tag, {k: v or "" for k, v in attrs}, self.open)
        self.open.children.append(made)
        if tag not in VOID:
            self.open = made

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.tag == tag, f"</{tag}> closes <{self.open.tag}>"
        self.open = self.open.parent or self.root

    def handle_data(self, data: str) -> None:
        node: Element | None = self.open
        while node is not None:
            node.parts.append(data)
            node = node.parent

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        return self.root.all(tag, **attributes)

    @property
    def data(self) -> Any:
        """The data for script.js."""
        return json.loads(self.all("script", id="isthmus-data")[0].own)

    @property
    def values(self) -> set[float]:
        """The exact numbers in the page."""
        return {float(e.attributes["value"]) for e in self.all("data")}


def assert_asks_for_nothing(page: Page) -> None:
    """Asserts only inline data and links within the page, and a policy that allows only its style and script."""
    for element in page.all():
        for name in OUTSIDE & element.attributes.keys():
            assert element.attributes[name].startswith(("data:", "#")), f"<{element.tag} {name}>"
        assert "style" not in element.attributes, f"<{element.tag}> has a style, which the policy forbids"
        assert not [name for name in element.attributes if name.startswith("on")], f"<{element.tag}> runs code"
    assert not page.all("iframe") + page.all("object") + page.all("embed") + page.all("base") + page.all("form")
    style, script = page.all("style"), [e for e in page.all("script") if "type" not in e.attributes]
    assert (len(style), len(script)) == (1, 1)
    policy = page.all("meta", http_equiv="Content-Security-Policy")[0].attributes["content"]
    told = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert told["default-src"] == "'none'"
    assert told["img-src"] == "data:"
    assert told["style-src"] == _hash(style[0].own)
    assert told["script-src"] == _hash(script[0].own)
    assert not re.search(r"url\(|@import|//", style[0].own)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def assert_readable_by_everybody(page: Page) -> None:
    """Asserts language, landmarks, headings without gaps, unique ids, alternative texts, and table headers."""
    assert page.all("html")[0].attributes["lang"] == "en"
    assert [len(page.all(tag)) for tag in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    assert page.all("head")[0].all("title")[0].text
    levels = [int(e.tag[1]) for e in page.all() if re.fullmatch("h[1-6]", e.tag)]
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), levels
    ids = [e.attributes["id"] for e in page.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in page.all():
        for name in {"aria-labelledby", "for"} & element.attributes.keys():
            assert element.attributes[name] in ids
        if element.attributes.get("href", "").startswith("#"):
            assert element.attributes["href"][1:] in ids
    for image in page.all("img"):
        assert "hidden" in image.attributes or image.attributes["alt"].strip()
    for drawing in page.all("svg"):
        inner = drawing.attributes.get("class") == "stretch"
        assert inner or drawing.attributes.get("aria-hidden") == "true" or drawing.attributes["aria-label"].strip()
    for table in page.all("table"):
        assert table.all("caption")
        assert all(e.attributes.get("scope") in ("col", "row") for e in table.all("th"))
    for button in page.all("button"):
        assert button.text
