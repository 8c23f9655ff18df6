"""Metadata that is copied with an image into another file: EXIF data, color profile, resolution, text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from isthmus.data.images.pixels import ORIENTATION
from isthmus.data.images.tiff_structure import STORAGE

CARRIED = ("icc_profile", "exif", "dpi")  # keys of an image's `info`
NO_DPI = (1, 1)  # what Pillow reports for a TIFF without a resolution
MOST_DPI, MOST_JPEG_DPI = 5e7, 2**16 - 1  # the largest that every other format can hold, and a JPEG
SPACE = slice(16, 20)  # the bytes of an ICC profile that name the color space of the pixels
SPACE_OF = {b"RGB ": {"RGB", "RGBA"}, b"GRAY": {"L", "LA", "I;16"}, b"CMYK": {"CMYK"}}
PILLOWS = "latin-1"  # the encoding in which Pillow reads EXIF text, whatever its real encoding
DEFLATE = "tiff_deflate"
# Lossless TIFF compressions; any other, or one for black and white only, is replaced by Deflate.
KEPT_COMPRESSIONS = {"raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", DEFLATE, "lzma", "zstd"}


def info_of(image: Image.Image) -> dict[str, Any]:
    """All that Pillow knows about an image besides its pixels. The EXIF orientation is set to upright, and tags about
    how a TIFF stored its pixels are removed, because they would be wrong for other pixels.
    """
    info: dict[str, Any] = {str(name): value for name, value in image.info.items()}
    if getattr(image, "text", None) and image.format == "PNG":
        info["text"] = {k: str(v) for k, v in image.text.items()}  # type: ignore[attr-defined]
    exif = image.getexif()
    info.pop("exif", None)
    for tag in STORAGE.intersection(exif):
        del exif[tag]
    if len(exif):
        exif[ORIENTATION] = 1
        info["exif"] = with_bytes(exif).tobytes()
    return info


def with_bytes(exif: Image.Exif) -> Image.Exif:
    """The same EXIF data with text as bytes: Pillow reads text as Latin-1, and writes non-ASCII characters as "?"."""
    parts = [exif.get_ifd(code) for code in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) if code in exif]
    for part in (exif, *parts):
        for tag, value in [*part.items()]:
            if isinstance(value, str):
                part[tag] = value.encode(PILLOWS, "replace")
    return exif


def exif_of(data: bytes) -> Image.Exif:
    """EXIF data in the form that Pillow writes into a TIFF without loss, see `with_bytes`."""
    exif = Image.Exif()
    exif.load(data)
    return with_bytes(exif)


def carried(info: dict[str, Any], mode: str) -> dict[str, Any]:
    """The part of `info` to save with an image of `mode`, without a color profile that does not fit its colors."""
    found = {name: info[name] for name in CARRIED if info.get(name) is not None}
    if "dpi" in found and (found["dpi"] == NO_DPI or not is_usable(found["dpi"])):
        del found["dpi"]
    if "icc_profile" in found and not fits_profile(found["icc_profile"], mode):
        del found["icc_profile"]
    return found


def is_usable(dpi: Iterable[Any], most: float = MOST_DPI) -> bool:
    """Whether a resolution, in pixels per inch, can be written; damaged files hold far larger ones."""
    return all(0 < float(each) <= most for each in dpi)


def fits_profile(profile: bytes, mode: str) -> bool:
    """Whether an ICC profile is for the colors of Pillow's `mode`."""
    return mode in SPACE_OF.get(bytes(profile[SPACE]), set())


def png_texts(texts: dict[str, str]) -> PngImagePlugin.PngInfo:
    """Named text entries in the form that Pillow writes into a PNG."""
    made = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        made.add_text(name, value)
    return made


__all__ = [
    "DEFLATE", "KEPT_COMPRESSIONS", "MOST_JPEG_DPI", "carried", "exif_of", "fits_profile", "info_of", "is_usable",
    "png_texts", "with_bytes",
]  # fmt: skip
