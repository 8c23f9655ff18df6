"""Numbers with something around them: amounts of money, percentages, quantities such as 70.1 kg.

A template says what stands around the numbers of a column, `#` being the number: `$#`, `#%`, `# kg`, or `#` alone
where only brackets stand around negative ones, as in accounts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from isthmus.data.tables.cells import CURRENCY, Style, numbers_of_texts

MOSTLY = 0.95  # of the cells have the same around them, else it says nothing of the column
CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|Rs|kr|zł"
_MONEY = rf"(?:[A-Z]{{0,2}}[{CURRENCY}]|{CODES})"
# Of a unit of measurement; the e5 of 1.5e5 is none.
_LETTERS = r"(?![eE]-?\d)[A-Za-zµμ°Ω][A-Za-zµμ°Ω0-9²³/·*^-]{0,9}"
# Endings that say how large the number is: 1.5K is no 1.5, and 5% may stand beside 0.05. Of a column in which some
# numbers have such an ending and others have none, it is not known how these are meant.
SCALES = {"%", "‰", "k", "K", "M", "G", "B", "T", "mn", "bn", "Mio", "Mrd"}
_NUMBER = r"\d(?:[\d.,'\u00a0\u202f ]*\d)?\.?|\.\d+"
_CELL = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+−])?(?P<before>{_MONEY})?\s*(?P<inner>[-+−])?(?P<number>{_NUMBER})"
    rf"(?P<blank>\s*)(?P<after>%|‰|{_MONEY}|{_LETTERS})?(?P<close>\))?"
)


def template_of(cells: Sequence[str], style: Style) -> str | None:
    """What nearly all of these cells have around their numbers; None where they are no numbers, or plain ones.

    Letters count only after a blank or a fraction: 12A may be a name, 12 A and 12.5A are none.
    """
    found = [_CELL.fullmatch(cell.strip()) for cell in cells]
    around = Counter(_template(match) for match in found if match is not None)
    apart = any(match and (match["blank"] or style.decimal in match["number"]) for match in found)
    known = [(template, n) for template, n in around.most_common() if template != "#"]
    bracketed = any(match and match["open"] and match["close"] for match in found)
    template, n = known[0] if known else ("#", 0)
    if (template == "#" and not bracketed) or not cells:
        return None
    if n + around["#"] < MOSTLY * len(cells) or (re.search(r"[A-Za-zµμ°Ω]$", template) and not apart):
        return None
    return template


def _template(match: re.Match[str]) -> str:
    after = match["after"] or ""
    return f"{match['before'] or ''}#{' ' if after[:1].isalpha() else ''}{after}"


def numbers_with(levels: pl.Series, template: str, style: Style) -> np.ndarray:
    """(L,) float64 of texts with or without what the template says, NaN where one is no such number.

    Brackets, and a minus before or after the sign of a currency, make it negative. Money may group its thousands. Where
    some end as one of `SCALES`, all must, but 0, which is the same at any scale.
    """
    before, _, after = (part.strip() for part in template.partition("#"))
    if re.fullmatch(_MONEY, before or after) and style.thousands is None:
        style = style._replace(thousands="," if style.decimal == "." else ".")
    around = rf"^(\()?\s*([-+−])?\s*(?:{re.escape(before)})?\s*([-+−])?\s*([\d.,'\x{{a0}}\x{{202f}} ]*?)\s*"
    around += rf"({re.escape(after)})?\s*(\))?$"
    parts = levels.to_frame("cell").select(
        opened=pl.col("cell").str.extract(around, 1).is_not_null(),
        first=pl.col("cell").str.extract(around, 2),
        second=pl.col("cell").str.extract(around, 3),
        number=pl.col("cell").str.extract(around, 4),
        ended=pl.col("cell").str.extract(around, 5).is_not_null(),
        closed=pl.col("cell").str.extract(around, 6).is_not_null(),
    )
    values = numbers_of_texts(parts["number"].fill_null(""), style)
    signs = [parts[name].fill_null("").to_numpy() for name in ("first", "second")]
    opened, closed = parts["opened"].to_numpy(), parts["closed"].to_numpy()
    negative = opened | np.isin(signs[0], ("-", "−")) | np.isin(signs[1], ("-", "−"))
    odd = (opened != closed) | ((signs[0] != "") & (signs[1] != "")) | (opened & ((signs[0] != "") | (signs[1] != "")))
    if after in SCALES and parts["ended"].any():
        odd |= ~parts["ended"].to_numpy() & (values != 0)
    return np.where(odd, np.nan, np.where(negative, -values, values))


def written_with(number: str, template: str) -> str:
    """A number as a column writes its own, `""` for a gap; as it is without a template."""
    return template.replace("#", number) if template and number else number


__all__ = ["numbers_with", "template_of", "written_with"]
