"""Detects the kind of each column of a table from all of its cells, with the reason in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl

from isthmus.data.numeric import LARGEST, decimals_of
from isthmus.data.schema import Schema, TableColumn, column_option
from isthmus.data.sentinels import about_sentinel
from isthmus.data.tables.cells import IS_DATE, MISSING, NO_NUMBER, Style, reason
from isthmus.data.tables.month_names import has_names, names_in
from isthmus.data.tables.null_hints import about_words
from isthmus.data.tables.number_units import MOSTLY, example_of, numbers_with, template_of
from isthmus.data.tables.text_cells import FORMATS, Columns, TextCells, by_column, columns_of
from isthmus.data.tables.times import TimeFormat, bare_numbers, find_format, step_of, texts_of, to_seconds
from isthmus.data.tabular import ID_ROWS, are_named_so, is_dense
from isthmus.errors import DataError
from isthmus.wording import shell_word

# Missing values in columns of text; fewer than for numbers, because "none" and "-" may be categories.
MISSING_TEXTS = ("", "na", "n/a", "#n/a", "nan", "null")
# In any mix of upper and lower case: looking up a cell takes a fifth of the time of converting it to lower case.
ANY_CASE = {
    numbers: sorted({"".join(w) for word in words for w in product(*({c, c.upper()} for c in word))})
    for numbers, words in ((True, MISSING), (False, MISSING_TEXTS))
}
MOST_LEVELS = 64  # levels per category: more would be wider than the layer that reads them; the rarest become "other"
LEAST_OF_LEVEL = 3  # rows per level: two are memorized, and teach nothing about a third
REPEATED = 0.8  # share of rows with repeated values that makes text a category; else it is names or prose
MOST_WORDS = 2  # distinct words in a constant or yes-no column
FIRST = 1_000  # values tested for the number of distinct ones
PROBED = 100  # cells that are tested for numbers in another style
TRUTHS = {"yes": "no", "true": "false", "y": "n", "t": "f", "on": "off", "ja": "nein", "oui": "non", "si": "no",
          "sí": "no", "1": "0"}  # fmt: skip


def find_schema(cells: pl.DataFrame | Columns, style: Style, asked: Mapping[str, str]) -> Schema:
    """The schema of columns of text or numbers; `asked` sets kinds by column name."""
    columns = columns_of(cells)
    n = max(map(len, columns.values()), default=0)
    return Schema(tuple(by_column(lambda name: _column(name, columns[name], style, asked.get(name)), [*columns], n)))


def missing_texts(text: pl.Series, *, numbers: bool) -> pl.Series:
    """A mask of the texts that mean missing; for numbers and times, more words do."""
    return text.is_in(ANY_CASE[numbers]).fill_null(True)


def _known(cells: TextCells, *, numbers: bool) -> np.ndarray:
    """A mask (L,) of the levels that are not missing."""
    return np.logical_not(missing_texts(cells.levels, numbers=numbers).to_numpy())


def _column(name: str, column: pl.Series | TextCells, style: Style, asked: str | None) -> TableColumn:
    if asked in {"id", "text", "skip"}:
        return TableColumn(name, asked, "as you asked")
    if isinstance(column, pl.Series) and column.dtype.is_numeric() and asked is None:
        values = column.cast(pl.Float64).to_numpy()
        gaps = np.isnan(values)
        return _of_numbers(name, values[~gaps] if gaps.any() else values)
    cells = column if isinstance(column, TextCells) else TextCells.of(_as_text(column))
    if asked is not None:
        found = _asked(name, cells, style, asked)
        return replace(found, why=f"as you asked{_written_as(found.template)}")
    known = _known(cells, numbers=True)
    if not known.any():
        return TableColumn(name, "constant", "every cell is empty")
    if (found := _without_numbers(name, cells, known)) is not None:
        return found
    values = cells.numbers(style)
    share = cells.share(np.isfinite(values), known)
    if share >= MOSTLY and not _are_codes(cells.of_levels(known)):
        values = cells.spread(values)
        return _of_numbers(name, values[np.isfinite(values)])
    if share < MOSTLY and _are_written_otherwise(cells.head(known, PROBED), style):
        return TableColumn(name, "number", "numbers in another format")
    return _of_texts(name, cells, share, style)


def _written_as(template: str) -> str:
    """How numbers are written, and that they are returned as plain numbers."""
    shown = "in parentheses if negative" if template == "#" else f'written as "{example_of(template)}"'
    return f", {shown}; returned as plain numbers" if template else ""


def _as_text(column: pl.Series) -> pl.Series:
    """Booleans, times and numbers as text; "" for a gap."""
    return (texts_of(column) if column.dtype.is_temporal() else column.cast(pl.String)).fill_null("")


def _without_numbers(name: str, cells: TextCells, known: np.ndarray) -> TableColumn | None:
    """A constant, yes-no or time column, which may consist of digits too; None for other kinds."""
    if not _are_many(cells.of_levels(known)):
        texts = cells.counted(_known(cells, numbers=False))
        levels = texts[texts.columns[0]]
        if len(levels) == 1:
            return TableColumn(name, "constant", f'every cell is "{levels[0]}"', (str(levels[0]),))
        if (pair := _truths(texts)) is not None:
            return TableColumn(name, "yes-no", f"only {pair[1]} and {pair[0]}", pair)
    form = _time_format(cells, known)
    return None if form is None else _time(name, cells.of_levels(known), form)


def _are_many(known: pl.Series) -> bool:
    """Whether the first cells hold more words than a constant or yes-no column has, ignoring case."""
    return known.head(PROBED).str.to_lowercase().n_unique() > MOST_WORDS


def _time_format(cells: TextCells, known: np.ndarray) -> TimeFormat | None:
    """As `find_format` of all known cells, but only of the distinct ones if all of these are times."""
    if find_format(cells.head(known, FORMATS)) is None:
        return None
    levels = cells.of_levels(known)
    form = find_format(levels)
    if form is not None and np.isfinite(to_seconds(levels, form.pattern)).all():
        return form
    return find_format(cells.all_of(known))


def _time(name: str, known: pl.Series, form: TimeFormat) -> TableColumn:
    seconds = to_seconds(known, form.pattern)
    why = f'times such as "{known[0]}"'
    if form.ambiguous:
        other = form.pattern.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
        why += f", read as {form.pattern}; if {other} is right, pass {column_option(name, f'time:{other}')}"
    return replace(_written_so(name, known, form, seconds), why=why)


def _written_so(name: str, known: pl.Series, form: TimeFormat, seconds: np.ndarray) -> TableColumn:
    months = names_in(known, form.pattern) if has_names(form.pattern) else ()
    step, bare = step_of(seconds, form.zone), bare_numbers(known, form, months)
    return TableColumn(name, "time", format=form.pattern, zone=form.zone, step=step, bare=bare, months=months)


def _truths(counts: pl.DataFrame) -> tuple[str, str] | None:
    """The words for ("no", "yes") in their most frequent spelling, if the texts are only two such words."""
    lowered = counts.to_series(0).str.to_lowercase()
    found = set(lowered.unique().to_list())
    if len(found) != 2:
        return None
    yes = next((word for word in TRUTHS if word in found and TRUTHS[word] in found), None)
    if yes is None:
        return None
    no, most = TRUTHS[yes], counts.sort("count", descending=True, maintain_order=True)
    lowered = most.to_series(0).str.to_lowercase()
    return str(most.filter(lowered == no)[0, 0]), str(most.filter(lowered == yes)[0, 0])


def _are_written_otherwise(probed: pl.Series, style: Style) -> bool:
    """Whether nearly all cells are numbers in another style, 1,234 or 12% or €5: an error, not categories."""
    counts = Counter(probed.to_list())
    return sum(counts[cell] for cell in counts if _is_number_in_any(cell, style)) >= MOSTLY * len(probed)


def _is_number_in_any(cell: str, style: Style) -> bool:
    """Whether a cell of one line, not a quoted text of several, is a number in some style."""
    known = style.is_number(cell) or reason(cell, style).words not in (NO_NUMBER, IS_DATE)
    return known and "\n" not in cell


def _are_codes(known: pl.Series) -> bool:
    """Whether texts of digits are codes, not quantities: as numbers, 007 and 0815 would lose their zeros."""
    if not bool(known.head(PROBED).str.contains(r"^\d+$").all()):
        return False
    zeros = known.filter(known.str.starts_with("0"))
    return bool(zeros.str.contains(r"^0\d").any()) and bool(known.str.contains(r"^\d+$").all())


def _of_numbers(name: str, values: np.ndarray) -> TableColumn:
    """A column of numbers; `values` are the values without gaps."""
    if not len(values):
        return TableColumn(name, "constant", "every cell is empty")
    low, high = values.min(), values.max()
    if low == high:
        only = repr(float(values[0])).removesuffix(".0")
        return TableColumn(name, "constant", f"every cell is {only}", (only,))
    if set(np.unique(values[:ID_ROWS]).tolist()) <= {0.0, 1.0} and bool(np.isin(values, (0.0, 1.0)).all()):
        return TableColumn(name, "yes-no", "only 0 and 1", ("0", "1"))
    whole = _are_whole(values[:FIRST]) and _are_whole(values)
    if whole and _numbers_rows(name, values):
        return TableColumn(name, "id", "whole numbers, all different, that seem to number the rows")
    if whole and low >= 0:
        told = about_sentinel(name, values) or _few(name, values)
        return TableColumn(name, "count", f"whole numbers from {low:g} to {high:g}{told}")
    why = f"numbers from {low:.6g} to {high:.6g}{about_sentinel(name, values)}"
    return TableColumn(name, "number", why, decimals=decimals_of(values))


def _are_whole(values: np.ndarray) -> bool:
    return bool((values == np.floor(values)).all())


def _few(name: str, values: np.ndarray) -> str:
    """A clause on what else a column of few whole numbers may be."""
    label = f"--label {shell_word(name)}"
    said = f"; if they are categories, pass {column_option(name, 'category')}; if you predict them, {label}"
    return said if len(np.unique(values[:FIRST])) <= 10 else ""


def _numbers_rows(name: str, values: np.ndarray) -> bool:
    first = values[:FIRST]  # usually enough to find duplicates
    if len(values) < ID_ROWS or len(np.unique(first)) < len(first) or len(np.unique(values)) < len(values):
        return False
    return are_named_so(name) or is_dense(values)


def _of_texts(name: str, cells: TextCells, share: float, style: Style) -> TableColumn:
    """An id, a category or text."""
    known = _known(cells, numbers=False)
    counts, texts = cells.counted(known), cells.of_levels(known)
    n = int(counts["count"].sum())
    beside = ""
    if share >= 1 - MOSTLY:
        others = cells.all_of(known & np.isnan(cells.numbers(style)))
        beside = f"; {share:.0%} of the cells are numbers{about_words(others, style)}"
    if share >= MOSTLY:
        beside = f"; digits with leading zeros; if they are numbers, pass {column_option(name, 'number')}"
    elif template := template_of(texts.head(PROBED).to_list(), Style()):
        beside = f'; if they are numbers such as "{example_of(template)}", pass {column_option(name, "number")}'
    if len(counts) == n and n >= ID_ROWS and (are_named_so(name) or _evenly_numbered(texts)):
        return TableColumn(name, "id", f'row names, all different, such as "{texts[0]}"')
    repeated = counts.filter(pl.col("count") > 1)["count"].sum()
    if repeated < REPEATED * n:
        what = "all different" if len(counts) == n else f"{len(counts):,} different values"
        return TableColumn(name, "text", f"text, {what} in {n:,} rows, left out{beside}")
    found = _category(name, counts)
    told = f"; the {len(found.levels)} most frequent are kept, the others merged" if found.pooled else ""
    return replace(found, why=f"{len(counts):,} categories{told}{beside}")


def _category(name: str, counts: pl.DataFrame) -> TableColumn:
    """The levels by frequency, then by name; rare ones are pooled where that helps."""
    text, n = counts.columns[0], "count"
    ordered = counts.sort([n, text], descending=[True, False])
    least = LEAST_OF_LEVEL if int(ordered[n].sum()) >= 10 * LEAST_OF_LEVEL else 1
    kept = ordered.filter(pl.col(n) >= least).head(MOST_LEVELS)
    if len(kept) < 2:
        kept = ordered.head(MOST_LEVELS)
    return TableColumn(name, "category", levels=tuple(kept[text].to_list()), pooled=len(kept) < len(ordered))


def _evenly_numbered(texts: pl.Series) -> bool:
    """Whether the texts differ only in one number, and these numbers count the rows: A1000, A1001 …"""
    shapes = texts.str.replace(r"\d+", "#", literal=False)
    if shapes.n_unique() > 1:
        return False
    values = texts.str.extract(r"(\d+)").cast(pl.Float64, strict=False)
    return not values.null_count() and is_dense(values.to_numpy())


def _asked(name: str, cells: TextCells, style: Style, asked: str) -> TableColumn:
    """A column of a requested kind, with the facts about its values that the kind needs."""
    kind, _, pattern = asked.partition(":")
    known = _known(cells, numbers=kind in {"number", "count", "time"})
    if kind in {"category", "yes-no"} and not known.any():
        message = f"column {name!r} is empty, so it has no values for the kind {kind}."
        raise DataError("DATA-COLUMNS", message, fix=f"leave out {column_option(name, kind)}")
    match kind:
        case "category":
            return _category(name, cells.counted(known))
        case "yes-no":
            counts = cells.counted(known)
            pair = _truths(counts) or tuple(sorted(_category(name, counts).levels[:2]))
            return TableColumn(name, kind, levels=pair if len(pair) == 2 else (f"not {pair[0]}", pair[0]))
        case "time":
            form = TimeFormat(pattern, "") if pattern else find_format(cells.all_of(known))
            form = form or TimeFormat("%Y-%m-%d", "")
            seconds = to_seconds(cells.of_levels(known), form.pattern)
            return _written_so(name, cells.of_levels(known), form, seconds)
    template = template_of(cells.head(known, PROBED).to_list(), style) or ""
    numbers = numbers_with(cells.levels, template, style) if template else cells.numbers(style)
    values = cells.spread(np.where(known, numbers, np.nan))
    values = values[np.isfinite(values)]
    decimals = decimals_of(values) if kind == "number" and len(values) else None
    return TableColumn(name, kind, decimals=decimals, template=template)


def allowed(column: TableColumn, values: np.ndarray) -> np.ndarray:
    """A mask of the raw values (n,) that this column may hold; NaN is a gap, and allowed."""
    with np.errstate(invalid="ignore"):
        fits = np.abs(values) <= LARGEST
        if column.kind in {"count", "category", "yes-no"}:
            fits &= (values >= 0) & (values == np.floor(values))
        if column.kind == "category":
            fits &= values <= len(column.levels)  # the last index is for levels that are not listed
        if column.kind == "yes-no":
            fits &= values <= 1
    return fits | np.isnan(values)


__all__ = ["ANY_CASE", "MISSING_TEXTS", "allowed", "find_schema", "missing_texts"]
