"""The rows of a text table as they stand in the file, each with the line where it begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import NamedTuple

from isthmus.data.tables.text import Lines


class Record(NamedTuple):
    """One row: the line where it begins, the lines it spans, its text, its fields. `cells` only where quotes are."""

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
    """The rows of a chunk; the blank lines at its end are left out."""
    raw = lines.data.rstrip(b"\r\n").split(b"\n")
    return _quoted(raw, lines.row, delimiter) if b'"' in lines.data else _plain(raw, lines.row, delimiter.encode())


def _plain(raw: list[bytes], first: int, delimiter: bytes) -> Iterator[Record]:
    for row, line in enumerate(raw, start=first):
        yield Record(row, 1, line, line.count(delimiter) + 1, None)


def _quoted(raw: list[bytes], first: int, delimiter: str) -> Iterator[Record]:
    """A row that makes no sense to csv has no fields; a blank line has an empty one."""
    reader = csv.reader((line.decode() + "\n" for line in raw), delimiter=delimiter)
    before = 0
    while before < len(raw):
        try:
            cells = next(reader) or [""]
        except csv.Error:
            cells = []
        yield Record(first + before, reader.line_num - before, raw[before], len(cells), cells)
        before = reader.line_num
