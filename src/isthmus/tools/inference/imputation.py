"""`isthmus impute`: writes the table with its gaps filled, as the model predicts them from the other columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.kinds import kind_of_file
from isthmus.data.schema import Schema, TableColumn
from isthmus.data.series.series_rows import SeriesRows, as_given
from isthmus.data.tables.cell_conversion import to_raw
from isthmus.data.tables.cell_reading import read_cells
from isthmus.data.tables.cells import Style
from isthmus.data.tables.gathered_cells import plain_cells
from isthmus.data.tables.given_columns import as_cells, filled_frame, put
from isthmus.data.tables.null_values import NullValues
from isthmus.data.tables.writing import about_formulas, write_table
from isthmus.errors import DataError, UsageError
from isthmus.runs.fill_errors import FillError, can_draw, drawn, fill_errors, filled, linear_fill
from isthmus.runs.folder import RunFolder
from isthmus.system.files import write_atomic
from isthmus.system.progress import tell
from isthmus.tools.inference.intake import read_input, read_rows, reading_options
from isthmus.tools.inference.rows_given_back import rows_given_back
from isthmus.tools.inference.written import TABLES, keep_inputs
from isthmus.wording import counted, listed, number, printable

DAY = 86_400.0  # seconds: errors of times are given in days
DRAWS = 20  # per gap, if the model can draw: enough to know a standard deviation to a sixth
DRAWN_ROWS = 1_000  # rows with gaps: a mean over this many is known to 3 %
NAMED = {"category", "yes-no"}
FEW = 10  # validation cells: an error measured on fewer is uncertain by more than a quarter


@dataclass(frozen=True)
class Imputed:
    """The file written, how many cells of each column were filled, and how certain the values are.

    `spreads`, if the model can draw: by column, the standard deviation of draws in the unit of the column; for names,
    the share of draws that differ from the name filled in. `notes` are about the table and the file.
    """

    path: Path
    n: int
    columns: dict[str, int]
    errors: dict[str, FillError]
    spreads: dict[str, float]
    notes: tuple[str, ...]
    certainty: tuple[str, ...]

    @property
    def n_filled(self) -> int:
        return sum(self.columns.values())

    @property
    def said(self) -> tuple[str, ...]:
        """All sentences for people; `certainty` says how certain the values of each column are."""
        return (*self.notes, *self.certainty)

    def as_dict(self) -> dict[str, Any]:
        sure = {name: error._asdict() for name, error in self.errors.items()}
        about = {"out": str(self.path), "n": self.n, "filled": self.columns, "validation": sure}
        return about | ({"spread": self.spreads} if self.spreads else {}) | {"said": list(self.said)}


def impute(run: RunFolder, source: str | Path, out: str | Path, settings: Mapping[str, Any] | None = None) -> Imputed:
    """Writes the table `source` to `out` (.csv, .tsv, .parquet) with its gaps filled; every other cell is unchanged.
    For an array of numbers, `out` may also be .npy.

    Raises: UsageError if the run cannot fill gaps, or for another suffix; DataError like `read_input`.
    """
    schema, target = filled_schema(run), Path(out)
    keep_inputs(run, source, target)
    is_array = Path(source).is_file() and kind_of_file(Path(source)) in {"npy", "npz"}
    if target.suffix.lower() not in {*TABLES, ".tsv", *([".npy"] if is_array else [])}:
        message = f"a table cannot be written as {target.suffix or 'a folder'}."
        raise UsageError("USAGE-OUT", message, fix="name a .csv or .parquet file with -o")
    if run.model.preprocess.series is not None:
        rows = read_rows(run, source, settings)
        samples, made = rows.table, answered_rows(run, rows)
    else:
        samples, made = read_input(run, source, settings), None  # with all checks of a table
    tell(f"filling the gaps of {counted(len(samples), 'row')}")
    if is_array:
        raw, told = samples.x, _write_array(run, answered(run, samples.x) if made is None else made, target)
    else:
        raw, told = _write_cells(run, schema, Path(source), target, settings, made)
    gaps = np.isnan(raw)
    counts = {c.name: int(gaps[:, k].sum()) for k, c in enumerate(schema.modeled) if gaps[:, k].any()}
    errors, spreads = errors_of(run, counts), spreads_of(run, raw)
    certainty = sentences(schema, counts, errors, spreads)
    return Imputed(target, len(raw), counts, errors, spreads, (*samples.notes, *told), certainty)


def errors_of(run: RunFolder, columns: Collection[str]) -> dict[str, FillError]:
    """The errors of these columns on hidden validation cells, for the columns in which they were measured."""
    return {k: v for k, v in fill_errors(run.path, run.model.weights_sha256).items() if k in columns}


def impute_frame(run: RunFolder, given: Any, draws: int | None = None, seed: int = 0) -> Any:
    """A data frame (polars or pandas) or array like `given` with its gaps filled; with `draws`, a list of that many.

    Raises: UsageError if the run cannot fill gaps, or for `draws` with a model that cannot draw.
    """
    schema, carrier = filled_schema(run), Carrier(given, run.model.preprocess)
    raw = carrier.raw.cpu().numpy()
    if draws is None:
        return _like(carrier, raw, answered(run, raw), schema)
    _refuse_draws(run, draws)
    return [_like(carrier, raw, values, schema) for values in drawn(run.model, raw, draws, seed)]


def answered(run: RunFolder, raw: np.ndarray) -> np.ndarray:
    """Raw rows (N, K) with their gaps filled by a mixture of the model and the linear answer, in the proportion that
    was best on validation cells. A column that the other columns do not help to predict gets its usual value.
    """
    errors = fill_errors(run.path, run.model.weights_sha256)
    shares = [errors[column.name].linear if column.name in errors else 0.0 for column in filled_schema(run).modeled]
    return _usual_where_better(run, raw, filled(run.model, raw, linear_fill(run.path, run.model), shares))


def answered_rows(run: RunFolder, rows: SeriesRows) -> np.ndarray:
    """Like `answered`, for the rows of a series, from all windows that contain them; in the order of the table."""
    raw = as_given(rows, rows.raw)
    return _usual_where_better(run, raw, np.where(np.isnan(raw), rows_given_back(run.model, rows), raw))


def _usual_where_better(run: RunFolder, raw: np.ndarray, values: np.ndarray) -> np.ndarray:
    errors = fill_errors(run.path, run.model.weights_sha256)
    for k, column in enumerate(filled_schema(run).modeled):
        error = errors.get(column.name)
        if error is not None and error.tells_nothing:
            values[:, k] = np.where(np.isnan(raw[:, k]), error.usual, raw[:, k])
    return values


def spreads_of(run: RunFolder, raw: np.ndarray, seed: int = 0) -> dict[str, float]:
    """The spread of draws by column with gaps in raw rows (N, K), see `Imputed`; empty if the model cannot draw."""
    rows = raw[np.isnan(raw).any(1)]
    rows = rows[:: max(1, -(-len(rows) // DRAWN_ROWS))]
    if not can_draw(run.model) or not len(rows) or run.model.preprocess.series is not None:
        return {}
    gaps, answer = np.isnan(rows), answered(run, rows)
    draws, found = np.stack(list(drawn(run.model, rows, DRAWS, seed))), {}
    for k, column in enumerate(filled_schema(run).modeled):
        if (at := gaps[:, k]).any():
            other, apart = draws[:, at, k] != answer[at, k], draws[:, at, k].std(0, ddof=1)
            found[column.name] = float(other.mean() if column.kind in NAMED else np.sqrt(np.square(apart).mean()))
    return found


def filled_schema(run: RunFolder) -> Schema:
    """The columns of a row. Raises: UsageError if the run cannot fill gaps."""
    preprocess = run.model.preprocess
    schema = preprocess.of_rows.schema
    if schema is None and preprocess.is_image:
        message = "missing values are filled in the rows of a table, but this run was trained on images."
        raise UsageError(
            "USAGE-IMPUTE", message, fix="name a run that was trained on a table; `isthmus runs` lists all"
        )
    if schema is None:
        message = "this run was not trained to fill missing values: its data had none, and all columns are numbers."
        fix = "train on a table with missing values, or give the kind of a column, such as --column NAME=number"
        raise UsageError("USAGE-IMPUTE", message, fix=fix)
    return schema


def _refuse_draws(run: RunFolder, draws: int) -> None:
    if draws < 1:
        raise UsageError("USAGE-DRAWS", f"draws is {draws}; allowed: 1 or more.", fix="leave it out for one answer")
    if not can_draw(run.model):
        message = "this run's code is not random, so it has only one answer for each gap."
        raise UsageError("USAGE-DRAWS", message, fix="leave draws out, or train with recipe vae")


def _like(carrier: Carrier, raw: np.ndarray, values: np.ndarray, schema: Schema) -> Any:
    """Filled raw rows (N, K) in the type of the input; in a data frame, only gaps change."""
    if carrier.frame is None:
        return carrier.given_back(torch.from_numpy(values))
    found = filled_frame(carrier.frame, values, np.isnan(raw), schema)
    return found.iloc[0] if carrier.is_named_row else found


def _write_array(run: RunFolder, values: np.ndarray, target: Path) -> tuple[str, ...]:
    """Writes rows of numbers; a table gets the column names of the run."""
    if target.suffix.lower() == ".npy":
        write_atomic(target, lambda part: np.save(part, values, allow_pickle=False))
        return ()
    columns = run.model.preprocess.of_rows.cells(values)
    write_table(target, columns)
    return about_formulas(target, columns)


def _write_cells(
    run: RunFolder,
    schema: Schema,
    source: Path,
    target: Path,
    settings: Mapping[str, Any] | None,
    made: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Writes all cells of a table, including columns that the model does not use; returns its raw rows (N, K). `made`
    (N, K) are the filled rows, if they were computed before.
    """
    options = reading_options(run, settings)
    cells, style = read_cells(source, replace(options, null_values=()), schema)
    nulls = NullValues(options.null_values, schema.names, schema)
    known = pl.DataFrame([plain_cells(cells[name]) for name in schema.names])
    raw = to_raw(nulls.blanked(known, schema.names, style), schema, style).values
    made, gaps = answered(run, raw) if made is None else made, np.isnan(raw)
    if len(made) != len(raw):
        n = len(raw) - len(made)
        were = "was" if n == 1 else "were"
        message = f"{counted(n, 'row')} of {source.name} {were} left out, so not all rows can be filled."
        raise DataError("DATA-ROW", message, fix="correct them, and leave out --skip-bad-rows and --missing drop")
    for k, column in enumerate(schema.modeled):
        if gaps[:, k].any():
            cells = cells.with_columns(_filled(cells[column.name], made[:, k], gaps[:, k], column, style))
    columns: dict[str, Any] = {name: cells[name] for name in cells.columns}
    write_table(target, columns)
    return raw, (*_about_left_out(cells, schema), *about_formulas(target, columns))


