"""The fonts of pictures: matplotlib's own, and installed ones for the characters that it lacks."""

from __future__ import annotations

import warnings
from functools import cache

from matplotlib import font_manager

OWN = "DejaVu Sans"  # part of matplotlib: Latin, Greek, Cyrillic, and more, but no Chinese, Japanese or Korean
FONTS = (OWN, "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK KR", "Noto Sans JP",
         "Noto Sans SC", "Source Han Sans", "Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic",
         "Microsoft YaHei", "Malgun Gothic", "MS Gothic", "SimHei", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
         "IPAexGothic", "IPAGothic", "Droid Sans Fallback", "Arial Unicode MS", "Unifont")  # fmt: skip
ADVICE = "install one that has it, such as Noto Sans CJK (Debian, Ubuntu: sudo apt-get install fonts-noto-cjk)"


@cache
def families() -> tuple[str, ...]:
    """The fonts of FONTS that are installed, in that order; matplotlib takes each character from the first that has
    it.
    """
    known = set(font_manager.fontManager.get_font_names())
    if not known.intersection(FONTS[1:]):
        known |= _newly_installed()
    return tuple(name for name in FONTS if name in known)


def _newly_installed() -> set[str]:
    """Adds fonts of FONTS that were installed after matplotlib wrote its list of fonts, which it never renews."""
    manager = font_manager.fontManager
    listed = {font.fname for font in manager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in listed and _family(path) in FONTS:
            manager.addfont(path)
    return set(manager.get_font_names())


def _family(path: str) -> str:
    try:
        return font_manager.get_font(path).family_name
    except (OSError, RuntimeError):  # a damaged file, or a format that matplotlib does not draw
        return ""


@cache
def drawable(character: str) -> bool:
    """Whether one of the fonts has this character."""
    fonts = (font_manager.get_font(font_manager.findfont(family)) for family in families())
    return any(ord(character) in font.get_charmap() for font in fonts)


def drawable_name(name: str, k: int) -> str:
    """The name of a class or group, or its number if no installed font has its characters."""
    line = "".join(c if c.isprintable() else " " for c in name).strip()
    missing = undrawable(line)
    if missing:
        warn_of_missing(missing, "the number of the class")
    return str(k) if missing or not line else line


def undrawable(text: str) -> str:
    """The first printable character of a text that no font has; "" if there is none."""
    return next((c for c in text if c.isprintable() and not drawable(c)), "")


def warn_of_missing(character: str, instead: str = "a box") -> None:
    """Warns, once per process, that no installed font has a character of a name in a picture."""
    if not _warned:
        _warned.append(character)
        message = f'no installed font has the character "{character}", so pictures show {instead} instead; {ADVICE}'
        warnings.warn(message, stacklevel=3)


_warned: list[str] = []  # the first character that was missing


__all__ = ["drawable", "drawable_name", "families", "undrawable", "warn_of_missing"]
