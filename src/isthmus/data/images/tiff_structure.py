"""The structure of a TIFF: whether it is complete, which library reads its pages, which tags only describe storage."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from isthmus.data.images.unreadable import Unreadable

BIG = {b"II+\0", b"MM\0+"}  # BigTIFF: Pillow reads no EXIF data from it, and no big-endian files
BITS, TOGETHER = 8, 1  # bits of a byte; the layout in which the bands of a pixel are stored together
WHITE_IS_ZERO, PALETTE, CMYK, CFA = 0, 3, 5, 32803  # photometric interpretations
COLORS = {1: 1, 2: 3, 5: 4, 6: 3, 8: 3}  # samples by photometric interpretation: gray, RGB, CMYK, YCbCr, Lab
# Color spaces, by number, that would be misread if Pillow does not read them. JPEG converts its YCbCr to RGB.
YCBCR, JPEGS = 6, {6, 7}
NOT_READ = {
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "a camera's raw mosaic (CFA)",
    32844: "LogL",
    32845: "LogLuv",
}
# Compressions that every build of Pillow can read, by number: none, CCITT, LZW, JPEG, PackBits, Deflate, LZMA.
UNPACKED_BY_PILLOW = {1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925}
# Tags about how the pixels are stored: sizes, bits, strips, tiles, color layout, palette, page and thumbnail marks,
# pointers to other images in the same file, layers (37724). With other pixels, they would be wrong.
STORAGE = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292,
     293, 297, 301, 317, 320, 322, 323, 324, 325, 326, 327, 328, 330, 332, 333, 334, 336, 338, 339, 340, 341, 342, 347,
     512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 34675, 37724, 50838, 50839}
)  # fmt: skip


class _Form(NamedTuple):
    """The number formats of a file: for counts of directory entries and for offsets; and the bytes of an entry."""

    count: struct.Struct
    offset: struct.Struct
    entry: int


def refuse_cut(path: Path) -> None:
    """Follows the pages of a TIFF without reading them.

    Raises: OSError if a page begins or ends after the end of the file, or if the pages form a loop.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        form, at = _header(file)
        number, seen = 1, set()
        while at:
            if at in seen:
                raise OSError(f"page {number:,} points back to an earlier page")
            seen.add(at)
            at = _next(file, form, at, number, size)
            number += 1


def _header(file: BinaryIO) -> tuple[_Form, int]:
    head = file.read(16)
    order = "<" if head.startswith(b"II") else ">"
    big = head[:4] in BIG
    form = _Form(struct.Struct(order + "HQ"[big]), struct.Struct(order + "IQ"[big]), 20 if big else 12)
    begin = head[8:] if big else head[4:8]
    if len(begin) < form.offset.size:
        raise OSError(f"the file ends after {len(head)} bytes")
    return form, form.offset.unpack(begin)[0]


def _next(file: BinaryIO, form: _Form, at: int, number: int, size: int) -> int:
    """Where the page after the one at byte `at` begins; 0 after the last."""
    message = f"page {number:,} begins at byte {at:,}, but the file has {size:,}"
    if at + form.count.size > size:
        raise OSError(message)
    file.seek(at)
    (n,) = form.count.unpack(file.read(form.count.size))
    end = at + form.count.size + n * form.entry
    if end + form.offset.size > size:
        raise OSError(message)
    file.seek(end)
    return form.offset.unpack(file.read(form.offset.size))[0]


def pillow_reads(file: Any, page: Any) -> bool:
    """Whether Pillow reads every band and every bit of a page of a file that tifffile opened, and can write the same
    file.
    """
    if file.is_bigtiff or int(page.compression) not in UNPACKED_BY_PILLOW or has_inverted(page):
        return False
    dtype, bits, color = str(page.dtype), int(page.bitspersample), int(page.photometric)
    samples, extra = page.samplesperpixel, tuple(map(int, page.extrasamples))
    if color == CFA:
        return False
    if samples == 1:
        return dtype in {"bool", "uint8", "float32"} or (dtype == "uint16" and bits == 16) or bits < BITS
    colors = COLORS.get(color)
    is_known = samples == colors or (samples - 1 == colors and color != CMYK and extra[-1:] in ((1,), (2,)))
    return dtype == "uint8" and is_known and int(page.planarconfig) == TOGETHER


def refuse_colors(page: Any) -> None:
    """Raises: Unreadable for a page that Pillow does not read and whose color space would be misread."""
    color = int(page.photometric)
    if color in NOT_READ and not (color == YCBCR and int(page.compression) in JPEGS):
        raise Unreadable(f"is a TIFF in an unsupported form of {NOT_READ[color]}; save it as RGB or gray")


def values_of(page: Any) -> np.ndarray:
    """The values of a page in its own layout, with black as the smallest value: a palette is replaced by its colors,
    fewer than 8 bits by bytes.

    Raises: OSError for a page with missing pixels.
    """
    size = page.parent.filehandle.size
    missing = [k for k, n in zip(page.dataoffsets, page.databytecounts, strict=True) if k + n > size]
    if missing:
        raise OSError(f"its pixels continue past the end of the file, byte {size:,}")
    values, color, bits = page.asarray(), int(page.photometric), int(page.bitspersample)
    if color == PALETTE and page.colormap is not None:
        return np.moveaxis((page.colormap >> BITS).astype(np.uint8)[:, values], 0, -1)
    if bits < BITS:
        values = values.astype(np.uint8) * np.uint8(255 // (2**bits - 1))
    if color == WHITE_IS_ZERO and values.dtype.kind == "u":
        return values.dtype.type(2 ** max(bits, BITS) - 1) - values  # for 12 bits in 16, 4095
    return values


def has_inverted(page: Any) -> bool:
    """Whether it holds unsigned integers with 0 as white; floats are never inverted."""
    return int(page.photometric) == WHITE_IS_ZERO and page.dtype is not None and page.dtype.kind == "u"


def is_bilevel(page: Any) -> bool:
    """Whether it holds only black and white."""
    return int(page.bitspersample) == 1 and page.samplesperpixel == 1 and not has_palette(page)


def has_palette(page: Any) -> bool:
    """Whether its values are indices into a palette, so it is in color."""
    return int(page.photometric) == PALETTE and page.colormap is not None


__all__ = [
    "BIG",
    "STORAGE",
    "WHITE_IS_ZERO",
    "has_inverted",
    "has_palette",
    "is_bilevel",
    "pillow_reads",
    "refuse_colors",
    "refuse_cut",
    "values_of",
]
