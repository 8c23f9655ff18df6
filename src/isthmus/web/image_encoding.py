"""Reads uploaded images into arrays and writes arrays as PNG; no byte of an upload is passed on."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from isthmus.data.images.pixel_conversion import convert
from isthmus.data.images.pixels import FORMATS, Form, look_at
from isthmus.data.images.unreadable import Unreadable
from isthmus.errors import DataError
from isthmus.web.limits import Limits, TooMuch

CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
WITH_ALPHA = (2, 4)  # channels of gray and of color images with transparency


def read_image(packed: bytes, name: str, limits: Limits) -> np.ndarray:
    """The pixels (C, h, w) of an image file: gray or color, and transparency, if any, as an additional channel.

    Raises: DataError if it is not an image; TooMuch for more pixels than the limit, before any is decoded.
    """
    if not packed:
        raise DataError("DATA-IMAGE", f"{name} is empty.", fix="send an image file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata; size is checked below
            with Image.open(io.BytesIO(packed), formats=FORMATS) as image:
                if image.width * image.height > limits.pixels:
                    raise TooMuch(
                        f"{name} has {image.width:,} x {image.height:,} pixels; the limit is {limits.pixels:,}."
                    )
                seen = look_at(image, name)
                bands = 3 if seen.color else 1
                return convert(image, seen, Form(bands + seen.alpha, seen.dtype, 255, None, alpha=seen.alpha))
    except TooMuch:
        raise
    except Image.DecompressionBombError:
        raise TooMuch(f"{name} has more pixels than the limit of {limits.pixels:,}.") from None
    except Unreadable as error:
        raise DataError("DATA-IMAGE", f"{name} {error}.", fix="send it as an 8-bit PNG or JPEG") from None
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError) as error:
        message = f"{name} is not a readable image ({type(error).__name__})."
        raise DataError("DATA-IMAGE", message, fix="send PNG, JPEG, TIFF, WebP, BMP or GIF") from None


def from_base64(text: str, name: str, limits: Limits) -> np.ndarray:
    """The pixels of a data URI or of plain base64. Other addresses are never fetched."""
    head, comma, tail = text.partition(",")
    try:
        packed = base64.b64decode(tail if comma and head.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        raise DataError("DATA-IMAGE", f"{name} is not base64.", fix="send the file as base64 or a data URI") from None
    return read_image(packed, name, limits)


def parted(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Splits a picture (C, h, w) of `read_image` into gray or color, and transparency (1, h, w) if it has any."""
    return (picture[:-1], picture[-1:]) if len(picture) in WITH_ALPHA else (picture, None)


def white_of(picture: np.ndarray) -> float:
    """The value of white and of full opacity."""
    return float(np.iinfo(picture.dtype).max) if picture.dtype.kind == "u" else 1.0


def on_white(picture: np.ndarray) -> np.ndarray:
    """A picture (C, h, w) without transparency: blended with white, like the paper it was drawn on."""
    colors, opacity = parted(picture)
    if opacity is None:
        return colors
    white = white_of(picture)
    share = opacity.astype(np.float32) / white
    laid = colors * share + white * (1 - share)
    return laid.astype(np.float32) if picture.dtype.kind == "f" else laid.round().astype(picture.dtype)


def png(image: np.ndarray) -> bytes:
    """A picture (C, H, W) as PNG: 8-bit values and 16-bit gray unchanged, floats in [0, 1] as 8 bits. For raw samples,
    see `LoadedRun.pictures`."""
    if image.dtype == np.uint16 and len(image) != 1:
        image = (image >> 8).astype(np.uint8)
    if image.dtype.kind == "f":
        image = (255 * np.nan_to_num(image).clip(0, 1)).round().astype(np.uint8)
    if len(image) not in CHANNELS:
        image = image.mean(0, keepdims=True).astype(image.dtype)
    packed = io.BytesIO()
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(pixels)).save(packed, "PNG", compress_level=1)  # small: speed matters
    return packed.getvalue()


def uri(image: np.ndarray) -> str:
    """The PNG as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"


def packed(raw: np.ndarray, form: str, pictures: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """Raw samples (N, …) as a field of the answer: `images`, drawn by `pictures`, or `x` for numbers and tables, where
    None is a gap."""
    if form == "png" and raw.ndim == 4:
        return {"images": [uri(image) for image in pictures(raw)]}
    return {"x": numbers(raw)}


def numbers(raw: np.ndarray) -> list[Any]:
    """Raw samples as nested lists; a gap of a row is None."""
    values = raw.tolist()
    return [[None if v != v else v for v in row] for row in values] if raw.ndim == 2 else values


__all__ = ["from_base64", "numbers", "on_white", "packed", "parted", "png", "read_image", "uri", "white_of"]
