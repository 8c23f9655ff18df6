"""Images that Pillow cannot write without loss: 16-bit color, floats, many bands; as TIFF, PNG or JPEG 2000."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.images.deep_files import PNG, open_tiff
from isthmus.data.images.tiff_structure import BIG, WHITE_IS_ZERO, has_inverted

COPIED = {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"}  # chunks of a PNG
# TIFF's lossless compressions by number; any other is replaced by Deflate.
COMPRESSIONS = {1: None, 5: "lzw", 32773: "packbits", 34925: "lzma", 50000: "zstd"}
LARGEST_CLASSIC = 2**32 - 2**25  # bytes: files above 4 GB need larger offsets, and tags need some space
ASSOCIATED, PLANAR = 1, 2  # premultiplied transparency; bands stored one after the other
COLORS_OF = {"miniswhite": 1, "minisblack": 1, "rgb": 3, "separated": 4}  # number of bands by TIFF's name
NAMES = {0: "miniswhite", 2: "rgb", 5: "separated"}  # photometric interpretations that are kept
OF_LAYOUT = {"colors", "premultiplied", "planar"}  # settings that tifffile takes under other names
Page = tuple[np.ndarray, np.ndarray | None]  # pixels (C, H, W) and transparency (H, W)
DESCRIPTION = 270  # the tag of a TIFF and of EXIF data
TEXT_TAGS = (DESCRIPTION, 271, 272, 305, 306, 315, 33432)  # and make, model, software, date, artist, rights


def is_deep(pixels: np.ndarray, has_alpha: bool) -> bool:
    """Whether Pillow would lose bands or bits of an image (C, H, W)."""
    return (
        pixels.dtype.kind == "f"
        or len(pixels) not in (1, 3)
        or (pixels.dtype != np.uint8 and (len(pixels), has_alpha) != (1, False))
    )


def save_tiff(
    part: Path, pages: Sequence[Page], source: Path | None, stored: str = "", about: dict[str, Any] | None = None
) -> None:
    """Writes pages as `write_tiff` does, with the metadata of the pages of the TIFF `source` if it has the same number
    of pages; otherwise each with the settings `about`.

    If `stored` is given, floats are converted to that type, which is that of the original file.
    """
    known = tiff_settings(source) if source is not None else []
    settings = known if len(known) == len(pages) else [about or {"compression": "zlib"}] * len(pages)
    kept = [(as_stored(pixels, stored), None if alpha is None else as_stored(alpha, stored)) for pixels, alpha in pages]
    write_tiff(part, kept, settings, is_big=source is not None and _is_big(source))


def as_stored(values: np.ndarray, stored: str) -> np.ndarray:
    """Floats in the type `stored`, if it is given; for integer types they are rounded and clipped to its range."""
    if not stored or values.dtype.kind != "f":
        return values
    kind = np.dtype(stored)
    if kind.kind == "f":
        return values.astype(kind)
    ends, rounded = np.iinfo(kind), np.rint(values.astype(np.float64))
    below = np.nextafter(2.0 ** (ends.bits - (kind.kind == "i")), 0)  # float64 cannot hold the largest 64-bit integer
    found = rounded.clip(ends.min, min(ends.max, below)).astype(kind)
    return np.where(rounded >= ends.max, kind.type(ends.max), found)


def _is_big(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in BIG


def tiff_settings(path: Path) -> list[dict[str, Any]]:
    """Layout, resolution, color profile and text of every page, in the form that `write_tiff` takes."""
    with open_tiff(path) as file:
        return [_settings_of(page) for page in file.pages]


def _settings_of(page: Any) -> dict[str, Any]:
    tags = page.tags
    found: dict[str, Any] = {"compression": COMPRESSIONS.get(int(page.compression), "zlib")}
    if 34675 in tags:
        found["iccprofile"] = bytes(tags[34675].value)
    if 282 in tags and 283 in tags:
        found["resolution"] = tuple(tags[code].value for code in (282, 283))
        found["resolutionunit"] = int(tags[296].value) if 296 in tags else 2
    texts = {
        code: str(tags[code].value).encode() for code in TEXT_TAGS if code in tags
    }  # tifffile takes ASCII or bytes
    found["description"] = texts.pop(DESCRIPTION, None)
    found["extratags"] = [(code, "s", 0, text, True) for code, text in texts.items()]
    is_inverted = has_inverted(page)
    found["colors"] = int(page.photometric) if is_inverted or int(page.photometric) != WHITE_IS_ZERO else -1
    found["premultiplied"] = ASSOCIATED in map(int, page.extrasamples)
    found["planar"] = int(page.planarconfig) == PLANAR
    return found


def write_tiff(part: Path, pages: Sequence[Page], settings: Sequence[dict[str, Any]], *, is_big: bool = False) -> None:
    """Writes pages of pixels (C, H, W) and transparency (H, W) or None, each with its `tiff_settings`."""
    import tifffile

    with tifffile.TiffWriter(part, bigtiff=is_big or sum(page[0].nbytes for page in pages) > LARGEST_CLASSIC) as file:
        for (pixels, alpha), about in zip(pages, settings, strict=True):
            told = {name: value for name, value in about.items() if name not in OF_LAYOUT}
            values, layout = _laid_out(pixels, alpha, about)
            file.write(values, metadata=None, software=False, **layout, **told)


def _laid_out(pixels: np.ndarray, alpha: np.ndarray | None, about: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """The values of a page in the layout of the file, and the arguments for tifffile."""
    planes = pixels if alpha is None else np.concatenate([pixels, alpha[None]])
    colors = _colors(pixels, about)
    if colors == "miniswhite":
        planes = planes.dtype.type(np.iinfo(planes.dtype).max) - planes
    if len(planes) == 1:
        return planes[0], {"photometric": colors}
    extra = ["unspecified"] * (len(pixels) - COLORS_OF[colors])
    extra += ["assocalpha" if about.get("premultiplied") else "unassalpha"] * (alpha is not None)
    layout = {"photometric": colors, "extrasamples": extra}
    if about.get("planar"):
        return planes, layout | {"planarconfig": "separate"}
    return np.ascontiguousarray(planes.transpose(1, 2, 0)), layout | {"planarconfig": "contig"}


def _colors(pixels: np.ndarray, about: dict[str, Any]) -> str:
    """The meaning of the bands, by TIFF's name: as in the original file, if there are at least as many bands."""
    bands, wanted = len(pixels), NAMES.get(about.get("colors", -1))
    if wanted in {"rgb", "separated"} and bands >= COLORS_OF[wanted]:
        return wanted
    if wanted == "miniswhite" and bands == 1 and pixels.dtype.kind == "u":
        return wanted
    return "rgb" if bands == COLORS_OF["rgb"] else "minisblack"


def png_bytes(pixels: np.ndarray, alpha: np.ndarray | None, chunks: bytes = b"") -> bytes:
    """A PNG file with 8 or 16 bits for pixels (C, H, W), with `chunks` of metadata."""
    import imagecodecs

    planes = pixels if alpha is None else np.concatenate([pixels, alpha[None]])
    made = imagecodecs.png_encode(np.ascontiguousarray(planes.transpose(1, 2, 0).squeeze()))
    head = len(PNG) + 25  # the signature and IHDR, which comes first
    return bytes(made[:head]) + chunks + bytes(made[head:])


def chunks_of(source: bytes) -> bytes:
    """The metadata chunks of a PNG file, unchanged, including those after the pixels."""
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
