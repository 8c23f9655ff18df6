"""Free memory, checked before a large array is allocated, not after the machine has begun to swap."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from isthmus.errors import ResourceError, UsageError

SHARE = 0.8  # share of the free memory for a data set; training and other programs need some as well
UNLIMITED = 1 << 60  # version 1 of control groups gives a number near 2^63 if there is no limit
UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
GROUPS, OWN_GROUPS, OWN_STATUS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"), Path("/proc/self/status")

_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)


def available_bytes() -> int | None:
    """Bytes that can still be allocated: the minimum of free memory, control groups, RLIMIT_DATA and RLIMIT_AS of this
    process, and `at_most`; None if none of these is known.
    """
    found = [amount for amount in (_system(), _container(), _process(), _allowed.get()) if amount is not None]
    return min(found) if found else None


def resident_bytes() -> int | None:
    """Bytes of memory that this process uses; None if unknown."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def data_bytes() -> int | None:
    """Bytes that a data set may use: the share `SHARE` of those available."""
    free = available_bytes()
    return None if free is None else int(SHARE * free)


@contextmanager
def at_most(n_bytes: int | None) -> Iterator[None]:
    """Inside the block, at most `n_bytes` count as available; None changes nothing."""
    bounds = [bound for bound in (_allowed.get(), n_bytes) if bound is not None]
    token = _allowed.set(min(bounds) if bounds else None)
    try:
        yield
    finally:
        _allowed.reset(token)


def parse_bytes(text: str) -> int:
    """The bytes of a size such as `"1.5GB"`, `"800 MB"` or `"2GiB"`; a single letter means the decimal unit.

    >>> parse_bytes("1.5GB"), parse_bytes("2GiB")
    (1500000000, 2147483648)

    Raises: UsageError for anything else.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", text, re.IGNORECASE)
    size = float(found[1]) * (1024 if found[3] else 1000) ** UNITS[found[2].upper()] if found else 0.0
    if not 1 <= size < UNLIMITED:
        message = f"--memory {text!r} is not an amount of memory."
        raise UsageError("USAGE-MEMORY", message, fix="use a form such as --memory 800MB or --memory 1.5GB")
    return int(size)


def refuse_too_large(n_bytes: int, what: str, *, fix: str) -> None:
    """Checks that an array of `n_bytes` fits into memory.

    Raises: ResourceError with the memory needed and free.
    """
    free = available_bytes()
    if free is not None and n_bytes > SHARE * free:
        raise ResourceError(
            "RESOURCE-MEMORY", f"{what} needs {size_of(n_bytes)} of memory; {size_of(free)} are free.", fix=fix
        )


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory has run out: Python's, PyTorch's on a GPU, or that of its CPU kernels."""
    words = ("can't allocate memory", "not enough memory")  # PyTorch on Linux and macOS, and on Windows
    named = type(error).__name__ == "OutOfMemoryError"  # without importing PyTorch
    return isinstance(error, MemoryError) or named or any(w in str(error) for w in words)


def size_of(n_bytes: float) -> str:
    """A number of bytes as text.

    >>> size_of(9_912_422), size_of(1)
    ('9.9 MB', '1 byte')
    """
    if n_bytes == 1:
        return "1 byte"
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.1f} TB"


def _system() -> int | None:
    if sys.platform == "linux":
        return _meminfo(Path("/proc/meminfo"))
    if sys.platform == "win32":
        return _windows()
    try:  # macOS gives only the total; half of it is a cautious estimate of what is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _meminfo(path: Path) -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _container(root: Path = GROUPS, own: Path = OWN_GROUPS) -> int | None:
    """The bytes that the control groups of this process and their parents still allow, version 1 or 2."""
    found = [left for folder in _groups(root, own) for left in (_left_v2(folder), _left_v1(folder)) if left is not None]
    return min(found) if found else None


def _groups(root: Path, own: Path) -> list[Path]:
    """The folders of the control groups that limit this process; a container sees its own group as the root."""
    found = [root, root / "memory"]
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        top = root / "memory" if kinds else root
        group = top / path.lstrip("/")
        found += [folder for folder in (group, *group.parents) if folder.is_relative_to(top) and folder != top]
    return found


def _left_v2(folder: Path) -> int | None:
    """For a group of version 2; its file cache counts as free, because the kernel can reclaim it."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        cached = _of_stat(folder, "inactive_file") + _of_stat(folder, "active_file")
        return None if limit == "max" else max(0, int(limit) - used + cached)
    except (OSError, ValueError):
        return None


def _left_v1(folder: Path) -> int | None:
    try:
        limit = int((folder / "memory.limit_in_bytes").read_text())
        used = int((folder / "memory.usage_in_bytes").read_text())
        cached = _of_stat(folder, "total_inactive_file") + _of_stat(folder, "total_active_file")
        return None if limit > UNLIMITED else max(0, limit - used + cached)
    except (OSError, ValueError):
        return None


def _of_stat(folder: Path, name: str) -> int:
    stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return int(stat.get(name, 0))


def _process(status: Path = OWN_STATUS) -> int | None:
    """The bytes that the limits of this process, from `prlimit --data` or `ulimit -v`, still allow; Linux only."""
    if sys.platform != "linux":
        return None
    import resource  # late: not available on Windows

    try:
        used = dict(line.split(":", 1) for line in status.read_text().splitlines())
        limits = {"VmData": resource.RLIMIT_DATA, "VmSize": resource.RLIMIT_AS}
        soft = {name: resource.getrlimit(kind)[0] for name, kind in limits.items()}
        left = [limit - int(used[name].split()[0]) * 1024 for name, limit in soft.items() if 0 <= limit < UNLIMITED]
    except (OSError, KeyError, ValueError):
        return None
    return max(0, min(left)) if left else None


def _windows() -> int | None:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "free", "page_total", "page", "virtual_total", "virtual", "extended")
        ]

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - exists on Windows only
    return int(status.free) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None
