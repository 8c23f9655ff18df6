"""One process at a time in a run folder, by a lock that the operating system holds and that dies with the process."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO

from isthmus.errors import FolderInUseError
from isthmus.system.files import resource_error

NAME = ".lock"
TRIES, PAUSE = 5, 0.02  # seconds between; `is_held` has the lock for microseconds, a run for longer than all of it


class FolderLock:
    """`with FolderLock(run):` — nobody else trains into `run` meanwhile.

    The file says who holds it (pid, host, since), for people; the lock itself is the kernel's, so a killed process
    leaves nothing to clean up.

    Raises: FolderInUseError naming the other process.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._file: IO[str] | None = None

    def __enter__(self) -> FolderLock:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise resource_error(self.path.parent, error) from None
        try:
            _take(file)
        except (BlockingIOError, PermissionError):
            holder = _read(file)
            file.close()
            raise FolderInUseError(
                "FOLDER-IN-USE",
                f"{self.path.parent} is in use by another run{holder}.",
                fix="wait for it, stop it, or train into another folder with --out",
            ) from None
        except OSError as error:  # some network disks have no locks; that is no reason not to train there
            message = f"{self.path.parent} cannot be locked ({error.strerror}); see that no other run writes into it."
            warnings.warn(message, stacklevel=2)
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now}))
        file.flush()
        self._file = file
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()  # closing releases the lock
            self._file = None


def is_held(folder: Path) -> bool:
    """Whether a process works in the folder; what a killed one left behind in the file is no lock."""
    path = folder / NAME
    try:
        if not path.stat().st_size:  # let go in peace
            return False
        file = path.open("r", encoding="utf-8")
    except OSError:  # no such file, or not ours to open
        return False
    with file:
        try:
            _look(file)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:  # a disk without locks
            return False
    return False


def _take(file: IO[str]) -> None:
    """Locks the file; only a refusal that lasts is one."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(BlockingIOError, PermissionError):
            return _lock(file)
        time.sleep(PAUSE)
    _lock(file)


def _read(file: IO[str]) -> str:
    try:
        file.seek(0)
        holder = json.loads(file.read())
        elsewhere = "" if holder["host"] == socket.gethostname() else f" on {holder['host']}"
        return f" (process {holder['pid']}{elsewhere}, since {holder['since']})"
    except (ValueError, KeyError, TypeError, OSError):
        return ""


if os.name == "nt":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

    def _look(file: IO[str]) -> None:
        os.read(file.fileno(), 1)  # a locked byte cannot be read by others
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look(file: IO[str]) -> None:
        # Shared, so that two who look do not take each other for a run; it needs no leave to write either.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
