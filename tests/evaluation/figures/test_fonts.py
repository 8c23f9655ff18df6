"""Characters that matplotlib's own font lacks: drawn with installed fonts, or named in a warning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib import font_manager, get_data_path

from isthmus.evaluation.figures import canvas, fonts

RARE = "\U00010600"  # of Linear A, which none of these fonts has


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fonts, "_warned", [])
    yield
    fonts.families.cache_clear()
    fonts.drawable.cache_clear()


def page_with(text: str) -> canvas.Page:
    page = canvas.Page(200, 40)
    with canvas.look():
        page.text(text, 100, 20)
    return page


def test_drawable_knows_what_the_fonts_lack() -> None:
    assert fonts.drawable("é")
    assert not fonts.drawable(RARE)
    assert fonts.undrawable(f"a{RARE}b\n") == RARE
    assert fonts.undrawable("a\nb") == ""


def test_fault_190_a_character_that_no_font_has_is_told_once() -> None:
    with pytest.warns(UserWarning, match=f'no installed font has the character "{RARE}", so pictures show a box'):
        canvas.png(page_with(f"scan {RARE}").figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas.png(page_with(f"scan {RARE}").figure)
        canvas.png(page_with("scan").figure)


def test_fault_190_a_class_whose_name_cannot_be_drawn_gets_its_number() -> None:
    with pytest.warns(UserWarning, match="show the number of the class instead; install one that has it"):
        assert fonts.drawable_name(f"{RARE}s", 3) == "3"
    assert fonts.drawable_name("cat", 3) == "cat"


def test_fault_190_fonts_that_were_installed_later_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(get_data_path()) / "fonts" / "ttf" / "STIXGeneral.ttf"
    file = tmp_path / "new.ttf"
    file.write_bytes(source.read_bytes())
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    listed = [font for font in font_manager.fontManager.ttflist if font.name == fonts.OWN]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", listed)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [os.fspath(tmp_path / "broken.ttf"), os.fspath(file)])
    monkeypatch.setattr(fonts, "FONTS", (fonts.OWN, "STIXGeneral"))
    fonts.families.cache_clear()
    assert fonts.families() == (fonts.OWN, "STIXGeneral")
