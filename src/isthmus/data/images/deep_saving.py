"""Images that Pillow cannot write whole: 16-bit color, floats and many bands, as TIFF, PNG or JPEG 2000."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.images.deep_files import PNG, open_tiff

COPIED = {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"}  # chunks of a PNG
TEXT_TAGS = (270, 271, 272, 305, 306, 315, 33432)  # of a TIFF: description, make, model, software, date, artist, rights


def is_deep(pixels: np.ndarray, has_alpha: bool) -> bool:
    """Whether Pillow would lose bands or bits of an image (C, H, W)."""
    return (
        pixels.dtype.kind == "f"
        or len(pixels) not in (1, 3)
        or (pixels.dtype != np.uint8 and (len(pixels), has_alpha) != (1, False))
    )


def tiff_settings(path: Path) -> list[dict[str, Any]]:
    """Resolution, color profile and texts of every page, as `write_tiff` takes them."""
    with open_tiff(path) as file:
        return [_settings_of(page) for page in file.pages]


def _settings_of(page: Any) -> dict[str, Any]:
    tags = page.tags
    found: dict[str, Any] = {"compression": None if int(page.compression) == 1 else "zlib"}
    if 34675 in tags:
        found["iccprofile"] = bytes(tags[34675].value)
    if 282 in tags and 283 in tags:
        found["resolution"] = tuple(tags[code].value for code in (282, 283))
        found["resolutionunit"] = int(tags[296].value) if 296 in tags else 2
    found["extratags"] = [
        (code, "s", 0, str(tags[code].value), True) for code in TEXT_TAGS if code in tags and code != 270
    ]
    found["description"] = str(tags[270].value) if 270 in tags else None
    return found


def write_tiff(
    part: Path, pages: Sequence[tuple[np.ndarray, np.ndarray | None]], settings: Sequence[dict[str, Any]]
) -> None:
    """Pages of pixels (C, H, W) and transparency (H, W) or None, each with its `tiff_settings`."""
    import tifffile

    with tifffile.TiffWriter(part) as file:
        for (pixels, alpha), about in zip(pages, settings, strict=True):
            planes = pixels if alpha is None else np.concatenate([pixels, alpha[None]])
            extra = ["unspecified"] * (len(pixels) - (3 if len(pixels) == 3 else 1)) + ["unassalpha"] * (
                alpha is not None
            )
            layout = {"planarconfig": "contig", "extrasamples": extra} if len(planes) > 1 else {}
            file.write(
                np.ascontiguousarray(planes.transpose(1, 2, 0)) if len(planes) > 1 else planes[0],
                photometric="rgb" if len(pixels) == 3 else "minisblack",
                metadata=None,
                software=False,
                **layout,
                **about,
            )


def png_bytes(pixels: np.ndarray, alpha: np.ndarray | None, source: bytes = b"") -> bytes:
    """A PNG of 8 or 16 bits of pixels (C, H, W), with the metadata of the PNG file `source`."""
    import imagecodecs

    planes = pixels if alpha is None else np.concatenate([pixels, alpha[None]])
    made = imagecodecs.png_encode(np.ascontiguousarray(planes.transpose(1, 2, 0).squeeze()))
    head = len(PNG) + 25  # the signature and IHDR, which comes first
    return bytes(made[:head]) + _chunks(source) + bytes(made[head:])


def _chunks(source: bytes) -> bytes:
    """The chunks of metadata of a PNG file, as they are; those behind the pixels too."""
    found, at = [], len(PNG)
    while source.startswith(PNG) and at + 12 <= len(source):
        (length,) = struct.unpack(">I", source[at : at + 4])
        end = at + 12 + length
        if source[at + 4 : at + 8] in COPIED:
            found.append(source[at:end])
        at = end
    return b"".join(found)


def jpeg_2000_bytes(pixels: np.ndarray, alpha: np.ndarray | None) -> bytes:
    """A lossless JPEG 2000 file."""
    import imagecodecs

    planes = pixels if alpha is None else np.concatenate([pixels, alpha[None]])
    return bytes(imagecodecs.jpeg2k_encode(np.ascontiguousarray(planes.transpose(1, 2, 0).squeeze()), level=0))
