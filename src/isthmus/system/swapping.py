"""A folder put in the place of another, so that at every instant the old one or the new one is found.

Linux exchanges two names in one step. Elsewhere it takes two renames; between them the old folder stands at
`.old-…/NAME` beside its place, where `standing` finds it, and `clean_up` puts it back if the process died there.
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
RENAMES_OPEN_FILES = os.name != "nt"  # Windows does not, and knows no marks either
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
STALE = 3_600.0  # seconds; no file or folder of a run takes an hour to write


def swap(part: Path, folder: Path) -> None:
    """Puts the folder `part` in the place of `folder`, which may exist. Raises: OSError; then the old one stands."""
    if not os.path.lexists(folder):
        os.rename(part, folder)
    elif not _exchange(part, folder):
        _by_two_renames(part, folder)


def _exchange(part: Path, folder: Path) -> bool:
    """Swaps the two names in one step; False where the system or its disk cannot. Afterwards `part` is the old one."""
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
    """Where the folder stands at this moment: in its place, or beside it while it is being replaced."""
    if not folder.exists():
        with suppress(OSError):
            return next((old for old in folder.parent.glob(f"{OLD}*/{escape(folder.name)}") if old.is_dir()), folder)
    return folder


def clean_up(run: Path) -> None:
    """Clears a run folder of what a killed process left: half-written parts go, a replaced folder comes back.

    For the process that holds the folder's lock. What another process is writing at this moment, such as a report, is
    in use and stays. Raises: ModelFileError for a link among them, which is never followed.
    """
    for folder, folders, names in os.walk(run):  # which follows no links
        rests = [name for name in (*folders, *names) if name.startswith((OLD, PART))]
        folders[:] = [name for name in folders if name not in rests]
        for path in (Path(folder, name) for name in rests):
            refuse_link(path)
            if path.name.startswith(OLD) and path.is_dir():
                _bring_back(path)
            if not is_in_use(path):
                remove(path)


def clear_parts(folder: Path) -> None:
    """Takes away the files and folders that a killed process left half written in a folder of results."""
    for path in folder.glob(f"{PART}*"):
        if not is_in_use(path):
            remove(path)


def _bring_back(old: Path) -> None:
    for folder in old.iterdir():
        refuse_link(folder)
        if not os.path.lexists(old.parent / folder.name):
            os.rename(folder, old.parent / folder.name)


def remove(path: Path) -> None:
    """Takes a file or folder away, a link without what it leads to; where it cannot be, it stays until `clean_up`."""
    with suppress(OSError):
        is_folder = path.is_dir() and not path.is_symlink()
        shutil.rmtree(path, ignore_errors=True) if is_folder else path.unlink(missing_ok=True)


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Inside, `is_in_use(folder)`: also for other processes, and no longer once this one has died."""
    handle = None
    with suppress(OSError):  # Windows opens no folders
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
        with suppress(OSError):  # a disk without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def held(handle: int) -> int | None:
    """A new file's handle, marked as in use; None, and closed, where open files cannot be renamed."""
    if RENAMES_OPEN_FILES:
        mark_in_use(handle)
        return handle
    os.close(handle)
    return None


def is_in_use(path: Path) -> bool:
    """Whether a process writes there now; where the system cannot tell, whether it is younger than STALE."""
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
    except OSError:  # a disk without locks
        pass
    finally:
        os.close(handle)
    return _is_young(path)


def _is_young(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime <= STALE
    except OSError:  # gone meanwhile
        return False
