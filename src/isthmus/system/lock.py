"""Allows one process at a time in a run folder, with a lock of the operating system that ends with the process."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import sys
import time
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from isthmus.errors import FolderInUseError
from isthmus.system.files import resource_error
from isthmus.system.places import LOCK as NAME
from isthmus.system.places import hold, refuse_link, release

TRIES, PAUSE = 5, 0.02  # tries, and seconds between them: checking an older lock takes microseconds, a run longer
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # do not follow links or wait for pipes
MOST = 1_000  # bytes of a lock file that are read


class FolderLock:
    """`with FolderLock(run):` no other process can train into `run` inside the block.

    The file says who holds the lock (pid, host, since), for users; the lock itself belongs to the kernel, so a killed
    process leaves nothing to clean up. Inside the block, `files` does not create `run` again if it is deleted or moved.

    Raises: FolderInUseError naming the other process; ModelFileError if the file is a link.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / NAME
        self._file: int | None = None

    def __enter__(self) -> FolderLock:
        file = self._opened()
        try:
            _take(file)
        except (BlockingIOError, PermissionError):
            holder = _read(file)
            os.close(file)
            raise FolderInUseError(
                "FOLDER-IN-USE",
                f"{self.folder} is in use by another run{_named(holder)}.",
                fix="wait until it ends, or stop it; a new run can be written elsewhere with --out",
            ) from None
        except OSError as error:  # some network disks do not support locks, but can still be used
            message = f"{self.folder} cannot be locked ({error.strerror}); make sure that no other run writes to it."
            warnings.warn(message, stacklevel=2)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _write(file, {"pid": os.getpid(), "host": socket.gethostname(), "since": now, "shown": _show(file)})
        hold(self.folder, file)
        self._file = file
        return self

    def _opened(self) -> int:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_link(self.path)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | PLAIN, 0o666)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise OSError(None, "Not a regular file")
        except OSError as error:
            raise resource_error(self.path, error) from None
        return file

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            release(self.folder)
            _write(self._file, None)
            with suppress(OSError):
                os.close(self._file)  # releases the lock
            self._file = None


def is_held(folder: Path) -> bool:
    """Whether a process works in the folder. The file of a killed process does not count as a lock.

    Checking takes no lock, so it does not disturb others.
    """
    try:
        file = os.open(folder / NAME, os.O_RDONLY | PLAIN)
    except OSError:  # no such file, or no permission
        return False
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return False
        holder = _read(file)
        return _is_shown(file) if holder.get("shown") else bool(os.fstat(file).st_size) and _is_taken(file)
    except OSError:
        return False
    finally:
        os.close(file)


def _is_taken(file: int) -> bool:
    """Checks a lock that can only be seen by trying, such as one of an older version of isthmus."""
    try:
        _look(file)
    except (BlockingIOError, PermissionError):
        return True
    return False


def _take(file: int) -> None:
    """Locks the file, with several tries."""
    for _ in range(TRIES - 1):
        with suppress(BlockingIOError, PermissionError):
            return _lock(file)
        time.sleep(PAUSE)
    _lock(file)


def _write(file: int, holder: dict[str, Any] | None) -> None:
    """Writes who holds the lock. On a full disk this fails, but the lock is still valid."""
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(holder).encode() if holder else b"")


def _read(file: int) -> dict[str, Any]:
    """Who holds the lock; empty if the file does not say."""
    try:
        os.lseek(file, 0, os.SEEK_SET)
        return dict(json.loads(os.read(file, MOST)))
    except (ValueError, TypeError, OSError, RecursionError):
        return {}


def _named(holder: dict[str, Any]) -> str:
    try:
        elsewhere = "" if holder["host"] == socket.gethostname() else f" on {holder['host']}"
        return f" (process {holder['pid']}{elsewhere}, since {holder['since']})"
    except KeyError:
        return ""


if os.name == "nt":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

    def _look(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        os.read(file, 1)  # a locked byte cannot be read by others
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look(file: int) -> None:
        # Shared, so that two checks do not mistake each other for a run; it needs no write permission either.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


if sys.platform == "linux" and struct.calcsize("P") == 8:
    WHOLE = struct.Struct("@hhqqi4x")  # struct flock of fcntl.h: type, whence, start, length (0: all), process

    def _show(file: int) -> bool:
        """Sets a second lock on the open file that others can query without taking it; `_lock` is the real one."""
        with suppress(OSError):
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, WHOLE.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            return True
        return False

    def _is_shown(file: int) -> bool:
        answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, WHOLE.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
        return WHOLE.unpack(answer)[0] != fcntl.F_UNLCK
else:

    def _show(file: int) -> bool:
        return False

    def _is_shown(file: int) -> bool:
        return _is_taken(file)
