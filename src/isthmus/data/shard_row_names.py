"""Names of files that are read as one set, and of their rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from isthmus.data.stored_rows import RowNames


def names_of_files(paths: Sequence[Path]) -> list[str]:
    """The names of files, with their folders where these differ: `day=1/p.csv`, `day=2/p.csv`."""
    shared = os.path.commonpath([path.parent for path in paths])
    return [Path(os.path.relpath(path, shared or ".")).as_posix() for path in paths]


def without_suffixes(name: str) -> str:
    """`day=1/p.csv.gz` -> `day=1/p`."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


class ShardRowNames(Sequence[str]):
    """`part-3/17` for row 17 of part-3.csv, counted from 0; created on access."""

    def __init__(self, stems: Sequence[str], starts: np.ndarray, names: Sequence[Sequence[str] | None]) -> None:
        self.stems, self.starts, self.names = stems, starts, names

    def __len__(self) -> int:
        return int(self.starts[-1])

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[str]: ...
    def __getitem__(self, key: int | slice) -> str | Sequence[str]:
        if isinstance(key, slice):
            return RowNames(np.arange(len(self))[key], self)
        row = range(len(self))[key]
        shard = int(np.searchsorted(self.starts, row, side="right")) - 1
        place, names = row - int(self.starts[shard]), self.names[shard]
        return f"{self.stems[shard]}/{place if names is None else names[place]}"


__all__ = ["ShardRowNames", "names_of_files", "without_suffixes"]
