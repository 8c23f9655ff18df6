"""Repeated words in a column of numbers, which may mean missing values."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from isthmus.data.tables.cells import NO_NUMBER, Style, reason
from isthmus.data.tables.columns import quoted

MOST_WORDS = 3  # that may mean missing values; with more, they may be names


def about_words(others: pl.Series, style: Style) -> str:
    """A clause with the option to use if the cells that are not numbers are only a few words; else ""."""
    option = words_option(others.to_list(), style) if others.n_unique() <= MOST_WORDS else None
    return "" if option is None else f"; if the others mean missing, pass {option}"


def words_option(cells: Sequence[str], style: Style) -> str | None:
    """The option that reads the bad cells of number columns as missing values, if each is a repeated word, and not a
    number in any format; else None.
    """
    words = [cell.strip() for cell in cells]
    different = list(dict.fromkeys(words))
    again = all(words.count(word) > 1 for word in different[: MOST_WORDS + 1])
    if not words or len(different) > MOST_WORDS or not again:
        return None
    if any(reason(word, style).words != NO_NUMBER for word in different):
        return None
    return " ".join(f"--null-values {quoted(word)}" for word in different)


__all__ = ["about_words", "words_option"]
