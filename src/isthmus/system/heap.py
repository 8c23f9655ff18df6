"""Makes the C library keep large blocks of memory for reuse, instead of returning them to the system at once."""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # the numbers in glibc's malloc.h
KEPT = 1 << 30  # bytes; a layer's activations for a tile are 100 MB
# glibc's own values after large blocks were freed (mallopt(3), M_MMAP_THRESHOLD).
USUAL_MMAP, USUAL_TRIM = 32 * 2**20, 64 * 2**20


@contextmanager
def kept_memory() -> Iterator[None]:
    """Inside the block, freed memory stays with the process; afterwards it is returned to the system.

    glibc returns blocks above 32 MB as soon as they are freed, and the system fills each new block with zeros, page by
    page: 28 of 77 seconds for a U-Net on 12 megapixels in tiles of 768. Other C libraries are not changed. Use it for
    work that allocates the same sizes repeatedly; other work fragments memory until the end of the block.
    """
    mallopt, trim = _glibc("mallopt"), _glibc("malloc_trim")
    if mallopt is None or trim is None or not mallopt(M_MMAP_THRESHOLD, KEPT):  # old versions allow 32 MB
        yield
        return
    mallopt(M_TRIM_THRESHOLD, KEPT)
    try:
        yield
    finally:
        mallopt(M_MMAP_THRESHOLD, USUAL_MMAP)
        mallopt(M_TRIM_THRESHOLD, USUAL_TRIM)
        trim(0)


def small_pages(shape: tuple[int, ...]) -> np.ndarray:
    """A float64 array of zeros, in memory pages of the usual size.

    NumPy asks for huge pages (2 MB), which a virtual machine may have to get from its host first: on one, filling
    400 MB for the first time took 1.3 s with huge pages, and 0.3 s without.

    Raises: MemoryError.
    """
    n_bytes = 8 * math.prod(shape)
    return np.frombuffer(_pages(n_bytes) if n_bytes else b"").reshape(shape)


def _pages(n_bytes: int) -> mmap.mmap:
    """Memory of this process alone: by default, forked processes would share it, and change each other's values."""
    private = {} if sys.platform == "win32" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
    try:
        found = mmap.mmap(-1, n_bytes, **private)
    except (OSError, OverflowError):  # as NumPy
        raise MemoryError(f"no {n_bytes:,} bytes of memory for an array") from None
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # Linux may be set to use huge pages without being asked
        with suppress(OSError):  # a Linux without huge pages
            found.madvise(mmap.MADV_NOHUGEPAGE)
    return found


def _glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


__all__ = ["kept_memory", "small_pages"]
