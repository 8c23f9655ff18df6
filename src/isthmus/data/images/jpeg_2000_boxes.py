"""Metadata of JPEG 2000 files (JP2): color profile, resolution, EXIF data, XML. Pillow reads and writes hardly any.

Source: ISO/IEC 15444-1, annex I: a file consists of boxes, each with a length, a type and its content.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM, HEADER = b"jp2c", b"jp2h"
# How colors are specified: by an ICC profile of a simple kind, or of any kind; 1 stands for a number.
RESTRICTED, ANY_PROFILE = 2, 3
EXIF_ID = b"JpgTiffExif->JP2"  # precedes EXIF data in a JP2, as Adobe's and ImageMagick's programs write it
EXIF_MARK = b"Exif\0\0"  # precedes it in a JPEG, but not in a PNG
TIFF_MARKS = (b"II*\0", b"MM\0*")  # with which EXIF data begins
INCH_M = 0.0254
MOST = 2**16 - 1  # in two bytes
Box = tuple[bytes, bytes]  # type and content


def jpeg_2000_info(path: Path) -> dict[str, Any]:
    """`icc_profile`, `dpi` and `exif` if present, as in Pillow's `info`; `boxes` are those that only a JP2 can hold."""
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return {}  # a bare codestream
        outer = list(_boxes(file, with_image=False))
    found: dict[str, Any] = {"boxes": [box for box in outer if box[0] in {b"xml ", b"uuid"} and not _is_exif(box)]}
    inner = [box for name, content in outer if name == HEADER for box in parsed(content)]
    for name, content in inner:
        if _holds_profile((name, content)):
            found.setdefault("icc_profile", content[3:])
        elif name == b"res " and (sizes := parsed(content)) and (dpi := _dpi(sizes[0][1])):
            found["dpi"] = dpi
    for exif in (content[len(EXIF_ID) :].removeprefix(EXIF_MARK) for name, content in filter(_is_exif, outer)):
        if exif.startswith(TIFF_MARKS):  # else it is damaged, and could not be written into a TIFF
            found["exif"] = EXIF_MARK + exif
    return found


def as_stored_colors(data: bytes) -> bytes:
    """What to decode for the pixels as stored: OpenJPEG applies a color profile, but not to a bare codestream."""
    boxes = dict(parsed(data.removeprefix(SIGNATURE))) if data.startswith(SIGNATURE) else {}
    is_profiled = any(_holds_profile(box) for box in parsed(boxes.get(HEADER, b"")))
    return boxes.get(CODESTREAM, data) if is_profiled else data


def with_info(data: bytes, info: dict[str, Any]) -> bytes:
    """The JP2 file `data` with metadata as from `jpeg_2000_info`; the profile must be for its colors.

    A codestream without boxes has no place for metadata, and stays as it is.
    """
    if not data.startswith(SIGNATURE):
        return data
    made = []
    for name, content in parsed(data):
        if name == CODESTREAM:
            made += _further(info)
        made.append((name, _header(content, info) if name == HEADER else content))
    return b"".join(_box(*box) for box in made)


def _further(info: dict[str, Any]) -> list[Box]:
    exif = info.get("exif")
    own = [(b"uuid", EXIF_ID + bytes(exif).removeprefix(EXIF_MARK))] if exif else []
    return [*own, *info.get("boxes", ())]


def _header(content: bytes, info: dict[str, Any]) -> bytes:
    """The header with the profile in place of the color specification, and with the resolution."""
    boxes, profile, dpi = parsed(content), info.get("icc_profile"), info.get("dpi")
    if profile:
        at = next((i for i, (name, _) in enumerate(boxes) if name == b"colr"), len(boxes))
        boxes = [box for box in boxes if box[0] != b"colr"]
        boxes.insert(at, (b"colr", bytes([RESTRICTED, 0, 0]) + profile))
    if dpi and min(dpi) > 0:
        boxes = [box for box in boxes if box[0] != b"res "] + [(b"res ", _box(b"resc", _resolution(dpi)))]
    return b"".join(_box(*box) for box in boxes)


def _resolution(dpi: tuple[float, float]) -> bytes:
    """A resolution box: first the vertical one; each a fraction, and an exponent of ten."""
    across, down = (_fraction(float(value) / INCH_M) for value in dpi)
    return struct.pack(">HHHHbb", *down[:2], *across[:2], down[2], across[2])


def _fraction(value: float) -> tuple[int, int, int]:
    """(above, below, exponent) in two bytes, two bytes and one. No exponent is negative, because Pillow misreads it."""
    exponent = max(0, math.ceil(math.log10(value / MOST)))
    value /= 10.0**exponent
    below = 10 ** max(0, min(4, int(math.log10(MOST / value))))
    return min(round(value * below), MOST), below, exponent


def _dpi(content: bytes) -> tuple[float, float] | None:
    if len(content) < 10:
        return None
    above, below, above_x, below_x, exponent, exponent_x = struct.unpack(">HHHHbb", content[:10])
    if not (above and below and above_x and below_x):
        return None
    return above_x / below_x * 10.0**exponent_x * INCH_M, above / below * 10.0**exponent * INCH_M


def _holds_profile(box: Box) -> bool:
    return box[0] == b"colr" and box[1][:1] in (bytes([RESTRICTED]), bytes([ANY_PROFILE]))


def _is_exif(box: Box) -> bool:
    return box[0] == b"uuid" and box[1].startswith(EXIF_ID)


def parsed(data: bytes) -> list[Box]:
    """The boxes in `data`."""
    return list(_boxes(BytesIO(data)))


def _boxes(file: BinaryIO, *, with_image: bool = True) -> Iterator[Box]:
    """The boxes from the file's position on; a damaged end is left out. The codestream is empty unless `with_image`."""
    at = file.tell()
    size = file.seek(0, 2)
    while at + 8 <= size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if length == 1 and at + 16 <= size:
            (length,), head = struct.unpack(">Q", file.read(8)), 16
        length = size - at if length == 0 else length
        if not head <= length <= size - at:
            return
        yield name, b"" if name == CODESTREAM and not with_image else file.read(length - head)
        at += length


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


__all__ = ["EXIF_MARK", "INCH_M", "as_stored_colors", "jpeg_2000_info", "parsed", "with_info"]
