"""Reconstructs the rows of a series: each is the mean over all windows that contain it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.batching.batches import resident
from isthmus.data.kinds import kind_of_file
from isthmus.data.series.series_rows import SeriesRows, as_given
from isthmus.data.series.windowing import RowMeans, all_windows
from isthmus.data.tables.cell_reading import read_cells
from isthmus.data.tables.given_columns import as_cells
from isthmus.data.tables.writing import about_formulas, write_table
from isthmus.errors import DataError, UsageError
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.runs.folder import RunFolder
from isthmus.tools.inference.intake import read_rows, reading_options
from isthmus.tools.inference.picking import refuse_picked
from isthmus.tools.inference.written import Written
from isthmus.wording import counted

SUFFIXES = {".csv", ".tsv", ".parquet"}
ARRAYS = {"npy", "npz"}


def rows_given_back(model: AbstractModel, rows: SeriesRows) -> np.ndarray:
    """Reconstructed raw values (N, K) in the order of the table. The means over windows are those of network input, in
    which a category has a share for each level.
    """
    layout, known = model.preprocess.series, model.preprocess.of_rows
    assert layout is not None
    means = RowMeans(len(rows), known.size)
    for cut in all_windows(rows, layout):
        x = resident(cut.raw, model.preprocess, model.device).to(model.device)
        with torch.no_grad(), evaluation(model):
            x_hat = model.x_hat(x).cpu().double().numpy()
        means.add(cut.rows, x_hat.reshape(len(x_hat), layout.window, known.size))
    return as_given(rows, known.to_raw(torch.from_numpy(means.values)).numpy())


def reconstruct_series(
    run: RunFolder, source: str | Path, out: Path, settings: Mapping[str, Any] | None = None
) -> Written:
    """Writes the table `source` with its columns reconstructed; times, groups and unused columns stay as they are.

    Raises: UsageError for a suffix other than .csv, .tsv or .parquet; like `read_rows`.
    """
    if out.suffix.lower() not in SUFFIXES:
        message = f"a series cannot be written as {out.suffix or 'a folder'}."
        raise UsageError("USAGE-OUT", message, fix="name a .csv or .parquet file with -o")
    refuse_picked(source)
    rows = read_rows(run, source, settings)
    values = rows_given_back(run.model, rows)
    columns = _as_written(run, Path(source), rows, values, settings)
    write_table(out, columns)
    return Written(out, len(rows), (*rows.table.notes, *about_formulas(out, columns)))


def _as_written(
    run: RunFolder, source: Path, rows: SeriesRows, values: np.ndarray, settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """All columns of the table; those of the run hold `values` (N, K) in the column's format."""
    layout = run.model.preprocess.series
    assert layout is not None
    if kind_of_file(source) in ARRAYS:
        return run.model.preprocess.of_rows.cells(values)
    cells, style = read_cells(source, reading_options(run, settings), layout.table)
    refuse_left_out(rows, cells.height)
    columns: dict[str, Any] = {name: cells[name] for name in cells.columns}
    for k, column in enumerate(layout.rows.modeled):
        columns[column.name] = as_cells(values[:, k], column, cells[column.name].dtype, style)
    return columns


def refuse_left_out(rows: SeriesRows, n_rows: int) -> None:
    """Raises: DataError if rows of the table were left out, because the output would no longer match it row by row."""
    if len(rows) != n_rows:
        n = n_rows - len(rows)
        were = "was" if n == 1 else "were"
        message = f"{counted(n, 'row')} of {rows.table.name} {were} left out, so not all rows can be written."
        raise DataError("DATA-ROW", message, fix="correct them, and leave out --skip-bad-rows and --missing drop")


__all__ = ["reconstruct_series", "refuse_left_out", "rows_given_back"]
