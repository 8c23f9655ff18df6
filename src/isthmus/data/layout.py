"""Finds the axes of arrays: images as (N, C, H, W), and rows of pixels as images."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from einops import rearrange

from isthmus.data.numeric import are_bytes, blocks
from isthmus.errors import DataError, UsageError
from isthmus.wording import counted

CHANNELS = (1, 3, 4)  # gray, RGB, RGBA
LEAST_PIXELS = 64  # 8x8, as in scikit-learn's digits; smaller squares are more likely tables
TABLE = "table"  # --shape table: not images, no guess


def parse_shape(text: str) -> tuple[int, int, int]:
    """(H, W, C) from "28x28" or "32x32x3".

    Raises: UsageError for anything else.
    """
    found = re.fullmatch(r"(\d+)[x×X*](\d+)(?:[x×X*](\d+))?", text.strip())
    H, W, C = (int(part or 1) for part in found.groups()) if found else (0, 0, 0)
    if not H * W * C or C not in CHANNELS:
        message = f"--shape {text!r} is not an image shape: height x width, or height x width x channels (1, 3, 4)."
        raise UsageError("USAGE-SHAPE", message, fix="write --shape 28x28 or --shape 32x32x3")
    return H, W, C


def images_from_array(array: np.ndarray, *, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """(N, H, W), (N, H, W, C) or (N, C, H, W) -> a view (N, C, H, W), and notes about guesses.

    An axis of 1, 3 or 4 is channels, first or last; any other number of bands must be the clearly shorter axis.

    Raises: DataError if that is neither axis 1 nor axis 3.
    """
    if array.ndim == 3:
        return _from_three(array, name)
    first, last = array.shape[1] in CHANNELS, array.shape[3] in CHANNELS
    if not first and not last:
        return _of_bands(array, name)
    if first and last:  # the choice with less narrow images; channels last, the NumPy convention, if both are equal
        first = min(array.shape[2:]) > min(array.shape[1:3])
        order = "channels, height, width" if first else "height, width, channels"
        notes = (f"{name}: the shape {array.shape} is read as (samples, {order}).",)
    else:
        notes = ()
    return (array, notes) if first else (rearrange(array, "n h w c -> n c h w"), notes)


def _of_bands(array: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Images with any other number of bands: the clearly shorter axis holds the bands."""
    _, before, between, after = array.shape
    if 2 * before <= min(between, after):
        view, order, C = array, "bands, height, width", before
    elif 2 * after <= min(before, between):
        view, order, C = rearrange(array, "n h w c -> n c h w"), "height, width, bands", after
    else:
        message = f"{name} has shape {array.shape}, and it is unclear which axis holds the bands."
        raise DataError(
            "DATA-SHAPE",
            message,
            fix="put the bands on the last axis; they must be at most half as many as rows and columns",
        )
    return view, (f"{name}: the shape {array.shape} is read as (samples, {order}), with {C} bands each.",)


def _from_three(array: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    n, H, W = array.shape
    if W in CHANNELS and min(n, H) > 4:  # images are not 1, 3 or 4 pixels wide
        note = f"{name}: the shape {array.shape} is read as one image of {n}x{H} with {counted(W, 'channel')}."
        return rearrange(array, "h w c -> 1 c h w"), (note,)
    notes = ()
    if n in (3, 4):
        notes = (f"{name}: the shape {array.shape} is read as {n} gray images; one color image is (1, {n}, {H}, {W}).",)
    return rearrange(array, "n h w -> n 1 h w"), notes


def images_from_rows(matrix: np.ndarray, shape: str, *, name: str, columns: Sequence[str] | None = None) -> np.ndarray:
    """(N, H*W*C) rows, channels last within a row -> a view (N, C, H, W).

    Raises: DataError with shapes that would fit if this one does not.
    """
    H, W, C = parse_shape(shape)
    n_columns = matrix.shape[1]
    if n_columns != H * W * C:
        message = f"{name} has {n_columns:,} columns, but --shape {shape} needs {H * W * C:,}."
        raise DataError("DATA-SHAPE", message, fix=_fitting(n_columns, H * W * C, columns is not None))
    return rearrange(matrix, "n (h w c) -> n c h w", h=H, w=W, c=C)


def _fitting(n_columns: int, n_wanted: int, named: bool) -> str:
    over = n_columns - n_wanted
    if named and 0 < over <= 3:
        them = "it" if over == 1 else "them"
        drop = f"leave {them} out with --drop-column NAME"
        return f"{counted(over, 'column')} too many: name the label with --label, or {drop}"
    fits = nearby_shapes(n_columns)
    return f"{n_columns:,} columns fit --shape {' or '.join(fits)}" if fits else "check the number of columns"


def nearby_shapes(n: int, most: int = 3) -> list[str]:
    """Image shapes with `n` values, the most square first: 3072 -> 32x32x3, 48x64, …

    >>> nearby_shapes(784), nearby_shapes(3072)
    (['28x28', '14x14x4', '16x49'], ['32x32x3', '48x64', '24x32x4'])
    """
    found = [
        (n / C / H / H, C, f"{H}x{n // C // H}" + f"x{C}" * (C > 1))
        for C in CHANNELS
        if n % C == 0
        for H in range(4, math.isqrt(n // C) + 1)  # smaller sides are not images
        if n // C % H == 0
    ]
    return [text for _, _, text in sorted(found)[:most]]


def guess_shape(matrix: np.ndarray, columns: Sequence[str] | None) -> str | None:
    """The shape of the images, if the columns are whole numbers 0..255 and their names or number indicate pixels."""
    named = shape_by_names(columns)
    side = math.isqrt(matrix.shape[1])
    square = f"{side}x{side}" if side * side == matrix.shape[1] >= LEAST_PIXELS else None
    if not (named or square) or not all(are_bytes(part[~np.isnan(part)]) for part in blocks(matrix)):
        return None
    pixels = are_pixel_names(columns)
    if named or (square and (pixels or np.nanmax(matrix) > 1)):
        return named or square
    return None


def are_pixel_names(columns: Sequence[str] | None) -> bool:
    """Whether every column has a name such as pixel0, px_1 or p1: one word and a number."""
    return bool(columns) and all(re.fullmatch(r"(?i)(pixel|pix|px|p)[ _.-]?\d+", name) for name in columns or ())


def shape_by_names(columns: Sequence[str] | None) -> str | None:
    """The shape given by names such as 1x1, 1x2, … 28x28 (row x column, from 0 or 1), if they are complete."""
    found = [re.fullmatch(r"(?i)(?:[a-z_]*?)(\d+)[x_,](\d+)", name) for name in columns or ()]
    places = [(int(m[1]), int(m[2])) for m in found if m]
    if not places or len(places) < len(found) or places != sorted(places):
        return None
    H, W = (len({place[axis] for place in places}) for axis in (0, 1))
    return f"{H}x{W}" if H * W == len(places) == len(set(places)) >= LEAST_PIXELS else None


def pixel_order(columns: Sequence[str] | None) -> np.ndarray | None:
    """The order that puts pixel2 before pixel10, if pixel columns are in another order; None if they are in order."""
    if not are_pixel_names(columns):
        return None
    numbers = np.array([int(re.findall(r"\d+", name)[-1]) for name in columns or ()])
    order = np.argsort(numbers, kind="stable")
    return None if (order == np.arange(len(order))).all() else order
