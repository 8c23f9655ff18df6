"""Files of a folder that may come from a stranger: read where they are files, and no further than files go.

A pipe would be waited for without end, `/dev/zero` has no end, and a link leads out of the folder: none is opened.
Whoever reads a file of a run folder reads it here.
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

MOST = 256 * 2**20  # bytes of a text that is read whole; the history of a million epochs is smaller
KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Nothing that is not a file is waited for or followed, should it take the place of one after it was looked at.
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_BINARY"))


class NotAFile(OSError):
    """What stands there is no file, or too large for one: `strerror` says what it is."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.strerror = reason


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The file, to be read. Raises: OSError where it cannot be; NotAFile for a link, a pipe, a folder, a device."""
    refuse_other_kinds(path)
    with os.fdopen(os.open(path, FLAGS), "rb") as file:
        _refuse(os.fstat(file.fileno()).st_mode)
        yield file


def refuse_other_kinds(path: Path) -> None:
    """For who hands the path to a library that opens it by name. Raises: as `opened`."""
    _refuse(path.lstat().st_mode)


def is_file(path: Path) -> bool:
    """Whether a file stands there, and no link to one."""
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
    """The value in a JSON file. Raises: as `read_bytes`; ValueError for what is no JSON, or nested too deep."""
    return parse_json(read_bytes(path))


def parse_json(content: bytes | str) -> Any:
    """The value of JSON as isthmus writes it, without NaN and infinities. Raises: ValueError."""
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def reason(error: Exception) -> str:
    """Why it could not be read, in words, without the path."""
    return getattr(error, "strerror", None) or str(error)


def _refuse(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise NotAFile(f"it is {kind(mode)}, not a file")


def kind(mode: int) -> str:
    """What stands there, by its mode: "a pipe"."""
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
