"""Checks before a run is written: its folder still exists, it is the same one, and the path contains no link.

A run folder may come from a stranger, who can put a link to anywhere into it; and it may be moved or deleted while a
training writes to it. All functions of `files.py` that write call `guard` first.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from isthmus.errors import FolderGoneError, ModelFileError
from isthmus.system import regular
from isthmus.wording import shell_word

LOCK, RECORD, CONFIG = ".lock", "run.json", "config.toml"
FOLDERS = {"checkpoint", "latent", "model"}  # folders of a run; everything else is a file with a suffix, or hidden
HELD: dict[Path, Held] = {}  # the folders that this process has locked


class Held(NamedTuple):
    """A locked folder: its absolute path, and device and inode of its lock file, which are unique."""

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
    """Checks that `path` may be written, and returns its run folder, which must not be created again.

    This is `within`, or a folder that this process has locked; otherwise None, but a run folder around `path` is still
    checked for links.

    Raises: FolderGoneError if that folder is gone; ModelFileError if the path from it to `path` contains a link, or
    something that is not a folder.
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
    """Raises: FolderGoneError if the folder is missing, or is not the one that this process has locked."""
    if is_gone(folder):
        message = f"{folder} no longer exists: it was deleted or moved, and isthmus does not create it again."
        raise FolderGoneError("RUN-GONE", message, fix="put it back, and do not move run folders while they are in use")


def is_gone(folder: Path) -> bool:
    """Whether the folder is missing, or is not the one that this process has locked."""
    held = HELD.get(folder)
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return True
        about = (folder / LOCK).lstat() if held else None
    except FileNotFoundError:  # in a replacement of our folder, everything is missing, not only the lock file
        return not os.path.lexists(folder / RECORD)
    except NotADirectoryError:
        return True
    except OSError:  # no permission: then writing fails, and says why
        return False
    return about is not None and held is not None and (about.st_dev, about.st_ino) != held.file


def refuse_link(path: Path) -> None:
    """Raises: ModelFileError if `path` itself is a link."""
    if os.path.islink(path):
        message = f"{path} is a link (to {os.readlink(path)}); isthmus does not follow links in a run folder."
        fix = "replace the link with its target, or remove it"
        raise ModelFileError("RUN-LINK", message, fix=fix)


def refuse_other_kinds(folder: Path) -> None:
    """Raises: ModelFileError if `folder` exists but is not a folder."""
    try:
        mode = folder.lstat().st_mode
    except OSError:  # missing, or no permission
        return
    if not stat.S_ISDIR(mode):
        message = f"{folder} is {regular.kind(mode)}, not a folder."
        raise ModelFileError("RUN-FILE", message, fix="move it elsewhere; isthmus creates that folder itself")


def refuse_links(run: Path) -> None:
    """Raises: ModelFileError for a link at any path of a run folder that a training writes, moves or deletes, and for
    something else in the place of a folder."""
    for name in sorted(FOLDERS):
        refuse_link(run / name)
        refuse_other_kinds(run / name)
    for folder, folders, names in os.walk(run):  # os.walk does not follow links
        if Path(folder) == run:
            folders[:], names[:] = _written(folders), _written(names)
        for name in sorted([*folders, *names]):
            refuse_link(Path(folder, name))


def remedy(folder: Path) -> str:
    """The fix for a damaged model or checkpoint, with the command that trains its run again if that is known."""
    config = next((parent / CONFIG for parent in list(folder.parents)[:2] if (parent / CONFIG).is_file()), None)
    again = "train again" if config is None else f"train again with `isthmus train --config {shell_word(config)}`"
    return f"use another copy of it, or {again}"


def nearest(folder: Path) -> list[Path]:
    """The parent folders of a locked folder, the nearest first, whether or not they still exist."""
    held = HELD.get(folder)
    return list((held.place if held else Path(os.path.abspath(folder))).parents)


def _written(names: list[str]) -> list[str]:
    return [name for name in names if name in FOLDERS or name.startswith(".") or Path(name).suffix]


def _run_around(path: Path) -> Path | None:
    """The nearest run folder around `path`; one that is a link only if there is no other."""
    found = [parent for parent in path.parents if os.path.lexists(parent / RECORD)]
    return next((parent for parent in found if not os.path.islink(parent)), found[0] if found else None)
