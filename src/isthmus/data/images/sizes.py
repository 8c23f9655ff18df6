"""Image sizes as people write them, and arrays of images brought to one."""

from __future__ import annotations

import re

import numpy as np

from isthmus.data.images.pixels import resized_plane
from isthmus.errors import UsageError
from isthmus.system.memory import refuse_too_large
from isthmus.system.workers import each

MOST_SIDE = 16_384  # a longer side is a slip of the finger


def parse_size(text: str) -> tuple[int, int]:
    """`"28"` or `"28x32"` as (height, width).

    Raises: UsageError if it is neither, or out of bounds.
    """
    found = re.fullmatch(r"\s*(\d{1,6})(?:\s*[xX×,]\s*(\d{1,6}))?\s*", text)
    height, width = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not (1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE):
        message = f"{text!r} is not an image size of 1 to {MOST_SIDE:,} pixels a side."
        raise UsageError("USAGE-SIZE", message, fix="write it as 64 or 48x64 (height x width)")
    return height, width


def resized(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images (N, C, H, W) of any image type at another size, in the same type and range.

    Raises: ResourceError if they would not fit into memory.
    """
    N, C, H, W = x.shape
    if size == (H, W):
        return x
    n_bytes = N * C * size[0] * size[1] * x.dtype.itemsize
    what = f"bringing {N:,} images to {size[0]} x {size[1]} pixels"
    refuse_too_large(n_bytes, what, fix="choose a smaller size with --resize")
    out = np.empty((N, C, *size), dtype=x.dtype)

    def place(row: int) -> None:
        for channel in range(C):
            out[row, channel] = resized_plane(x[row, channel], size)

    for result in each(place, range(N), lambda _: None):
        if isinstance(result, Exception):
            raise result
    return out
