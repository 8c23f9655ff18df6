"""A folder of numbered tables or arrays, read as one set: file by file, into memory or a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.arrays.array_files import read_npy_array
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.kinds import BY_SUFFIX
from isthmus.data.labels import same_classes
from isthmus.data.layout import TABLE
from isthmus.data.numeric import blocks, has_nan
from isthmus.data.samples import Samples
from isthmus.data.schema import Expected, Schema
from isthmus.data.stored_rows import RowNames
from isthmus.data.tables.growing_matrix import GrowingMatrix
from isthmus.data.tables.reading import read_table
from isthmus.data.tabular import Origin, samples_from_matrix
from isthmus.errors import DataError
from isthmus.system.naming import natural_key
from isthmus.system.scratch import room
from isthmus.system.workers import Progress
from isthmus.wording import counted, printable

TABLES = {"table", "parquet"}


def shards_in(entries: Sequence[Path]) -> list[Path]:
    """The files of a folder in the order of their numbers, if they are shards: tables or arrays of one kind whose names
    differ only in their numbers, such as part-9.npy and part-10.npy; otherwise an empty list.
    """
    files = [path for path in entries if not path.name.startswith("_")]  # Spark adds a file _SUCCESS
    forms = {re.sub(r"\d+", "#", path.name) for path in files}
    if len(forms) != 1 or "#" not in forms.pop() or not all(path.is_file() for path in files):
        return []
    if not {_kind(path) for path in files} <= {*TABLES, "npy"}:
        return []
    return sorted(files, key=lambda path: natural_key(path.name))


def read_shards(
    path: Path,
    shards: Sequence[Path],
    options: DataConfig,
    progress: Progress | None = None,
    expected: Expected | None = None,
) -> Samples:
    """All samples of the `shards` of a folder; the meaning of their values is determined from all of them.

    Raises: DataError for shards with different columns or shapes, and for columns of several kinds.
    """
    if _kind(shards[0]) == "npy":
        samples = _arrays(path, shards, options, progress, expected)
    else:
        samples = _tables(path, shards, options, progress, expected)
    first, last = printable(shards[0].name), printable(shards[-1].name)
    note = f"{path.name}: {counted(len(shards), 'file')} are read as one set, {first} to {last}."
    return replace(samples, notes=(note, *samples.notes)) if len(shards) > 1 else samples


def _arrays(
    path: Path, shards: Sequence[Path], options: DataConfig, progress: Progress | None, expected: Expected | None
) -> Samples:
    arrays = [read_npy_array(shard, options) for shard in shards]  # mapped, so nothing is read yet
    for shard, array in zip(shards, arrays, strict=True):
        if array.shape[1:] != arrays[0].shape[1:] or array.ndim < 2:
            first = f"{printable(shards[0].name)} has {arrays[0].shape}"
            message = f"{printable(shard.name)} has shape {array.shape}, but {first}; all shards need the same shape."
            raise DataError(
                "DATA-SHAPE", message, fix="pass a single file, or move files of other shapes to another folder"
            )
    n, kind = sum(map(len, arrays)), np.result_type(*(array.dtype for array in arrays))
    whole, at = arrays[0], 0
    if len(arrays) > 1:
        whole = room((n, *arrays[0].shape[1:]), kind, printable(path.name))
        for done, array in enumerate(arrays):
            for part in blocks(array):
                whole[at : at + len(part)] = part
                at += len(part)
            if progress is not None:
                progress(done + 1, len(arrays))
    samples = samples_from_array(whole, name=path.name, options=options, expected=expected)
    return samples if samples.ids is not None or len(samples) != n else replace(samples, ids=_names(shards, arrays))


def _tables(
    path: Path, shards: Sequence[Path], options: DataConfig, progress: Progress | None, expected: Expected | None
) -> Samples:
    as_table = replace(options, shape=TABLE)
    if expected is None:
        first = read_table(shards[0], as_table)
        _refuse_kinds(path, first, options)
        expected = first.columns or ()
        as_table = replace(as_table, label=first.label_column or options.label)
    parts: list[Samples] = []
    wide = np.float64 if options.digits == "float64" else np.float32
    matrix = GrowingMatrix(
        len(expected.names if isinstance(expected, Schema) else expected),
        n_rows=0,
        what=printable(path.name),
        wide=wide,
    )
    for done, shard in enumerate(shards):
        part = read_table(shard, as_table, expected=expected)
        _refuse_kinds(path, part, options)
        if part.x.dtype == np.float64 and wide is np.float32:
            return _tables(path, shards, replace(options, digits="float64"), progress, expected)
        _refuse_gaps(shard, part, options)
        for block in blocks(part.x):
            matrix.append(block)
        parts.append(
            replace(part, x=np.empty((len(part), 0)))
        )  # keeps the number of rows; the values are in the matrix
        if progress is not None:
            progress(done + 1, len(shards))
    return _joined(path, shards, matrix.finish(), parts, options)


def _joined(
    path: Path, shards: Sequence[Path], matrix: np.ndarray, parts: list[Samples], options: DataConfig
) -> Samples:
    """One set with the values of all parts and the metadata of their rows."""
    lacking = [shard.name for shard, part in zip(shards, parts, strict=True) if part.labels is None]
    if 0 < len(lacking) < len(parts):
        message = f"{printable(path.name)}: {printable(lacking[0])} has no labels, but other files do."
        raise DataError("DATA-LABEL", message, fix="give all files the same columns")
    union = parts[0]
    for part in parts[1:]:
        union, _ = same_classes(union, part)
    parts = [same_classes(part, union)[0] for part in parts]
    labels = None if lacking else np.concatenate([part.labels for part in parts if part.labels is not None])
    if any(part.groups is not None for part in parts):
        message = f"{printable(path.name)}: --group does not work for tables in several files."
        raise DataError("DATA-GROUP", message, fix="combine the tables into one file, or leave --group out")
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    origin = Origin(
        path.name,
        columns=parts[0].columns,
        labels=labels,
        classes=union.classes if labels is not None else (),
        label_column=parts[0].label_column if labels is not None else None,
        ids=_names(shards, parts),
        notes=notes,
    )
    return samples_from_matrix(matrix, origin, options)


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


def _names(shards: Sequence[Path], parts: Sequence[Samples] | Sequence[np.ndarray]) -> ShardRowNames:
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    ids = [part.ids if isinstance(part, Samples) else None for part in parts]
    return ShardRowNames([shard.name.partition(".")[0] for shard in shards], starts, ids)


def _refuse_kinds(path: Path, part: Samples, options: DataConfig) -> None:
    if part.schema is not None:
        asked = {"--null-values": options.null_values, "--column": options.kinds}
        others = " and ".join(option for option, given in asked.items() if given) or "columns"
        message = (
            f"{printable(path.name)}: columns of several kinds, or with gaps, can be read from a single file only."
        )
        raise DataError("DATA-SHARDS", message, fix=f"combine the tables into one file, or leave {others} out")


def _refuse_gaps(shard: Path, part: Samples, options: DataConfig) -> None:
    """Raises: DataError for gaps, unless an option fills or drops them: `read_table` with `expected` allows them."""
    if options.missing in {"auto", "error"} and has_nan(part.x):
        message = f"{printable(shard.name)} has gaps (missing values)."
        raise DataError("DATA-MISSING", message, fix="pass --missing drop, or --missing median")


def _kind(path: Path) -> str:
    suffix = next((s.lower() for s in reversed(path.suffixes) if s.lower() != ".gz"), "")
    return BY_SUFFIX.get(suffix, "")


__all__ = ["ShardRowNames", "read_shards", "shards_in"]
