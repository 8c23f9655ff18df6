"""The header of an image file, and the form that a whole set is converted to; no pixels are read here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from isthmus.data.images.deep_files import Deep, look_deep, look_pages
from isthmus.data.images.unreadable import Unreadable

SUFFIXES_OF = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx", ".j2c"),
}
FORMATS = tuple(SUFFIXES_OF)  # no formats that run an interpreter (EPS) or are rarely tested
FORMAT_OF = {suffix: name for name, suffixes in SUFFIXES_OF.items() for suffix in suffixes}
SUFFIXES = frozenset(FORMAT_OF)
MOST_PIXELS = 2**28  # a third more than the 200 million pixels of current phones: 0.8 GB in color
_limit = MOST_PIXELS  # in force; see `pixel_limit`
ORIENTATION = 0x0112  # the EXIF tag; 2 to 8 mean a rotation or a flip, 5 to 8 swap height and width
WIDE = {"I;16": "uint16", "I;16B": "uint16", "I;16L": "uint16", "I;16N": "uint16", "I": "float32", "F": "float32"}
MODE_OF = {  # by bands, transparency and type: Pillow's mode, or a description where it has none
    (1, False, "uint8"): "L", (1, True, "uint8"): "LA", (3, False, "uint8"): "RGB", (3, True, "uint8"): "RGBA",
    (1, False, "uint16"): "I;16", (1, False, "float32"): "F", (3, False, "uint16"): "RGB with 16 bits",
    (3, True, "uint16"): "RGB with alpha and 16 bits", (1, True, "uint16"): "gray with alpha and 16 bits",
}  # fmt: skip
GRAY = {"1", "L", "LA", "La", *WIDE}
ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
FULL = {"uint8": 255, "uint16": 65535, "float32": 1.0}
KNOWN_HEADS = {
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"8BPS": "Photoshop",
    b"ftyphe": "HEIC",
    b"ftypav": "AVIF",
    b"DICM": "DICOM",
}


class Look(NamedTuple):
    """What is known about one frame of a file before its pixels are read. Height and width are after rotation."""

    path: Path
    frame: int
    frames: int
    height: int
    width: int
    mode: str
    color: bool
    alpha: bool
    dtype: str
    rotated: bool
    bands: int = 0  # without transparency; 0 means 1 for gray, 3 for color
    deep: Deep | None = None  # only for a file that Pillow reads only in part

    @property
    def n_bands(self) -> int:
        return self.bands or (3 if self.color else 1)


def frame_name(name: str, seen: Look) -> str:
    """The name of a frame of the file `name`, numbered with leading zeros so that names sort in frame order.

    >>> frame_name("a.tif", Look(Path("a.tif"), 7, 12, 8, 8, "L", False, False, "uint8", False))
    'a.tif#07'
    """
    return f"{name}#{seen.frame:0{len(str(seen.frames - 1))}d}"


class Form(NamedTuple):
    """The form that all images of a set are converted to. `channels`: 1 gray, 3 RGB, others bands; one more if `alpha`
    is kept.

    Floats outside [0, 1] are refused if `by_type`, and if the files are of several types (`is_mixed`), because it is
    unknown which of their values is as bright as white in the other files.
    """

    channels: int
    dtype: str
    backdrop: int
    size: tuple[int, int] | None
    alpha: bool = False
    by_type: bool = True
    is_mixed: bool = False


def look(path: Path, *, every_frame: bool = False) -> list[Look]:
    """The header of a file: of its first frame, or of every frame.

    Raises: Unreadable, or errors of Pillow; `reason` describes them.
    """
    refuse_unlikely(path)
    if deep := look_deep(path):
        pages = look_pages(path, deep) if every_frame else [deep]
        return [_look_deeply(path, number, page) for number, page in enumerate(pages)]
    with opened(path) as image:
        # an MPO is a photograph whose other frames are previews or depth maps, not samples
        n_frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        looks = []
        for frame in range(n_frames if every_frame else 1):
            if frame:
                image.seek(frame)
            looks.append(_look_at(image, path, frame, n_frames))
        return looks


def _look_deeply(path: Path, frame: int, seen: Deep) -> Look:
    refuse_large(seen.width, seen.height)
    return Look(
        path=path,
        frame=frame,
        frames=seen.frames,
        height=seen.height,
        width=seen.width,
        mode=MODE_OF.get((seen.bands, seen.alpha, seen.dtype), f"{seen.bands} bands of {seen.dtype}"),
        color=seen.bands > 1,
        alpha=seen.alpha,
        dtype=seen.dtype,
        rotated=seen.turn > 1,
        bands=seen.bands,
        deep=seen,
    )


def refuse_large(width: int, height: int) -> None:
    """Raises: Unreadable for more pixels than `pixel_limit` allows."""
    if width * height > _limit:
        raise Unreadable(_too_large(f"{width:,} x {height:,}", width * height))


def _too_large(size: str, n: int) -> str:
    return f"declares {size} pixels; the limit is {_limit:,} (--max-pixels {n} raises it)"


@contextmanager
def pixel_limit(most: int | None) -> Iterator[None]:
    """Inside, all threads read images of up to `most` pixels; Pillow's own, lower limit is switched off."""
    global _limit
    before = _limit, Image.MAX_IMAGE_PIXELS
    _limit, Image.MAX_IMAGE_PIXELS = most or MOST_PIXELS, None
    try:
        yield
    finally:
        _limit, Image.MAX_IMAGE_PIXELS = before


