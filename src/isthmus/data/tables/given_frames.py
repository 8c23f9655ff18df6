"""Converts a data frame for a trained model to one matrix, with the columns matched by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.schema import Schema
from isthmus.data.tables.columns import plan_columns
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.frames import AbstractFrame, PandasFrame, PolarsFrame, numbers_of
from isthmus.data.tables.named_columns import from_columns
from isthmus.data.tables.reading import samples_from_frame
from isthmus.errors import DataError, UsageError

NAME = "the table"
FIXES = {
    "DATA-COLUMNS": "remove the columns that the model does not know",
    "DATA-MISSING": "remove those rows, or train the model again; it then saves the medians that fill gaps",
    "DATA-ROW": "put numbers into these cells, or remove those rows",
    "DATA-TYPE": "turn these columns into numbers",
}


def as_frame(given: Any) -> Any:
    """`given` as a polars or pandas frame, if it is one, or a pandas row (Series) with column names; else None.

    A dict of columns or a structured array becomes a polars frame (as `from_columns`, with its errors). A lazy frame is
    collected. A Series counts as a row only if all its labels are strings.
    """
    if isinstance(given, pl.LazyFrame):
        return given.collect()
    columns = from_columns(given, NAME)
    if columns is not None:
        return columns
    if hasattr(given, "to_frame") and hasattr(given, "index") and not hasattr(given, "columns"):
        named = len(given) and all(isinstance(name, str) for name in given.index)
        return given.to_frame().T.infer_objects() if named else None
    return given if hasattr(given, "columns") and hasattr(given, "__getitem__") else None


def matrix_by_name(
    frame: Any,
    expected: Sequence[str] | None,
    *,
    label: str | None = None,
    group: str | None = None,
    gaps: bool = False,
) -> np.ndarray:
    """The columns `expected` of a frame, in that order, as a matrix (N, D); if None, all columns in their order.

    Numbers keep their type; numbers as text become float64. With `gaps`, missing values may stay, as NaN.

    Raises: DataError with all problems by row (counted from 1) and column; UsageError if it is not a data frame.
    """
    table = _table(frame)
    wanted = table.names if expected is None else expected
    options = DataConfig(label=label, group=group, missing="median" if gaps else "error")
    with _fixes_in_python():
        plan = plan_columns(table.names, options, name=NAME, expected=wanted, guess_label=False)
        columns = [np.asarray(_column(frame, i)) for i in plan.features]
        if all(column.dtype.kind in "buif" for column in columns):
            matrix = np.stack(columns, axis=1)
            if matrix.dtype.kind != "f" or np.isfinite(matrix).all():
                return matrix
        findings = Findings(NAME, table.names, options, counting="Rows are counted from 1.")
        values = numbers_of(table, plan, findings)
        findings.conclude()
    return values


def raw_of_frame(frame: Any, schema: Schema, *, label: str | None = None, group: str | None = None) -> np.ndarray:
    """As `matrix_by_name`, for a frame with columns of several kinds: raw values (N, K), NaN for a gap."""
    with _fixes_in_python():
        options = DataConfig(label=label, group=group, digits="float64")
        return samples_from_frame(frame, name=NAME, options=options, expected=schema).x


@contextmanager
def _fixes_in_python() -> Iterator[None]:
    """Replaces fixes that name command-line options by fixes for a data frame."""
    try:
        yield
    except DataError as error:
        if error.fix and "--" in error.fix:
            error.fix = FIXES.get(error.code, error.fix)
        raise


def _table(frame: Any) -> AbstractFrame:
    if isinstance(frame, pl.DataFrame):
        return PolarsFrame(frame)
    if hasattr(frame, "iloc"):
        return PandasFrame(frame)
    message = f"{NAME} is a {type(frame).__module__}.{type(frame).__name__}, not a polars or pandas DataFrame."
    raise UsageError("USAGE-FRAME", message, fix="turn it into a DataFrame or a numpy array")


def _column(frame: Any, place: int) -> Any:
    return frame.to_series(place) if isinstance(frame, pl.DataFrame) else frame.iloc[:, place]


__all__ = ["as_frame", "matrix_by_name", "raw_of_frame"]
