"""Protects files from being overwritten by results: the inputs, and files that isthmus did not write.

A command calls `refuse_inputs` before it reads anything. If it writes a folder of files whose names the user did not
choose, it writes them inside `with claimed(folder, paths):`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any

from isthmus.errors import UsageError
from isthmus.system.files import write_json
from isthmus.wording import counted

LISTING = ".isthmus.json"  # in a folder of results: the files that isthmus wrote there, with size and time


def refuse_inputs(out: str | Path, *inputs: str | Path, kept: Iterable[str | Path] = ()) -> None:
    """Checks that writing to `out`, a file or a folder, neither replaces an input nor adds files to one.

    `inputs` are files, folders, names of data sets (which never conflict), or any of them with a selection of rows
    after a colon. `kept` are paths or patterns of files that must not be replaced, such as a run's training data; files
    may be added.

    Raises: UsageError that names the input.
    """
    for given in inputs:
        path = _path_of(given)
        if path is None:
            continue
        if _same(Path(out), path):
            raise _error(f"{out} is the input itself, which would be overwritten.")
        if path.is_dir() and Path(out).resolve().is_relative_to(path.resolve()):
            raise _error(f"{out} is inside the input {given}; the results would be mixed with its files.")
    for given in kept:
        paths = [_path_of(given)] if _path_of(given) is not None else map(Path, glob(str(given), recursive=True))
        if any(path is not None and _same(Path(out), path) for path in paths):
            raise _error(f"{out} is the training data of the run, which would be overwritten.")


def refuse_existing(path: Path, asked: Path) -> None:
    """Raises: UsageError if `path` already exists, and is not the path that the user named."""
    if path != asked and os.path.lexists(path):
        raise _error(f"{asked} has to be written as {path.name}, which already exists.")


@contextmanager
def claimed(folder: Path, paths: Sequence[Path]) -> Iterator[None]:
    """The block writes `paths`, all in `folder`; files that isthmus wrote there before may be overwritten.

    Paths that are not written are not recorded.

    Raises: UsageError that lists existing files that isthmus did not write, before any is changed; ResourceError.
    """
    listed = _listed(folder)
    foreign = [path for path in paths if os.path.lexists(path) and not _ours(path, folder, listed)]
    if foreign:
        n = "a file" if len(foreign) == 1 else counted(len(foreign), "file")
        names = [str(path.relative_to(folder)) for path in foreign]
        raise _error(f"{folder} contains {n} that would be overwritten.", names)
    names = [path.relative_to(folder).as_posix() for path in paths]
    write_json(folder / LISTING, {"files": listed | dict.fromkeys(names)})  # null: isthmus is writing it
    yield
    written = {name: _stamp(folder / name) for name in names if os.path.lexists(folder / name)}
    write_json(folder / LISTING, {"files": listed | written})


def free_path(path: Path) -> Path:
    """`path`, or `path` with the first number for which no foreign file exists."""
    number, free = 2, path
    while os.path.lexists(free) and not _ours(free, path.parent, _listed(path.parent)):
        free = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return free


def _path_of(given: str | Path) -> Path | None:
    """The existing path, without a selection of rows such as `:0-9`; None for names of data sets."""
    text = str(given)
    for end in (i for i in range(len(text), 0, -1) if text[i : i + 1] in {":", ""}):  # classes may contain colons
        if os.path.lexists(text[:end]):
            return Path(text[:end])
    return None


def _same(one: Path, other: Path) -> bool:
    """Whether both refer to the same file or folder, also through links or with another case."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return one.resolve() == other.resolve()


def _listed(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / LISTING).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _ours(path: Path, folder: Path, listed: dict[str, Any]) -> bool:
    """Whether isthmus wrote the file and nobody has changed it since."""
    name = path.relative_to(folder).as_posix()
    return name in listed and listed[name] in (None, _stamp(path))


def _stamp(path: Path) -> list[int]:
    about = path.lstat()
    return [about.st_size, about.st_mtime_ns]


def _error(message: str, problems: Sequence[str] = ()) -> UsageError:
    return UsageError("USAGE-OVERWRITE", message, fix="write the result to another file or folder", problems=problems)


__all__ = ["LISTING", "claimed", "free_path", "refuse_existing", "refuse_inputs"]
