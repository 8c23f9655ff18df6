"""Reads text files in any encoding as chunks of whole lines in UTF-8, of limited size."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from isthmus.data.inputs import InputFile
from isthmus.errors import DataError, UsageError

CHUNK = 1 << 23  # 8 MB: enough for all cores, small compared with the final array
CACHED = 1 << 18  # bytes compared at once, so that the result stays in the processor's cache
LONGEST = 1 << 26  # 64 MB without the end of a line or quote: not a table
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Encodings with one byte per letter, including cp437 and cp850 of old systems; cp932 and similar ones have two.
ONE_BYTE = ("cp125", "cp4", "cp7", "cp8", "iso8859", "koi8", "latin", "mac")


@dataclass(frozen=True)
class Lines:
    """Whole lines as UTF-8; `row` is the number of the first line, from 1, and `offset` its first byte in the file."""

    data: bytes
    row: int
    offset: int = 0

    @cached_property
    def count(self) -> int:
        """The number of lines; the last may lack its line end."""
        return n_bytes(self.data, "\n") + (not self.data.endswith(b"\n") and bool(self.data))

    def after(self, n: int) -> Lines:
        """The lines without the first `n`."""
        at = 0
        for _ in range(n):
            at = self.data.find(b"\n", at) + 1 or len(self.data)
        return Lines(self.data[at:], self.row + n, self.offset + at)


def find_encoding(file: InputFile, option: str | None) -> tuple[str, tuple[str, ...]]:
    """The text encoding, from the byte order mark or from `--encoding`, and notes about it.

    The requested encoding may be that of the training data, and new data may have another. A byte order mark is
    certain, and text that is valid UTF-8 beyond ASCII almost never has an encoding with one byte per letter.

    Raises: UsageError for an unknown encoding; DataError for text that looks like UTF-16 without a byte order mark.
    """
    asked = _known(option) if option else None
    for mark, encoding in MARKS:
        if file.head.startswith(mark):
            notes = () if encoding in {"utf-8", asked} else (f"{file.name} is {encoding.upper()}; it is read as such.",)
            return encoding, notes
    if asked is not None and asked.startswith(ONE_BYTE) and _is_utf8(file):
        return "utf-8", (f"{file.name} is UTF-8, not {option}; it is read as such.",)
    if asked is not None:
        return asked, ()
    at = file.head.find(b"\0")
    if at >= 0:
        halves = [file.head[i::2].count(0) / max(1, len(file.head[i::2])) for i in (0, 1)]
        guess = "utf-16-be" if halves[0] > 0.4 else "utf-16-le" if halves[1] > 0.4 else None  # Latin letters: one half
        if guess:
            message = f"{file.name}: byte {at:,} is NUL, and so is every second byte, so it looks like UTF-16."
            raise DataError("DATA-ENCODING", message, fix=f"pass --encoding {guess}")
    return "utf-8", ()


def _is_utf8(file: InputFile) -> bool:
    """Whether the first piece with letters beyond ASCII is valid UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()  # keeps the bytes of a letter that is split between pieces
    file.rewind()
    try:
        return any(not decoder.decode(piece).isascii() for piece in iter(lambda: file.read(CHUNK), b""))
    except UnicodeDecodeError:
        return False
    finally:
        file.rewind()


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)
        return codecs.lookup(encoding).name
    except LookupError:
        message = f"unknown text encoding {encoding!r}."
        raise UsageError("USAGE-ENCODING", message, fix="use utf-8, latin-1, cp1252 or utf-16") from None


def chunks_of_lines(file: InputFile, encoding: str, *, size: int = CHUNK) -> Iterator[Lines]:
    """The whole text, split only at line ends outside quotes.

    Raises: DataError with row and byte for invalid bytes, for NUL, and for a quote that is not closed.
    """
    rest, row = b"", 1
    offset = len(codecs.BOM_UTF8) if file.head.startswith(codecs.BOM_UTF8) else 0
    for piece in _in_utf8(file, encoding, size):
        end = _last_end(rest, piece)
        if end:
            lines = Lines(b"".join((rest, memoryview(piece)[:end])), row, offset)  # copied once
            yield _checked(file, lines)
            row += lines.count
            offset += len(lines.data)
            rest = piece[end:]
            continue
        rest += piece
        if len(rest) > LONGEST:
            raise _endless(file, Lines(rest, row))
    if rest.count(b'"') % 2:
        raise _endless(file, Lines(rest, row))
    if rest:
        yield _checked(file, Lines(rest, row, offset))