def _about_left_out(cells: pl.DataFrame, schema: Schema) -> tuple[str, ...]:
    """A sentence about cells that stay empty because the model does not use their columns; empty if there are none."""
    others = [cells[name] for name in cells.columns if name not in schema.names]
    gaps = {s.name: s.null_count() + (int((s == "").sum()) if s.dtype == pl.String else 0) for s in others}
    left = [name for name, n in gaps.items() if n]
    if not left:
        return ()
    return (
        f"not filled: {counted(sum(gaps.values()), 'empty cell')} in columns that the model does not use, "
        f"{listed(left)}",
    )


def _filled(cells: pl.Series, made: np.ndarray, gaps: np.ndarray, column: TableColumn, style: Style) -> pl.Series:
    """The cells of a column with its gaps filled, in the format of the column."""
    return put(cells, as_cells(made, column, cells.dtype, style), gaps)


def sentences(
    schema: Schema, counts: Mapping[str, int], errors: Mapping[str, FillError], spreads: Mapping[str, float]
) -> tuple[str, ...]:
    """How certain the filled cells of each column are: by the errors on hidden validation cells, and by draws."""
    kinds = {column.name: column.kind for column in schema.modeled}
    return tuple(_sentence(name, n, errors.get(name), spreads.get(name), kinds[name]) for name, n in counts.items())


