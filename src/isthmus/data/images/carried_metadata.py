"""What goes with a picture into another file: EXIF data, a color profile, a resolution, texts."""

from __future__ import annotations

from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from isthmus.data.images.pixels import ORIENTATION
from isthmus.data.images.tiff_structure import STORAGE

CARRIED = ("icc_profile", "exif", "dpi")  # of a picture's `info`
NO_DPI = (1, 1)  # what Pillow says of a TIFF without a resolution
SPACE = slice(16, 20)  # where an ICC profile names the color space of its pixels
SPACE_OF = {b"RGB ": {"RGB", "RGBA"}, b"GRAY": {"L", "LA", "I;16"}, b"CMYK": {"CMYK"}}
PILLOWS = "latin-1"  # in which Pillow reads the texts of EXIF data, whatever they are written in
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
        info["exif"] = with_bytes(exif).tobytes()
    return info


def with_bytes(exif: Image.Exif) -> Image.Exif:
    """The same EXIF data, its texts as bytes: Pillow reads them as Latin-1, and writes those beyond ASCII as "?"."""
    parts = [exif.get_ifd(code) for code in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo) if code in exif]
    for part in (exif, *parts):
        for tag, value in [*part.items()]:
            if isinstance(value, str):
                part[tag] = value.encode(PILLOWS, "replace")
    return exif


def exif_of(data: bytes) -> Image.Exif:
    """EXIF data as Pillow writes it into a TIFF without loss, see `with_bytes`."""
    exif = Image.Exif()
    exif.load(data)
    return with_bytes(exif)


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


__all__ = [
    "DEFLATE", "KEPT_COMPRESSIONS", "carried", "exif_of", "fits_profile", "info_of", "png_texts",
    "with_bytes",
]  # fmt: skip
