"""Images to files: lossless, atomic, under their own names, never outside the folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from isthmus.data.images.pixels import SUFFIXES
from isthmus.errors import DataError, ResourceError
from isthmus.system.files import write_atomic
from isthmus.system.naming import safe_name
from isthmus.wording import printable

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
LOSSLESS = {".png": range(1, 5), ".tif": range(1, 5), ".tiff": range(1, 5), ".bmp": (1, 3), ".webp": (3, 4)}  # channels
WIDE_LOSSLESS = {".png", ".tif", ".tiff"}  # these hold 16-bit gray


class Saved(NamedTuple):
    """Where the images are, and what is to be said about their names and bits."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


def save_image(path: Path, image: np.ndarray) -> Path:
    """One image (C, H, W) of uint8, uint16 or floats in [0, 1], as PNG unless the suffix names another lossless format.

    Floats are rounded to 8 bits and cut to their range; 16-bit gray stays 16-bit, 16-bit color becomes 8-bit, since
    Pillow writes no wider. Returns the path written, whose suffix may differ from the one asked for.

    Raises: DataError for other shapes and for NaN; ResourceError if it cannot be written.
    """
    pixels = _storable(image, path.name)
    target = lossless_path(path, image)
    picture = _picture(pixels)
    kind = target.suffix.lower()
    extra: dict[str, Any] = (
        {"lossless": True} if kind == ".webp" else {"compression": "tiff_deflate"} if kind.startswith(".tif") else {}
    )
    return write_atomic(target, lambda part: picture.save(part, **extra))


def lossless_path(path: Path, image: np.ndarray) -> Path:
    """Where `save_image` writes: `path`, or with another suffix where its format would lose something."""
    suffix, wide = path.suffix.lower(), image.dtype == np.uint16 and len(image) == 1
    if len(image) in LOSSLESS.get(suffix, ()) and (not wide or suffix in WIDE_LOSSLESS):
        return path
    return path.with_name((path.name[: -len(suffix)] if suffix in SUFFIXES else path.name) + ".png")


def image_paths(folder: Path, images: Sequence[np.ndarray] | np.ndarray, names: Iterable[str]) -> list[Path]:
    """Where `save_images` writes each image."""
    taken: set[str] = set()
    paths = []
    for name, image in zip(names, images, strict=True):
        kept = lossless_path(Path(safe_name(name)), _storable(image, name))
        below = _free_name(PurePosixPath(kept.as_posix()), taken)
        taken.add(str(below).casefold())
        paths.append(folder / below)
    return paths


def save_images(folder: Path, images: np.ndarray | Iterable[np.ndarray], names: Iterable[str]) -> Saved:
    """Images (C, H, W) each under its name, sub-folders kept; see `save_image` for types and suffixes.

    Names cannot lead out of the folder, whatever they hold; two that would meet in one file get a number.

    Raises: as `save_image`.
    """
    wanted, pictures = list(names), images if isinstance(images, np.ndarray) else list(images)
    paths = image_paths(folder, pictures, wanted)
    for path, image in zip(paths, pictures, strict=True):
        _refuse_outside(path, folder)
        save_image(path, image)
    narrowed = any(image.dtype == np.uint16 and len(image) > 1 for image in pictures)
    return Saved(tuple(paths), tuple(_notes(folder, paths, wanted, narrowed)))


def _storable(image: np.ndarray, name: str) -> np.ndarray:
    """(C, H, W) as uint8, or as uint16 if gray."""
    if image.ndim != 3 or image.shape[0] not in MODES or 0 in image.shape:
        message = f"{printable(name)}: an array of shape {image.shape} is no image; (C, H, W) with 1 to 4 channels is."
        raise DataError("DATA-SHAPE", message, fix="hand over one image at a time, channels first")
    if image.dtype == np.uint16:
        return image if len(image) == 1 else (image >> 8).astype(np.uint8)
    if image.dtype.kind == "f":
        if not np.isfinite(image).all():
            message = f"{printable(name)} holds NaN or infinite pixels."
            raise DataError("DATA-VALUE", message, fix="look for the cause in the model: it was trained on other data")
        return (image * 255).round().clip(0, 255).astype(np.uint8)
    if image.dtype != np.uint8:
        message = f"{printable(name)}: pixels of type {image.dtype} cannot be saved; uint8, uint16 and floats can."
        raise DataError("DATA-TYPE", message, fix="convert it to uint8")
    return image


def _picture(pixels: np.ndarray) -> Image.Image:
    plane = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    return Image.fromarray(plane)


def _free_name(below: PurePosixPath, taken: set[str]) -> PurePosixPath:
    """The name, numbered if another image has it; upper and lower case are one on Windows and macOS."""
    number, free = 2, below
    while str(free).casefold() in taken:
        free = below.with_stem(f"{below.stem}-{number}")
        number += 1
    return free


def _refuse_outside(target: Path, folder: Path) -> None:
    """A link inside the folder may lead out of it."""
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        message = f"{printable(target)} would lie outside {printable(folder)}, through a link."
        raise ResourceError("RESOURCE-OUTSIDE", message, fix="choose an empty folder with -o")


def _notes(folder: Path, paths: list[Path], wanted: list[str], narrowed: bool) -> list[str]:
    notes = []
    changed = [
        (name, path)
        for name, path in zip(wanted, paths, strict=True)
        if Path(name).suffix.lower() in SUFFIXES and name != path.relative_to(folder).as_posix()
    ]
    if changed:
        name, path = changed[0]
        example = f"{printable(name)} as {printable(path.relative_to(folder))}"
        notes.append(
            f"{len(changed):,} of {len(paths):,} images are saved under another name or format, e.g. {example}."
        )
    if narrowed:
        notes.append("Color images of 16 bits are saved with 8.")
    return notes
