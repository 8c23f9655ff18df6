"""Facts about the numbers in a large array, computed block by block to avoid a second array of its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from isthmus.system.scratch import is_mapped, room

LARGEST = float(np.finfo(np.float32).max)  # about 3.4e38
EXACT = 2**24  # float32 keeps every whole number up to here
BLOCK = 1 << 23  # values processed at once: 64 MB as float64
# The share of a column's standard deviation that rounding may cost. A thousandth is less than a network resolves: with
# z_size 2 and 3 columns, the reconstruction error is at least a tenth of the standard deviation.
LOST = 1e-3
FEW = 20  # values that are tested for decimals first: all values need at least as many as these


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Views of successive samples, about `BLOCK` values each."""
    step = max(1, BLOCK // max(1, array[:1].size))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def value_range(array: np.ndarray) -> tuple[float, float]:
    """Minimum and maximum; NaN if there is any NaN."""
    lows, highs = zip(*((part.min(), part.max()) for part in blocks(array)), strict=True)
    return float(np.min(lows)), float(np.max(highs))


def are_whole(array: np.ndarray) -> bool:
    """Whether every value is a whole number."""
    return array.dtype.kind in "iub" or all((part == np.floor(part)).all() for part in blocks(array))


def are_bytes(array: np.ndarray) -> bool:
    """Whether every value is one of 0, 1, … 255."""
    if array.dtype == np.uint8:
        return True
    return all(((part >= 0) & (part <= 255)).all() and are_whole(part) for part in blocks(array))


def converted(array: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    """The array in another type, in a file if it is too large for memory; the same object if it has that type already.

    Raises: ResourceError if there is not enough room.
    """
    if array.dtype == dtype:
        return array
    return filled_by_blocks(array, lambda part: part, dtype, "the converted data")


def filled_by_blocks(
    array: np.ndarray, change: Callable[[np.ndarray], np.ndarray], dtype: type[np.generic] | np.dtype, what: str
) -> np.ndarray:
    """`change` applied to every block of samples, in one array of the same shape; see `scratch.room`."""
    out, at = room(array.shape, dtype, what), 0
    for part in blocks(array):
        out[at : at + len(part)] = change(part)
        at += len(part)
    return out


def rows_of(array: np.ndarray, rows: np.ndarray, what: str) -> np.ndarray:
    """The samples at `rows`, in memory or in a file."""
    if not is_mapped(array):
        return array[rows]
    out, step = room((len(rows), *array.shape[1:]), array.dtype, what), max(1, BLOCK // max(1, array[:1].size))
    for at in range(0, len(rows), step):
        out[at : at + step] = array[rows[at : at + step]]
    return out


def has_nan(array: np.ndarray) -> bool:
    """Whether any value is NaN."""
    return array.dtype.kind == "f" and any(bool(np.isnan(part).any()) for part in blocks(array))


def loses_digits(values: np.ndarray) -> np.ndarray:
    """For each column of values (n, k), whether float32 changes a whole number above 2**24."""
    if values.dtype.itemsize < 4 or values.dtype == np.float32 or not values.size:
        return np.zeros(values.shape[1], dtype=bool)
    with np.errstate(invalid="ignore", over="ignore"):
        large = np.isfinite(values) & (np.abs(values) > EXACT) & (np.abs(values) <= LARGEST)
        if large.any():
            large &= (values == np.floor(values)) & (values.astype(np.float32).astype(values.dtype) != values)
        return np.asarray(large.any(0))


class Rounding:
    """The rounding error of columns of numbers as float32, compared with how much they vary; updated block by block.

    A time of 1.7e9 seconds is rounded to 128 seconds: negligible if it varies by years, everything if by a minute.
    """

    def __init__(self, n_columns: int) -> None:
        self._n, self._error = np.zeros(n_columns), np.zeros(n_columns)
        self._sums, self._squares = np.zeros(n_columns), np.zeros(n_columns)
        self._first: np.ndarray | None = None

    def add(self, values: np.ndarray) -> None:
        """Adds a block (n, k); NaN is a gap. Bytes and float16 lose nothing and need not be added."""
        if not len(values):
            return
        known = ~np.isnan(values)
        if self._first is None:
            self._first = np.nan_to_num(values[known.argmax(0), np.arange(values.shape[1])].astype(np.float64))
        with np.errstate(invalid="ignore", over="ignore"):  # infinite and too large values are reported elsewhere
            error = np.abs(values.astype(np.float32) - values)
            apart = np.where(known, values - self._first, 0.0)
            self._error = np.fmax(self._error, error.max(0, where=known, initial=0.0))
            self._n += known.sum(0)
            self._sums += apart.sum(0)
            self._squares += np.square(apart).sum(0)

    @property
    def matters(self) -> np.ndarray:
        """For each column, whether float32 changes values by more than `LOST` of its deviation; never for constants."""
        with np.errstate(invalid="ignore", over="ignore"):
            n = np.maximum(self._n, 1)
            variance = np.maximum(self._squares / n - np.square(self._sums / n), 0.0)
            return (self._squares > 0) & (self._error > LOST * np.sqrt(variance))


def table_type(x: np.ndarray, digits: str) -> type[np.floating]:
    """The type for a table of values (N, D): float64 if `Rounding` matters and `digits` allows it."""
    if digits != "auto" or x.dtype.itemsize < 4 or x.dtype == np.float32:
        return np.float64 if digits == "float64" else np.float32
    rounding = Rounding(x.shape[1])
    for part in blocks(x):
        rounding.add(part)
    return np.float64 if rounding.matters.any() else np.float32


def decimals_of(values: np.ndarray) -> int | None:
    """The largest number of decimals of finite values (n,), n > 0; None if it is above 7, as in 1/3 or 1e-9.

    >>> decimals_of(np.array([1.5, 2.25])), decimals_of(np.array([1 / 3]))
    (2, None)
    """
    allowed = 1e-12 * max(1.0, float(np.abs(values).max()))
    some = next((d for d in range(8) if _have_digits(values[:FEW], d, allowed)), 8)  # these need at least as many
    return next((digits for digits in range(some, 8) if _have_digits(values, digits, allowed)), None)


def _have_digits(values: np.ndarray, digits: int, allowed: float) -> bool:
    return bool(np.abs(np.round(values, digits) - values).max() <= allowed)