def _sentence(name: str, n: int, error: FillError | None, spread: float | None, kind: str) -> str:
    text = f'{counted(n, "cell")} of column "{printable(name)}" filled'
    told = [*([_by_error(error, kind)] if error else []), *([] if spread is None else [_by_draws(spread, kind)])]
    return f"{text}: {'; '.join(told)}" if told else text


def _by_error(error: FillError, kind: str) -> str:
    on = f"on {'only ' * (error.n < FEW)}{counted(error.n, 'hidden validation cell')}"
    if kind in NAMED:
        ours, constant = (f"{1 - value:.0%}" for value in (error.error, error.constant))
        if error.tells_nothing:
            return f"with the most frequent value, {constant} right {on}; predictions are no better ({ours})"
        return f"{ours} right {on} ({constant} with the most frequent value)"
    unit, days = (DAY, " days") if kind == "time" else (1.0, "")
    ours, mean = (f"{number(value / unit)}{days}" for value in (error.error, error.constant))
    if error.tells_nothing:
        return f"with the mean, RMS error {mean} {on}; predictions are no better ({ours})"
    return f"RMS error {ours} {on} ({mean} with the mean)"


def _by_draws(spread: float, kind: str) -> str:
    if kind in NAMED:
        return f"{spread:.0%} of {DRAWS} draws give a different value"
    unit, days = (DAY, " days") if kind == "time" else (1.0, "")
    return f"{DRAWS} draws differ by {number(spread / unit)}{days} (standard deviation)"


__all__ = [
    "NAMED", "Imputed", "errors_of", "filled_schema", "impute", "impute_frame", "sentences", "spreads_of",
]  # fmt: skip
