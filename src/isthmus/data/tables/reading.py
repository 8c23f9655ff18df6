"""Reads tables as samples: .csv, .tsv and .txt (compressed or not), .parquet, and data frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.inputs import PARQUET, InputFile, is_known, stem, wrong_content
from isthmus.data.layout import TABLE, guess_shape
from isthmus.data.samples import Samples
from isthmus.data.schema import Expected, Schema
from isthmus.data.tables.column_types import library_of, typed
from isthmus.data.tables.columns import Plan, as_asked, match_columns, named, plan_columns
from isthmus.data.tables.dialects import Dialect, code_columns, find_dialect, text_columns
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.frames import AbstractFrame, PandasFrame, ParquetFrame, PolarsFrame, Table
from isthmus.data.tables.gathered_cells import gather_columns, gather_frame, gather_text
from isthmus.data.tables.growing_matrix import GrowingMatrix
from isthmus.data.tables.label_columns import NoClasses, encoded_labels, grouped_rows, refuse_few
from isthmus.data.tables.median_gaps import kept_gaps
from isthmus.data.tables.mixed_tables import mixed_samples, without_left_out
from isthmus.data.tables.nulled_frame import NulledFrame
from isthmus.data.tables.parsing import Parser
from isthmus.data.tables.row_groups import table_of
from isthmus.data.tables.text import Lines, find_encoding, first_and_further
from isthmus.data.tabular import Origin, samples_from_matrix
from isthmus.errors import UsageError
from isthmus.system.heap import kept_memory
from isthmus.wording import listed

TEXTS = (pl.String, pl.Categorical, pl.Enum)

__all__ = ["match_columns", "read_table", "samples_from_frame"]


def read_table(path: Path, options: DataConfig, *, expected: Expected | None = None) -> Samples:
    """The samples of a table: (N, D) float32, or float64 if float32 would lose digits of a column with a large offset
    (`numeric.Rounding`); or images if its rows are pixels (`--shape`, or guessed, with a note).

    A text file is read once, at full speed, in chunks, into the final array. Only chunks with problems are parsed cell
    by cell, so that an error lists all problems of the file. `expected` are the columns of a trained model
    (`Samples.columns`): they are matched by name, one row is enough, the label may be missing, and nothing is guessed.

    Raises: DataError with all problems by row and column; ResourceError if the result would not fit into memory.
    """
    path = Path(path)
    with InputFile(path) as file:
        if file.head.startswith(PARQUET) and not file.gzipped:
            frame = ParquetFrame(path)
            found = without_wrong_label(
                lambda guess: _from_frame(frame, stem(path), path.name, options, expected, guess), options
            )
            return with_types(found, frame.empty, expected)
        if path.suffix.lower() == ".parquet":
            raise wrong_content(path, file.head, "a Parquet table")
        if is_known(file.head):
            raise wrong_content(path, file.head, "a table of text")
        encoding, notes = find_encoding(file, options.encoding)
        options = replace(options, encoding=encoding)
        samples = without_wrong_label(lambda guess: _from_text(file, options, expected, guess), options)
        return replace(samples, notes=file.notes + notes + samples.notes)


def samples_from_frame(
    frame: Any, *, name: str, options: DataConfig, expected: Expected | None = None, guess_label: bool = True
) -> Samples:
    """The samples of a polars or pandas DataFrame, by the same rules as `read_table`. Without `guess_label`, only
    `--label` can name the label.

    Raises: DataError with all problems by row (counted from 1) and column; UsageError if it is not a data frame.
    """
    if isinstance(frame, pl.DataFrame | pl.LazyFrame):
        table: AbstractFrame = PolarsFrame(frame)
    elif hasattr(frame, "iloc") and hasattr(frame, "columns"):
        table = PandasFrame(frame)
    else:
        message = f"{name} is a {type(frame).__name__}, not a polars or pandas DataFrame."
        raise UsageError("USAGE-FRAME", message, fix="turn it into a DataFrame or a numpy array")
    found = without_wrong_label(
        lambda guess: _from_frame(table, name, name, options, expected, guess and guess_label), options
    )
    return replace(with_types(found, frame, expected), frame=library_of(frame))


def with_types(found: Samples, frame: Any, expected: Expected | None) -> Samples:
    """The samples with the column types of the data frame in their schema; a trained model's schema has its own."""
    if found.schema is None or expected is not None:
        return found
    return replace(found, schema=typed(found.schema, frame))


