"""The pixels of an image in the form that a whole set shares.

Nothing is lost: higher bit depths and additional bands are kept, transparency is kept or placed on a background, and
EXIF rotation is applied.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from isthmus.data.images.deep_files import Planes, read_planes
from isthmus.data.images.pixels import FULL, Form, Look, opened, orientation_of
from isthmus.data.images.unreadable import Unreadable

LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in gray, as in Pillow: ITU-R BT.601


def decode(seen: Look, form: Form) -> np.ndarray:
    """The pixels as (C, H, W) in `form`.

    Raises: as `look`; Unreadable also for pixels that are not finite, and for floats outside [0, 1] if `form` refuses
    them.
    """
    if seen.deep is not None:
        return from_planes(read_planes(seen.path, seen.deep, seen.frame), form)
    with opened(seen.path, seen.frame) as image:
        return convert(image, seen, form)


def convert(image: Image.Image, seen: Look, form: Form) -> np.ndarray:
    """The pixels of an open picture as (C, H, W) in `form`."""
    image.load()
    if image.format != "TIFF" and orientation_of(image) > 1:
        image = ImageOps.exif_transpose(image)
    pixels = from_planes(_plane(image), form) if seen.dtype != "uint8" else _bytes(image, seen, form)
    return np.ascontiguousarray(pixels)


def _bytes(image: Image.Image, seen: Look, form: Form) -> np.ndarray:
    """The pixels of an image in any 8-bit mode."""
    mode = ("LA" if form.alpha else "L") if form.channels <= 2 else ("RGBA" if form.alpha else "RGB")
    if seen.alpha and not form.alpha:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, (form.backdrop, form.backdrop, form.backdrop, 255))
        image = Image.alpha_composite(paper, image)
    elif image.mode not in (mode, "L", "RGB", "RGBA"):
        image = image.convert("RGBA" if seen.alpha else "RGB" if seen.color else "L")
    if image.mode != mode:
        image = image.convert(mode)
    if form.size is not None:
        image = _resized(image, form.size)
    pixels = np.asarray(image)
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return rescaled(pixels, form.dtype)


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    height, width = size
    return image.resize((width, height), Image.Resampling.BICUBIC)  # smooths when shrinking; no change if it fits


def from_planes(planes: Planes, form: Form) -> np.ndarray:
    """16-bit gray, floats, and images with bands, in `form`."""
    pixels, alpha = planes
    _refuse_values(pixels, form)
    if form.size is not None and pixels.shape[1:] != form.size:
        pixels = np.stack([resized_plane(plane, form.size) for plane in pixels])
        alpha = None if alpha is None else resized_plane(alpha, form.size)
    pixels = rescaled(pixels, form.dtype)
    alpha = None if alpha is None else rescaled(alpha, form.dtype)
    full, bands = FULL[form.dtype], form.channels - form.alpha
    if alpha is not None and not form.alpha:
        share, paper = alpha.astype(np.float32) / full, form.backdrop / 255 * full
        pixels = _as_type(pixels * share + paper * (1 - share), form.dtype)
    if bands == 1 and len(pixels) == 3:
        pixels = _as_type(np.tensordot(np.array(LUMA, np.float32), pixels.astype(np.float32), 1)[None], form.dtype)
    elif len(pixels) == 1 != bands:
        pixels = np.repeat(pixels, bands, axis=0)
    if form.alpha:
        opaque = np.full_like(pixels[0], full) if alpha is None else alpha
        pixels = np.concatenate([pixels, opaque[None]])
    return pixels


def _refuse_values(pixels: np.ndarray, form: Form) -> None:
    if pixels.dtype.kind != "f":
        return
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite([low, high]).all():
        raise Unreadable("holds NaN or infinite pixels")
    if (form.by_type or form.is_mixed) and not (low >= 0 and high <= 1):
        which = "float or 32-bit images next to others" if form.is_mixed else "float images"
        raise Unreadable(f"has values from {low:g} to {high:g}; {which} must stay within 0 to 1")


def _as_type(values: np.ndarray, dtype: str) -> np.ndarray:
    return values.astype(np.float32) if dtype == "float32" else values.round().astype(dtype)


def _plane(image: Image.Image) -> Planes:
    """16-bit gray, 32-bit integers and floats of an image that Pillow reads completely."""
    values = np.asarray(image)
    return Planes((values.astype(np.uint16) if ";16" in image.mode else values.astype(np.float32))[None], None)


def resized_plane(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One (H, W) plane of any image type at another size, in the same type, within its minimum and maximum."""
    plane = _resized(Image.fromarray(values.astype(np.float32)), size)
    resized = np.asarray(plane).clip(values.min(), values.max())  # bicubic overshoots at edges
    return resized.astype(values.dtype) if values.dtype == np.float32 else resized.round().astype(values.dtype)


def rescaled(pixels: np.ndarray, dtype: str) -> np.ndarray:
    """Pixels in a wider type, scaled by the range of the types: 255 becomes 65535 or 1.0."""
    if str(pixels.dtype) == dtype:
        return pixels
    if dtype == "uint16":
        return pixels.astype(np.uint16) * np.uint16(257)
    return pixels.astype(np.float32) / np.float32(FULL[str(pixels.dtype)])
