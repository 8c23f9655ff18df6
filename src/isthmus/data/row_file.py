"""Reads rows of an array in a file with system calls instead of a memory map.

If a disk cannot deliver a page of a memory map, because a server is gone or the file was cut off, the process dies
without a message. A failed call raises an error instead, and is repeated if the failure is temporary.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from isthmus.errors import DataLostError
from isthmus.system.passing_errors import patiently
from isthmus.wording import printable

GAP = 1 << 17  # bytes between rows that are read too: Linux reads 128 KB ahead anyway
MOST = 1 << 22  # bytes per call: 4 MB take a disk a few milliseconds, and are small compared with a buffer
FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class RowFile:
    """The rows of the array `like` (M, ...), stored one after another in the file `path`, starting at byte `start`."""

    def __init__(self, path: Path, start: int, like: np.ndarray) -> None:
        self.path, self.start, self.dtype = path, start, like.dtype
        self.shape, self.strides = like.shape[1:], like.strides[1:]
        self.row = _row_bytes(like)
        self._handle: int | None = None
        self._known: tuple[int, int] | None = None
        self._closing: weakref.finalize | None = None

    @classmethod
    def of(cls, array: np.ndarray) -> RowFile | None:
        """For a memory-mapped array, or contiguous rows of one, in any axis order; None for other arrays."""
        origin = _origin(array)
        if origin is None or not hasattr(os, "pread") or array.ndim < 2 or not array.size:
            return None
        first, row = array[0], _row_bytes(array)
        inner = first.transpose(np.argsort([-stride for stride in first.strides], kind="stable"))
        if not inner.flags.c_contiguous or (len(array) > 1 and array.strides[0] != row):
            return None
        return cls(Path(origin.filename), origin.offset + array.ctypes.data - origin.ctypes.data, array)  # type: ignore[arg-type]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """These rows (n,), in any order, as an array (n, ...) in memory with the memory layout of the file.

        Raises: DataLostError if the file can no longer be read, was cut off, or was replaced.
        """
        order = None if len(rows) < 2 or (rows[1:] >= rows[:-1]).all() else np.argsort(rows, kind="stable")
        ascending = rows if order is None else rows[order]
        found = np.empty((len(rows), self.row), np.uint8)
        for part in self._spans(ascending):
            first, last = int(ascending[part.start]), int(ascending[part.stop - 1])
            values = np.frombuffer(self._bytes(first, last + 1 - first), np.uint8).reshape(-1, self.row)
            found[part if order is None else order[part]] = values[ascending[part] - first]
        return np.ndarray((len(rows), *self.shape), self.dtype, found, strides=(self.row, *self.strides))

    def _spans(self, rows: np.ndarray) -> Iterator[slice]:
        """Splits ascending rows at large gaps, and where one read would be too large."""
        if not len(rows):
            return
        apart = np.diff(rows) > 1 + GAP // self.row
        cuts = np.flatnonzero(apart | (np.diff(rows // max(1, MOST // self.row)) > 0)) + 1
        bounds = [0, *cuts.tolist(), len(rows)]
        yield from map(slice, bounds[:-1], bounds[1:])

    def _bytes(self, first: int, n: int) -> bytes:
        """n rows, starting at row `first`."""
        try:
            found = patiently(lambda: self._once(n * self.row, self.start + first * self.row))
        except OSError as error:
            raise self._lost(f"can no longer be read: {error.strerror or error}") from None
        if len(found) < n * self.row:
            raise self._lost(f"now ends at row {first + len(found) // self.row:,}: it was cut off")
        return found

    def _once(self, n: int, at: int) -> bytes:
        """n bytes from byte `at`, fewer at the end of the file. Raises: OSError; the next call opens the file again."""
        parts, left = [], n
        try:
            handle = self._opened()
            while left and (part := os.pread(handle, left, at + n - left)):
                parts.append(part)
                left -= len(part)
        except OSError:
            self._close()
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _opened(self) -> int:
        if self._handle is not None:
            return self._handle
        handle = os.open(self.path, FLAGS)
        self._handle, self._closing = handle, weakref.finalize(self, _closed, handle)
        about = os.fstat(handle)
        stamp = about.st_size, about.st_mtime_ns
        if self._known not in (None, stamp):
            self._close()
            raise self._lost("was changed or replaced while it was being read")
        self._known = stamp
        return handle

    def _close(self) -> None:
        if self._closing is not None:
            self._closing()
        self._handle = self._closing = None

    def _lost(self, what: str) -> DataLostError:
        fix = f"restore {printable(self.path)} as it was"
        return DataLostError("DATA-LOST", f"{printable(self.path.name)} {what}.", fix=fix)


def _row_bytes(array: np.ndarray) -> int:
    return int(np.prod(array.shape[1:], dtype=np.int64)) * array.itemsize


def _origin(array: np.ndarray) -> np.memmap | None:
    """The memory map that this array is a view of; None if there is none, or its file has no name."""
    origin = array
    while isinstance(origin.base, np.ndarray):
        origin = origin.base
    named = isinstance(origin, np.memmap) and getattr(origin, "_mmap", None) is not None and origin.filename is not None
    return origin if named else None  # type: ignore[return-value]


def _closed(handle: int) -> None:
    with suppress(OSError):
        os.close(handle)


__all__ = ["RowFile"]
