"""Data frames from other named columns: a dict of columns, or structured and record arrays of NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from isthmus.errors import DataError
from isthmus.wording import listed, printable

KEPT = "biufM"  # NumPy kinds that polars takes directly: booleans, integers, floats, times


def from_columns(given: Any, name: str = "the table") -> pl.DataFrame | None:
    """The data frame (N, D) of a dict of columns or of a structured array (N,); None if `given` is neither.

    Text stays text; None and masked values are gaps.

    Raises: DataError for columns of different lengths, and for columns that are not one-dimensional.
    """
    if isinstance(given, np.ndarray) and given.dtype.names:
        columns = {key: np.ma.asanyarray(given)[key] for key in given.dtype.names}
    elif isinstance(given, Mapping):
        columns = {str(key): values for key, values in given.items()}
    else:
        return None
    arrays = {key: _array(values) for key, values in columns.items()}
    if not any(array.ndim for array in arrays.values()):
        return None
    wrong = [key for key, array in arrays.items() if array.ndim != 1]
    if wrong:
        message = f'{name}: column "{printable(wrong[0])}" has shape {arrays[wrong[0]].shape}'
        raise DataError("DATA-SHAPE", f"{message}, not one value per row.", fix="give each column N values")
    lengths = {key: len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = listed([f"{printable(key)}: {n:,}" for key, n in lengths.items()], quote="")
        raise DataError(
            "DATA-COUNT", f"the columns of {name} differ in length ({shown}).", fix="make them the same length"
        )
    return pl.DataFrame([_series(key, array) for key, array in arrays.items()])


def _array(values: Any) -> np.ndarray:
    """One column as an array; lists of different lengths become two-dimensional, which `from_columns` rejects."""
    if isinstance(values, np.ma.MaskedArray):
        return values
    if hasattr(values, "detach"):  # a tensor
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except ValueError:
        return np.zeros((len(values), 0))


def _series(name: str, array: np.ndarray) -> pl.Series:
    gaps = np.ma.getmaskarray(array)
    values = np.ma.getdata(array)
    if values.dtype.kind in KEPT and not gaps.any():
        return pl.Series(name, np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)))
    cells = [None if gap else value for value, gap in zip(values.tolist(), gaps.tolist(), strict=True)]
    if values.dtype.kind in KEPT:
        return pl.Series(name, cells)
    return pl.Series(name, [None if cell is None else _text(cell) for cell in cells], dtype=pl.String)


def _text(cell: Any) -> str:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


__all__ = ["from_columns"]
