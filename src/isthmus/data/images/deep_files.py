"""Image files that Pillow reads only in part: 16-bit color, float color, many bands, 32-bit integers.

tifffile and imagecodecs read them. Both are imported only when they are needed, since each takes a tenth of a second.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isthmus.data.images.jpeg_2000_boxes import as_stored_colors
from isthmus.data.images.tiff_structure import (
    has_palette,
    is_bilevel,
    pillow_reads,
    refuse_colors,
    refuse_cut,
    values_of,
)

PNG, TIFF, JPEG_2000 = (
    b"\x89PNG\r\n\x1a\n",
    (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
)
PNG_BANDS = {
    2: (3, False),
    4: (1, True),
    6: (3, True),
}  # by color type: the number of bands without transparency, and whether there is transparency
KEPT = {"uint8", "uint16"}  # all other types become float32
ALPHA = {1, 2}  # types of a TIFF's extra sample: transparency, premultiplied or not; 0 is a band of its own
HEAD = 32


class Deep(NamedTuple):
    """What is known about a frame before its pixels are read: `kind` is the format; sizes are those after rotation;
    `stored` is the type of the numbers in the file, if it differs from `dtype`; `is_bilevel` means black and white
    only.
    """

    kind: str
    frames: int
    height: int
    width: int
    bands: int
    alpha: bool
    dtype: str
    turn: int
    stored: str = ""
    is_bilevel: bool = False


class Planes(NamedTuple):
    """`pixels` (C, H, W) of uint8, uint16 or float32, and transparency (H, W) of the same type, or None."""

    pixels: np.ndarray
    alpha: np.ndarray | None


def look_deep(path: Path) -> Deep | None:
    """The header of the first frame, or None for a file that Pillow reads completely, or not at all.

    Raises: OSError for a TIFF that ends within its pages; Unreadable for a TIFF with unsupported colors.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(PNG) and head[24:25] == b"\x10" and head[25] in PNG_BANDS:
        width, height = struct.unpack(">II", head[16:24])
        return Deep("PNG", 1, height, width, *PNG_BANDS[head[25]], "uint16", 1)
    if head.startswith(JPEG_2000):
        return _look_jpeg_2000(path)
    if not head.startswith(TIFF):
        return None
    refuse_cut(path)  # otherwise the remaining pages of a truncated file would be read as if they were all
    return _look_tiff(path)


def look_pages(path: Path, first: Deep) -> list[Deep]:
    """The headers of all frames of a file whose first frame is `first`; the file is parsed once.

    Raises: OSError for damaged files.
    """
    if first.frames == 1:
        return [first]
    with open_tiff(path) as file:
        return [_described(page, first.frames) or first for page in file.pages]


def read_frames(path: Path, first: Deep) -> Iterator[Planes]:
    """The pixels of every frame, upright, one at a time; the file is parsed once.

    Raises: as `read_planes`.
    """
    if first.kind != "TIFF":
        yield read_planes(path, first)
        return
    with open_tiff(path) as file:
        for page in file.pages:
            yield _planes_of(page, _described(page, first.frames) or first)


def read_planes(path: Path, seen: Deep, frame: int = 0) -> Planes:
    """The upright pixels of a file that `look_deep` has described.

    Raises: OSError, ValueError and similar errors for damaged files; Unreadable for unsupported colors.
    """
    if seen.kind == "TIFF":
        with open_tiff(path) as file:
            return _planes_of(file.pages[frame], seen)
    import imagecodecs

    data = path.read_bytes()
    values = imagecodecs.png_decode(data) if seen.kind == "PNG" else imagecodecs.jpeg2k_decode(as_stored_colors(data))
    return _upright(values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0), seen)


def _planes_of(page: Any, seen: Deep) -> Planes:
    refuse_colors(page)  # `look_deep` sees only the first page
    values = values_of(page)
    is_interleaved = page.axes.endswith("S") or has_palette(page)
    return _upright(np.moveaxis(values, -1, 0) if is_interleaved else values.reshape(-1, *values.shape[-2:]), seen)


def _upright(planes: np.ndarray, seen: Deep) -> Planes:
    planes = planes if str(planes.dtype) in KEPT else planes.astype(np.float32)
    planes = turned(planes, seen.turn)
    if not seen.alpha:
        return Planes(_forwards(planes), None)
    return Planes(_forwards(planes[: seen.bands]), _forwards(planes[seen.bands]))


def _forwards(planes: np.ndarray) -> np.ndarray:
    """The planes, copied only if they have negative strides or are read-only, which PyTorch does not accept."""
    return np.ascontiguousarray(planes) if min(planes.strides) < 0 or not planes.flags.writeable else planes


def turned(planes: np.ndarray, turn: int) -> np.ndarray:
    """Upright planes (C, H, W); `turn` is the EXIF orientation, from 1 (upright) to 8."""
    if turn >= 5:
        planes = planes.swapaxes(1, 2)
    rows = slice(None, None, -1 if turn in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if turn in (2, 3, 6, 7) else 1)
    return planes[:, rows, columns]


@contextmanager
def open_tiff(path: Path) -> Iterator[Any]:
    """The open file; any error in it is raised as OSError."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            yield file
    except (tifffile.TiffFileError, IndexError, KeyError, struct.error) as error:
        raise OSError(str(error)) from None


def _look_tiff(path: Path) -> Deep | None:
    try:
        with open_tiff(path) as file:
            page = file.pages[0]
            if pillow_reads(file, page):
                return None
            refuse_colors(page)
            return _described(page, len(file.pages))
    except OSError:
        return None  # Pillow reports what is wrong with it


def _described(page: Any, n_frames: int) -> Deep | None:
    """The header of a TIFF page; None if its values are complex or of an unknown type."""
    samples, kind, extra = page.samplesperpixel, page.dtype, tuple(map(int, page.extrasamples))
    if kind is None or kind.kind not in "biuf":
        return None
    has_alpha = samples > 1 and bool(extra) and extra[-1] in ALPHA
    bands = 3 if has_palette(page) else samples - has_alpha
    turn = page.tags["Orientation"].value if "Orientation" in page.tags else 1
    turn = turn if isinstance(turn, int) and 1 <= turn <= 8 else 1
    height, width = page.imagelength, page.imagewidth
    height, width = (width, height) if turn >= 5 else (height, width)
    is_small = has_palette(page) or int(page.bitspersample) < 8
    dtype = "uint8" if is_small else str(kind) if str(kind) in KEPT else "float32"
    stored = str(kind) if not is_small and str(kind) != dtype else ""
    return Deep("TIFF", n_frames, height, width, bands, has_alpha, dtype, turn, stored, is_bilevel(page))


def _look_jpeg_2000(path: Path) -> Deep | None:
    data = path.read_bytes()[: 1 << 16]
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or len(data) < at + 43:
        return None
    right, lower, left, upper = struct.unpack(">4I", data[at + 8 : at + 24])
    (samples,) = struct.unpack(">H", data[at + 40 : at + 42])
    bits = (data[at + 42] & 0x7F) + 1
    if bits <= 8 and samples in (1, 3):
        return None
    has_alpha = samples in (2, 4) and b"cdef" in data[:at]
    dtype = "uint8" if bits <= 8 else "uint16" if bits <= 16 else "float32"
    return Deep("JPEG2000", 1, lower - upper, right - left, samples - has_alpha, has_alpha, dtype, 1)
