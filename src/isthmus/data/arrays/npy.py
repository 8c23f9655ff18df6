"""The array of a .npy file, or of a member of an .npz file, read within the bounds that its header states."""

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

MOST_AXES = 32  # of an array, in every release of numpy
LARGEST = 2**62  # values; no machine addresses more
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
    """What a .npy header says. `start` is where the values begin."""

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

    Raises: DataError if it is no .npy header, or a damaged one.
    """
    start = file.position
    reads = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy tells that a header was written by Python 2, which is no fault
            version = npy_format.read_magic(file)
            if version not in reads:  # 3.0 exists for records with field names beyond Latin-1
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
    """The array behind a header that was just read.

    `most_bytes` is what the file can hold at most; a header that promises more is refused before any room is taken.

    Raises: DataError if the values are of a kind that is no number, or too few or too many; ResourceError for room.
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
    """The error for bytes behind the last value."""
    message = f"{name}: more bytes follow the {header.n_bytes:,} that its header declares."
    return DataError("DATA-TRAILING", message, fix="save it again, or pass --allow-trailing to read it anyway")


def refuse_kind(dtype: np.dtype, what: str) -> None:
    """Checks that values are numbers.

    Raises: DataError in words: Python objects, texts, complex numbers, dates, records.
    """
    if dtype.hasobject or dtype.kind not in "biuf":
        raise refused_kind(dtype, what)


def refused_kind(dtype: np.dtype, what: str) -> DataError:
    holds, fix = UNREADABLE_KINDS["O" if dtype.hasobject else dtype.kind]
    return DataError("DATA-TYPE", f"{what} {holds} ({dtype.name if dtype.kind != 'V' else 'structured'}).", fix=fix)


def is_npy(head: bytes) -> bool:
    return head.startswith(NPY)


def plain(values: Any) -> np.ndarray:
    """Anything array-like as an array; masked values become NaN.

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
