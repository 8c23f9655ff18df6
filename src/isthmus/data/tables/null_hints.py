"""Words in a column of numbers that may stand for no value, as they come again."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from isthmus.data.tables.cells import NO_NUMBER, Style, reason
from isthmus.data.tables.columns import quoted

MOST_WORDS = 3  # that together stand for no value: of more, each may well be a name


def about_words(others: pl.Series, style: Style) -> str:
    """What to type where the cells beside the numbers of a column are few words, to follow a sentence; else ""."""
    option = words_option(others.to_list(), style) if others.n_unique() <= MOST_WORDS else None
    return "" if option is None else f"; if the others mean missing, pass {option}"


def words_option(cells: Sequence[str], style: Style) -> str | None:
    """The option under which bad cells of columns of numbers are no values: where each is a word that comes again, and
    no number in any way of writing.
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
