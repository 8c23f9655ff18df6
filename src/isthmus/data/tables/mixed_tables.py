"""Samples from tables with columns of several kinds, or with gaps: all cells at once, each column by its schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.samples import Samples
from isthmus.data.schema import Schema, TableColumn, asked_kinds, column_option
from isthmus.data.series_layout import STAMPS
from isthmus.data.tables.cell_conversion import Converted, as_texts, to_raw
from isthmus.data.tables.cells import PLAIN, Style, numbers_of_texts
from isthmus.data.tables.columns import Plan
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.gathered_cells import Gathered, tell_column
from isthmus.data.tables.kind_finding import find_schema, missing_texts
from isthmus.data.tables.label_columns import encoded_labels, grouped_rows, refuse_few
from isthmus.data.tables.text_cells import Columns, columns_of
from isthmus.data.tables.times import to_text
from isthmus.errors import DataError
from isthmus.wording import counted, listed, printable

MOST_LINES = 40  # columns listed individually; if there are more, they are listed by kind
EXAMPLE_TIME = 1_767_205_800.0  # 2025-12-31 18:30, in which day, month, hour and minute cannot be confused


def mixed_samples(
    found: Gathered, plan: Plan, findings: Findings, options: DataConfig, name: str, *,
    notes: tuple[str, ...] = (), schema: Schema | None = None, predicting: bool | None = None,
) -> Samples:  # fmt: skip
    """Samples of raw values (N, K) with their schema, which is detected or given. A given schema is that of a trained
    model, unless `predicting` is False.

    Raises: DataError with all cells that do not fit the kind of their column, and with gaps under `--missing error`.
    """
    predicting = schema is not None if predicting is None else predicting
    columns = columns_of(found.cells.select([findings.columns[i] for i in plan.features]))
    if schema is None:
        schema = findings.nulls.kept_in(_found(columns, found.style, options, findings))
    modeled = schema.names
    if not modeled:
        kinds = "; ".join(f"{printable(c.name)} is {c.kind}" for c in schema.columns[:5])
        message = f"{findings.name} has no column to learn from: {kinds}."
        first = next((column_option(c.name, "category") for c in schema.columns if c.kind != "constant"), None)
        fix = f"set the kind of a column, as in {first}" if first else "add a column whose values change"
        raise DataError("DATA-COLUMNS", message, fix=fix)
    raw = to_raw(columns, schema, found.style)
    findings.times = {list(findings.columns).index(c.name): _moment(c) for c in schema.columns if c.kind == "time"}
    findings.truths = {list(findings.columns).index(c.name): c.levels for c in schema.columns if c.kind == "yes-no"}
    findings.wholes = {list(findings.columns).index(c.name) for c in schema.columns if c.kind == "count"}
    findings.templates = {list(findings.columns).index(c.name): c.template for c in schema.columns if c.template}
    findings.counts_asked = not predicting
    kept = _kept(raw, found, findings, options, modeled)
    notes += (*findings.conclude(), *_about_columns(schema, findings, predicting=predicting))
    notes += () if predicting else findings.nulls.unmet(findings.name)
    notes += _about_values(raw, found, schema, findings, options, predicting=predicting)
    refuse_few(len(kept), findings, plan, predicting=predicting)
    cells = {k: None if p is None else found.cells[findings.columns[p]][kept].cast(pl.String).str.strip_chars()
             for k, p in (("label", plan.label), ("group", plan.group))}  # fmt: skip
    labels, classes, about_labels = encoded_labels(cells["label"], plan, findings, predicting)
    whole = len(kept) == findings.n_rows
    return Samples(
        raw.values if whole else raw.values[kept], name, labels=labels, classes=classes, columns=modeled, schema=schema,
        ids=None if whole else tuple(map(str, found.places[kept].tolist())),
        label_column=None if plan.label is None or labels is None else findings.columns[plan.label],
        groups=grouped_rows(cells["group"], plan, findings),
        group_column=None if plan.group is None else findings.columns[plan.group],
        notes=notes + about_labels, file_name=findings.name,
    )  # fmt: skip


def _moment(column: TableColumn) -> str:
    """An example time in the format of a column."""
    return str(to_text(np.array([EXAMPLE_TIME]), column.format, column.zone, column.bare, column.months)[0])


def _found(columns: Columns, style: Style, options: DataConfig, findings: Findings) -> Schema:
    """The schema of the columns; the column that orders the rows of a series is always one of times or numbers."""
    asked = _asked(options, [*columns], findings)
    schema, time = find_schema(columns, style, asked), options.time
    if time is None or time not in columns or time in asked:
        return schema
    column = next(column for column in schema.columns if column.name == time)
    kind = "number" if all(map(style.is_number, column.levels)) else "time"  # a constant may be a time too
    return schema if column.kind in STAMPS else find_schema(columns, style, asked | {time: kind})


def _asked(options: DataConfig, features: Sequence[str], findings: Findings) -> dict[str, str]:
    asked = asked_kinds(options.kinds)
    for name in asked:
        if name not in features:
            message = f'{findings.name} has no column "{printable(name)}" for --column.'
            raise DataError("DATA-COLUMNS", message, fix=f"the columns are {listed(features, 10)}")
    return asked


def _kept(
    raw: Converted, found: Gathered, findings: Findings, options: DataConfig, modeled: Sequence[str]
) -> np.ndarray:
    """The rows to keep; bad cells, and gaps that are not allowed, are added to the findings."""
    told = options.missing in {"error", "drop"}
    for k, name in enumerate(modeled):
        gaps = raw.missing[:, k] if told else np.zeros(len(raw.missing), bool)
        if gaps.any() or raw.bad[:, k].any():
            tell_column(findings, found.rows, gaps, raw.bad[:, k], found.cells[name], findings.columns.index(name))
    incomplete = raw.missing.any(1) | found.unlabeled if told else found.unlabeled
    bad = raw.bad.any(1)
    findings.n_rows_bad += int(bad.sum())
    findings.n_rows_missing += int(incomplete.sum())
    keep = ~bad
    return np.flatnonzero(keep & ~incomplete if options.missing == "drop" else keep)


def _about_columns(schema: Schema, findings: Findings, *, predicting: bool) -> tuple[str, ...]:
    """The kind of each column, one line per column."""
    if predicting:
        return ()
    n, used = len(schema.columns), len(schema.modeled)
    first = f"{findings.name}: {counted(n, 'column')}, {used:,} used (--column NAME=KIND changes a kind):"
    if n > MOST_LINES:
        kinds = {kind: [c.name for c in schema.columns if c.kind == kind] for kind in {c.kind for c in schema.columns}}
        return (first, *(f"  {kind}: {listed(names, 10)}" for kind, names in sorted(kinds.items())))
    return (first, *(f"  {line}" for line in schema.lines()))


def _about_values(
    raw: Converted, found: Gathered, schema: Schema, findings: Findings, options: DataConfig, *, predicting: bool
) -> tuple[str, ...]:
    """Notes on gaps, unknown levels, and constants that changed."""
    notes = []
    gaps = {printable(c.name): int(k) for c, k in zip(schema.modeled, raw.missing.sum(0), strict=True) if k}
    n, columns = sum(gaps.values()), len(gaps)
    if n and options.missing in {"auto", "median"}:
        what = f"{counted(n, 'missing value')} in {counted(columns, 'column')}"
        how = (
            "filled with medians"
            if options.missing == "median"
            else "the model sees them as missing, and can fill them"
        )
        where = listed([f'"{name}" {k:,}' for name, k in gaps.items()], 5, quote="")
        notes.append(f"{findings.name}: {what}; {how}: {where}.")
    if not predicting:
        return tuple(notes)
    for name, levels in raw.unseen.items():
        shown = [f"{printable(level)} ({counted(k, 'row')})" for level, k in levels.items()]
        pooled = next(c.pooled for c in schema.columns if c.name == name)
        what = "rare or new to the model" if pooled else "new to the model"
        notes.append(f'{findings.name}: column "{printable(name)}" holds values {what}: {listed(shown, quote="")}.')
    return (*notes, *_about_constants(found, schema, findings))


def _about_constants(found: Gathered, schema: Schema, findings: Findings) -> tuple[str, ...]:
    notes = []
    for column in schema.columns:
        if column.kind != "constant" or column.name not in found.cells.columns:
            continue
        other = _other_than(column.levels, as_texts(found.cells[column.name]), found.style)
        if len(other):
            always = f'always "{printable(column.levels[0])}"' if column.levels else "always empty"
            new = f'"{printable(other[0])}" in {counted(len(other), "row")}'
            notes.append(f'{findings.name}: column "{printable(column.name)}" was {always} in training, but is {new}.')
    return tuple(notes)


def _other_than(levels: tuple[str, ...], cells: pl.Series, style: Style) -> pl.Series:
    """The cells that are neither missing nor one of the levels, compared as text and by value: 3.0 is 3."""
    known = cells.filter(~missing_texts(cells, numbers=not levels))
    other = known.filter(~known.is_in(list(levels)))
    values = numbers_of_texts(pl.Series(levels, dtype=pl.String), PLAIN)
    return other.filter(pl.Series(~np.isin(numbers_of_texts(other, style), values)))


def without_left_out(options: DataConfig, schema: Schema, names: Sequence[str]) -> DataConfig:
    """Options that allow columns that the schema leaves out."""
    here = tuple(name for name in schema.left_out if name in names)
    return replace(options, drop_columns=(*options.drop_columns, *here))


__all__ = ["mixed_samples", "without_left_out"]
