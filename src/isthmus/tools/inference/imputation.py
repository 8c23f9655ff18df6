"""`isthmus impute`: the table as it was, its gaps filled by what the model makes of the other columns."""

from __future__ import annotations

from collections.abc import Mapping
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
from isthmus.data.tables.given_columns import as_cells, filled_frame, put
from isthmus.data.tables.mixed_tables import plain_cells
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

DAY = 86_400.0  # seconds: errors of times are told in days
DRAWS = 20  # of a model that can draw: a deviation is then known to a sixth
DRAWN_ROWS = 1_000  # of those with gaps: a mean over so many is known to 3 %
NAMED = {"category", "yes-no"}


@dataclass(frozen=True)
class Imputed:
    """What was written where, how many cells of each column were filled, and how sure that is.

    `spreads` is there where the model can draw: by column, the deviation of draws in its own unit, of names the share
    of draws that are another name than the one filled in.
    """

    path: Path
    n: int
    columns: dict[str, int]
    errors: dict[str, FillError]
    spreads: dict[str, float]
    said: tuple[str, ...]

    @property
    def n_filled(self) -> int:
        return sum(self.columns.values())

    def as_dict(self) -> dict[str, Any]:
        sure = {name: error._asdict() for name, error in self.errors.items()}
        about = {"out": str(self.path), "n": self.n, "filled": self.columns, "validation": sure}
        return about | ({"spread": self.spreads} if self.spreads else {}) | {"said": list(self.said)}


def impute(run: RunFolder, source: str | Path, out: str | Path, settings: Mapping[str, Any] | None = None) -> Imputed:
    """Writes the table `source` to `out` (.csv, .tsv, .parquet), its gaps filled; every other cell stays as it is. An
    array of numbers may also go to .npy.

    Raises: UsageError for a run whose columns are not of several kinds, or another suffix; DataError as `read_input`.
    """
    schema, target = _schema(run), Path(out)
    keep_inputs(run, source, target)
    is_array = Path(source).is_file() and kind_of_file(Path(source)) in {"npy", "npz"}
    if target.suffix.lower() not in {*TABLES, ".tsv", *([".npy"] if is_array else [])}:
        message = f"a table cannot be written as {target.suffix or 'a folder'}."
        raise UsageError("USAGE-OUT", message, fix="name a .csv or .parquet file with -o")
    if run.model.preprocess.series is not None:
        rows = read_rows(run, source, settings)
        samples, made = rows.table, answered_rows(run, rows)
    else:
        samples, made = read_input(run, source, settings), None  # with every check that a table has to pass
    tell(f"filling the gaps of {counted(len(samples), 'row')}")
    if is_array:
        raw, told = samples.x, _write_array(run, answered(run, samples.x) if made is None else made, target)
    else:
        raw, told = _write_cells(run, schema, Path(source), target, settings, made)
    gaps = np.isnan(raw)
    counts = {c.name: int(gaps[:, k].sum()) for k, c in enumerate(schema.modeled) if gaps[:, k].any()}
    errors = {k: v for k, v in fill_errors(run.path, run.model.weights_sha256).items() if k in counts}
    spreads = spreads_of(run, raw)
    said = (*samples.notes, *sentences(schema, counts, errors, spreads), *told)
    return Imputed(target, len(raw), counts, errors, spreads, said)


def impute_frame(run: RunFolder, given: Any, draws: int | None = None, seed: int = 0) -> Any:
    """A frame (polars or pandas) or array like `given` with its gaps filled; with `draws` a list of that many.

    Raises: UsageError for a run whose columns are not of several kinds, and for draws of a model that cannot draw.
    """
    schema, carrier = _schema(run), Carrier(given, run.model.preprocess)
    raw = carrier.raw.cpu().numpy()
    if draws is None:
        return _like(carrier, raw, answered(run, raw), schema)
    _refuse_draws(run, draws)
    return [_like(carrier, raw, values, schema) for values in drawn(run.model, raw, draws, seed)]


