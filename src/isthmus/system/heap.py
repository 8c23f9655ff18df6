"""Large pieces of memory that the C library keeps for the next ones, instead of giving them back at once."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as glibc's malloc.h numbers them
KEPT = 1 << 30  # bytes; a layer's activations of a tile are 100 MB
# What glibc arrives at by itself once large pieces were freed (mallopt(3), M_MMAP_THRESHOLD).
USUAL_MMAP, USUAL_TRIM = 32 * 2**20, 64 * 2**20


@contextmanager
def kept_memory() -> Iterator[None]:
    """Within it freed memory stays with the process; at its end the system gets it back.

    glibc gives pieces above 32 MB back as soon as they are freed, and the system fills each new one with zeros, page
    by page: 28 of 77 seconds of a U-Net, 12 megapixels in tiles of 768. Other C libraries are left as they are.
    For work that asks for the same sizes again and again; anything else leaves holes, which are given back at the end.
    """
    mallopt, trim = _glibc("mallopt"), _glibc("malloc_trim")
    if mallopt is None or trim is None or not mallopt(M_MMAP_THRESHOLD, KEPT):  # an older glibc takes 32 MB at most
        yield
        return
    mallopt(M_TRIM_THRESHOLD, KEPT)
    try:
        yield
    finally:
        mallopt(M_MMAP_THRESHOLD, USUAL_MMAP)
        mallopt(M_TRIM_THRESHOLD, USUAL_TRIM)
        trim(0)


def _glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


__all__ = ["kept_memory"]
