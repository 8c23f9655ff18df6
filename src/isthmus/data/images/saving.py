"""Writes images to files: lossless, atomic, under their own names, never outside the folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from isthmus.data.images.deep_saving import is_deep, png_bytes, write_tiff
from isthmus.data.images.pixels import SUFFIXES
from isthmus.errors import DataError, ResourceError
from isthmus.system.files import write_atomic
from isthmus.system.naming import safe_name
from isthmus.wording import printable

COLORS = (1, 3)  # numbers of bands that mean the same in every format: gray and RGB
LOSSLESS = {".png": range(1, 5), ".tif": range(1, 5), ".tiff": range(1, 5), ".bmp": (1, 3), ".webp": (3, 4)}  # channels
TIFFS = {".tif", ".tiff"}
WIDE_LOSSLESS = {".png", *TIFFS}  # these hold 16 bits


class Saved(NamedTuple):
    """The paths of the images, and notes about their names and bits."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


def save_image(path: Path, image: np.ndarray, *, own_scale: bool = False, alpha: bool = False) -> Path:
    """Saves one image (C, H, W) of uint8, uint16 or floats, as PNG unless the suffix names another lossless format.

    Floats are clipped to [0, 1], and rounded to 8 bits unless the file is a TIFF; floats on a scale of their own
    (`own_scale`), and images with bands other than gray or RGB, become a TIFF of their own type. `alpha` says that the
    last channel is transparency. Returns the path written, whose suffix may differ from the requested one.

    Raises: DataError for other shapes and for NaN; ResourceError if it cannot be written.
    """
    pixels = storable(image, path.name, own_scale, is_tiff=path.suffix.lower() in TIFFS)
    target = lossless_path(path, image, own_scale=own_scale, alpha=alpha)
    kind = target.suffix.lower()
    bands, opacity = (pixels[:-1], pixels[-1]) if alpha else (pixels, None)
    if is_deep(bands, alpha):
        if kind == ".png":
            return write_atomic(target, lambda part: part.write_bytes(png_bytes(bands, opacity)))
        return write_atomic(target, lambda part: write_tiff(part, [(bands, opacity)], [{"compression": "zlib"}]))
    picture = _picture(pixels)
    extra: dict[str, Any] = (
        {"lossless": True} if kind == ".webp" else {"compression": "tiff_deflate"} if kind.startswith(".tif") else {}
    )
    return write_atomic(target, lambda part: picture.save(part, **extra))


def lossless_path(path: Path, image: np.ndarray, *, own_scale: bool = False, alpha: bool = False) -> Path:
    """The path that `save_image` writes: `path`, with another suffix if its format would lose something."""
    suffix, wide = path.suffix.lower(), image.dtype == np.uint16
    if len(image) - alpha not in COLORS or (image.dtype.kind == "f" and own_scale):
        return path if suffix in TIFFS else _with_suffix(path, ".tif")
    if len(image) in LOSSLESS.get(suffix, ()) and (not wide or suffix in WIDE_LOSSLESS):
        return path
    return _with_suffix(path, ".png")


def _with_suffix(path: Path, suffix: str) -> Path:
    """Replaces an image suffix; a name may contain other dots."""
    known = path.suffix if path.suffix.lower() in SUFFIXES else ""
    return path.with_name(path.name.removesuffix(known) + suffix)


def image_paths(
    folder: Path,
    images: Sequence[np.ndarray] | np.ndarray,
    names: Iterable[str],
    *,
    own_scale: bool = False,
    alpha: bool = False,
) -> list[Path]:
    """The path that `save_images` writes for each image."""
    taken: set[str] = set()
    paths = []
    for name, image in zip(names, images, strict=True):
        pixels = storable(image, name, own_scale, is_tiff=Path(name).suffix.lower() in TIFFS)
        kept = lossless_path(Path(safe_name(name)), pixels, own_scale=own_scale, alpha=alpha)
        below = _free_name(PurePosixPath(kept.as_posix()), taken)
        taken.add(str(below).casefold())
        paths.append(folder / below)
    return paths


def save_images(
    folder: Path,
    images: np.ndarray | Iterable[np.ndarray],
    names: Iterable[str],
    *,
    own_scale: bool = False,
    alpha: bool = False,
) -> Saved:
    """Saves images (C, H, W), each under its name, keeping sub-folders; see `save_image` for types and suffixes.

    Names cannot lead out of the folder, whatever they contain; names that would clash get a number.

    Raises: as `save_image`.
    """
    wanted, pictures = list(names), images if isinstance(images, np.ndarray) else list(images)
    paths = image_paths(folder, pictures, wanted, own_scale=own_scale, alpha=alpha)
    for path, image in zip(paths, pictures, strict=True):
        _refuse_outside(path, folder)
        save_image(path, image, own_scale=own_scale, alpha=alpha)
    return Saved(tuple(paths), tuple(_notes(folder, paths, wanted)))


def storable(image: np.ndarray, name: str, own_scale: bool, *, is_tiff: bool = False) -> np.ndarray:
    """(C, H, W) as uint8, as uint16, or as float32: on a scale of its own, or within [0, 1] for a TIFF, which holds
    floats. `name` is used in errors.

    Raises: DataError as `save_image`.
    """
    if image.ndim != 3 or 0 in image.shape:
        message = f"{printable(name)}: an array of shape {image.shape} is not an image; expected (C, H, W)."
        raise DataError("DATA-SHAPE", message, fix="pass one image at a time, channels first")
    if image.dtype == np.uint16:
        return image
    if image.dtype.kind == "f":
        if not np.isfinite(image).all():
            message = f"{printable(name)} holds NaN or infinite pixels."
            raise DataError("DATA-VALUE", message, fix="check the model: it was trained on different data")
        if own_scale:
            return image.astype(np.float32)
        if is_tiff:
            return image.astype(np.float32).clip(0, 1)
        return (image * 255).round().clip(0, 255).astype(np.uint8)
    if image.dtype != np.uint8:
        message = f"{printable(name)}: pixels of type {image.dtype} cannot be saved; uint8, uint16 and floats can."
        raise DataError("DATA-TYPE", message, fix="convert it to uint8")
    return image


def _picture(pixels: np.ndarray) -> Image.Image:
    plane = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    return Image.fromarray(plane)


def _free_name(below: PurePosixPath, taken: set[str]) -> PurePosixPath:
    """The name, numbered if another image has it; case does not matter, as on Windows and macOS."""
    number, free = 2, below
    while str(free).casefold() in taken:
        free = below.with_stem(f"{below.stem}-{number}")
        number += 1
    return free


def _refuse_outside(target: Path, folder: Path) -> None:
    """Raises: ResourceError for a path outside of the folder, which a link inside it can cause."""
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        message = f"{printable(target)} would be outside {printable(folder)} because of a link."
        raise ResourceError("RESOURCE-OUTSIDE", message, fix="choose an empty folder with -o")


def _notes(folder: Path, paths: list[Path], wanted: list[str]) -> list[str]:
    notes = []
    changed = [
        (name, path)
        for name, path in zip(wanted, paths, strict=True)
        if Path(name).suffix.lower() in SUFFIXES and name != path.relative_to(folder).as_posix()
    ]
    if changed:
        name, path = changed[0]
        example = f"{printable(name)} as {printable(path.relative_to(folder))}"
        are = "is" if len(changed) == 1 else "are"
        notes.append(
            f"{len(changed):,} of {len(paths):,} images {are} saved under another name or format, e.g. {example}."
        )
    return notes
