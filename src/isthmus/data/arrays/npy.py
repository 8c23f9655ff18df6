"""The array of a .npy file, or of a member of an .npz file, read within the bounds given in its header."""

from __future__ import annotations

import math
import tokenize
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from isthmus.data.inputs import NPY, Reader, cut, damaged
from isthmus.errors import DataError
from isthmus.system.scratch import room
from isthmus.wording import shortened

MOST_AXES = 32  # the limit in every release of NumPy
LARGEST = 2**62  # values; no machine can address more
BROKEN = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError, OverflowError)
UNREADABLE_KINDS = {
    "O": ("holds Python objects", "save it as numbers, all samples of one shape"),
    "U": ("holds strings", "save it as numbers"),
    "S": ("holds strings", "save it as numbers"),
    "c": ("holds complex numbers", "save the real part, or the absolute value and phase as two arrays"),
    "M": ("holds dates", "save them as numbers, for example seconds"),
    "m": ("holds time spans", "save them as numbers, for example seconds"),
    "V": ("holds records of named fields", "save the fields as columns of a plain array, or as a .csv table"),
}


class NpyHeader(NamedTuple):
    """The header of a .npy file. `start` is where the values begin."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool
    start: int

    @property
    def n_bytes(self) -> int:
        """Header and values."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize


def read_header(file: Reader, *, what: str) -> NpyHeader:
    """The header at the beginning of `file`; `what` names the array in messages.

    Raises: DataError if it is not a .npy header, or is damaged.
    """
    start = file.position
    reads = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns about headers written by Python 2, which are fine
            version = npy_format.read_magic(file)
            if version not in reads:  # version 3.0 is for structured arrays with field names beyond Latin-1
                raise refused_kind(np.dtype([("a", "f4")]), f"{file.name}: {what}")
            shape, fortran, dtype = reads[version](file)
    except BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise damaged(file.name, f"the header of {what} cannot be read ({reason[:100]})") from None
    whole = all(type(side) is int and side >= 0 for side in shape)  # True is an int too
    if not whole or len(shape) > MOST_AXES or math.prod(shape) > LARGEST:
        raise damaged(file.name, f"the header of {what} gives the impossible shape {shortened(str(shape))}")
    return NpyHeader(dtype, shape, fortran, file.position - start)


def read_values(file: Reader, header: NpyHeader, *, what: str, most_bytes: int, allow_trailing: bool) -> np.ndarray:
    """The array after a header that was just read.

    `most_bytes` is the most that the file can hold; a header that declares more is refused before memory is allocated.

    Raises: DataError if the values are not numbers, or are too few or too many; ResourceError for lack of memory.
    """
    refuse_kind(header.dtype, f"{file.name}: {what}")
    if header.n_bytes > most_bytes:
        raise cut(file.name, header.n_bytes, most_bytes)
    n_values = math.prod(header.shape)
    flat = room((n_values,), header.dtype, file.name)
    found = file.fill(flat) + header.start
    if found < header.n_bytes:
        raise cut(file.name, header.n_bytes, found)
    if file.read(1) and not allow_trailing:
        raise trailing(file.name, header)
    return flat.reshape(header.shape[::-1]).T if header.fortran else flat.reshape(header.shape)


def trailing(name: str, header: NpyHeader) -> DataError:
    """The error for bytes after the last value."""
    message = f"{name}: more bytes follow the {header.n_bytes:,} that its header declares."
    return DataError("DATA-TRAILING", message, fix="save it again, or pass --allow-trailing to read it anyway")


def refuse_kind(dtype: np.dtype, what: str) -> None:
    """Checks that values are numbers.

    Raises: DataError that names the kind: Python objects, strings, complex numbers, dates, structured arrays.
    """
    if dtype.hasobject or dtype.kind not in "biuf":
        raise refused_kind(dtype, what)


def refused_kind(dtype: np.dtype, what: str) -> DataError:
    holds, fix = UNREADABLE_KINDS["O" if dtype.hasobject else dtype.kind]
    return DataError("DATA-TYPE", f"{what} {holds} ({dtype.name if dtype.kind != 'V' else 'structured'}).", fix=fix)


def is_npy(head: bytes) -> bool:
    return head.startswith(NPY)


def plain(values: Any) -> np.ndarray:
    """An array-like object as an array; masked values become NaN.

    Raises: DataError for lists of unequal length.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        return np.ma.filled(values.astype(np.float64), np.nan)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(
            "DATA-SHAPE", f"the values do not form an array: {error}.", fix="give every sample the same shape"
        ) from None
