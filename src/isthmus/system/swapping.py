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
from contextlib import suppress
from glob import escape
from pathlib import Path

PART, OLD = ".part-", ".old-"
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
STALE = 3_600.0  # seconds; no file or folder of a run takes an hour to write


def swap(part: Path, folder: Path) -> None:
    """Puts the folder `part` in the place of `folder`, which may exist. Raises: OSError; then the old one stands."""
    if not folder.exists():
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

    For the process that holds the folder's lock. Checkpoints and the model are written under it alone, so their rests
    go at once; files beside them others may be writing just now, so those must be old.
    """
    for old in run.rglob(f"{OLD}*"):
        for folder in list(old.iterdir()) if old.is_dir() else []:
            if not (old.parent / folder.name).exists():
                os.rename(folder, old.parent / folder.name)
        _remove(old)
    for part in run.rglob(f"{PART}*"):
        locked = (part.parent == run and part.is_dir()) or part.parent.name == "checkpoint"
        if locked or time.time() - part.lstat().st_mtime > STALE:
            _remove(part)


def _remove(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
