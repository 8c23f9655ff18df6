"""Parses chunks of a text table to numbers: fast if all cells are valid, else cell by cell to find every problem."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.numeric import LARGEST, Rounding, loses_digits
from isthmus.data.tables.cells import to_numbers
from isthmus.data.tables.columns import Plan
from isthmus.data.tables.dialects import Dialect
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.text import Lines, n_bytes
from isthmus.data.tables.text_cells import TEXTS

MISSING_LABELS = ("", "na", "n/a", "#n/a", "nan")  # fewer than for numbers, because "none" and "-" may be classes


class ParsedChunk(NamedTuple):
    """Features (n, k) of the rows that are kept, their labels and groups as text, and their indices among all rows."""

    values: np.ndarray
    labels: pl.Series | None
    groups: pl.Series | None
    kept: np.ndarray


class TextChunk(NamedTuple):
    """Cells as text, the first line of each row, and the indices of the rows in all data rows."""

    cells: pl.DataFrame
    rows: np.ndarray
    places: np.ndarray


class Parser:
    """Parses chunks of lines, and adds problems to `findings`.

    Values are uint8 as long as all are whole numbers 0..255, then float64.
    """

    def __init__(self, dialect: Dialect, plan: Plan, findings: Findings, options: DataConfig) -> None:
        self.dialect, self.plan, self.findings, self.options = dialect, plan, findings, options
        self.lossy = np.zeros(len(plan.features), dtype=bool)
        self.rounding = Rounding(len(plan.features))
        self.types: list[type[pl.DataType]] = [pl.UInt8, pl.Float64]  # uint8 is dropped once a chunk needs float64
        self.names = [str(i) for i in range(dialect.n_columns)]
        self.features = [self.names[i] for i in plan.features]
        self.label = None if plan.label is None else self.names[plan.label]
        self.group = None if plan.group is None else self.names[plan.group]
        self.known: Mapping[str, type[pl.DataType]] = {}  # types of the columns that `texts` does not read as text
        self.beside = [i for i in (plan.label, plan.group) if i is not None]
        style = dialect.style
        self.careful = bool(style.thousands or findings.nulls) or (style.decimal == "," and dialect.delimiter == ",")

    def parse(self, lines: Lines) -> ParsedChunk:
        """The rows of a chunk."""
        lines = self._with_single_blanks(lines)
        part = None if self.careful else self._fast(lines)
        part = part or self._careful(lines)
        if part.values.dtype != np.uint8 and self.options.digits == "auto":
            self.rounding.add(part.values)
        return part

    def typed(self, lines: Lines) -> pl.DataFrame | None:
        """The cells of a chunk as text, or with their types in `known`; None if polars cannot read them so, or if a row
        has the wrong length. It changes nothing, so several threads may call it at the same time.
        """
        return self._whole(self._with_single_blanks(lines), self.known)

    def texts(self, lines: Lines, frame: pl.DataFrame | None) -> TextChunk:
        """Every cell of the rows of the right length; other rows are added to the findings. `frame` is the result of
        `typed`.
        """
        lines = self._with_single_blanks(lines)
        if frame is None and self.known:  # a gap written as a word, or a cell that is not a number
            frame, self.known = self._whole(lines, {}), {}
        if frame is None:
            found = TextChunk(*self._as_text(lines))
            return found._replace(cells=self._blanked(found.cells))
        first, self.findings.n_rows = self.findings.n_rows, self.findings.n_rows + frame.height
        places = np.arange(frame.height)
        return TextChunk(self._blanked(frame), lines.row + places, first + places)

    def _whole(self, lines: Lines, types: Mapping[str, type[pl.DataType]]) -> pl.DataFrame | None:
        """The cells of a chunk without nulls in texts, if all rows have the right length."""
        quoted = b'"' in lines.data
        frame = self._read(lines.data, types, quotes=quoted)
        if frame is None or frame.height != lines.count or not self._is_whole(frame, lines, quoted):
            return None
        return frame.with_columns(pl.col(TEXTS).fill_null(""))

    def _blanked(self, cells: pl.DataFrame) -> pl.DataFrame:
        """The cells with the words of `--null-values` blanked."""
        return self.findings.nulls.blanked(cells, self.findings.columns, self.dialect.style)

    def _is_whole(self, frame: pl.DataFrame, lines: Lines, quoted: bool) -> bool:
        """Whether no row is too short: polars fills short rows with null, and rejects rows that are too long."""
        if quoted or not frame[self.names[-1]].null_count():
            return not frame[self.names[-1]].null_count()
        return n_bytes(lines.data, self.dialect.delimiter) == frame.height * (frame.width - 1)

    def _with_single_blanks(self, lines: Lines) -> Lines:
        if self.dialect.delimiter != " ":
            return lines
        data = re.sub(rb"[ \t]+", b" ", lines.data)
        return replace(lines, data=re.sub(rb"(?m)^ | (?=\r?$)", b"", data))

    @property
    def loses_digits(self) -> bool:
        """Whether float32 has too few digits for the values read so far."""
        return bool(self.rounding.matters.any())

    def _fast(self, lines: Lines) -> ParsedChunk | None:
        """All rows, if polars reads them unambiguously; else None."""
        if self.dialect.style.decimal == "," and b"." in lines.data:
            return None  # polars would read 1.234 as a decimal fraction
        for place, dtype in enumerate(self.types):
            frame = self._read(lines.data, dict.fromkeys(self.features, dtype))
            if frame is not None:
                self.types = self.types[place:]
                return self._trusted(frame, lines)
        return None

    def _trusted(self, frame: pl.DataFrame, lines: Lines) -> ParsedChunk | None:
        # polars fills short rows with null, and a quoted cell may join two lines; this detects both
        needed = [*self.features, self.names[-1], *(self.names[i] for i in self.beside)]
        if frame.height != lines.count or any(frame[name].null_count() for name in needed):
            return None
        values = frame.select(self.features).to_numpy()
        if values.dtype != np.uint8 and not np.abs(values).max(initial=0) <= LARGEST:  # also false for NaN
            return None
        self.lossy |= loses_digits(values)
        kept = np.arange(self.findings.n_rows, self.findings.n_rows + frame.height)
        self.findings.n_rows += frame.height
        labels, groups = (frame[name] if name else None for name in (self.label, self.group))
        return ParsedChunk(values, labels, groups, kept)

    def _read(self, data: bytes, types: Mapping[str, type[pl.DataType]], *, quotes: bool = True) -> pl.DataFrame | None:
        schema = {name: types.get(name, pl.String) for name in self.names}
        comma = self.dialect.style.decimal == "," and bool(types)
        try:
            return pl.read_csv(
                data,
                has_header=False,
                separator=self.dialect.delimiter,
                quote_char='"' if quotes else None,
                schema=schema,
                decimal_comma=comma,
            )
        except (pl.exceptions.PolarsError, OSError):
            return None

    def _careful(self, lines: Lines) -> ParsedChunk:
        """The valid rows; problems are added to the findings."""
        text, rows, places = self._as_text(lines)
        text = self._blanked(text)
        numbers = to_numbers(text.select(self.features), self.dialect.style)
        show = self._shower(text, self.features)
        self.findings.add_cells(rows, numbers.missing, numbers.bad, show, self.plan.features)
        unlabeled = self.unlabeled(text, rows)
        bad, incomplete = numbers.bad.any(1), numbers.missing.any(1) | unlabeled
        self.findings.n_rows_bad += int(bad.sum())
        self.findings.n_rows_missing += int(incomplete.sum())
        self.lossy |= loses_digits(numbers.values)
        keep = np.logical_not(bad)
        if self.options.missing == "drop":
            keep &= ~incomplete
        kept = pl.Series(np.asarray(keep))
        labels, groups = (text[name].filter(kept) if name else None for name in (self.label, self.group))
        return ParsedChunk(numbers.values[keep], labels, groups, places[keep])

    def unlabeled(self, text: pl.DataFrame, rows: np.ndarray) -> np.ndarray:
        """A mask of the rows without a label or group, if there are such columns."""
        found = np.zeros(len(rows), dtype=bool)
        for place in self.beside:
            name = self.names[place]
            cells = text[name].str.strip_chars().str.to_lowercase()
            unlabeled = cells.is_in(list(MISSING_LABELS)).to_numpy()
            show = self._shower(text, [name])
            self.findings.add_cells(rows, unlabeled[:, None], np.zeros((len(rows), 1), bool), show, [place])
            found = found | unlabeled
        return found

    @staticmethod
    def _shower(text: pl.DataFrame, names: list[str]):
        return lambda i, j: text[names[j]][i]

    def _as_text(self, lines: Lines) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
        """Every cell of the rows of the right length as text, with their lines and their indices in all rows."""
        good, places = [], []
        for record in records(lines, self.dialect.delimiter):
            if record.is_blank and len(self.names) > 1:
                continue
            if record.n_fields == len(self.names):
                good.append(record)
                places.append(self.findings.n_rows)
            else:
                self.findings.add_ragged(record.row, record.n_fields, record.text, record.spans)
            self.findings.n_rows += 1
        rows = np.array([record.row for record in good], dtype=np.int64)
        return self._cells(good), rows, np.array(places, dtype=np.int64)

    def _cells(self, good: list[Record]) -> pl.DataFrame:
        if good and all(record.cells is None for record in good):
            frame = self._read(b"".join(record.line + b"\n" for record in good), {}, quotes=False)
            if frame is not None and frame.height == len(good):
                return frame.select(pl.all().fill_null(""))
        delimiter = self.dialect.delimiter
        rows = [record.text.split(delimiter) if record.cells is None else record.cells for record in good]
        columns = list(zip(*rows, strict=True)) or [()] * len(self.names)
        return pl.DataFrame([pl.Series(n, c, dtype=pl.String) for n, c in zip(self.names, columns, strict=True)])


class Record(NamedTuple):
    """One row: its first line, the number of lines, its text and fields. `cells` is None if there are no quotes."""

    row: int
    spans: int
    line: bytes
    n_fields: int
    cells: list[str] | None

    @property
    def is_blank(self) -> bool:
        return not self.line.strip(b" \r")

    @property
    def text(self) -> str:
        return self.line.decode().rstrip("\r")


def records(lines: Lines, delimiter: str) -> Iterator[Record]:
    """The rows of a chunk, without blank lines at its end."""
    raw = lines.data.rstrip(b"\r\n").split(b"\n")
    return _quoted(raw, lines.row, delimiter) if b'"' in lines.data else _plain(raw, lines.row, delimiter.encode())


def _plain(raw: list[bytes], first: int, delimiter: bytes) -> Iterator[Record]:
    for row, line in enumerate(raw, start=first):
        yield Record(row, 1, line, line.count(delimiter) + 1, None)


def _quoted(raw: list[bytes], first: int, delimiter: str) -> Iterator[Record]:
    """A row that the csv module cannot parse has no fields; a blank line has one empty field."""
    reader = csv.reader((line.decode() + "\n" for line in raw), delimiter=delimiter)
    before = 0
    while before < len(raw):
        try:
            cells = next(reader) or [""]
        except csv.Error:
            cells = []
        yield Record(first + before, reader.line_num - before, raw[before], len(cells), cells)
        before = reader.line_num