def without_wrong_label(read, options: DataConfig) -> Samples:
    """The result of `read(guess_label)`; read again without a guess if the guessed label turns out to be a quantity. No
    label is guessed for a series, because its rows have no classes.
    """
    try:
        return read(options.window is None)
    except NoClasses as why:
        samples = read(False)
        return replace(samples, notes=(str(why), *samples.notes))


def _from_text(
    file: InputFile, options: DataConfig, expected: Expected | None, guess_label: bool,
    mixed: bool = False, as_texts: bool = False,
) -> Samples:  # fmt: skip
    first, chunks = first_and_further(file, options.encoding or "utf-8")
    dialect = find_dialect(first, options, name=file.name)
    if dialect.label and options.label is None and expected is None:
        options = replace(options, label=dialect.label)
        note = f"{file.name}: {dialect.label} is used as the label, because the other columns form square images."
        dialect = dialect._replace(notes=(*dialect.notes, note))
    names, texts = _known_names(names_of_header(dialect, options), expected), text_columns(first, dialect)
    options = _settled(options, expected, names)
    plan = plan_columns(
        names,
        options,
        name=file.name,
        expected=_names_of(expected),
        guess_label=guess_label,
        by_place=dialect.names is None,
        texts=texts,
    )
    findings = Findings(
        file.name,
        names,
        options,
        counting=dialect.counting,
        label=plan.label,
        group=plan.group,
        style=dialect.style,
        known=_schema(expected),
    )
    body = first.after(dialect.header_lines)
    parser = Parser(dialect, plan, findings, options)
    others = [*texts, *code_columns(first, dialect)]
    if mixed or _is_mixed(plan, names, others, options, expected):
        parts, schema, notes = chain([body], chunks), _schema(expected), (*dialect.notes, *plan.notes)
        with kept_memory():  # columns of the same size come and go
            cells = gather_text(parts, parser) if as_texts else gather_columns(parts, parser, options, schema)
            if cells is not None:
                return mixed_samples(cells, plan, findings, options, stem(file.path), notes=notes, schema=schema)
        return _from_text(file, options, expected, guess_label, mixed=True, as_texts=True)
    table = _parsed(file, chain([body], chunks), parser)
    if table.matrix.dtype == np.float32 and parser.loses_digits:  # which the first chunk did not show
        return _from_text(file, replace(options, digits="float64"), expected, guess_label)
    if _turned_out_mixed(table, plan, findings, options, expected):
        return _from_text(file, options, expected, guess_label, mixed=True)
    notes = (*dialect.notes, *plan.notes)
    return _assembled(table, plan, findings, stem(file.path), notes, expected)


def _from_frame(
    frame: AbstractFrame,
    name: str,
    file_name: str,
    options: DataConfig,
    expected: Expected | None,
    guess_label: bool,
    mixed: bool = False,
) -> Samples:
    names = _known_names(named(frame.names, options), expected)
    texts = [column for column, kind in zip(names, frame.types, strict=True) if kind in TEXTS]
    options = _settled(options, expected, names)
    wanted = _names_of(expected)
    plan = plan_columns(names, options, name=file_name, expected=wanted, guess_label=guess_label, texts=texts)
    counting, known = "Rows are counted from 1.", _schema(expected)
    findings = Findings(file_name, names, options, counting=counting, label=plan.label, group=plan.group, known=known)
    frame = NulledFrame.of(frame, findings)
    others = [n for n, kind in zip(names, frame.types, strict=True) if kind.is_temporal()]
    if mixed or _is_mixed(plan, names, others, options, expected):
        cells = gather_frame(frame, names, plan, findings)
        return mixed_samples(cells, plan, findings, options, name, notes=plan.notes, schema=known)
    table = table_of(frame, plan, findings, options)
    if table.loses_digits:
        return _from_frame(frame, name, file_name, replace(options, digits="float64"), expected, guess_label)
    if _turned_out_mixed(table, plan, findings, options, expected):
        return _from_frame(frame, name, file_name, options, expected, guess_label, mixed=True)
    return _assembled(table, plan, findings, name, plan.notes, expected)


def _parsed(file: InputFile, chunks: Iterator[Lines], parser: Parser) -> Table:
    matrix, labels, groups, kept = None, [], [], []
    for lines in chunks:
        part = parser.parse(lines)
        if matrix is None:
            wide = np.float64 if parser.loses_digits or parser.options.digits == "float64" else np.float32
            n_rows = _expected_rows(file, lines)
            matrix = GrowingMatrix(part.values.shape[1], n_rows=n_rows, what=file.name, wide=wide)
        matrix.append(part.values)
        labels.append(part.labels)
        groups.append(part.groups)
        kept.append(part.kept)
    assert matrix is not None  # there is always a first chunk, even if it is empty
    texts = [pl.concat(each) if each and each[0] is not None else None for each in (labels, groups)]
    return Table(matrix.finish(), texts[0], np.concatenate(kept), parser.lossy, texts[1])


