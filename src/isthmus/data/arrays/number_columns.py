"""Arrays of numbers with gaps, or with kinds given by `--column`, as tables whose columns have kinds.

An array has neither column names nor strings: each of its columns is a number or a count, named by its index, "0", "1"
…; none is left out, and its raw values are the numbers themselves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.layout import TABLE, guess_shape
from isthmus.data.samples import Samples
from isthmus.data.schema import Expected, Schema, asked_kinds
from isthmus.data.tables.cells import PLAIN
from isthmus.data.tables.columns import Plan
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.gathered_cells import Gathered
from isthmus.data.tables.kind_finding import find_schema
from isthmus.data.tables.mixed_tables import mixed_samples
from isthmus.errors import DataError, UsageError
from isthmus.wording import listed, printable

ALLOWED = ("number", "count")


def has_kinds(x: np.ndarray, options: DataConfig, expected: Expected | None) -> bool:
    """Whether rows (N, D) are read by column kind: if that was requested, or if they have gaps and no option says how
    to treat these.
    """
    if isinstance(expected, Schema):
        return x.shape[1] == len(expected.columns)  # otherwise the number of columns is the error to report
    if expected is not None or options.shape not in {None, TABLE}:
        return False
    if options.kinds or options.null_values or options.scale == "quantile":
        return True
    gaps = options.missing == "auto" and x.dtype.kind == "f" and bool(np.isnan(x).any())
    return gaps and (options.shape == TABLE or guess_shape(x, None) is None)


def samples_by_kind(x: np.ndarray, name: str, options: DataConfig, expected: Expected | None) -> Samples:
    """Samples of raw values (N, D) in float64, NaN for a gap.

    Raises: UsageError for kinds that an array cannot have; DataError for values that do not fit the kind of their
    column, and for a run with columns that an array cannot hold.
    """
    known = expected if isinstance(expected, Schema) else None
    if known is not None:
        _refuse_names(known, name)
    names = [str(i) for i in range(x.shape[1])] if known is None else [column.name for column in known.columns]
    cells = pl.DataFrame({key: np.ascontiguousarray(x[:, i], np.float64) for i, key in enumerate(names)})
    counting = "Rows and columns are counted from 0, as in NumPy."
    findings, places = Findings(name, names, options, counting=counting, known=known), np.arange(len(x))
    cells = findings.nulls.blanked(cells, names)
    findings.n_rows = len(x)
    found = Gathered(cells, places, places, np.zeros(len(x), bool), PLAIN)
    schema = known or findings.nulls.kept_in(_schema(cells, options, name))
    plan = Plan(tuple(range(len(names))), None, False)
    return mixed_samples(found, plan, findings, options, name, schema=schema, predicting=known is not None)


def _schema(cells: pl.DataFrame, options: DataConfig, name: str) -> Schema:
    """The kind of each column of an array (a polars frame): as requested, otherwise number."""
    asked = asked_kinds(options.kinds)
    wrong = next((kind for kind in asked.values() if kind not in ALLOWED), None)
    if wrong is not None:
        message = f"a column of an array cannot be of kind {wrong}, only {' or '.join(ALLOWED)}."
        raise UsageError("USAGE-COLUMN", message, fix="save the data as a table with column names (.csv or .parquet)")
    missing = next((column for column in asked if column not in cells.columns), None)
    if missing is not None:
        message = f'{name} has no column "{printable(missing)}" for --column.'
        raise DataError("DATA-COLUMNS", message, fix=f"the columns are {listed(cells.columns, 10)}")
    found = find_schema(cells, PLAIN, {column: asked.get(column, "number") for column in cells.columns})
    columns = (c if c.name in asked else replace(c, why="like all columns of an array") for c in found.columns)
    return Schema(tuple(columns))


def _refuse_names(schema: Schema, name: str) -> None:
    worded = next((column for column in schema.columns if column.kind not in ALLOWED), None)
    if worded is None:
        return
    message = (
        f'{name} is an array of numbers, but the run\'s column "{printable(worded.name)}" is of kind {worded.kind}.'
    )
    raise DataError("DATA-TYPE", message, fix="pass a table (.csv or .parquet) with the columns used in training")


__all__ = ["has_kinds", "samples_by_kind"]
