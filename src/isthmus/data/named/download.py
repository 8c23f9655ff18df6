"""Downloads files: from several mirrors, resuming after interruptions, verified before they get their final name."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from isthmus.errors import DataError, FolderInUseError, ResourceError
from isthmus.system.files import resource_error
from isthmus.system.lock import FolderLock
from isthmus.system.memory import size_of
from isthmus.system.workers import Progress
from isthmus.version import __version__

ATTEMPTS = 4  # per mirror without progress; after waits of 1, 2 and 4 s, a restarting server is back
LONGEST_WAIT = 30.0  # seconds; if a server asks for a longer wait, the next mirror is tried
TIMEOUT = 30.0  # seconds without data: slow connections pause for a few, hung servers forever
BLOCK = 1 << 16
GETTING_ON = 1 << 18  # bytes of progress that give a mirror all its attempts again
LOCK_WAIT = 3600.0  # seconds to wait for another process that downloads the same files
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}  # HTTP status codes: the same request may work later


class _Failed(Exception):
    """This mirror will not give the file."""


class _Again(Exception):
    """This mirror may give the file at the next attempt, after `wait` seconds if it asked for a wait."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch(
    urls: Sequence[str],
    path: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    timeout: float = TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Downloads the file to `path` from the first mirror with the right content, unless the file exists.

    If all mirrors fail, the part received so far is kept as `path.part`, and the next call resumes from it. A second
    process waits for the first. `progress(done, total)` counts bytes.

    Raises: DataError with the answer of every mirror; ResourceError for a full disk or a missing permission.
    """
    if path.exists():
        return path
    failures = []
    with _alone(path.parent, sleep):
        if path.exists():  # downloaded by the process that we waited for
            return path
        _refuse_full_disk(path, size)
        for url in urls:
            try:
                part = _from_mirror(url, path, (sha256, md5, size), progress, timeout, sleep)
            except _Failed as failure:
                failures.append(f"{url}: {failure}")
                continue
            _commit(part, path)
            return path
    fix = f"check the network and try again, or put the file at {path} yourself"
    raise DataError("DATA-DOWNLOAD", f"{path.name} could not be downloaded.", fix=fix, problems=failures)


@contextmanager
def _alone(folder: Path, sleep: Callable[[float], None]) -> Iterator[None]:
    """Holds the folder's lock, after waiting for any process that has it."""
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        lock = FolderLock(folder)
        try:
            lock.__enter__()
            break
        except FolderInUseError:
            if time.monotonic() > deadline:
                raise
            sleep(0.5)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _refuse_full_disk(path: Path, size: int | None) -> None:
    part = _part(path)
    needed = (size or 0) - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        message = f"{path} needs {size_of(needed)} more disk space; {size_of(free)} are free."
        raise ResourceError("RESOURCE-DISK", message, fix="free some space, or set ISTHMUS_CACHE to another folder")


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _from_mirror(
    url: str,
    path: Path,
    wanted: tuple[str | None, str | None, int | None],
    progress: Progress | None,
    timeout: float,
    sleep: Callable[[float], None],
) -> Path:
    """The complete, verified file as .part. Raises _Failed."""
    part, attempt = _part(path), 1
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _receive(url, part, wanted[2], progress, timeout)
            wrong = _difference(part, wanted)
            if wrong is None:
                return part
            part.unlink()
            if not before:
                raise _Failed(wrong)
            reason = _Again(f"{wrong}, after a resumed download")  # the first half may be from another file: try again
        except _Again as again:
            reason = again
        gained = (part.stat().st_size if part.exists() else 0) - before
        attempt = 1 if gained >= GETTING_ON else attempt + 1
        if attempt > ATTEMPTS or (reason.wait or 0) > LONGEST_WAIT:
            raise _Failed(str(reason)) from None
        sleep(reason.wait if reason.wait is not None else 2.0 ** max(0, attempt - 2))


def _receive(url: str, part: Path, size: int | None, progress: Progress | None, timeout: float) -> None:
    """Appends the missing bytes to `part`. Raises _Again or _Failed."""
    start = part.stat().st_size if part.exists() else 0
    if size is not None and start >= size:
        return
    headers = {"User-Agent": f"isthmus/{__version__}"} | ({"Range": f"bytes={start}-"} if start else {})
    if not url.startswith(("http://", "https://")):
        raise _Failed("only http and https are supported")
    with (
        _in_plain_words(part, start),
        urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as response,
    ):
        resumed = response.status == 206 and (response.headers["Content-Range"] or "").startswith(f"bytes {start}-")
        start = start if resumed else 0
        length = response.headers["Content-Length"]
        total = start + int(length) if length and length.isdigit() else None
        if size is not None and total not in (None, size):
            page = " (a web page)" if "html" in (response.headers["Content-Type"] or "") else ""
            raise _Failed(f"offers {total:,} bytes{page}, but {size:,} are expected")
        done = _append(response, part, start, size or total, progress)
        if total is not None and done < total:
            raise _Again(f"the connection was lost after {done:,} of {total:,} bytes")


def _append(
    response: http.client.HTTPResponse, part: Path, start: int, total: int | None, progress: Progress | None
) -> int:
    """Writes the bytes of the response at `start` of the part file; returns the new size."""
    done = start
    with _open(part, "ab" if start else "wb") as file:
        while block := response.read(BLOCK):
            try:
                file.write(block)
                file.flush()
            except OSError as error:
                raise resource_error(part, error) from None
            done += len(block)
            if total is not None and done > total:
                raise _Failed(f"sent more than the expected {total:,} bytes")
            if progress is not None:
                progress(done, total or 0)
    return done


def _open(path: Path, mode: str) -> IO[bytes]:
    try:
        return path.open(mode)
    except OSError as error:
        raise resource_error(path, error) from None


@contextmanager
def _in_plain_words(part: Path, start: int) -> Iterator[None]:
    """Converts network errors to _Again or _Failed."""
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            answer = f"answered {error.code} {error.reason}"
            if error.code == 416 and start:  # our part is at least as long as the file on the server
                part.unlink()
                raise _Again(answer) from None
            if error.code in TRY_AGAIN:
                after = error.headers["Retry-After"] or ""
                raise _Again(answer, float(after) if after.isdigit() else None) from None
        raise _Failed(answer) from None
    except TimeoutError:
        raise _Again("no data arrived for a long time") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _Again("no answer in time") from None
        raise _Failed(f"cannot be reached ({error.reason})") from None
    except (http.client.HTTPException, OSError) as error:
        raise _Again(f"the connection was lost ({type(error).__name__})") from None


def _difference(part: Path, wanted: tuple[str | None, str | None, int | None]) -> str | None:
    """What is wrong with a complete file, or None."""
    sha256, md5, size = wanted
    found = part.stat().st_size
    if size is not None and found != size:
        return f"sent {found:,} bytes, but {size:,} are expected"
    for kind, expected in (("sha256", sha256), ("md5", md5)):
        if expected is not None:
            with part.open("rb") as file:
                digest = hashlib.file_digest(file, kind).hexdigest()
            if digest != expected:
                return f"sent damaged content: {kind} {digest[:12]}…, expected {expected[:12]}…"
    return None


def _commit(part: Path, path: Path) -> None:
    try:
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise resource_error(path, error) from None