@contextmanager
def opened(path: Path, frame: int = 0) -> Iterator[Image.Image]:
    """A frame of an image file in one of `FORMATS`; its pixels are not read yet.

    Pillow gets an open file, not a path: it may map a path into memory, and Pillow 13 rotates mapped TIFFs twice.
    """
    with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
        if frame:
            image.seek(frame)
        yield image


def look_at(image: Image.Image, name: str) -> Look:
    """The same for an image that is already open."""
    return _look_at(image, Path(name), 0, 1)


def _look_at(image: Image.Image, path: Path, frame: int, n_frames: int) -> Look:
    width, height = image.size
    refuse_large(width, height)
    # a PNG without EXIF data before its pixels would be read completely to search for EXIF data after them
    turn = 1 if image.format == "PNG" and "exif" not in image.info else orientation_of(image)
    if turn >= 5 and image.format != "TIFF":  # Pillow rotates a TIFF itself
        width, height = height, width
    mode = image.mode
    return Look(
        path=path,
        frame=frame,
        frames=n_frames,
        height=height,
        width=width,
        mode=_mode_name(image),
        color=mode not in GRAY and not (mode == "P" and _has_gray_palette(image)),
        alpha=mode in ALPHA or (mode not in WIDE and "transparency" in image.info),
        dtype=WIDE.get(mode, "uint8"),
        rotated=turn > 1,
    )


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation: 1 upright, 2 to 8 rotated or flipped."""
    turn = image.getexif().get(ORIENTATION, 1)
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _mode_name(image: Image.Image) -> str:
    """Pillow's mode, marked if Pillow reads fewer bits than the file has."""
    tiles = getattr(image, "tile", None) or []
    raw_modes = [str(tile[3][0] if isinstance(tile[3], tuple) else tile[3]) for tile in tiles]
    cut = image.mode not in WIDE and any(";16" in raw for raw in raw_modes)
    return f"{image.mode} of 16 bits" if cut else image.mode


def _has_gray_palette(image: Image.Image) -> bool:
    palette = image.palette
    if palette is None or palette.mode != "RGB" or "transparency" in image.info:
        return False
    colors = np.frombuffer(bytes(palette.palette), dtype=np.uint8)
    if len(colors) % 3:
        return False
    by_color = colors.reshape(3, -1).T if palette.rawmode == "RGB;L" else colors.reshape(-1, 3)
    return bool((by_color == by_color[:, :1]).all())


def reason(path: Path, error: Exception) -> str:
    """What is wrong with a file, as a phrase that follows its name."""
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        found = re.search(r"\((\d+) pixels\)", str(error))
        n = int(found[1]) if found else 0
        return _too_large(f"{n:,}", n)
    if isinstance(error, UnidentifiedImageError):
        return f"is not an image in a supported format ({_described(path)})"
    if isinstance(error, OSError) and error.errno:
        return f"cannot be opened: {error.strerror}"
    text = str(error) or type(error).__name__
    return f"is damaged or truncated: {text}"


def refuse_unlikely(path: Path) -> None:
    """Raises: Unreadable if the path is not a file, or the file is empty."""
    if not path.exists():
        raise Unreadable("is a link to a file that does not exist" if path.is_symlink() else "does not exist")
    if not path.is_file():  # opening a pipe would wait forever
        raise Unreadable("is not a file")
    if path.stat().st_size == 0:
        raise Unreadable("is empty (0 bytes)")


def _described(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    known = next((what for mark, what in KNOWN_HEADS.items() if mark in head), None)
    return f"it is {known}" if known else f"it starts with {head[:8]!r}"