def _expected_rows(file: InputFile, lines: Lines) -> int:
    """An estimate of the rows in the file, from the length of the first ones."""
    if file.gzipped or not lines.data:
        return lines.count
    more = max(0, file.size - lines.offset - len(lines.data)) / len(lines.data)
    return int(lines.count * (1 + 1.02 * more)) + 1  # 2% more, in case later rows are shorter


def _assembled(
    table: Table, plan: Plan, findings: Findings, name: str, notes: tuple[str, ...], expected: Expected | None
) -> Samples:
    """Samples of a table that was read. Raises: DataError if it has problems."""
    notes += findings.conclude()
    predicting = expected is not None
    refuse_few(len(table.kept), findings, plan, predicting=predicting)
    gap_notes = kept_gaps(table.matrix, findings, plan.features, predicting=predicting)
    columns = (
        tuple(_names_of(expected) or ()) if expected is not None else tuple(findings.columns[i] for i in plan.features)
    )
    labels, classes, label_notes = encoded_labels(table.labels, plan, findings, predicting)
    origin = Origin(
        name=name,
        file_name=findings.name,
        columns=columns,
        labels=labels,
        classes=classes,
        label_column=None if plan.label is None or labels is None else findings.columns[plan.label],
        groups=grouped_rows(table.groups, plan, findings),
        group_column=None if plan.group is None else findings.columns[plan.group],
        ids=None if len(table.kept) == findings.n_rows else tuple(map(str, table.kept)),
        notes=notes + gap_notes + label_notes + _about_digits(table, columns, findings.name),
        predicting=predicting,
    )
    return samples_from_matrix(table.matrix, origin, findings.options)


def _names_of(expected: Expected | None) -> Sequence[str] | None:
    return expected.names if isinstance(expected, Schema) else expected


def _known_names(names: list[str], expected: Expected | None) -> list[str]:
    """The names, without apostrophes that a trained model's columns do not have, as `as_asked`."""
    known = [column.name for column in expected.columns] if isinstance(expected, Schema) else expected
    return as_asked(names, known or ())


def _schema(expected: Expected | None) -> Schema | None:
    return expected if isinstance(expected, Schema) else None


def _settled(options: DataConfig, expected: Expected | None, names: Sequence[str]) -> DataConfig:
    """The options with those of a trained model: columns that it leaves out, and gaps that its medians fill."""
    if isinstance(expected, Schema):
        return without_left_out(options, expected, names)
    return replace(options, missing="median") if expected is not None and options.missing == "auto" else options


def _is_mixed(
    plan: Plan, names: Sequence[str], others: Sequence[str], options: DataConfig, expected: Expected | None
) -> bool:
    """Whether columns must be read by kind, according to the first rows and the options."""
    if expected is not None or options.shape not in {None, TABLE}:
        return isinstance(expected, Schema)
    asked = bool(options.kinds or options.null_values) or options.scale == "quantile" or options.window is not None
    return asked or bool({names[i] for i in plan.features} & {*others})


def _turned_out_mixed(
    table: Table, plan: Plan, findings: Findings, options: DataConfig, expected: Expected | None
) -> bool:
    """Whether a table that looked numeric has text in later rows, or gaps that the model should see."""
    if expected is not None or options.shape not in {None, TABLE}:
        return False
    gaps = options.missing == "auto" and any(findings.n_missing[i] for i in plan.features)
    if not (gaps or findings.text_columns()):
        return False
    return guess_shape(table.matrix, tuple(findings.columns[i] for i in plan.features)) is None


def names_of_header(dialect: Dialect, options: DataConfig) -> list[str]:
    if dialect.names is None:
        return [f"column_{i + 1}" for i in range(dialect.n_columns)]
    return named(dialect.names, options)


def _about_digits(table: Table, columns: Sequence[str], name: str) -> tuple[str, ...]:
    found = [column for column, lost in zip(columns, table.lossy, strict=True) if lost]
    if not found or table.matrix.dtype == np.float64:
        return ()
    return (f"{name}: column {listed(found)} has whole numbers above 16,777,216, which float32 rounds to 7 digits.",)
