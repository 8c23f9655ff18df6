"""What goes with a picture into another file: EXIF data, a color profile, a resolution, texts."""

from __future__ import annotations

from typing import Any

from PIL import Image, PngImagePlugin

from isthmus.data.images.pixels import ORIENTATION
from isthmus.data.images.tiff_structure import STORAGE

CARRIED = ("icc_profile", "exif", "dpi")  # of a picture's `info`
NO_DPI = (1, 1)  # what Pillow says of a TIFF without a resolution
SPACE = slice(16, 20)  # where an ICC profile names the color space of its pixels
SPACE_OF = {b"RGB ": {"RGB", "RGBA"}, b"GRAY": {"L", "LA", "I;16"}, b"CMYK": {"CMYK"}}
DEFLATE = "tiff_deflate"
# Of a TIFF without loss; any other, or one for black and white alone, becomes Deflate.
KEPT_COMPRESSIONS = {"raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", DEFLATE, "lzma", "zstd"}


def info_of(image: Image.Image) -> dict[str, Any]:
    """All that Pillow knows of a picture beside its pixels; EXIF data says upright, and nothing of how a TIFF stored
    the pixels, which would be wrong of others.
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
        info["exif"] = exif.tobytes()
    return info


def carried(info: dict[str, Any], mode: str) -> dict[str, Any]:
    """Of `info` what a picture of `mode` is saved with; a profile of other colors than its own would spoil it."""
    found = {name: info[name] for name in CARRIED if info.get(name) is not None}
    if found.get("dpi") == NO_DPI:
        del found["dpi"]
    if "icc_profile" in found and not fits_profile(found["icc_profile"], mode):
        del found["icc_profile"]
    return found


def fits_profile(profile: bytes, mode: str) -> bool:
    """Whether an ICC profile speaks of the colors of Pillow's `mode`."""
    return mode in SPACE_OF.get(bytes(profile[SPACE]), set())


def png_texts(texts: dict[str, str]) -> PngImagePlugin.PngInfo:
    """Texts by their names, as Pillow writes them into a PNG."""
    made = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        made.add_text(name, value)
    return made


__all__ = ["DEFLATE", "KEPT_COMPRESSIONS", "carried", "fits_profile", "info_of", "png_texts"]
