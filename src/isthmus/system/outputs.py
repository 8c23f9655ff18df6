"""Where results may be written: never over what they are made from, never over what somebody else put there.

A command calls `refuse_inputs` before it reads anything. One that writes a folder of files whose names it did not get
from the user writes them in `with claimed(folder, paths):`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus.errors import UsageError
from isthmus.system.files import write_json
from isthmus.wording import counted

LISTING = ".isthmus.json"  # in a folder of results: the files that isthmus wrote there, with size and time


def refuse_inputs(out: str | Path, *inputs: str | Path, kept: Iterable[str | Path] = ()) -> None:
    """Checks that writing to `out`, a file or a folder, neither replaces an input nor adds to one.

    `inputs` are files, folders, names of data sets (which lie in no one's way), or any of them with a choice of rows
    behind a colon. `kept` are paths that may have other things beside them but must stay, as a run's training data.

    Raises: UsageError that names the input.
    """
    for given in inputs:
        path = _path_of(given)
        if path is None:
            continue
        if _same(Path(out), path):
            raise _error(f"{out} is the input itself, which would be overwritten.")
        if path.is_dir() and Path(out).resolve().is_relative_to(path.resolve()):
            raise _error(f"{out} lies in {given}, which is the input; results would stand among the samples.")
    for given in kept:
        path = _path_of(given)
        if path is not None and _same(Path(out), path):
            raise _error(f"{out} is what the run was trained on, which would be overwritten.")


def refuse_existing(path: Path, asked: Path) -> None:
    """Raises: UsageError if something stands at `path`, where it is not what the user asked for."""
    if path != asked and os.path.lexists(path):
        raise _error(f"{asked} has to be written as {path.name}, which is there already.")


@contextmanager
def claimed(folder: Path, paths: Sequence[Path]) -> Iterator[None]:
    """While it lasts `paths`, all in `folder`, are written; what isthmus wrote there before may be written again.

    One that is not written after all is forgotten.

    Raises: UsageError that lists the files that somebody else put there, before any is touched; ResourceError.
    """
    listed = _listed(folder)
    foreign = [path for path in paths if os.path.lexists(path) and not _ours(path, folder, listed)]
    if foreign:
        n = "a file" if len(foreign) == 1 else counted(len(foreign), "file")
        names = [str(path.relative_to(folder)) for path in foreign]
        raise _error(f"{folder} holds {n} that would be overwritten.", names)
    names = [path.relative_to(folder).as_posix() for path in paths]
    write_json(folder / LISTING, {"files": listed | dict.fromkeys(names)})  # null: being written, by us
    yield
    written = {name: _stamp(folder / name) for name in names if os.path.lexists(folder / name)}
    write_json(folder / LISTING, {"files": listed | written})


def free_path(path: Path) -> Path:
    """`path`, or with the first number under which nothing of somebody else's stands."""
    number, free = 2, path
    while os.path.lexists(free) and not _ours(free, path.parent, _listed(path.parent)):
        free = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return free


def _path_of(given: str | Path) -> Path | None:
    """The existing path that is meant, without a choice of rows such as `:0-9`; None for names of data sets."""
    text = str(given)
    for end in (i for i in range(len(text), 0, -1) if text[i : i + 1] in {":", ""}):  # a class may hold a colon too
        if os.path.lexists(text[:end]):
            return Path(text[:end])
    return None


def _same(one: Path, other: Path) -> bool:
    """Whether both name one file or folder, through links and whatever the case too."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
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
    return UsageError("USAGE-OVERWRITE", message, fix="name another place with -o", problems=problems)


__all__ = ["LISTING", "claimed", "free_path", "refuse_existing", "refuse_inputs"]
