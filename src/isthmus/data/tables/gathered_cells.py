"""`Gathered`: all cells of a table at once, each column as numbers, as categories or as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.schema import Schema, TableColumn, asked_kinds
from isthmus.data.tables.cells import PLAIN, Style
from isthmus.data.tables.columns import Plan
from isthmus.data.tables.early_numbers import as_numbers, early_numbers
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.frames import AbstractFrame, refuse_types
from isthmus.data.tables.parsing import Parser, TextChunk
from isthmus.data.tables.text import Lines
from isthmus.data.tables.text_cells import come_again
from isthmus.system.memory import refuse_too_large
from isthmus.system.workers import in_order

LEAVE_OUT = "leave out columns with --drop-column"
CHECKED = 1 << 26  # bytes of text after which free memory is checked again; to look it up takes a millisecond
CELL_BYTES = 24  # memory for a cell as text and as a number
Early = tuple[dict[str, TableColumn], list[pl.Series]]  # columns, and their numbers


class Gathered(NamedTuple):
    """The cells of a table by column: text (stripped), numbers, booleans or times. `rows` are row numbers for messages,
    `unlabeled` marks rows without a label or group, and `style` is the number format.
    """

    cells: pl.DataFrame
    rows: np.ndarray
    places: np.ndarray
    unlabeled: np.ndarray
    style: Style


def gather_text(chunks: Iterable[Lines], parser: Parser) -> Gathered:
    """Every cell of a text table; rows of the wrong length are added to the findings."""
    parts = [_chunk(lines, frame, parser) for lines, frame in in_order(parser.typed, chunks)]
    found = _gathered(parts, parser)
    return found._replace(cells=found.cells.select(pl.all().str.strip_chars()))


def gather_columns(
    chunks: Iterable[Lines], parser: Parser, options: DataConfig, schema: Schema | None
) -> Gathered | None:
    """As `gather_text`, but columns in which the first rows hold only numbers are parsed as numbers, repeated texts as
    categories, and other cells are not stripped; None if later rows hold other cells in columns of numbers, so that
    all must be read as text.
    """
    chunks = iter(chunks)
    first = next(chunks)
    part = _chunk(first, parser.typed(first), parser)
    early, numbers = _early(part.cells, parser, options, schema)
    cells = part.cells.with_columns(numbers)
    names = _repeated(cells.drop(*early), parser)
    parser.known = dict.fromkeys(early, pl.Float64) | dict.fromkeys(names, pl.Categorical)
    parts = [part._replace(cells=cells.cast(dict.fromkeys(names, pl.Categorical)))]

    def checked(lines: Lines) -> pl.DataFrame | None:
        frame = parser.typed(lines)
        return None if frame is None else as_numbers(frame, early)

    for lines, frame in in_order(checked, chunks):
        part = _chunk(lines, frame, parser)
        cells = as_numbers(part.cells, early) if frame is None else part.cells
        if cells is None:
            return None
        parts.append(part._replace(cells=cells.cast(dict.fromkeys(names, pl.Categorical))))
    return _gathered(parts, parser)


def _chunk(lines: Lines, frame: pl.DataFrame | None, parser: Parser) -> TextChunk:
    if lines.offset % CHECKED < len(lines.data):
        refuse_too_large(len(lines.data) * 2, parser.findings.name, fix=LEAVE_OUT)
    return parser.texts(lines, frame)


def _early(cells: pl.DataFrame, parser: Parser, options: DataConfig, schema: Schema | None) -> Early:
    """The columns to parse as numbers, by their names in the parser, and those parsed: not those with options, and none
    if messages must quote gaps as written.
    """
    if options.missing in {"error", "drop"} or parser.dialect.style != PLAIN:
        return {}, []
    names = dict(zip(parser.findings.columns, parser.names, strict=True))
    said = {options.time, *asked_kinds(options.kinds)}
    features = {parser.findings.columns[i] for i in parser.plan.features} - said
    known = {names[column.name]: column for column in schema.columns if column.name in names} if schema else {}
    return early_numbers(cells.select(names[name] for name in names if name in features), known)


def _repeated(cells: pl.DataFrame, parser: Parser) -> list[str]:
    """Features to read as categories, because texts are repeated in the first rows; none with an older polars, which
    cannot join the categories of two chunks.
    """
    if parser.findings.nulls or not hasattr(pl, "Categories"):
        return []
    others = {*cells.columns} - {parser.label, parser.group}  # which may be features as well
    return [name for name in parser.features if name in others and come_again(cells[name])]


def _gathered(parts: Sequence[TextChunk], parser: Parser) -> Gathered:
    cells = pl.concat([part.cells for part in parts])
    rows, places = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "places"))
    unlabeled = parser.unlabeled(cells, rows)
    cells = cells.rename(dict(zip(parser.names, parser.findings.columns, strict=True)))
    return Gathered(cells, rows, places, unlabeled, parser.dialect.style)


def gather_frame(frame: AbstractFrame, names: Sequence[str], plan: Plan, findings: Findings) -> Gathered:
    """The cells of a data frame: numbers, booleans and times unchanged, everything else as text.

    Raises: DataError for other column types.
    """
    refuse_types(frame, plan, findings.name, times=True)
    beside = [i for i in (plan.label, plan.group) if i is not None]
    places = [*plan.features, *beside]
    refuse_too_large(frame.n_rows * len(places) * CELL_BYTES, findings.name, fix=LEAVE_OUT)
    block = frame.block(places)
    cells = pl.DataFrame([plain_cells(s).alias(names[i]) for s, i in zip(block.get_columns(), places, strict=True)])
    findings.n_rows, rows = frame.n_rows, np.arange(frame.n_rows)
    unlabeled = np.zeros(frame.n_rows, bool)
    for place in beside:
        text = cells[names[place]].cast(pl.String)
        gaps = (text.is_null() | text.is_in(["", "nan", "NaN"])).to_numpy()
        tell_column(findings, rows + 1, gaps, np.zeros_like(gaps), text, place)
        unlabeled |= gaps
    return Gathered(cells, rows + 1, rows, unlabeled, PLAIN)


def plain_cells(column: pl.Series) -> pl.Series:
    """A column of a data frame for finding its kind: numbers, booleans and times unchanged, all else as text."""
    if column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == pl.Boolean:
        return column
    return column.cast(pl.String).fill_null("").str.strip_chars()


def tell_column(
    findings: Findings, rows: np.ndarray, missing: np.ndarray, bad: np.ndarray, cells: pl.Series, place: int
) -> None:
    """Adds the missing and the bad cells (n,) of one column to the findings; `rows` (n,) as messages count them."""

    def show(i: int, j: int) -> str:
        return "" if (cell := cells[int(i)]) is None else str(cell).strip()

    findings.add_cells(rows, missing[:, None], bad[:, None], show, [place])


__all__ = [
    "CELL_BYTES", "LEAVE_OUT", "Gathered", "gather_columns", "gather_frame", "gather_text", "plain_cells",
    "tell_column",
]  # fmt: skip
