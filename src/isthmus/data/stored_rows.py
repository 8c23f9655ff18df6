"""Samples that stay on disk: rows of a mapped array that are read only on access."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from isthmus.data.row_file import RowFile
from isthmus.system.memory import refuse_too_large


class StoredRows:
    """The `rows` (N,) of a mapped array (M, ...), ascending; None means all. It is used like an array.

    Indexing gives an ordinary array in memory. If that would not fit, an error is raised before anything is read.
    """

    def __init__(self, source: np.ndarray, rows: np.ndarray | None = None, name: str = "the data") -> None:
        self.source, self.rows, self.name = source, rows, name
        self._file = RowFile.of(source)

    def __len__(self) -> int:
        return len(self.source) if self.rows is None else len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.source.dtype

    @property
    def ndim(self) -> int:
        return self.source.ndim

    @property
    def itemsize(self) -> int:
        return self.source.itemsize

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    def __getitem__(self, key: Any) -> Any:
        """Rows as for an array; the first part of a tuple selects rows.

        Raises: ResourceError if they do not fit in memory.
        """
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, int | np.integer):
            row = range(len(self))[int(first)]
            return np.array(self._read(np.array([row if self.rows is None else self.rows[row]]))[(0, *rest)])
        chosen = self._chosen(first)
        self._refuse(len(chosen) if not isinstance(chosen, slice) else len(range(*chosen.indices(len(self.source)))))
        found = self._read(chosen)
        return np.array(found[(slice(None), *rest)]) if rest else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)

    def part(self, rows: np.ndarray) -> StoredRows:
        """The same for some of these rows, by position, in any order; nothing is read."""
        part = StoredRows(self.source, rows if self.rows is None else self.rows[rows], self.name)
        part._file = self._file  # keeps the file open
        return part

    def _read(self, chosen: slice | np.ndarray) -> np.ndarray:
        """Rows of the source, copied into memory."""
        if self._file is not None:
            whole = isinstance(chosen, slice)
            return self._file.read(np.arange(*chosen.indices(len(self.source))) if whole else chosen)
        found = self.source[chosen]
        return found.view(np.ndarray) if found.base is None else np.array(found)  # selected rows are already a copy

    def _chosen(self, key: Any) -> Any:
        if self.rows is None:
            return key if isinstance(key, slice) else np.arange(len(self))[key]
        rows = self.rows[key]
        if len(rows) > 1 and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            return slice(int(rows[0]), int(rows[-1]) + 1)
        return rows

    def _refuse(self, n: int) -> None:
        n_bytes = n * math.prod(self.shape[1:]) * self.itemsize
        refuse_too_large(n_bytes, f"{n:,} samples of {self.name}", fix="use fewer with --limit")


class RowNames(Sequence[str]):
    """The names of some rows, created on access: `names[row]`, or the row number if there are no names."""

    def __init__(self, rows: np.ndarray, names: Sequence[str] | None = None) -> None:
        self.rows, self.names = rows, names

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[str]: ...
    def __getitem__(self, key: int | slice) -> str | Sequence[str]:
        if isinstance(key, slice):
            return RowNames(self.rows[key], self.names)
        row = int(self.rows[key])
        return str(row) if self.names is None else self.names[row]


__all__ = ["RowNames", "StoredRows"]
