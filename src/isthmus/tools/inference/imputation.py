"""`isthmus impute`: the table as it was, its gaps filled by what the model makes of the other columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from isthmus.data.schema import Schema, TableColumn
from isthmus.data.tables.cell_conversion import to_raw, to_texts
from isthmus.data.tables.cell_reading import read_cells
from isthmus.data.tables.cells import Style
from isthmus.data.tables.writing import about_formulas, write_table
from isthmus.errors import UsageError
from isthmus.runs.fill_errors import FillError, fill_errors, filled
from isthmus.runs.folder import RunFolder
from isthmus.tools.inference.apply import TABLES, keep_inputs
from isthmus.tools.inference.intake import read_input, reading_options
from isthmus.wording import counted, number, printable

DAY = 86_400.0  # seconds: errors of times are told in days


@dataclass(frozen=True)
class Imputed:
    """What was written where, how many cells of each column were filled, and how sure that is."""

    path: Path
    n: int
    columns: dict[str, int]
    errors: dict[str, FillError]
    said: tuple[str, ...]

    @property
    def n_filled(self) -> int:
        return sum(self.columns.values())

    def as_dict(self) -> dict[str, Any]:
        sure = {name: error._asdict() for name, error in self.errors.items()}
        about = {"out": str(self.path), "n": self.n, "filled": self.columns, "validation": sure}
        return about | {"said": list(self.said)}


def impute(run: RunFolder, source: str | Path, out: str | Path, settings: Mapping[str, Any] | None = None) -> Imputed:
    """Writes the table `source` to `out` (.csv, .tsv, .parquet), its gaps filled; every other cell stays as it is.

    Raises: UsageError for a run whose columns are not of several kinds, or another suffix; DataError as `read_input`.
    """
    schema, target = _schema(run), Path(out)
    keep_inputs(run, source, target)
    if target.suffix.lower() not in {*TABLES, ".tsv"}:
        message = f"a table cannot be written as {target.suffix or 'a folder'}."
        raise UsageError("USAGE-OUT", message, fix="name a .csv or .parquet file with -o")
    samples = read_input(run, source, settings)  # with every check that a table for this run has to pass
    cells, style = read_cells(Path(source), reading_options(run, settings), schema)
    raw = to_raw(cells.select(schema.names), schema, style).values
    made, counts = filled(run.model, raw), dict[str, int]()
    for k, column in enumerate(schema.modeled):
        gaps = np.isnan(raw[:, k])
        if gaps.any():
            counts[column.name] = int(gaps.sum())
            cells = cells.with_columns(_filled(cells[column.name], made[:, k], gaps, column, style))
    columns = {name: cells[name].to_list() for name in cells.columns}
    write_table(target, columns)
    errors = fill_errors(run.path, run.model.weights_sha256)
    said = (*samples.notes, *_sentences(schema, counts, errors), *about_formulas(target, columns))
    return Imputed(target, len(raw), counts, {k: v for k, v in errors.items() if k in counts}, said)


def _schema(run: RunFolder) -> Schema:
    schema = run.model.preprocess.schema
    if schema is None:
        message = "this run was not trained to fill gaps: its data had none, and all of its columns are numbers."
        fix = "train on a table with gaps, or say what one of its columns is, as in --column NAME=number"
        raise UsageError("USAGE-IMPUTE", message, fix=fix)
    return schema


def _filled(cells: pl.Series, made: np.ndarray, gaps: np.ndarray, column: TableColumn, style: Style) -> pl.Series:
    """The cells of a column with what was made for its gaps, in the column's own way of writing."""
    if cells.dtype.is_numeric():
        instead = pl.Series(made).cast(cells.dtype, strict=False)
    else:
        comma = style.decimal == "," and column.kind == "number"
        texts = to_texts(made, column)
        instead = pl.Series([text.replace(".", ",") for text in texts] if comma else texts)
    return pl.select(pl.when(pl.Series(gaps)).then(instead).otherwise(cells).alias(cells.name)).to_series()


def _sentences(schema: Schema, counts: Mapping[str, int], errors: Mapping[str, FillError]) -> tuple[str, ...]:
    """How sure each column's filled cells are, by the validation cells that the run was not shown."""
    kinds = {column.name: column.kind for column in schema.modeled}
    return tuple(_sentence(name, n, errors[name], kinds[name]) for name, n in counts.items() if name in errors)


def _sentence(name: str, n: int, error: FillError, kind: str) -> str:
    text = f'{counted(n, "cell")} of column "{printable(name)}" filled'
    of = f"on {counted(error.n, 'validation cell')} that were hidden"
    if kind in {"category", "yes-no"}:
        return f"{text}: {1 - error.error:.0%} come out right {of}, {1 - error.constant:.0%} by the most frequent name"
    unit, days = (DAY, " days") if kind == "time" else (1.0, "")
    ours, mean = (number(value / unit) for value in (error.error, error.constant))
    return f"{text}: off by {ours}{days} (root mean square) {of}, the mean by {mean}{days}"


__all__ = ["Imputed", "impute"]