def first_and_further(file: InputFile, encoding: str) -> tuple[Lines, Iterator[Lines]]:
    """From the beginning of the file: the first chunk that is not blank, and an iterator over all further ones.

    Raises: DataError for a blank file; like `chunks_of_lines`.
    """
    file.rewind()
    chunks = chunks_of_lines(file, encoding)
    first = next((lines for lines in chunks if lines.data.strip()), None)
    if first is None:
        raise DataError("DATA-EMPTY", f"{file.name} contains only blank lines.", fix="export the table again")
    return first, chunks


def n_bytes(data: bytes, letter: str) -> int:
    """The number of occurrences of an ASCII letter; for frequent letters, ten times as fast as `bytes.count`."""
    found = np.frombuffer(data, np.uint8)
    return sum(int(np.count_nonzero(found[i : i + CACHED] == ord(letter))) for i in range(0, len(found), CACHED))


def _last_end(rest: bytes, piece: bytes) -> int:
    """The end in `piece` of the last line that ends outside quotes; 0 if there is none. `rest` precedes `piece`."""
    end = piece.rfind(b"\n") + 1
    if b'"' not in piece and b'"' not in rest:
        return end
    n_before = rest.count(b'"') + piece.count(b'"', 0, end)
    while end and n_before % 2:
        earlier = piece.rfind(b"\n", 0, end - 1) + 1
        n_before -= piece.count(b'"', earlier, end)
        end = earlier
    return end


def _in_utf8(file: InputFile, encoding: str, size: int) -> Iterator[bytes]:
    """Pieces of the text in UTF-8 without a byte order mark; line ends of old Macs (only CR) become LF."""
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
    old_mac: bool | None = None
    start = 0
    while piece := file.read(size):
        if start == 0 and decoder is None:
            piece = piece.removeprefix(codecs.BOM_UTF8)
        if decoder is not None:
            try:
                piece = decoder.decode(piece).encode("utf-8")
            except UnicodeError as error:
                at = start + getattr(error, "start", 0)
                message = f"{file.name}: byte {at:,} is not {encoding} ({getattr(error, 'reason', error)})."
                raise DataError("DATA-ENCODING", message, fix="pass another --encoding") from None
        if old_mac is None:
            old_mac = b"\r" in piece and b"\n" not in piece
        start = file.position
        yield piece.replace(b"\r", b"\n") if old_mac else piece


def _checked(file: InputFile, lines: Lines) -> Lines:
    at = lines.data.find(b"\0")
    if at >= 0:
        where = f"byte {lines.offset + at:,} (row {_row_at(lines, at):,})"
        message = f"{file.name}: {where} is NUL, so this is not plain text, or it is damaged."
        raise DataError("DATA-ENCODING", message, fix="export the table again as UTF-8 text")
    if not lines.data.isascii():
        try:
            lines.data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8(file, lines, error.start) from None
    return lines


def _not_utf8(file: InputFile, lines: Lines, at: int) -> DataError:
    data = lines.data
    around = data[max(0, at - 12) : at + 12].splitlines()
    word = next((part for part in around if data[at] in part), data[at : at + 1])
    guess = "cp1252" if any(0x80 <= byte < 0xA0 for byte in data[at : at + 4096]) else "latin-1"
    where = f"byte {lines.offset + at:,} (row {_row_at(lines, at):,})"
    excerpt = word.decode(guess, "replace")
    message = f"{file.name}: {where} is 0x{data[at]:02x}, which is not UTF-8; in {guess} it would read {excerpt!r}."
    return DataError("DATA-ENCODING", message, fix=f"pass --encoding {guess}")


def _endless(file: InputFile, lines: Lines) -> DataError:
    """The error for a quote that is never closed; it opens in the first line with an odd number of quotes."""
    row = lines.row
    for i, line in enumerate(lines.data.split(b"\n")):
        if line.count(b'"') % 2:
            row += i
            excerpt = line[:60].decode("utf-8", "replace").strip()
            message = f"{file.name}, row {row:,}: a quote opens here and never closes: {excerpt!r}."
            return DataError("DATA-QUOTE", message, fix=f"close or remove the quote in row {row:,}")
    message = f"{file.name}, row {row:,}: the line is longer than {LONGEST >> 20} MB, so this is not a text table."
    return DataError("DATA-ROW", message, fix="check that the file is a table, with one sample per line")


def _row_at(lines: Lines, at: int) -> int:
    return lines.row + lines.data.count(b"\n", 0, at)
