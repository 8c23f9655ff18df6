"""The dialect of a text table (delimiter, decimal mark, header), detected from its first rows and reported."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.layout import LEAST_PIXELS
from isthmus.data.tables.cells import MISSING, PLAIN, Style
from isthmus.data.tables.text import Lines
from isthmus.errors import DataError, UsageError

PROBED = 100  # rows that are examined; fewer if they are long
ENOUGH = 1 << 15  # characters
CANDIDATES = (",", ";", "\t", "|")  # and spaces, if they divide the rows better
NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " ", "blank": " "}
SAID = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes", " ": "spaces"}
MOST_CLASSES = 100  # labels next to pixels are small numbers; EMNIST has 62 classes
SPACED = Style(thousands=" ")
OTHER_HEADER = 0.01  # factor for a delimiter that gives the first row another number of cells
COUNTED = 8  # a first row 0, 1, 2, … of this length numbers the columns; a shorter one may be data


class Dialect(NamedTuple):
    """`names` is None without a header. `header_lines` is the number of lines before the data, including blank ones.

    `label` is the first or last column of a table without a header that has one column more than a square image.
    """

    delimiter: str
    style: Style
    names: tuple[str, ...] | None
    n_columns: int
    header_lines: int
    label: str | None
    notes: tuple[str, ...]

    @property
    def counting(self) -> str:
        """A sentence on how rows are counted."""
        header = f"; the header is row {self.header_lines}" if self.names else ""
        return f"Rows are counted as in an editor{header}."


def find_dialect(head: Lines, options: DataConfig, *, name: str) -> Dialect:
    """The dialect from the options, and from the first rows for everything that no option sets.

    Raises: DataError if the first row may be data or a header, or a number such as 1,234 is ambiguous.
    """
    lines = head.data.decode().split("\n")
    blank = next((i for i, line in enumerate(lines) if line.strip()), 0)
    lines = _probed(lines[blank : blank + PROBED])
    given = _given(options.delimiter)
    delimiter = given or _find_delimiter(lines)
    rows, ends = split(lines, delimiter)
    style = _find_style(rows[1:] or rows, delimiter, options, name)
    has_header = _has_header(rows, style, options, name)
    notes = [] if given else _notes(delimiter, style, options, name)
    names = tuple(cell.strip() for cell in rows[0]) if has_header else None
    n_columns = _n_columns(rows, has_header, name)
    label = None if has_header else _label_beside_pixels(rows, n_columns)
    return Dialect(delimiter, style, names, n_columns, blank + (ends[0] if has_header else 0), label, tuple(notes))


def text_columns(head: Lines, dialect: Dialect) -> list[str]:
    """The columns in which most cells of the first rows are not numbers, ignoring gaps."""
    known = _first_cells(head, dialect)
    return [name for name, found in known.items() if found and not _mostly_numbers(found, dialect.style)]


def number_columns(head: Lines, dialect: Dialect) -> list[str]:
    """The columns in which most cells of the first rows are numbers, ignoring gaps."""
    known = _first_cells(head, dialect)
    return [name for name, found in known.items() if found and _mostly_numbers(found, dialect.style)]


def code_columns(head: Lines, dialect: Dialect) -> list[str]:
    """The columns that look like codes such as 007 in the first rows; none if most columns do, because then all numbers
    are written so.
    """
    known = _first_cells(head, dialect)
    found = [
        name for name, cells in known.items() if cells and all(map(str.isdecimal, cells)) and any(map(_is_code, cells))
    ]
    return found if 2 * len(found) <= dialect.n_columns else []


def _is_code(cell: str) -> bool:
    return len(cell) > 1 and cell.startswith("0")


def _first_cells(head: Lines, dialect: Dialect) -> dict[str, list[str]]:
    """The stripped cells of the first rows by column name, without gaps."""
    lines = head.data.decode().split("\n")[dialect.header_lines :]
    rows, _ = split(_probed(lines[:PROBED]), dialect.delimiter)
    cells = [[row[j].strip() for row in rows if j < len(row)] for j in range(dialect.n_columns)]
    known = [[cell for cell in found if cell.lower() not in MISSING] for found in cells]
    return dict(zip(dialect.names or (), known, strict=False))


def _probed(lines: list[str]) -> list[str]:
    """As many of the first lines as are needed, at least five."""
    lengths = np.cumsum([len(line) for line in lines])
    return lines[: max(5, int(np.searchsorted(lengths, ENOUGH)) + 1)]


def split(lines: Sequence[str], delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Rows of cells, and the number of lines read after each; consecutive spaces count as one delimiter."""
    texts = (re.sub("[ \t]+", " ", line.strip()) for line in lines) if delimiter == " " else lines
    texts = (f"{text}\n" for text in texts)  # a quoted cell may continue in the next line
    reader = csv.reader(texts, delimiter=delimiter)
    rows, ends = [], []
    try:
        for row in reader:
            if row:
                rows.append(row)
                ends.append(reader.line_num)
    except csv.Error:  # a cell above the module's size limit: the rows so far are enough
        pass
    return rows or [[""]], ends or [1]


