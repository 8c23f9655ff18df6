"""Numbers with units: amounts of money, percentages, quantities such as 70.1 kg.

A template shows what is written around the numbers of a column, with `#` for the number: `$#`, `#%`, `# kg`. `#` alone
means that negative numbers are in parentheses, as in accounting. `#,#€` has another decimal mark than the table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from isthmus.data.tables.cells import CURRENCY, Style, numbers_of_texts

MOSTLY = 0.95  # share of the cells that must fit a kind and template; the rest are reported as errors
CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|Rs|kr|zł"
_MONEY = rf"(?:[A-Z]{{0,2}}[{CURRENCY}]|{CODES})"
# A unit of measurement; the e5 of 1.5e5 is not one.
_LETTERS = r"(?![eE]-?\d)[A-Za-zµμ°Ω][A-Za-zµμ°Ω0-9²³/·*^-]{0,9}"
# Suffixes that scale a number: 1.5K is not 1.5, and 5% may occur next to 0.05. If only some numbers of a column have
# such a suffix, the meaning of the others is unknown.
SCALES = {"%", "‰", "k", "K", "M", "G", "B", "T", "mn", "bn", "Mio", "Mrd"}
MINUS = ["-", "−"]
_NUMBER = r"\d(?:[\d.,'\u00a0\u202f ]*\d)?\.?|\.\d+"
_CELL = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+−])?(?P<before>{_MONEY})?(?P<gap>\s*)(?P<inner>[-+−])?(?P<number>{_NUMBER})"
    rf"(?P<blank>\s*)(?P<after>%|‰|{_MONEY}|{_LETTERS})?(?P<close>\))?"
)


def template_of(cells: Sequence[str], style: Style) -> str | None:
    """The template of nearly all of these cells; None if they are not numbers, or plain numbers.

    Letters count only after a space or a fraction: 12A may be a name, but 12 A and 12.5A are not. Money is not read if
    it is unclear whether 1.234 is a thousand.
    """
    found = [_CELL.fullmatch(cell.strip()) for cell in cells]
    around = Counter(_template(match) for match in found if match is not None)
    apart = any(match and (match["blank"] or re.search(r"[.,]", match["number"])) for match in found)
    known = [(template, n) for template, n in around.most_common() if template != "#"]
    bracketed = any(match and match["open"] and match["close"] for match in found)
    template, n = known[0] if known else ("#", 0)
    if (template == "#" and not bracketed) or not cells:
        return None
    if n + around["#"] < MOSTLY * len(cells) or (re.search(r"[A-Za-zµμ°Ω]$", template) and not apart):
        return None
    matches = [match for match in found if match is not None]
    return _with_mark(_with_blanks(template, matches), [match["number"] for match in matches], style)


def _template(match: re.Match[str]) -> str:
    return f"{match['before'] or ''}#{match['after'] or ''}"


def _with_blanks(template: str, matches: Sequence[re.Match[str]]) -> str:
    """The template with the spaces that most cells have."""
    before, after = template.split("#")
    gaps = [bool(match["gap"]) for match in matches if match["before"] == before]
    blanks = [bool(match["blank"]) for match in matches if match["after"] == after]
    return f"{before}{' ' * (2 * sum(gaps) > len(gaps))}#{' ' * (2 * sum(blanks) > len(blanks))}{after}"


def _with_mark(template: str, numbers: Sequence[str], style: Style) -> str | None:
    """The template with the decimal mark of the numbers, if it is not that of the table."""
    marked = [number for number in numbers if "." in number]
    grouped = bool(marked) and all(re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})+", number) for number in marked)
    if _is_money(template) and style.decimal == "." and grouped and not any("," in number for number in numbers):
        return None
    other = "," if style.decimal == "." else "."
    for tried in (template, template.replace("#", f"#{other}#")):
        read = sum(_style(tried, style).is_number(number) for number in numbers)
        if read >= MOSTLY * len(numbers):
            return tried
    return template


def _is_money(template: str) -> bool:
    before, _, after = (part.strip() for part in _around(template))
    return bool(re.fullmatch(_MONEY, before or after))


def _around(template: str) -> tuple[str, str, str]:
    """The text before the number, its decimal mark if it differs from the table's, and the text after it."""
    found = re.fullmatch(r"(.*?)#(?:([.,])#)?(.*)", template)
    assert found is not None
    return found[1], found[2] or "", found[3]


def _style(template: str, style: Style) -> Style:
    """The style of the numbers in the template. Money may have thousands separators."""
    mark = _around(template)[1]
    style = Style(mark) if mark else style
    if _is_money(template) and style.thousands is None:
        style = style._replace(thousands="," if style.decimal == "." else ".")
    return style


def example_of(template: str) -> str:
    """A number in the format of the template: $12, 12.50 €."""
    return re.sub(r"#([.,])#", r"12\g<1>50", template).replace("#", "12")


def numbers_with(levels: pl.Series, template: str, style: Style) -> np.ndarray:
    """Texts in the format of the template, or plain numbers, as float64 (L,); NaN for others.

    Parentheses, or a minus before or after a currency sign, make a number negative. If some end with one of `SCALES`,
    all must, except 0, which is the same at any scale.
    """
    before, _, after = (part.strip() for part in _around(template))
    around = rf"^(\()?\s*([-+−])?\s*(?:{re.escape(before)})?\s*([-+−])?\s*([\d.,'\x{{a0}}\x{{202f}} ]*?)\s*"
    around += rf"({re.escape(after)})?\s*(\))?$"
    cell = pl.col("cell")
    parts = levels.to_frame("cell").select(cell.str.extract(around, k).fill_null("").alias(f"{k}") for k in range(1, 7))
    opened, first, second, number, ended, closed = parts.get_columns()
    values = numbers_of_texts(number, _style(template, style))
    signed = sum((part != "").to_numpy().astype(int) for part in (opened, first, second))
    negative = (opened != "").to_numpy() | first.is_in(MINUS).to_numpy() | second.is_in(MINUS).to_numpy()
    odd = ((opened == "") != (closed == "")).to_numpy() | (signed > 1)
    values = np.where(odd, np.nan, np.where(negative, -values, values))
    plain = numbers_of_texts(levels, style)
    values = np.where(np.isnan(plain), values, plain)
    mixed = after in SCALES and bool((ended != "").any())
    return np.where(mixed & (ended == "").to_numpy() & (values != 0), np.nan, values)


def written_with(number: str, template: str) -> str:
    """A number in the format of its column, `""` for a gap; unchanged without a template."""
    if not template or not number:
        return number
    before, mark, after = _around(template)
    sign, number = ("-", number[1:]) if number.startswith("-") else ("", number)
    number = re.sub("[.,]", mark, number) if mark else number
    return f"({number})" if sign and template == "#" else f"{sign}{before}{number}{after}"


__all__ = ["MOSTLY", "example_of", "numbers_with", "template_of", "written_with"]
