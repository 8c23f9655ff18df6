"""Parses cells of text as numbers, and says in words why a cell is not a number."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl

from isthmus.data.numeric import LARGEST

MISSING = ("", "na", "n/a", "#n/a", "nan", "-nan", "null", "none", "nil", "-", "--", ".", "?", "missing")  # lower case
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
CURRENCY = "€$£¥₹₽₩₺₫₴₦฿"
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")
INFINITE = re.compile(r"[-+]?inf(inity)?")


class Style(NamedTuple):
    """The format of numbers: decimal mark and thousands separator."""

    decimal: str = "."
    thousands: str | None = None

    def is_number(self, text: str) -> bool:
        """Whether a text is a finite number in this style, ignoring surrounding spaces."""
        text = text.strip()
        if self.thousands and self._grouped.fullmatch(text):
            text = text.replace(self.thousands, "")
        if self.decimal == "," and "." in text:
            return False
        return bool(NUMBER.fullmatch(text.replace(self.decimal, ".")))

    @property
    def _grouped(self) -> re.Pattern[str]:
        return re.compile(self.grouped)

    @property
    def grouped(self) -> str:
        """The pattern of a number with thousands separators."""
        return grouped(self.thousands or ",", self.decimal)


PLAIN = Style()
NO_NUMBER, IS_DATE = "is not a number", "is a date, not a number"


@cache
def grouped(thousands: str, decimal: str) -> str:
    """The pattern of numbers such as 1,234 or -12.345.678,9."""
    return rf"^[-+]?\d{{1,3}}({re.escape(thousands)}\d{{3}})+({re.escape(decimal)}\d*)?$"


class Numbers(NamedTuple):
    """Values (n, k) of texts, with masks of missing cells and of cells that are not finite numbers."""

    values: np.ndarray
    missing: np.ndarray
    bad: np.ndarray


def to_numbers(text: pl.DataFrame, style: Style) -> Numbers:
    """Columns of text as float64; NaN for missing or bad cells. true and false are 1 and 0."""
    text = text.select(pl.all().fill_null("").str.strip_chars())
    missing = text.select(pl.all().str.to_lowercase().is_in(list(MISSING)))
    plain = text.select(_plain(style))
    values = plain.select(pl.all().cast(pl.Float64, strict=False))
    unread = values.select(pl.all().is_null().any()).row(0) if values.height else ()
    for name in [name for name, some in zip(text.columns, unread, strict=False) if some]:
        truth = _truth(text[name], missing[name])
        if truth is not None:
            values = values.with_columns(truth.alias(name))
    return masked(values.select(pl.all().fill_null(float("nan"))).to_numpy(), missing.to_numpy())


def numbers_of_texts(text: pl.Series, style: Style) -> np.ndarray:
    """One column of stripped texts as float64 (n,); NaN for cells that are not numbers, including true and false."""
    plain = text.to_frame().select(_plain(style).cast(pl.Float64, strict=False))
    return plain.to_series().fill_null(float("nan")).to_numpy()


def masked(values: np.ndarray, missing: np.ndarray) -> Numbers:
    """Float values as `Numbers`: values that are neither missing nor finite as float32 are bad."""
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(values) <= LARGEST) & ~missing
    return Numbers(values, missing, bad)


def _plain(style: Style) -> pl.Expr:
    cells = pl.all()
    if style.thousands:
        groups = cells.str.contains(style.grouped)
        cells = pl.when(groups).then(cells.str.replace_all(style.thousands, "", literal=True)).otherwise(cells)
    if style.decimal == ",":
        plain = ~cells.str.contains(".", literal=True)
        cells = pl.when(plain).then(cells.str.replace(",", ".", literal=True)).otherwise(None)
    return cells


def _truth(text: pl.Series, missing: pl.Series) -> pl.Series | None:
    """1 and 0 for a column of true and false; None for any other column."""
    lowered = text.str.to_lowercase()
    true = lowered == "true"
    if not (true | (lowered == "false") | missing).all() or missing.all():
        return None
    return pl.select(pl.when(missing).then(None).otherwise(true.cast(pl.Float64))).to_series()


class Reason(NamedTuple):
    """A clause that says why a cell is not a number, and an option that would read it."""

    words: str
    fix: str | None = None


def reason(cell: str, style: Style = PLAIN) -> Reason:
    """The reason why a cell is not a usable number."""
    cell = cell.strip()
    if "\n" in cell:
        return Reason("spans several rows, as after a quote that is not closed")
    if INFINITE.fullmatch(cell.lower()):
        return Reason("is infinite")
    if style.is_number(cell):
        return Reason("is too large (at most 3.4e38)")
    if cell.endswith("%"):
        return Reason("is a percentage, not a plain number")
    if cell.strip(CURRENCY + " ") != cell and cell.strip(CURRENCY + " -+")[:1].isdigit():
        return Reason("is an amount of money, not a plain number")
    for thousands, decimal in ((",", "."), (".", ","), (" ", "."), ("'", "."), ("\u00a0", ","), ("\u202f", ",")):
        if re.fullmatch(grouped(thousands, decimal), cell):
            fix = f'--thousands "{thousands}"' + ("" if decimal == style.decimal else f' --decimal "{decimal}"')
            return Reason("has thousands separators", fix)
    if style.decimal == "." and Style(",").is_number(cell):
        return Reason("has a decimal comma", '--decimal ","')
    if style.decimal == "," and PLAIN.is_number(cell):
        return Reason("has a decimal point, but other cells have a comma", '--decimal "."')
    if DATE.fullmatch(cell):
        return Reason(IS_DATE)
    return Reason(NO_NUMBER)