def _given(option: str | None) -> str | None:
    if option is None:
        return None
    delimiter = NAMED.get(option.lower(), option)
    if len(delimiter) != 1 or delimiter in '"\n\r' or ord(delimiter) > 127 or delimiter.isalnum():
        message = f"--delimiter {option!r} is not a delimiter; use one character, or one of {', '.join(NAMED)}."
        raise UsageError("USAGE-DELIMITER", message, fix='write --delimiter ";" or --delimiter tab')
    return delimiter


def _find_delimiter(lines: list[str]) -> str:
    scores = {delimiter: _score(lines, delimiter) for delimiter in CANDIDATES}
    best = max(CANDIDATES, key=lambda delimiter: scores[delimiter])
    blanks = _score(lines, " ")
    if blanks > max(scores[best], 1.5):  # spaces can divide numbers; in prose they mean nothing
        return " "
    return best if scores[best] > 0 else ","


def _score(lines: list[str], delimiter: str) -> float:
    """0 if it divides nothing; up to 2 if all rows have the same number of cells, all numbers below the first row.

    Much less if the first row has another number of cells, because commas below it may be thousands separators.
    """
    rows, _ = split(lines, delimiter)
    (n_cells, often), *_ = Counter(map(len, rows)).most_common(1)
    if n_cells == 1:
        return 0.0
    body = [cell for row in rows[1:] or rows for cell in row]
    styles = [PLAIN] if delimiter == "," else [PLAIN, Style(",")]
    numbers = max(sum(style.is_number(cell) for cell in body) for style in styles)
    # R gives the column of row names no name; but a first row of one cell is likely divided by something else, unless
    # it is by the spaces that R writes.
    least = 1 if delimiter == " " and not all(SPACED.is_number(line.strip() or "0") for line in lines[1:]) else 2
    fits = 1.0 if len(rows[0]) in {n_cells, max(least, n_cells - 1)} else OTHER_HEADER
    return fits * often / len(rows) * (1 + numbers / max(1, len(body)))