def answered(run: RunFolder, raw: np.ndarray) -> np.ndarray:
    """Raw rows (N, K) with their gaps filled: by the model, by the linear answer as far as it filled validation cells
    better, and by the usual value where the other columns told nothing of a column's validation cells.
    """
    errors = fill_errors(run.path, run.model.weights_sha256)
    shares = [errors[column.name].linear if column.name in errors else 0.0 for column in _schema(run).modeled]
    return _usual_where_better(run, raw, filled(run.model, raw, linear_fill(run.path, run.model), shares))


def answered_rows(run: RunFolder, rows: SeriesRows) -> np.ndarray:
    """As `answered`, of the rows of a series, by all windows that hold them; in the order of the table."""
    raw = as_given(rows, rows.raw)
    return _usual_where_better(run, raw, np.where(np.isnan(raw), rows_given_back(run.model, rows), raw))


def _usual_where_better(run: RunFolder, raw: np.ndarray, values: np.ndarray) -> np.ndarray:
    errors = fill_errors(run.path, run.model.weights_sha256)
    for k, column in enumerate(_schema(run).modeled):
        error = errors.get(column.name)
        if error is not None and error.tells_nothing:
            values[:, k] = np.where(np.isnan(raw[:, k]), error.usual, raw[:, k])
    return values


