"""One process at a time in a run folder, by a lock that the operating system holds and that dies with the process."""

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

TRIES, PAUSE = 5, 0.02  # seconds between; who looks at an older lock has it for microseconds, a run for longer
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # no link is followed, and no pipe waited for
MOST = 1_000  # bytes of a lock file that are read


class FolderLock:
    """`with FolderLock(run):` — nobody else trains into `run` meanwhile.

    The file says who holds it (pid, host, since), for people; the lock itself is the kernel's, so a killed process
    leaves nothing to clean up. Inside, `files` does not make `run` again where it is deleted or moved.

    Raises: FolderInUseError naming the other process; ModelFileError where a link stands in the file's place.
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
                fix="wait for it, stop it, or train into another folder with --out",
            ) from None
        except OSError as error:  # some network disks have no locks; that is no reason not to train there
            message = f"{self.folder} cannot be locked ({error.strerror}); see that no other run writes into it."
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
                os.close(self._file)  # which releases the lock
            self._file = None


def is_held(folder: Path) -> bool:
    """Whether a process works in the folder; what a killed one left behind in the file is no lock.

    Looking takes no lock, so it is in nobody's way.
    """
    try:
        file = os.open(folder / NAME, os.O_RDONLY | PLAIN)
    except OSError:  # no such file, or not ours to open
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
    """Of a lock that cannot be seen without trying, as of an older isthmus."""
    try:
        _look(file)
    except (BlockingIOError, PermissionError):
        return True
    return False


def _take(file: int) -> None:
    """Locks the file; only a refusal that lasts is one."""
    for _ in range(TRIES - 1):
        with suppress(BlockingIOError, PermissionError):
            return _lock(file)
        time.sleep(PAUSE)
    _lock(file)


def _write(file: int, holder: dict[str, Any] | None) -> None:
    """Says who holds the lock; on a full disk nobody reads it, and the lock is one all the same."""
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(holder).encode() if holder else b"")


def _read(file: int) -> dict[str, Any]:
    """Who holds the lock; nothing where the file does not say."""
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
        # Shared, so that two who look do not take each other for a run; it needs no leave to write either.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


if sys.platform == "linux" and struct.calcsize("P") == 8:
    WHOLE = struct.Struct("@hhqqi4x")  # struct flock of fcntl.h: type, whence, start, length (0: all), process

    def _show(file: int) -> bool:
        """Sets a second lock, of the open file, which others can ask for without taking it; `_lock` decides."""
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
