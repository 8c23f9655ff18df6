"""The range rule for images: bytes and floats in [0, 1] keep their scale, others are scaled by the range in use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from isthmus.data.numeric import LARGEST, are_bytes, are_whole, blocks, converted, filled_by_blocks, value_range
from isthmus.errors import DataError
from isthmus.system.scratch import is_mapped

SLACK = 1e-6  # floats in [0, 1] may exceed it by rounding; they are clipped
WHITE = 230  # nine tenths of 255: in a set of images, some pixel is nearly white; values up to 16 are counts
DARK = 64  # bytes below a quarter of their range are counts, such as 0 to 16, rather than photographs
NARROW = 0.1  # of [0, 1]: 25 gray levels of 255
TWICE = 1.01 / 255  # the maximum of bytes that were divided by 255 twice, with rounding
TWELVE_BITS = 4095  # many cameras and microscopes keep 12 bits in 16
SCALED_AWAY = 16.0  # raw units: floats in [0, 1] fill at most a sixteenth of a wider range
EXTREMES = 0.001  # fraction of pixels at either end that counts as few: a hot pixel, a scale bar, a cosmic ray
FEW_SET_IT = 2.0  # if the range is this many times wider than without extremes, a few pixels determine it
COUNTED = 2**24  # the most pixels for percentiles, evenly spaced: takes a second, and is exact to 0.001 %


class UsedRange(NamedTuple):
    """Black and white, and the minimum and maximum of all values; `is_cut` says that a few extreme ones lie beyond."""

    black: float
    white: float
    is_cut: bool
    least: float
    greatest: float


def used_range(images: Iterable[np.ndarray], n_values: int) -> UsedRange:
    """The range that images use, all channels together: minimum to maximum, or the 0.1 and 99.9 percentiles if a few
    extreme pixels determine it. `images` hold `n_values` values in total, in any shapes.
    """
    step = max(1, n_values // COUNTED)
    ends, some = [], []
    for image in images:
        ends.append(value_range(image))
        some.append(_spread(image, step))
    least, greatest = min(low for low, _ in ends), max(high for _, high in ends)
    low, high = (float(v) for v in np.quantile(np.concatenate(some), (EXTREMES, 1 - EXTREMES), method="nearest"))
    if high > low and greatest - least > FEW_SET_IT * (high - low):
        return UsedRange(low, high, True, least, greatest)
    return UsedRange(least, greatest, False, least, greatest)


def _spread(image: np.ndarray, step: int) -> np.ndarray:
    """Every `step`-th value, copied block by block: a view would keep all values, and stored rows would all be read."""
    if isinstance(image, np.ndarray) and not is_mapped(image):
        return image.reshape(-1)[::step]
    return np.concatenate([part.reshape(-1)[::step].copy() for part in blocks(image)])


def is_scaled_by_use(x: np.ndarray) -> bool:
    """Whether images with these values are scaled by the range in use: all except bytes and floats in [0, 1]."""
    if x.dtype == np.uint8 or not x.size:
        return False
    return x.dtype != np.float32 or not within_unit(*value_range(x))


def within_unit(low: float, high: float) -> bool:
    """Whether floats from low to high mean black at 0 and white at 1."""
    return low >= -SLACK and high <= 1 + SLACK


def image_values(
    x: np.ndarray, *, scale: str, name: str, declared: bool = True, range: str = "data"
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The values of images as uint8, uint16 or float32, and notes on conversions.

    `declared` says that the array's type is intended; numbers parsed from text have no type, so whole numbers in floats
    are then treated as bytes. They are scaled later, by `range`: the range in use, or the range of their type, for
    which floats must be in [0, 1] unless `scale` is not auto.

    Raises: DataError for NaN, infinity, or a range in which black and white are unclear.
    """
    if x.dtype == np.bool_:
        white = filled_by_blocks(x, lambda part: part * np.uint8(255), np.uint8, name)
        return white, (f"{name}: true is read as white (255), false as black (0).",)
    low, high = _range(x)
    _refuse_nonfinite(x, low, high, name)
    if x.dtype.kind in "iu":
        return _whole(x, low, high, scale, name, declared, range)
    if not declared and are_bytes(x):
        return _whole(converted(x, np.uint8), low, high, scale, name, declared, range)
    return _floats(x, low, high, scale, name, range)


def _range(x: np.ndarray) -> tuple[float, float]:
    """Minimum and maximum; for bytes only as far as needed, since they may be mapped and larger than memory."""
    if x.dtype == np.uint8:
        low, high = value_range(next(blocks(x)))
        if high > 1:
            return low, high
    return value_range(x)


