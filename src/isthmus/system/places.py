"""Where a run may be written: its folder is still there, it is the same one, and no link stands on the way.

A run folder may come from a stranger, who can put a link to anywhere in it; and it may be moved or deleted while a
training writes into it. Every writer of `files.py` asks `guard` first.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from isthmus.errors import FolderGoneError, ModelFileError
from isthmus.system import regular

LOCK, RECORD = ".lock", "run.json"
FOLDERS = {"checkpoint", "latent", "model"}  # of a run; what else it holds are files with a suffix, and hidden ones
HELD: dict[Path, Held] = {}  # the folders that this process has locked


class Held(NamedTuple):
    """A locked folder: its absolute place, and device and number of its lock file, which no other folder has."""

    place: Path
    file: tuple[int, int]


def hold(folder: Path, descriptor: int) -> None:
    """Remembers a folder by its open lock file, until `release`."""
    about = os.fstat(descriptor)
    HELD[folder] = Held(Path(os.path.abspath(folder)), (about.st_dev, about.st_ino))


def release(folder: Path) -> None:
    """Forgets a folder that `hold` remembered."""
    HELD.pop(folder, None)


def guard(path: Path, within: Path | None = None) -> Path | None:
    """Checks that `path` may be written, and gives the run folder around it, which must not be made again.

    That is `within`, or a folder that this process has locked; otherwise None, though a run folder that `path` lies in
    is looked at for links.

    Raises: FolderGoneError where that folder is gone; ModelFileError for a link on the way from it to `path`, or for
    what is no folder there.
    """
    run = within if within is not None else next((p for p in path.parents if p in HELD), None)
    if run is not None:
        refuse_gone(run)
    around = within or _run_around(path)
    if around is not None:
        for place in (path, *path.parents):
            if place == around:
                break
            refuse_link(place)
            if place != path:
                refuse_other_kinds(place)
    return run


def refuse_gone(folder: Path) -> None:
    """Raises: FolderGoneError where the folder is not there, or is another one than this process has locked."""
    if is_gone(folder):
        message = f"{folder} is not there any more: it was deleted or moved, and it is not made again."
        raise FolderGoneError("RUN-GONE", message, fix="put it back, or leave run folders where they are while in use")


def is_gone(folder: Path) -> bool:
    """Whether the folder is not there, or is another one than this process has locked."""
    held = HELD.get(folder)
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return True
        about = (folder / LOCK).lstat() if held else None
    except FileNotFoundError:  # in a folder put in the place of ours all is missing, not the lock file alone
        return not os.path.lexists(folder / RECORD)
    except NotADirectoryError:
        return True
    except OSError:  # not ours to look at: then writing fails, and says why
        return False
    return about is not None and held is not None and (about.st_dev, about.st_ino) != held.file


def refuse_link(path: Path) -> None:
    """Raises: ModelFileError if `path` itself is a link."""
    if os.path.islink(path):
        message = f"{path} is a link (to {os.readlink(path)}); in a run folder isthmus follows none."
        fix = "put what it leads to in its place, or remove the link"
        raise ModelFileError("RUN-LINK", message, fix=fix)


def refuse_other_kinds(folder: Path) -> None:
    """Raises: ModelFileError if something stands at `folder` that is no folder."""
    try:
        mode = folder.lstat().st_mode
    except OSError:  # nothing there, or not ours to look at
        return
    if not stat.S_ISDIR(mode):
        message = f"{folder} is {regular.kind(mode)}, not a folder."
        raise ModelFileError("RUN-FILE", message, fix="move it elsewhere; isthmus makes that folder itself")


def refuse_links(run: Path) -> None:
    """Raises: ModelFileError for a link at a place of a run folder that a training writes, moves or deletes, and for
    what is no folder where one is written."""
    for name in sorted(FOLDERS):
        refuse_link(run / name)
        refuse_other_kinds(run / name)
    for folder, folders, names in os.walk(run):  # which follows no links
        if Path(folder) == run:
            folders[:], names[:] = _written(folders), _written(names)
        for name in sorted([*folders, *names]):
            refuse_link(Path(folder, name))


def nearest(folder: Path) -> list[Path]:
    """The folders above a locked one, the nearest first, whether or not they are still there."""
    held = HELD.get(folder)
    return list((held.place if held else Path(os.path.abspath(folder))).parents)


def _written(names: list[str]) -> list[str]:
    return [name for name in names if name in FOLDERS or name.startswith(".") or Path(name).suffix]


def _run_around(path: Path) -> Path | None:
    """The nearest run folder that `path` lies in; one that is reached through a link only where there is no other."""
    found = [parent for parent in path.parents if os.path.lexists(parent / RECORD)]
    return next((parent for parent in found if not os.path.islink(parent)), found[0] if found else None)
