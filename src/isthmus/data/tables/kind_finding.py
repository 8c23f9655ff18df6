"""What each column of a table is, found from all of its cells, with the reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl

from isthmus.data.numeric import LARGEST
from isthmus.data.schema import Schema, TableColumn
from isthmus.data.tables.cells import IS_DATE, MISSING, NO_NUMBER, Style, numbers_of_texts, reason
from isthmus.data.tables.times import TimeFormat, find_format, step_of, texts_of, to_seconds
from isthmus.data.tabular import ID_ROWS, are_named_so, is_dense

MOSTLY = 0.95  # of the cells make a column one of numbers or times; the rest are errors, told with their rows
# Cells of a column of texts that are none; fewer than for numbers, where "none" and "-" can be no value.
MISSING_TEXTS = ("", "na", "n/a", "#n/a", "nan", "null")
# As they may be written, in capitals or not: to look each cell up is a fifth of the time of lowering it first.
ANY_CASE = {
    numbers: {"".join(letters) for word in words for letters in product(*({c, c.upper()} for c in word))}
    for numbers, words in ((True, MISSING), (False, MISSING_TEXTS))
}
MOST_LEVELS = 64  # of a category: more would make it wider than the layer that reads it; the rarest become "other"
LEAST_OF_LEVEL = 3  # rows: two are learned by heart, and say nothing of a third
REPEATED = 0.8  # of the rows in levels that come again make texts a category; else they are names, or prose
MOST_WORDS = 2  # of a constant or yes-no column
PROBED = 100  # cells that show whether a column is of numbers in another style
TRUTHS = {"yes": "no", "true": "false", "y": "n", "t": "f", "on": "off", "ja": "nein", "oui": "non", "si": "no",
          "sí": "no", "1": "0"}  # fmt: skip


def find_schema(cells: pl.DataFrame, style: Style, asked: Mapping[str, str]) -> Schema:
    """The kinds of columns of texts (stripped) or numbers; `asked` names kinds by column."""
    return Schema(tuple(_column(cells[name], style, asked.get(name)) for name in cells.columns))


def missing_texts(text: pl.Series, *, numbers: bool) -> pl.Series:
    """Which texts stand for no value; of numbers and times more words do."""
    return text.is_in(list(ANY_CASE[numbers])).fill_null(True)


def _column(cells: pl.Series, style: Style, asked: str | None) -> TableColumn:
    name = cells.name
    if asked in {"id", "text", "skip"}:
        return TableColumn(name, asked, "as you asked")
    if cells.dtype == pl.Boolean:
        cells = cells.cast(pl.String)
    if cells.dtype.is_temporal():
        cells = texts_of(cells)
    if asked is not None:
        return replace(_asked(cells, style, asked), why="as you asked")
    if cells.dtype.is_numeric():
        return _of_numbers(name, cells, cells.cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy())
    known = cells.filter(~missing_texts(cells, numbers=True))
    if not len(known):
        return TableColumn(name, "constant", "every cell is empty")
    if (found := _without_numbers(name, cells, known)) is not None:
        return found
    values = numbers_of_texts(known, style)
    share = float(np.isfinite(values).mean())
    if share >= MOSTLY and not _are_codes(known):
        return _of_numbers(name, known, values[np.isfinite(values)])
    if share < MOSTLY and _are_written_otherwise(known, style):
        return TableColumn(name, "number", "numbers that are written in another way")
    texts = cells.filter(~missing_texts(cells, numbers=False))
    return _of_texts(name, texts, share)


def _without_numbers(name: str, cells: pl.Series, known: pl.Series) -> TableColumn | None:
    """Constant, yes-no or time, which texts of digits may be too; None for all else."""
    if _are_many(known):
        form = find_format(known)
        return None if form is None else _time(name, known, form)
    texts = cells.filter(~missing_texts(cells, numbers=False))
    levels = texts.unique()
    if len(levels) == 1:
        return TableColumn(name, "constant", f'every cell is "{levels[0]}"', (str(levels[0]),))
    if (pair := _truths(texts)) is not None:
        return TableColumn(name, "yes-no", f"only {pair[1]} and {pair[0]}", pair)
    form = find_format(known)
    return None if form is None else _time(name, known, form)


def _are_many(known: pl.Series) -> bool:
    """Whether the first cells hold more words than a constant or yes-no column has, whatever their case."""
    return known.head(PROBED).str.to_lowercase().n_unique() > MOST_WORDS


def _time(name: str, known: pl.Series, form: TimeFormat) -> TableColumn:
    seconds = to_seconds(known, form.pattern)
    why = f'times such as "{known[0]}"'
    if form.ambiguous:
        shown = form.pattern.replace("%", "")
        why += f", read as {shown}; {_turned(form.pattern)} fits as well: --column {name}=time:{_turned(form.pattern)}"
    return TableColumn(name, "time", why, format=form.pattern, zone=form.zone, step=step_of(seconds, form.zone))


def _turned(pattern: str) -> str:
    return pattern.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")


def _truths(texts: pl.Series) -> tuple[str, str] | None:
    """("no", "yes") as they are mostly written, where a column holds these two words alone."""
    lowered = texts.str.to_lowercase()
    found = set(lowered.unique().to_list())
    if len(found) != 2:
        return None
    yes = next((word for word in TRUTHS if word in found and TRUTHS[word] in found), None)
    if yes is None:
        return None
    return (_mostly(texts.filter(lowered == TRUTHS[yes])), _mostly(texts.filter(lowered == yes)))


def _mostly(texts: pl.Series) -> str:
    return str(texts.value_counts(sort=True).to_series(0)[0])


def _are_written_otherwise(known: pl.Series, style: Style) -> bool:
    """Whether nearly all cells are numbers in another style, 1,234 or 12 % or €5: an error with a fix, and no names."""
    cells = known.head(PROBED).to_list()
    found = [style.is_number(cell) or reason(cell, style).words not in (NO_NUMBER, IS_DATE) for cell in cells]
    return sum(found) >= MOSTLY * len(found)


def _are_codes(known: pl.Series) -> bool:
    """Whether texts of digits are no quantities: 007 and 0815 lose their zeros as numbers."""
    if not bool(known.head(PROBED).str.contains(r"^\d+$").all()):
        return False
    return bool(known.str.contains(r"^0\d").any()) and bool(known.str.contains(r"^\d+$").all())


def _of_numbers(name: str, cells: pl.Series, values: np.ndarray) -> TableColumn:
    """A column of numbers; `values` are those that are there."""
    if not len(values):
        return TableColumn(name, "constant", "every cell is empty")
    if values.min() == values.max():
        only = repr(float(values[0])).removesuffix(".0")
        return TableColumn(name, "constant", f"every cell is {only}", (only,))
    if set(np.unique(values[:ID_ROWS]).tolist()) <= {0.0, 1.0} and bool(np.isin(values, (0.0, 1.0)).all()):
        return TableColumn(name, "yes-no", "only 0 and 1", ("0", "1"))
    whole = bool((values == np.floor(values)).all())
    if whole and _numbers_rows(name, values):
        return TableColumn(name, "id", "whole numbers, all different, that count or name the rows")
    if whole and values.min() >= 0:
        return TableColumn(
            name, "count", f"whole numbers from {values.min():g} to {values.max():g}{_few(name, values)}"
        )
    decimals = _decimals(values)
    return TableColumn(name, "number", f"numbers from {values.min():.6g} to {values.max():.6g}", decimals=decimals)


def _few(name: str, values: np.ndarray) -> str:
    """What else a column of few whole numbers may be."""
    n = len(np.unique(values[:1000]))
    return f"; if they are names, --column {name}=category, if what you predict, --label {name}" if n <= 10 else ""


def _numbers_rows(name: str, values: np.ndarray) -> bool:
    if len(values) < ID_ROWS or len(np.unique(values)) < len(values):
        return False
    return are_named_so(name) or is_dense(values)


def _decimals(values: np.ndarray) -> int | None:
    """The digits after the point; None where there are as many as a double holds, or an exponent."""
    for digits in range(8):
        if np.abs(np.round(values, digits) - values).max() <= 1e-9 * max(1.0, float(np.abs(values).max())) * 1e-3:
            return digits
    return None


def _of_texts(name: str, texts: pl.Series, share: float) -> TableColumn:
    """An id, a category or a text."""
    n, counts = len(texts), texts.value_counts(sort=True)
    beside = f"; {share:.0%} of the cells are numbers" if share >= 1 - MOSTLY else ""
    if len(counts) == n and n >= ID_ROWS and (are_named_so(name) or _evenly_numbered(texts)):
        return TableColumn(name, "id", f'names of the rows, all different, such as "{texts[0]}"')
    repeated = counts.filter(pl.col("count") > 1)["count"].sum()
    if repeated < REPEATED * n:
        what = "all different" if len(counts) == n else f"{len(counts):,} different"
        return TableColumn(name, "text", f"texts, {what} in {n:,} rows{beside}; left out")
    return replace(_category(name, counts), why=f"{len(counts):,} names{beside}")


def _category(name: str, counts: pl.DataFrame) -> TableColumn:
    """The levels in the order of their frequency, equal ones by name; rare ones are pooled where that helps."""
    text, n = counts.columns[0], "count"
    ordered = counts.sort([n, text], descending=[True, False])
    least = LEAST_OF_LEVEL if int(ordered[n].sum()) >= 10 * LEAST_OF_LEVEL else 1
    kept = ordered.filter(pl.col(n) >= least).head(MOST_LEVELS)
    if len(kept) < 2:
        kept = ordered.head(MOST_LEVELS)
    return TableColumn(name, "category", levels=tuple(kept[text].to_list()), pooled=len(kept) < len(ordered))


def _evenly_numbered(texts: pl.Series) -> bool:
    """Whether each is the same words around one number, and these numbers count the rows: A1000, A1001 …"""
    shapes = texts.str.replace(r"\d+", "#", literal=False)
    if shapes.n_unique() > 1:
        return False
    values = texts.str.extract(r"(\d+)").cast(pl.Float64, strict=False)
    return not values.null_count() and is_dense(values.to_numpy())


def _asked(cells: pl.Series, style: Style, asked: str) -> TableColumn:
    """A column as somebody wants it, with what has to be known of its values."""
    kind, _, pattern = asked.partition(":")
    text = cells.cast(pl.String)
    known = text.filter(~missing_texts(text, numbers=kind in {"number", "count", "time"}))
    name = cells.name
    match kind:
        case "category":
            return _category(name, known.value_counts(sort=True))
        case "yes-no":
            counts = _category(name, known.value_counts(sort=True)).levels
            pair = _truths(known) or tuple(sorted(counts[:2]))
            return TableColumn(name, kind, levels=pair if len(pair) == 2 else (f"not {pair[0]}", pair[0]))
        case "time":
            form = TimeFormat(pattern, "") if pattern else find_format(known)
            form = form or TimeFormat("%Y-%m-%d", "")
            return TableColumn(name, kind, format=form.pattern, zone=form.zone,
                          step=step_of(to_seconds(known, form.pattern), form.zone))  # fmt: skip
    values = numbers_of_texts(known, style)
    values = values[np.isfinite(values)]
    decimals = _decimals(values) if kind == "number" and len(values) else None
    return TableColumn(name, kind, decimals=decimals)


def allowed(column: TableColumn, values: np.ndarray) -> np.ndarray:
    """Which of the raw values (n,) a column of its kind can hold; NaN is a gap and allowed."""
    with np.errstate(invalid="ignore"):
        fits = np.abs(values) <= LARGEST
        if column.kind in {"count", "category", "yes-no"}:
            fits &= (values >= 0) & (values == np.floor(values))
        if column.kind == "category":
            fits &= values <= len(column.levels)  # the last place is that of names that training did not have
        if column.kind == "yes-no":
            fits &= values <= 1
    return fits | np.isnan(values)


__all__ = ["MISSING_TEXTS", "allowed", "find_schema", "missing_texts"]
