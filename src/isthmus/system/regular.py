"""Reads files of a folder that may come from a stranger: only regular files, with a size limit.

Reading a pipe could wait forever, `/dev/zero` has no end, and a link leads out of the folder: none of these is opened.
All code that reads a file of a run folder uses this module.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from isthmus.system.passing_errors import patiently

MOST = 256 * 2**20  # bytes of a file that is read at once; the history of a million epochs is smaller
KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# If something else replaces the file after the check, it is neither waited for nor followed.
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_BINARY"))


class NotAFile(OSError):
    """It is not a regular file, or it is too large: `strerror` says what it is."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.strerror = reason


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Opens the file for reading. Raises: OSError if this fails; NotAFile for a link, a pipe, a folder, a device."""
    refuse_other_kinds(path)
    with os.fdopen(os.open(path, FLAGS), "rb") as file:
        _refuse(os.fstat(file.fileno()).st_mode)
        yield file


def refuse_other_kinds(path: Path) -> None:
    """For code that passes the path to a library that opens it by name. Raises: as `opened`."""
    _refuse(path.lstat().st_mode)


def is_file(path: Path) -> bool:
    """Whether it is a file, and not a link to a file."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def read_bytes(path: Path, most: int = MOST) -> bytes:
    """The whole content. Raises: as `opened`; NotAFile for more than `most` bytes."""
    content = patiently(lambda: _start_of(path, most + 1))
    if len(content) > most:
        raise NotAFile(f"it has more than {most:,} bytes")
    return content


def _start_of(path: Path, n_bytes: int) -> bytes:
    with opened(path) as file:
        return file.read(n_bytes)


def read_text(path: Path) -> str:
    """The content as UTF-8. Raises: as `read_bytes`; UnicodeDecodeError."""
    return read_bytes(path).decode("utf-8")


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises: as `read_bytes`; ValueError for invalid JSON, or too deep nesting."""
    return parse_json(read_bytes(path))


def parse_json(content: bytes | str) -> Any:
    """The value of JSON as isthmus writes it, without NaN and infinities. Raises: ValueError."""
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")


def reason(error: Exception) -> str:
    """Why it could not be read, as text without the path."""
    return getattr(error, "strerror", None) or str(error)


def _refuse(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise NotAFile(f"it is {kind(mode)}, not a file")


def kind(mode: int) -> str:
    """The kind of file for a mode, such as "a pipe"."""
    return KINDS.get(stat.S_IFMT(mode), "something else")


__all__ = [
    "NotAFile",
    "is_file",
    "kind",
    "opened",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_text",
    "reason",
    "refuse_other_kinds",
]
