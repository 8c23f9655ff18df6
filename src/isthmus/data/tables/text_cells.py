"""`TextCells`: a column of text that stores each distinct value only once, if many are repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import polars as pl

from isthmus.data.tables.cells import Style, numbers_of_texts
from isthmus.system.workers import results

Item = TypeVar("Item")
Result = TypeVar("Result")
SAMPLED = 10_000  # rows that are tested for repeated texts
REPEATED = 0.2  # largest share of distinct texts: with more, numbering them takes longer than processing each cell
TEXTS = (pl.String, pl.Categorical)
FORMATS = 200  # cells on which formats are tried


class TextCells:
    """The stripped cells (n,) of a column as distinct `levels` (L,): cell i is `levels[places[i]]`. If most cells
    differ, `levels` are the cells themselves, and `places` is None.
    """

    def __init__(self, levels: pl.Series, places: np.ndarray | None = None, counts: np.ndarray | None = None) -> None:
        self.levels, self.places = levels, places
        self.counts = np.ones(len(levels), np.int64) if counts is None else counts  # (L,) cells per level
        self._numbers: tuple[Style, np.ndarray] | None = None

    @classmethod
    def of(cls, text: pl.Series) -> TextCells:
        """From texts or categories without nulls, stripped or not."""
        if len(text) >= SAMPLED and not come_again(text):
            return cls(text.cast(pl.String).str.strip_chars())
        first, places, counts = _numbered(_codes(text))
        levels = text.gather(first).cast(pl.String).str.strip_chars()
        if levels.n_unique() < len(levels):  # some differ only in surrounding spaces
            again, merged, _ = _numbered(_codes(levels))
            levels, places = levels.gather(again), merged[places]
            counts = np.bincount(places, minlength=len(levels))
        return cls(levels, places, counts)

    def __len__(self) -> int:
        return len(self.levels) if self.places is None else len(self.places)

    @property
    def texts(self) -> pl.Series:
        """All cells (n,)."""
        return self.levels if self.places is None else self.levels.gather(self.places)

    def spread(self, of_levels: np.ndarray) -> np.ndarray:
        """Converts values of the levels (L,) to values of the cells (n,)."""
        return of_levels if self.places is None else of_levels[self.places]

    def share(self, those: np.ndarray, among: np.ndarray) -> float:
        """Of the cells with levels in `among` (L,), the share with levels in `those` (L,); both are masks."""
        return float(self.counts[those & among].sum() / max(1, self.counts[among].sum()))

    def head(self, among: np.ndarray, n: int) -> pl.Series:
        """The first n cells with levels in `among` (L,), a mask."""
        rows = np.flatnonzero(among[: 20 * n] if self.places is None else among[self.places[: 20 * n]])[:n]
        if len(rows) < n:
            rows = np.flatnonzero(self.spread(among))[:n]
        return self.levels.gather(rows if self.places is None else self.places[rows])

    def of_levels(self, among: np.ndarray) -> pl.Series:
        """The levels in `among` (L,), a mask."""
        return self.levels if among.all() else self.levels.filter(pl.Series(among))

    def all_of(self, among: np.ndarray) -> pl.Series:
        """The cells with levels in `among` (L,), a mask, in order."""
        return self.of_levels(among) if self.places is None else self.texts.filter(pl.Series(self.spread(among)))

    def counted(self, among: np.ndarray) -> pl.DataFrame:
        """The levels in `among` (L,) with their counts, most frequent first, in columns `level` and `count`."""
        levels = self.of_levels(among).alias("level")  # the column itself may be called count
        if self.places is None:
            return levels.value_counts(sort=True)
        found = pl.DataFrame([levels, pl.Series("count", self.counts[among])])
        return found.sort("count", descending=True, maintain_order=True)

    def numbers(self, style: Style) -> np.ndarray:
        """The levels as float64 (L,), NaN if not a number; cached, because it is used twice."""
        if self._numbers is None or self._numbers[0] != style:
            self._numbers = style, numbers_of_texts(self.levels, style)
        return self._numbers[1]


def come_again(text: pl.Series) -> bool:
    """Whether few of the first cells are distinct."""
    head = text.head(SAMPLED)
    return head.n_unique() <= REPEATED * len(head)


Columns = Mapping[str, "pl.Series | TextCells"]


def columns_of(cells: pl.DataFrame | Columns) -> Columns:
    """The columns of a table by name, with text columns as `TextCells`."""
    if not isinstance(cells, pl.DataFrame):
        return cells
    read = by_column(
        lambda series: TextCells.of(series) if series.dtype in TEXTS else series, cells.get_columns(), cells.height
    )
    return dict(zip(cells.columns, read, strict=True))


def by_column(function: Callable[[Item], Result], columns: Sequence[Item], n: int) -> list[Result]:
    """The results of `function` for columns of n rows; in threads, if a column takes longer than handing it to one."""
    return results(function, columns) if n >= SAMPLED else [function(column) for column in columns]


def _codes(text: pl.Series) -> np.ndarray:
    """An integer (n,) for each distinct text."""
    return text.cast(pl.Categorical).to_physical().to_numpy()


def _numbered(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first, places, counts): the sorted first index of each distinct code, the index into them for each code (n,),
    and how often each occurs.
    """
    size, n = int(codes.max(initial=0)) + 1, len(codes)
    counts, first, end = np.bincount(codes, minlength=size), np.full(size, n), 0
    there = counts > 0
    while end < n and bool((first[there] == n).any()):  # usually, all are in the first rows
        start, end = end, min(n, max(SAMPLED, 4 * end))
        found = np.full(size, n)
        found[codes[start:end][::-1]] = np.arange(end - 1, start - 1, -1)  # of equal codes, the last assignment wins
        first = np.minimum(first, found)
    order = np.argsort(first)[: int(there.sum())]
    number = np.zeros(size, np.int32)
    number[order] = np.arange(len(order))
    return first[order], number[codes], counts[order]


__all__ = ["FORMATS", "TEXTS", "Columns", "TextCells", "by_column", "columns_of", "come_again"]
