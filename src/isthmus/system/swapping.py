"""Replaces a folder with another, so that the old or the new one can be found at any time.

Linux exchanges two names in one step. On other systems it takes two renames; between them the old folder is at
`.old-…/NAME` next to its place, where `standing` finds it, and `clean_up` restores it if the process died meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from isthmus.system.places import refuse_link

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PART, OLD = ".part-", ".old-"
RENAMES_OPEN_FILES = os.name != "nt"  # Windows does not, and has no file locks of this kind
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
STALE = 3_600.0  # seconds; no file or folder of a run takes an hour to write


def swap(part: Path, folder: Path) -> None:
    """Moves the folder `part` to `folder`, which may exist. Raises: OSError; then the old folder stays."""
    if not os.path.lexists(folder):
        os.rename(part, folder)
    elif not _exchange(part, folder):
        _by_two_renames(part, folder)


def _exchange(part: Path, folder: Path) -> bool:
    """Swaps the two names in one step, so that `part` is the old one; False if the system or disk cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    return rename(AT_FDCWD, os.fsencode(part), AT_FDCWD, os.fsencode(folder), RENAME_EXCHANGE) == 0


def _by_two_renames(part: Path, folder: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=OLD, dir=folder.parent)) / folder.name
    os.rename(folder, old)
    try:
        os.rename(part, folder)
    except OSError:
        os.rename(old, folder)
        old.parent.rmdir()
        raise
    shutil.rmtree(old.parent, ignore_errors=True)


def standing(folder: Path) -> Path:
    """The current path of the folder: its own, or another one next to it while it is being replaced."""
    if not folder.exists():
        with suppress(OSError):
            return next((old for old in folder.parent.glob(f"{OLD}*/{escape(folder.name)}") if old.is_dir()), folder)
    return folder


def clean_up(run: Path) -> None:
    """Cleans up after a killed process: removes half-written parts of a run folder, and restores a replaced folder.

    For the process that holds the folder's lock. Parts that another process is writing now, such as a report, are in
    use and stay. Raises: ModelFileError for a link among them, which is never followed.
    """
    for folder, folders, names in os.walk(run):  # os.walk does not follow links
        rests = [name for name in (*folders, *names) if name.startswith((OLD, PART))]
        folders[:] = [name for name in folders if name not in rests]
        for path in (Path(folder, name) for name in rests):
            refuse_link(path)
            if path.name.startswith(OLD) and path.is_dir():
                _bring_back(path)
            if not is_in_use(path):
                remove(path)


def clear_parts(folder: Path) -> None:
    """Removes half-written files and folders of a killed process from a folder of results."""
    for path in folder.glob(f"{PART}*"):
        if not is_in_use(path):
            remove(path)


def _bring_back(old: Path) -> None:
    for folder in old.iterdir():
        refuse_link(folder)
        if not os.path.lexists(old.parent / folder.name):
            os.rename(folder, old.parent / folder.name)


def remove(path: Path) -> None:
    """Removes a file, a folder, or a link without its target; if this fails, it stays until `clean_up`."""
    with suppress(OSError):
        is_folder = path.is_dir() and not path.is_symlink()
        shutil.rmtree(path, ignore_errors=True) if is_folder else path.unlink(missing_ok=True)


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Inside the block, `is_in_use(folder)` is true in all processes, unless this process dies."""
    handle = None
    with suppress(OSError):  # Windows cannot open folders
        handle = os.open(folder, os.O_RDONLY)
        mark_in_use(handle)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def mark_in_use(handle: int) -> None:
    """The same for an open file, until it is closed."""
    if fcntl is not None:
        with suppress(OSError):  # a disk without lock support
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def held(handle: int) -> int | None:
    """A new file's handle, marked as in use; if open files cannot be renamed, closes it and returns None."""
    if RENAMES_OPEN_FILES:
        mark_in_use(handle)
        return handle
    os.close(handle)
    return None


def is_in_use(path: Path) -> bool:
    """Whether a process is writing there; if the system does not know, whether it is younger than STALE."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return _is_young(path)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:  # a disk without lock support
        pass
    finally:
        os.close(handle)
    return _is_young(path)


def _is_young(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime <= STALE
    except OSError:  # gone meanwhile
        return False
