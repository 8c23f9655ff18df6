"""Tables or arrays in several files, read as one set: file by file, into memory or a file."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.arrays.array_files import read_npy_array
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.images.pixels import SUFFIXES
from isthmus.data.kinds import BY_SUFFIX
from isthmus.data.labels import same_classes
from isthmus.data.layout import TABLE, guess_shape
from isthmus.data.numeric import blocks, has_nan
from isthmus.data.samples import Samples
from isthmus.data.schema import Expected, Schema
from isthmus.data.shard_row_names import ShardRowNames, names_of_files, without_suffixes
from isthmus.data.tables.growing_matrix import GrowingMatrix
from isthmus.data.tables.joined_tables import are_mixed, dropped_from, head_of, read_joined, refuse_other_columns
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


def matching(pattern: str) -> list[Path]:
    """The tables or arrays that match a pattern such as `parts/*.csv`, in the order of their numbers.

    Raises: DataError if there are none, or if they are not of one kind.
    """
    found = [path for text in glob.glob(pattern, recursive=True) if (path := Path(text)).is_file()]
    shards = [path for path in found if _kind(path) in {*TABLES, "npy"} and not path.name.startswith((".", "_"))]
    if not shards:
        images = any(path.suffix.lower() in SUFFIXES for path in found)
        message = f"no table or array matches {printable(pattern)}" + ", only images." * images + "." * (not images)
        fix = "name the folder of the images" if images else "check the pattern with ls, and put it in quotes"
        raise DataError("DATA-SHARDS", message, fix=fix)
    if len({_kind(path) == "npy" for path in shards}) > 1:
        message = f"{printable(pattern)} matches both tables and arrays."
        raise DataError("DATA-SHARDS", message, fix="select one type, such as 'parts/*.csv'")
    return sorted(shards, key=lambda path: natural_key(path.as_posix()))


def name_of_pattern(pattern: str) -> str:
    """A name for the files that match: that of their folder, or the plain part of the pattern.

    >>> name_of_pattern("data/days/*.csv"), name_of_pattern("day-*.csv")
    ('days', 'day')
    """
    parts = Path(pattern).parts
    plain = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    folder = parts[plain - 1] if plain else ""
    return folder.strip("/.") or re.split(r"[*?[]", parts[plain])[0].strip("-_.") or "tables"


def read_shards(
    path: Path,
    shards: Sequence[Path],
    options: DataConfig,
    progress: Progress | None = None,
    expected: Expected | None = None,
) -> Samples:
    """All samples of the `shards` of a folder; the meaning of their values is determined from all of them.

    Raises: DataError for shards with different columns or shapes; ResourceError for columns of several kinds that do
    not fit into memory.
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
    if expected is not None:
        return _matrix(path, shards, options, progress, expected)
    heads = [head_of(shard, options) for shard in shards]
    refuse_other_columns(heads, options)
    dropped = dropped_from(heads, options)
    by_kind = options.shape in {None, TABLE} and are_mixed(heads, options)
    found = None if by_kind else _numbers(path, shards, options, dropped, progress)
    if found is not None:
        return found
    return read_joined(printable(path.name), heads, replace(options, drop_columns=dropped), progress)


def _numbers(
    path: Path, shards: Sequence[Path], options: DataConfig, dropped: tuple[str, ...], progress: Progress | None
) -> Samples | None:
    """Tables of numbers; None if they have gaps that the model should see, or if the first file turns out to have
    columns of several kinds. `dropped` are the columns to leave out of the first file.
    """
    first = read_table(shards[0], replace(options, shape=TABLE, drop_columns=dropped))
    if first.schema is not None:
        return None
    columns, options = first.columns or (), replace(options, label=first.label_column or options.label)
    if options.missing == "auto" and options.shape in {None, TABLE} and guess_shape(first.x, columns) is None:
        try:
            return _matrix(path, shards, options, progress, columns)
        except _Gaps:
            return None
    return _matrix(path, shards, options, progress, columns)


class _Gaps(DataError):
    """A table of numbers has missing values, and no option fills or drops them."""


def _matrix(
    path: Path, shards: Sequence[Path], options: DataConfig, progress: Progress | None, expected: Expected
) -> Samples:
    """Tables with these columns. Raises: _Gaps for gaps in a table of numbers, unless an option allows them."""
    parts, names = list[Samples](), expected.names if isinstance(expected, Schema) else expected
    wide = np.float64 if options.digits == "float64" or isinstance(expected, Schema) else np.float32
    matrix = GrowingMatrix(len(names), n_rows=0, what=printable(path.name), wide=wide)
    for done, shard in enumerate(shards):
        part = read_table(shard, replace(options, shape=TABLE), expected=expected)
        if part.x.dtype == np.float64 and wide is np.float32:
            return _matrix(path, shards, replace(options, digits="float64"), progress, expected)
        if part.schema is None:
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
        message = f"{printable(path.name)}: --group does not work for tables of numbers in several files."
        raise DataError("DATA-GROUP", message, fix="combine the tables into one file, or leave --group out")
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    if parts[0].schema is not None:
        ids = _names(shards, parts)
        return replace(parts[0], x=matrix, name=path.name, labels=labels, classes=union.classes, ids=ids, notes=notes)
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


def _names(shards: Sequence[Path], parts: Sequence[Samples] | Sequence[np.ndarray]) -> ShardRowNames:
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    ids = [part.ids if isinstance(part, Samples) else None for part in parts]
    return ShardRowNames([*map(without_suffixes, names_of_files(shards))], starts, ids)


def _refuse_gaps(shard: Path, part: Samples, options: DataConfig) -> None:
    """Raises: DataError for gaps, unless an option fills or drops them: `read_table` with `expected` allows them."""
    if options.missing in {"auto", "error"} and has_nan(part.x):
        message = f"{printable(shard.name)} has gaps (missing values)."
        raise _Gaps("DATA-MISSING", message, fix="pass --missing drop, or --missing median")


def _kind(path: Path) -> str:
    suffix = next((s.lower() for s in reversed(path.suffixes) if s.lower() != ".gz"), "")
    return BY_SUFFIX.get(suffix, "")


__all__ = ["matching", "name_of_pattern", "read_shards", "shards_in"]
