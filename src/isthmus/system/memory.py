"""How much memory is free, asked before a large array is made, not after the machine has begun to swap."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from isthmus.errors import ResourceError

SHARE = 0.8  # of the free memory one data set may take; training itself and the rest of the machine need some


def available_bytes() -> int | None:
    """Free memory in bytes, within the limit of a container where there is one; None where it cannot be told."""
    found = [amount for amount in (_system(), _container()) if amount is not None]
    return min(found) if found else None


def resident_bytes() -> int | None:
    """Bytes of memory that this process holds; None where it cannot be told."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def refuse_too_large(n_bytes: int, what: str, *, fix: str) -> None:
    """Checks that an array of `n_bytes` fits.

    Raises: ResourceError with what it needs and what is free.
    """
    free = available_bytes()
    if free is not None and n_bytes > SHARE * free:
        raise ResourceError(
            "RESOURCE-MEMORY", f"{what} needs {size_of(n_bytes)} of memory; {size_of(free)} are free.", fix=fix
        )


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out: Python's, PyTorch's on a GPU, or that of its processor kernels."""
    words = ("can't allocate memory", "not enough memory")  # of PyTorch on Linux and macOS, and on Windows
    named = type(error).__name__ == "OutOfMemoryError"  # without importing PyTorch
    return isinstance(error, MemoryError) or named or any(w in str(error) for w in words)


def size_of(n_bytes: float) -> str:
    """Bytes for people.

    >>> size_of(9_912_422)
    '9.9 MB'
    """
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
    try:  # macOS tells only the whole; half of it is a cautious guess at what can be freed
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _meminfo(path: Path) -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _container(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What the control group still allows; its file cache counts as free, since the kernel gives it back."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return None if limit == "max" else max(0, int(limit) - used + int(stat.get("inactive_file", 0)))
    except (OSError, ValueError):
        return None


def _windows() -> int | None:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "free", "page_total", "page", "virtual_total", "virtual", "extended")
        ]

    status = Status(length=ctypes.sizeof(Status))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - exists on Windows only
    return int(status.free) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None
