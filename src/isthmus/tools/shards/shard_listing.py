"""Lists the files that are shards, and the name of the output file of each."""

from __future__ import annotations

import glob
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from isthmus.data.images.pixels import SUFFIXES
from isthmus.data.kinds import BY_SUFFIX
from isthmus.errors import DataError, UsageError
from isthmus.system.naming import natural_key
from isthmus.system.swapping import PART
from isthmus.wording import counted, printable

FORMATS = ("npy", "csv", "parquet")
MADE_AS = {  # task -> input format -> default output format, without --format
    "encode": {"npy": "npy", "npz": "npy", "table": "csv", "parquet": "parquet", "image": "parquet"},
    "score": {"npy": "parquet", "npz": "parquet", "table": "csv", "parquet": "parquet", "image": "parquet"},
    "reconstruct": {"npy": "npy", "npz": "npy", "table": "csv", "parquet": "parquet", "image": ""},
    "denoise": {"npy": "npy", "npz": "npy", "table": "csv", "parquet": "parquet", "image": ""},
    "impute": {"npy": "npy", "npz": "npy", "table": "csv", "parquet": "parquet"},
}
# Inputs whose results an array cannot hold: scores have ids and flags, and filled tables have all kinds of columns.
NO_NUMBERS = {"score": ("npy", "npz", "table", "parquet", "image"), "impute": ("table", "parquet")}


class Shard(NamedTuple):
    """The input file, its name below the folder or pattern, and the name of the output file."""

    source: Path
    name: str
    out: str


def shards_of(source: str, task: str, *, folders: bool = False, form: str | None = None) -> list[Shard]:
    """The shards that `source` refers to, in natural order; none if it is a single set of samples.

    The tables or arrays in a folder without images are shards, and so are the files that match a pattern such as
    `parts/*.npy`. With `folders`, every subfolder is a shard. `form` is the output format.

    Raises: DataError if a pattern or folder has no shards; UsageError for a format that the task cannot write, or if
    two shards would get the same output name.
    """
    place = Path(source)
    if not os.path.lexists(place) and glob.has_magic(source):
        found = _of_pattern(source)
    elif folders:
        found = _sub_folders(place)
    else:
        found = _files_in(place) if place.is_dir() else []
    shards = [Shard(path, name, _written(path, name, task, form)) for path, name in found]
    _refuse_twice(shards)
    return shards


def _of_pattern(pattern: str) -> list[tuple[Path, str]]:
    """Files that match a pattern; names are relative to the part of the pattern without wildcards."""
    fixed = Path(*_before_magic(Path(pattern).parts))
    paths = [path for text in glob.glob(pattern, recursive=True) if _is_shard(path := Path(text))]
    if not paths:
        message = f"no table or array matches {printable(pattern)}."
        raise DataError("DATA-SHARDS", message, fix="check the pattern with ls, and put it in quotes")
    return _in_order([(path, path.relative_to(fixed).as_posix()) for path in paths])


def _before_magic(parts: tuple[str, ...]) -> tuple[str, ...]:
    plain = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return parts[:plain]


def _sub_folders(place: Path) -> list[tuple[Path, str]]:
    found = [path for path in place.iterdir() if path.is_dir() and not _is_hidden(path)] if place.is_dir() else []
    if not found:
        message = f"--shards treats each subfolder of {printable(place)} as a shard, but there are none."
        raise DataError("DATA-SHARDS", message, fix="leave --shards out, or name the folder that contains them")
    return _in_order([(path, path.name) for path in found])


def _files_in(place: Path) -> list[tuple[Path, str]]:
    files = [path for path in place.iterdir() if path.is_file() and not _is_hidden(path)]
    shards = [(path, path.name) for path in files if _is_shard(path)]
    if shards and any(path.suffix.lower() in SUFFIXES for path in place.rglob("*")):
        return []  # images, or folders of images, may have a table of labels next to them
    return _in_order(shards)


def _is_shard(path: Path) -> bool:
    return path.is_file() and not _is_hidden(path) and _kind(path) in {"npy", "npz", "parquet", "table"}


def _is_hidden(path: Path) -> bool:
    return path.name.startswith((".", "_", PART))  # Spark writes _SUCCESS and _metadata next to its parts


def _kind(path: Path) -> str:
    if path.is_dir():
        return "image"
    if path.suffix.lower() in {".txt", ".md", ".log"}:  # a note next to the shards
        return ""
    return BY_SUFFIX.get(next((s.lower() for s in reversed(path.suffixes) if s.lower() != ".gz"), ""), "")


def _written(path: Path, name: str, task: str, form: str | None) -> str:
    """`a/part-0.csv.gz` -> `a/part-0.parquet`: the same name with the suffix of the output format."""
    kind, suffix = _kind(path), Path(path.name.removesuffix(".gz")).suffix
    if kind not in MADE_AS[task]:
        message = f"{task} takes tables and arrays, and {printable(name)} is a folder."
        raise UsageError("USAGE-SHARDS", message, fix="leave --shards out, and name a folder of tables")
    if form is not None:
        _refuse_format(task, kind, form)
    unchanged = form is None and task == "impute" and suffix.lower() == ".tsv"
    form = "tsv" if unchanged else MADE_AS[task][kind] if form is None else form
    if path.is_dir():
        return f"{name}.{form}" if form else name
    return f"{name[: -len(path.name)]}{path.name.removesuffix('.gz').removesuffix(suffix)}.{form}"


def _refuse_format(task: str, kind: str, form: str) -> None:
    allowed = [one for one in FORMATS if one != "npy" or kind not in NO_NUMBERS.get(task, ())]
    if form not in allowed:
        message = f"{task} cannot write {form} files."
        raise UsageError("USAGE-FORMAT", message, fix=f"pass --format {' or '.join(allowed)}")


def _refuse_twice(shards: list[Shard]) -> None:
    counts = Counter(shard.out.casefold() for shard in shards)
    twice = [shard for shard in shards if counts[shard.out.casefold()] > 1]
    if twice:
        message = f"{counted(len(twice), 'shard')} would have the same output file as another."
        problems = [f"{printable(shard.name)} as {printable(shard.out)}" for shard in twice]
        raise UsageError(
            "USAGE-SHARDS", message, fix="rename them, or select one type, such as 'parts/*.npy'", problems=problems
        )


def _in_order(found: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
    return sorted(found, key=lambda pair: natural_key(pair[1]))


__all__ = ["FORMATS", "Shard", "shards_of"]
