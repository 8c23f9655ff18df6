"""Applies a run to a series in a data frame or array: `Run.reconstruct`, `denoise`, `impute`, `encode`."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.data.series.series_rows import SeriesRows, as_given
from isthmus.data.tables.given_columns import filled_frame
from isthmus.data.tables.given_frames import as_frame
from isthmus.errors import DataError
from isthmus.runs.folder import RunFolder
from isthmus.tools.inference.imputation import answered_rows
from isthmus.tools.inference.intake import read_given, read_rows
from isthmus.tools.inference.rows_given_back import refuse_left_out, rows_given_back


def given_back(run: RunFolder, data: Any) -> Any:
    """The same rows, reconstructed: a data frame with its other columns unchanged, or an array."""
    rows = _rows(run, data)
    return _like(run, data, rows_given_back(run.model, rows), np.ones(rows.raw.shape, bool))


def filled_in(run: RunFolder, data: Any) -> Any:
    """The same rows with their gaps filled."""
    rows = _rows(run, data)
    return _like(run, data, answered_rows(run, rows), np.isnan(as_given(rows, rows.raw)))


def codes_of(run: RunFolder, data: Any) -> np.ndarray:
    """The codes (n, z_size) of its windows, as `isthmus encode` writes them."""
    return run.coder.encode(read_given(run, data).x)


def _rows(run: RunFolder, data: Any) -> SeriesRows:
    rows = read_rows(run, data)
    refuse_left_out(rows, len(as_frame(data)) if as_frame(data) is not None else len(data))
    return rows


def _like(run: RunFolder, data: Any, values: np.ndarray, where: np.ndarray) -> Any:
    """The input with `values` (N, K) in the columns of the run wherever `where` (N, K) is true."""
    layout, frame = run.model.preprocess.series, as_frame(data)
    assert layout is not None
    if frame is not None:
        return filled_frame(frame, values, where, layout.rows)
    array, names = np.array(data, dtype=np.float64), layout.table.names
    if array.ndim != 2 or array.shape[1] != len(names):
        message = f"the input has shape {np.shape(data)}; a series for this run has (N, {len(names)})."
        raise DataError("DATA-SHAPE", message, fix="pass its columns in the order of training, or a data frame")
    places = [names.index(name) for name in layout.rows.names]
    array[:, places] = np.where(where, values, array[:, places])
    return array


__all__ = ["codes_of", "filled_in", "given_back"]
