"""Color profile, resolution and text of an image that Pillow reads only in part, for a file of another format."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from isthmus.data.images.carried_metadata import exif_of, fits_profile, info_of, is_usable
from isthmus.data.images.deep_saving import DESCRIPTION, TEXT_TAGS, tiff_settings
from isthmus.data.images.jpeg_2000_boxes import EXIF_MARK, INCH_M, jpeg_2000_info
from isthmus.data.images.pixels import opened

CENTIMETERS, INCHES = 3, 2  # units of a TIFF's resolution; 1: none
INCH_CM = 2.54
MOST_A_METER = 2**32 - 1  # pixels, the limit of PNG; a microscope's TIFF may have more
PROFILE_NAME = b"ICC profile\0\0"  # the name, then the compression method, Deflate


def deep_info(path: Path, kind: str) -> dict[str, Any]:
    """`icc_profile`, `dpi` and `exif` of the first frame of a TIFF, PNG or JPEG 2000 file, if present, as in Pillow's
    `info`.
    """
    if kind == "TIFF":
        return _of_tiff(tiff_settings(path)[0])
    if kind == "JPEG2000":
        return {name: value for name, value in jpeg_2000_info(path).items() if name != "dpi" or is_usable(value)}
    if kind != "PNG":
        return {}
    with opened(path) as image:
        info = info_of(image)
    return {name: info[name] for name in ("icc_profile", "dpi", "exif") if info.get(name)}


def _of_tiff(settings: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "iccprofile" in settings:
        found["icc_profile"] = settings["iccprofile"]
    unit = settings.get("resolutionunit")
    if unit in (CENTIMETERS, INCHES):
        inch = INCH_CM if unit == CENTIMETERS else 1
        found["dpi"] = tuple(inch * above / max(below, 1) for above, below in settings["resolution"])
    exif = Image.Exif()
    for code, _, _, text, _ in settings["extratags"]:
        exif[code] = text
    if settings["description"]:
        exif[DESCRIPTION] = settings["description"]
    return found | ({"exif": exif.tobytes()} if len(exif) else {})


def png_chunks(info: dict[str, Any], bands: int) -> bytes:
    """The same metadata as chunks of a PNG with `bands` bands, without a profile that does not fit its colors."""
    profile, dpi, exif = (info.get(name) for name in ("icc_profile", "dpi", "exif"))
    found = b""
    if profile and fits_profile(profile, "RGB" if bands > 1 else "L"):
        found += _chunk(b"iCCP", PROFILE_NAME + zlib.compress(profile))
    if dpi and max(dpi) / INCH_M <= MOST_A_METER:
        found += _chunk(b"pHYs", struct.pack(">IIB", *(round(value / INCH_M) for value in dpi), 1))
    return found + (_chunk(b"eXIf", exif.removeprefix(EXIF_MARK)) if exif else b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def tiff_settings_of(info: dict[str, Any], bands: int) -> dict[str, Any]:
    """The same metadata as settings for `deep_saving.write_tiff`."""
    profile, dpi = info.get("icc_profile"), info.get("dpi")
    found: dict[str, Any] = {"compression": "zlib"}
    if profile and fits_profile(profile, "RGB" if bands > 1 else "L"):
        found["iccprofile"] = profile
    if dpi:
        found |= {"resolution": tuple(map(float, dpi)), "resolutionunit": INCHES}
    if info.get("exif"):
        found |= _texts(info["exif"])
    return found


def _texts(exif_bytes: bytes) -> dict[str, Any]:
    exif = exif_of(exif_bytes)
    texts = {code: exif[code] for code in TEXT_TAGS if isinstance(exif.get(code), bytes)}
    description = texts.pop(DESCRIPTION, None)
    return {"description": description, "extratags": [(code, "s", 0, text, True) for code, text in texts.items()]}


__all__ = ["deep_info", "png_chunks", "tiff_settings_of"]