def spreads_of(run: RunFolder, raw: np.ndarray, seed: int = 0) -> dict[str, float]:
    """By column with gaps in raw rows (N, K), how far DRAWS lie apart, see `Imputed`; empty where none can be drawn."""
    rows = raw[np.isnan(raw).any(1)]
    rows = rows[:: max(1, -(-len(rows) // DRAWN_ROWS))]
    if not can_draw(run.model) or not len(rows) or run.model.preprocess.series is not None:
        return {}
    gaps, answer = np.isnan(rows), answered(run, rows)
    draws, found = np.stack(list(drawn(run.model, rows, DRAWS, seed))), {}
    for k, column in enumerate(_schema(run).modeled):
        if (at := gaps[:, k]).any():
            other, apart = draws[:, at, k] != answer[at, k], draws[:, at, k].std(0, ddof=1)
            found[column.name] = float(other.mean() if column.kind in NAMED else np.sqrt(np.square(apart).mean()))
    return found


def _schema(run: RunFolder) -> Schema:
    """The columns of a row."""
    schema = run.model.preprocess.of_rows.schema
    if schema is None:
        message = "this run was not trained to fill gaps: its data had none, and all of its columns are numbers."
        fix = "train on a table with gaps, or say what one of its columns is, as in --column NAME=number"
        raise UsageError("USAGE-IMPUTE", message, fix=fix)
    return schema


def _refuse_draws(run: RunFolder, draws: int) -> None:
    if draws < 1:
        raise UsageError("USAGE-DRAWS", f"draws is {draws}; allowed: 1 and more.", fix="leave it out for one answer")
    if not can_draw(run.model):
        message = "this run's code is not drawn, so it has one answer for each gap."
        raise UsageError("USAGE-DRAWS", message, fix="leave draws out, or train with recipe vae")


def _like(carrier: Carrier, raw: np.ndarray, values: np.ndarray, schema: Schema) -> Any:
    """Filled raw rows (N, K) as what was given: of a frame all cells that are no gaps stay as they are."""
    if carrier.frame is None:
        return carrier.given_back(torch.from_numpy(values))
    found = filled_frame(carrier.frame, values, np.isnan(raw), schema)
    return found.iloc[0] if carrier.is_named_row else found


def _write_array(run: RunFolder, values: np.ndarray, target: Path) -> tuple[str, ...]:
    """Writes rows of numbers, to a table under the names of the run's columns."""
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
    """Writes all cells of a table, those of columns that the model does not know too; gives its raw rows (N, K).
    `made` (N, K) is what was made of them already.
    """
    options = reading_options(run, settings)
    cells, style = read_cells(source, replace(options, null_values=()), schema)
    nulls = NullValues(options.null_values, schema.names, schema)
    known = pl.DataFrame([plain_cells(cells[name]) for name in schema.names])
    raw = to_raw(nulls.blanked(known, schema.names, style), schema, style).values
    made, gaps = answered(run, raw) if made is None else made, np.isnan(raw)
    if len(made) != len(raw):
        message = f"{counted(len(raw) - len(made), 'row')} of {source.name} cannot be read, so not all can be filled."
        raise DataError("DATA-ROW", message, fix="mend them, and leave --skip-bad-rows and --missing drop out")
    for k, column in enumerate(schema.modeled):
        if gaps[:, k].any():
            cells = cells.with_columns(_filled(cells[column.name], made[:, k], gaps[:, k], column, style))
    columns: dict[str, Any] = {name: cells[name] for name in cells.columns}
    write_table(target, columns)
    return raw, (*_about_left_out(cells, schema), *about_formulas(target, columns))


def _about_left_out(cells: pl.DataFrame, schema: Schema) -> tuple[str, ...]:
    """A sentence about empty cells that stay, as the model does not know their columns; none where there are none."""
    others = [cells[name] for name in cells.columns if name not in schema.names]
    gaps = {s.name: s.null_count() + (int((s == "").sum()) if s.dtype == pl.String else 0) for s in others}
    left = [name for name, n in gaps.items() if n]
    if not left:
        return ()
    return (
        f"not filled: {counted(sum(gaps.values()), 'empty cell')} in columns left out by the model, {listed(left)}",
    )


def _filled(cells: pl.Series, made: np.ndarray, gaps: np.ndarray, column: TableColumn, style: Style) -> pl.Series:
    """The cells of a column with what was made for its gaps, in the column's own way of writing."""
    return put(cells, as_cells(made, column, cells.dtype, style), gaps)


def sentences(
    schema: Schema, counts: Mapping[str, int], errors: Mapping[str, FillError], spreads: Mapping[str, float]
) -> tuple[str, ...]:
    """How sure each column's filled cells are: by validation cells that the run was not shown, and by its draws."""
    kinds = {column.name: column.kind for column in schema.modeled}
    return tuple(_sentence(name, n, errors.get(name), spreads.get(name), kinds[name]) for name, n in counts.items())


def _sentence(name: str, n: int, error: FillError | None, spread: float | None, kind: str) -> str:
    text = f'{counted(n, "cell")} of column "{printable(name)}" filled'
    told = [*([_by_error(error, kind)] if error else []), *([] if spread is None else [_by_draws(spread, kind)])]
    return f"{text}: {'; '.join(told)}" if told else text


def _by_error(error: FillError, kind: str) -> str:
    of = f"on {counted(error.n, 'validation cell')} that were hidden"
    if kind in NAMED:
        ours, constant = (f"{1 - value:.0%}" for value in (error.error, error.constant))
        if error.tells_nothing:
            return f"by the most frequent name, {constant} right {of}; the other columns predict it no better ({ours})"
        return f"{ours} come out right {of}, {constant} by the most frequent name"
    unit, days = (DAY, " days") if kind == "time" else (1.0, "")
    ours, mean = (f"{number(value / unit)}{days}" for value in (error.error, error.constant))
    if error.tells_nothing:
        return f"by the mean, off by {mean} (root mean square) {of}; the other columns predict it no better ({ours})"
    return f"off by {ours} (root mean square) {of}, the mean by {mean}"


def _by_draws(spread: float, kind: str) -> str:
    if kind in NAMED:
        return f"{spread:.0%} of {DRAWS} draws name another"
    unit, days = (DAY, " days") if kind == "time" else (1.0, "")
    return f"{DRAWS} draws differ by {number(spread / unit)}{days} (standard deviation)"


__all__ = ["Imputed", "impute", "impute_frame", "spreads_of"]