def _whole(
    x: np.ndarray, low: float, high: float, scale: str, name: str, declared: bool, range: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    if low < 0 or high > 65535:
        return _floats(x, low, high, scale, name, range)
    if high <= 1 and not (declared and x.dtype == np.uint8):
        return converted(x, np.float32), (f"{name}: all values are 0 or 1; 1 is read as white.",)
    if range == "data" and (x.dtype == np.uint16 or high > 255):
        return converted(x, np.uint16), _about_use(low, high, name) if scale == "auto" else ()
    if high <= 255:
        return converted(x, np.uint8), _about_bytes(x, high, name)
    notes = (f"{name}: values up to {high:,.0f} are read as 16-bit numbers, with 65,535 as white.",)
    if high <= TWELVE_BITS:
        notes += (f"{name}: no value is above {high:,.0f}; if they are 12-bit numbers, --scale minmax brightens them.",)
    return converted(x, np.uint16), notes


def _about_use(low: float, high: float, name: str) -> tuple[str, ...]:
    return (
        f"{name}: values from {low:,.6g} to {high:,.6g}; black and white are the minimum and maximum of the training "
        "images (--range type: of their data type).",
    )


def _about_bytes(x: np.ndarray, high: float, name: str) -> tuple[str, ...]:
    if high <= 1:
        return (f"{name}: the largest byte is {high:.0f}, nearly black; if 1 means white, pass --scale minmax.",)
    if x.dtype == np.uint16:
        return (f"{name}: no 16-bit number is above {high:.0f}; they are read as 0 to 255.",)
    return ()


def about_dark(brightest: int) -> list[str]:
    """A note if bytes use so little of their range that every image would look black."""
    if brightest == 0 or brightest >= DARK:
        return []
    return [f"the brightest pixel is {brightest} of 255, so images look black; --scale minmax would stretch the range"]


def about_narrow(low: float, high: float) -> list[str]:
    """A note if float images use a small part of [0, 1]; they are never stretched unless requested."""
    if low < 0 or high > 1 or not 0 < high - low < NARROW:
        return []
    twice = ", as if they had been divided by 255 twice" if high <= TWICE else ""
    sentence = f"the images use a small part of [0, 1], {low:.3g} to {high:.3g}{twice}"
    return [f"{sentence}; --scale minmax would stretch the range"]


def _floats(
    x: np.ndarray, low: float, high: float, scale: str, name: str, range: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    if scale != "auto":
        return converted(x, np.float32), ()
    if range == "data" and not within_unit(low, high):
        return converted(x, np.float32), _about_use(low, high, name)
    if not within_unit(low, high):
        looks = (
            " They look like 0 to 255 stored as floats." if low >= 0 and WHITE <= high <= 255 and are_whole(x) else ""
        )
        allowed = "allowed are whole numbers up to 255 or 65,535, and floats between 0 and 1"
        message = f"{name}: image values lie between {low:g} and {high:g}; {allowed}.{looks}"
        raise DataError("DATA-RANGE", message, fix="pass --scale minmax to bring them to [0, 1]")
    x = converted(x, np.float32)
    if low < 0 or high > 1:
        clipped = filled_by_blocks(x, lambda part: np.clip(part, 0.0, 1.0), np.float32, name)
        return clipped, (f"{name}: rounding errors beyond [0, 1] were clipped.",)
    return x, ()


def _refuse_nonfinite(x: np.ndarray, low: float, high: float, name: str) -> None:
    if max(-low, high) <= LARGEST:  # also false for NaN
        return
    first = 0
    for part in blocks(x):
        bad = ~(np.abs(part) <= LARGEST).reshape(len(part), -1).all(1)
        if bad.any():
            first += int(bad.argmax())
            break
        first += len(part)
    message = f"{name}: image {first} (counted from 0) holds NaN, infinite or too large values (above 3.4e38)."
    raise DataError(
        "DATA-RANGE", message, fix="remove or fill these values before saving, for example with np.nan_to_num"
    )


def refuse_other_scale(ends: tuple[float, float] | None, dtype: str, low: float, high: float) -> None:
    """`ends` are black and white of the training images; None if their type defines them.

    Raises: DataError for images whose type or range shows that they are not on the scale of the training images.
    """
    if ends is None:
        return
    black, white = ends
    wanted = f"the model expects the scale of its training data, black at {black:,.6g} and white at {white:,.6g}"
    if dtype == "uint8":
        fix = "pass the images as they were before conversion to bytes"
        raise DataError("DATA-RANGE", f"the input consists of bytes, 0 to 255; {wanted}.", fix=fix)
    is_scaled = dtype.startswith("float") and low < high and within_unit(low, high)
    if is_scaled and not within_unit(black, white) and white - black > SCALED_AWAY:
        offset = f"{'-' if black < 0 else '+'} {abs(black):.6g}"
        fix = f"pass the raw values; if 0 is black and 1 is white, pass x * {white - black:.6g} {offset}"
        raise DataError("DATA-RANGE", f"the input lies between {low:g} and {high:g}; {wanted}.", fix=fix)
