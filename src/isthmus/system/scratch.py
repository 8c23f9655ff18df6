"""Space for arrays that are larger than the available memory: an unnamed file in the temporary folder.

Its pages belong to the kernel, which writes them to the disk if memory is short; they count neither for
`prlimit --data` nor as memory of this process. The file disappears with the process, however it ends.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

import numpy as np

from isthmus.errors import ResourceError
from isthmus.system.memory import data_bytes, refuse_too_large, size_of
from isthmus.wording import printable

SMALLER = "use fewer samples, or make them smaller with --resize"
IN_MEMORY = {"tmpfs", "ramfs"}  # file systems that are memory themselves
MOUNTS = Path("/proc/self/mountinfo")

_halves: ContextVar[str | None] = ContextVar("halves", default=None)


def room(shape: Sequence[int], dtype: np.dtype | type | str, what: str) -> np.ndarray:
    """An empty array, in memory if it fits, otherwise in a file; `what` names the data in messages.

    Raises: ResourceError if the temporary folder is in memory, or does not have enough space; within `both_in_memory`,
    if two such arrays do not fit into memory.
    """
    kind, n_bytes = np.dtype(dtype), int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if (why := _halves.get()) is not None:
        refuse_too_large(2 * n_bytes, f"{what}: {why}", fix=SMALLER)
    if fits(n_bytes):
        return np.empty(shape, kind)
    folder = _folder()
    refusal = _Refusal(what, n_bytes, data_bytes() or 0, folder)
    if kind_of_disk(folder) in IN_MEMORY:
        raise refusal.error("which is in memory")
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise refusal.error(f"which has {size_of(free)} free")
    with tempfile.TemporaryFile(dir=folder) as file:
        _reserve(file, n_bytes, refusal)
        return np.memmap(file, kind, "r+", shape=tuple(shape))


@contextmanager
def both_in_memory(why: str) -> Iterator[None]:
    """Inside the block, an array is only allowed if memory has space for two: it is one half of pairs.

    So data that is too large is refused before it is read; `why` says why it has to stay in memory.
    """
    token = _halves.set(why)
    try:
        yield
    finally:
        _halves.reset(token)


def fits(n_bytes: int) -> bool:
    """Whether an array of this many bytes fits into memory."""
    most = data_bytes()
    return most is None or n_bytes <= most or not n_bytes


def is_mapped(array: np.ndarray) -> bool:
    """Whether the values of an array, or of the array that it is a view of, are in a file."""
    base: object = array
    while isinstance(base, np.ndarray):
        if getattr(base, "_mmap", None) is not None:  # rows selected from a mapped array are a copy in memory
            return True
        base = base.base
    return False


def kind_of_disk(folder: Path, mounts: Path = MOUNTS) -> str:
    """The file system of a folder, such as ext4; "" if unknown."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    place = folder.resolve()
    found = [(len(line[4]), line[line.index("-") + 1]) for line in lines if place.is_relative_to(line[4])]
    return max(found)[1] if found else ""


class _Refusal:
    """The error for an array that fits neither into memory nor into the temporary folder."""

    def __init__(self, what: str, n_bytes: int, most: int, folder: Path) -> None:
        self.what, self.n_bytes, self.most, self.folder = what, n_bytes, most, folder

    def error(self, why: str) -> ResourceError:
        message = f"{self.what} needs {size_of(self.n_bytes)}, but only {size_of(self.most)} of memory may be used. "
        message += f"The temporary folder for it is {printable(self.folder)}, {why}."
        fix = "set TMPDIR to a folder on a disk with enough space, or make the data smaller"
        return ResourceError("RESOURCE-SCRATCH", message, fix=fix)


def _folder() -> Path:
    """`$TMPDIR`, otherwise the system's folder for large temporary files."""
    large = Path("/var/tmp")
    if "TMPDIR" not in os.environ and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())


def _reserve(file: BinaryIO, n_bytes: int, refusal: _Refusal) -> None:
    """Reserves the space at once, because later a full disk would kill the process when a page is written."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        else:
            file.truncate(n_bytes)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise refusal.error(f"which does not have enough space ({os.strerror(error.errno)})") from None


__all__ = ["SMALLER", "both_in_memory", "fits", "is_mapped", "kind_of_disk", "room"]