def _find_style(rows: list[list[str]], delimiter: str, options: DataConfig, name: str) -> Style:
    thousands = options.thousands
    if options.decimal != "auto":
        return _checked(Style(options.decimal, thousands))
    if delimiter == "," or thousands == ",":
        return _checked(Style(".", thousands))
    cells = [cell.strip() for row in rows for cell in row]
    commas = [cell for cell in cells if "," in cell and Style(",", thousands).is_number(cell)]
    points = any("." in cell and PLAIN.is_number(cell) for cell in cells)
    if not commas or (points and thousands != "."):
        return _checked(Style(".", thousands))
    if thousands is None and all(re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", cell) for cell in commas):
        message = f"{name}: {commas[0]} may mean {commas[0].replace(',', '.')} or {commas[0].replace(',', '')}."
        raise DataError(
            "DATA-NUMBER", message, fix='pass --decimal "," for the first, or --thousands "," for the second'
        )
    return Style(",", thousands)


def _checked(style: Style) -> Style:
    if style.thousands is not None and (
        len(style.thousands) != 1 or style.thousands in "0123456789+-eE" + style.decimal
    ):
        message = f"--thousands {style.thousands!r} cannot be combined with the decimal mark {style.decimal!r}."
        raise UsageError("USAGE-THOUSANDS", message, fix='write --thousands "," or --thousands "." --decimal ","')
    return style


def _has_header(rows: list[list[str]], style: Style, options: DataConfig, name: str) -> bool:
    if options.header != "auto":
        return options.header == "yes"
    if not _looks_like_data(rows, style):
        return True
    excerpt = ", ".join(cell.strip() for cell in rows[0][:6]) + (", …" if len(rows[0]) > 6 else "")
    message = f"{name}: the first row looks like data, not like column names: {excerpt}."
    raise DataError("DATA-HEADER", message, fix="pass --no-header if it is data, or --header if it is names")


def _looks_like_data(rows: list[list[str]], style: Style) -> bool:
    """Whether the first row has numbers wherever the rows below have numbers."""
    first, body = rows[0], rows[1:]
    places = [j for j in range(len(first)) if _mostly_numbers([row[j] for row in body if j < len(row)], style)]
    cells = [first[j].strip() for j in places or range(len(first))]
    numbers = [cell for cell in cells if style.is_number(cell)]
    if not numbers or any(cell not in numbers and cell.lower() not in MISSING for cell in cells):
        return False
    return not _counts(numbers)


def _n_columns(rows: list[list[str]], has_header: bool, name: str) -> int:
    """The number of cells in a row.

    Raises: DataError if the header has another number than the rows; otherwise, every row would be reported.
    """
    counts = Counter(map(len, rows[1:] or rows))
    n_cells, often = counts.most_common(1)[0]
    if not has_header or often <= len(rows[1:]) / 2 or n_cells == len(rows[0]):
        return len(rows[0]) if has_header else n_cells
    more = ", the first one without a name, as R writes row names" if n_cells == len(rows[0]) + 1 else ""
    message = f"{name}: the header names {len(rows[0])} columns, but the rows have {n_cells}{more}."
    raise DataError(
        "DATA-HEADER", message, fix="give every column a name in the first row, or pass another --delimiter"
    )


def _mostly_numbers(cells: list[str], style: Style) -> bool:
    return sum(style.is_number(cell) for cell in cells) > len(cells) / 2


def _counts(cells: list[str]) -> bool:
    """Whether cells are 0, 1, 2, … or 1, 2, 3, …: the names that pandas gives to unnamed columns."""
    numbers = [int(cell) for cell in cells if cell.isdigit()]
    return len(cells) >= COUNTED and numbers in (list(range(len(cells))), list(range(1, len(cells) + 1)))


def _notes(delimiter: str, style: Style, options: DataConfig, name: str) -> list[str]:
    comma = style.decimal == "," and options.decimal == "auto"
    if delimiter == "," and not comma:
        return []
    also = " and numbers with decimal commas" if comma else ""
    return [f"{name}: read with {SAID[delimiter]} between cells{also}; --delimiter sets another."]


def _label_beside_pixels(rows: list[list[str]], n_columns: int) -> str | None:
    """The label column if, for example, 785 columns are 28x28 pixels and a small whole number, first or last."""
    side = math.isqrt(n_columns - 1)
    if side * side != n_columns - 1 or n_columns - 1 < LEAST_PIXELS:
        return None
    cells = [row for row in rows if len(row) == n_columns]
    if any(not cell.strip().isdigit() or int(cell) > 255 for row in cells for cell in row):
        return None
    ends = {place: {int(row[place]) for row in cells} for place in (0, -1)}
    likely = [place for place, found in ends.items() if len(found) > 1 and max(found) < MOST_CLASSES]
    return None if len(likely) != 1 else "column_1" if likely[0] == 0 else f"column_{n_columns}"
