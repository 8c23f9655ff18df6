"""Words that the user declares as missing values, `--null-values -999`, in addition to the usual ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from isthmus.data.schema import Schema
from isthmus.data.tables.cells import PLAIN, Style, numbers_of_texts
from isthmus.data.tables.times import texts_of
from isthmus.wording import listed

EXACT = 2.0**53  # float64 represents every whole number up to here
WORDLESS = (pl.Duration, pl.Binary, pl.Object)  # types whose cells cannot be written as a word


class NullValues:
    """The `words` that mean missing values, by column. `asked` are words for all columns (`n/k`) and for one column
    (`age=-999`, if the table has a column `age`); the words of a trained model (`known`) are added.
    """

    def __init__(self, asked: Sequence[str], names: Sequence[str], known: Schema | None = None) -> None:
        self._asked = {text: _divided(text, names) for text in asked}
        kept = {} if known is None else {column.name: column.nulls for column in known.columns}
        own = {name: [w for column, w in self._asked.values() if column in {None, name}] for name in names}
        self.words = {name: tuple(dict.fromkeys([*kept.get(name, ()), *own[name]])) for name in names}
        self._met: set[tuple[str, str]] = set()

    def __bool__(self) -> bool:
        return any(self.words.values())

    def blanked(self, cells: pl.DataFrame, names: Sequence[str], style: Style = PLAIN) -> pl.DataFrame:
        """The cells with missing values as null, in text as ""; `names` are the names of the columns in the table."""
        pairs = zip(cells.get_columns(), names, strict=True)
        return cells.with_columns([self._blanked(column, name, style) for column, name in pairs if self.words[name]])

    def blanked_rows(self, x: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Rows (N, D) as floats, with NaN where a number means missing; the same array if none does."""
        columns = {i: pl.Series(np.asarray(x[:, i], np.float64)) for i, name in enumerate(names) if self.words[name]}
        gaps = {i: self._gaps(column, names[i], PLAIN) for i, column in columns.items()}
        gaps = {i: marks.to_numpy() for i, marks in gaps.items() if marks.any()}
        found = x.astype(np.result_type(x.dtype, np.float32)) if gaps else x
        for i, marks in gaps.items():
            found[marks, i] = np.nan
        return found

    def _gaps(self, column: pl.Series, name: str, style: Style) -> pl.Series:
        """The cells (n,) of a column that mean missing, as a mask."""
        found = [(word, is_null(column, word, style)) for word in self.words[name]]
        self._met |= {(name, word) for word, marks in found if marks.any()}
        return pl.select(pl.any_horizontal([marks for _, marks in found])).to_series()

    def _blanked(self, column: pl.Series, name: str, style: Style) -> pl.Series:
        gaps = self._gaps(column, name, style)
        instead = pl.lit("") if column.dtype == pl.String else None
        blanked = pl.when(gaps).then(instead).otherwise(column).cast(column.dtype)
        return pl.select(blanked.alias(column.name)).to_series()

    def kept_in(self, schema: Schema) -> Schema:
        """The schema with the words of each column."""
        return Schema(tuple(replace(column, nulls=self.words[column.name]) for column in schema.columns))

    def add_met(self, other: NullValues) -> None:
        """Also counts the words that `other` has met, in another file of the same table."""
        self._met |= other._met

    def unmet(self, table: str) -> tuple[str, ...]:
        """A note about words that match no cell of the table; they may be misspelled."""
        met = {(name, word) for column, word in self._met for name in (column, None)}
        left = [text for text, pair in self._asked.items() if pair not in met]
        return (f"{table}: no cell matches {listed(left)} from --null-values.",) if left else ()


def blanked_raw(raw: np.ndarray, schema: Schema) -> np.ndarray:
    """Raw rows (N, K) with NaN where a number is one of the words stored with a trained model. Only numbers and counts
    are compared, because raw values of other kinds are not cells.
    """
    numbers = tuple(column for column in schema.modeled if column.kind in {"number", "count"})
    nulls = NullValues((), schema.names, Schema(numbers))
    return nulls.blanked_rows(raw, schema.names)


def _divided(text: str, names: Sequence[str]) -> tuple[str | None, str]:
    """`age=-999` -> ("age", "-999") if there is a column `age`; else (None, text), a word for all columns.

    If several columns match, it is the one with the longest name.
    """
    places = [i for i, letter in enumerate(text) if letter == "=" and text[:i] in names]
    return (text[: places[-1]], text[places[-1] + 1 :].strip()) if places else (None, text.strip())


def is_null(column: pl.Series, word: str, style: Style = PLAIN) -> pl.Series:
    """The cells (n,) that match the word, as a mask: numbers by value, so -999 matches -999.0; text without surrounding
    spaces; times by their text, and for midnight also by the date alone.
    """
    number, dtype = _value_of(word, style), column.dtype
    if dtype.is_nested() or dtype in WORDLESS or (dtype.is_numeric() and math.isnan(number)):
        return pl.repeat(False, len(column), dtype=pl.Boolean, eager=True)
    by_value = abs(number) < EXACT  # False for NaN
    if dtype.is_float() or (dtype.is_numeric() and by_value):
        return column.cast(pl.Float64).is_in(_as_stored(number)).fill_null(False)
    text = texts_of(column) if dtype.is_temporal() else column.cast(pl.String)
    text = text.str.strip_chars()
    same = text == word
    if dtype.is_temporal():
        same |= text.str.replace(r"[ T]00:00:00.*$", "") == word
    elif by_value:  # but 007 is a code, not 7
        same |= pl.Series(numbers_of_texts(text, style) == number) & ~text.str.contains(r"^0\d")
    return same.fill_null(False)


def _value_of(word: str, style: Style) -> float:
    """The word as a number, in the style of the table or with a decimal point; NaN if it is not a number."""
    way = next((way for way in (style, PLAIN) if way.is_number(word)), None)
    return math.nan if way is None else float(numbers_of_texts(pl.Series([word], dtype=pl.String), way)[0])


def _as_stored(number: float) -> list[float]:
    """The number as float64 and as float32: -999.9 in float32 is -999.9000244."""
    with np.errstate(over="ignore"):
        single = float(np.float32(number))
    return [number, single] if math.isfinite(single) else [number]


__all__ = ["NullValues", "blanked_raw", "is_null"]
