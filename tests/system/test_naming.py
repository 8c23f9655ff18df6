"""Names: their order, one-line messages, and paths below a folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.system.naming import natural_key, safe_name, text_of
from isthmus.wording import printable


def test_natural_order() -> None:
    names = ["b1", "a10", "A2", "a1", "a01", "a", "10", "9", "a1b10", "a1b9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "a01", "a1", "a1b9", "a1b10", "A2", "a10", "b1"]


@given(st.lists(st.text(max_size=12), max_size=6))
def test_every_pair_of_names_can_be_compared(names: list[str]) -> None:
    assert sorted(sorted(names, key=natural_key, reverse=True), key=natural_key) == sorted(names, key=natural_key)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain ü 猫", "plain ü 猫"), ("a\nb\t", r"a\nb\t"), ("\x1b[31m", r"\x1b[31m"), ("\udcff", r"\udcff")],
)
def test_messages_stay_on_one_line(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_broken_bytes_in_a_path_become_storable() -> None:
    assert text_of(Path("a/b\udcff\udc80.png")) == "a/b%FF%80.png"


@given(st.text(max_size=80))
def test_safe_names_lead_nowhere_else(name: str) -> None:
    below = safe_name(name)
    assert not below.is_absolute()
    assert not {"..", ".", ""} & set(below.parts)
    assert "\0" not in str(below)
    assert "\\" not in str(below)
    assert all(len(part.encode("utf-8", "surrogateescape")) <= 200 for part in below.parts)


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("cats/1.png", "cats/1.png"),
        ("a//b", "a/b"),
        ("con.png", "_con.png"),
        ("COM1", "_COM1"),
        ("console.png", "console.png"),
    ],
)
def test_ordinary_and_reserved_names(name: str, below: str) -> None:
    assert safe_name(name) == PurePosixPath(below)


def test_long_names_that_start_alike_stay_apart() -> None:
    one, two = safe_name("x" * 300 + "1.png"), safe_name("x" * 300 + "2.png")
    assert one != two
    assert one.suffix == two.suffix == ".png"
