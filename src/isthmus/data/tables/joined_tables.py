"""Several files as one table with columns of several kinds; every problem is listed with its file and its row there."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.inputs import PARQUET, InputFile
from isthmus.data.samples import Samples
from isthmus.data.schema import asked_kinds, column_option
from isthmus.data.shard_row_names import ShardRowNames, names_of_files, without_suffixes
from isthmus.data.stored_rows import RowNames
from isthmus.data.tables.cell_conversion import as_texts
from isthmus.data.tables.cells import PLAIN, Style, numbers_of_texts
from isthmus.data.tables.columns import LABEL_NAMES, Plan, as_asked, named, plan_columns, quoted
from isthmus.data.tables.dialects import Dialect, code_columns, find_dialect, number_columns, text_columns
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.frames import ParquetFrame
from isthmus.data.tables.gathered_cells import CELL_BYTES, Gathered, gather_frame, gather_text
from isthmus.data.tables.mixed_tables import mixed_samples
from isthmus.data.tables.nulled_frame import NulledFrame
from isthmus.data.tables.parsing import Parser
from isthmus.data.tables.reading import TEXTS, names_of_header, with_types, without_wrong_label
from isthmus.data.tables.text import find_encoding, first_and_further
from isthmus.errors import DataError
from isthmus.system.memory import refuse_too_large
from isthmus.system.workers import Progress
from isthmus.wording import listed, printable

FEWER = "use fewer of the files, or leave out columns with --drop-column; only tables of numbers are read from disk"
TEXT_COPIES = 2  # memory for a text file, in copies of it: as it is, and as cells
COUNTING = "Rows are counted from 1."


class Head(NamedTuple):
    """The beginning of a file: its column `names`; those that hold `texts`, other things than numbers (`others`), or
    numbers. `dialect` is None for a Parquet file, and `n_bytes` the memory that its cells take.
    """

    path: Path
    names: list[str]
    texts: list[str]
    others: list[str]
    numbers: list[str]
    n_bytes: int
    dialect: Dialect | None = None
    encoding: str = "utf-8"


def head_of(path: Path, options: DataConfig) -> Head:
    """Reads the first rows of a table. Raises: like `read_table`."""
    with InputFile(path) as file:
        if file.head.startswith(PARQUET) and not file.gzipped:
            return _head_of_frame(path, options)
        encoding, _ = find_encoding(file, options.encoding)
        first, _ = first_and_further(file, encoding)
        dialect = find_dialect(first, options, name=file.name)
        texts, names = text_columns(first, dialect), names_of_header(dialect, options)
        others = [*texts, *code_columns(first, dialect)]
        numbers = number_columns(first, dialect)
        return Head(path, names, texts, others, numbers, TEXT_COPIES * file.size, dialect, encoding)


def _head_of_frame(path: Path, options: DataConfig) -> Head:
    frame = ParquetFrame(path)
    names = named(frame.names, options)
    types = dict(zip(names, frame.types, strict=True))
    texts = [name for name, kind in types.items() if kind in TEXTS]
    others = [*texts, *(name for name, kind in types.items() if kind.is_temporal())]
    numbers = [name for name, kind in types.items() if kind.is_numeric()]
    return Head(path, names, texts, others, numbers, frame.n_rows * len(names) * CELL_BYTES)


def refuse_other_columns(heads: Sequence[Head], options: DataConfig) -> None:
    """Checks that all files have the same columns, in any order.

    Raises: DataError with a line for each file that lacks columns of the first, or has more.
    """
    left_out, first = {*options.drop_columns}, heads[0]
    known, problems, apart = {*first.names} - left_out, [], dict[str, None]()
    for head in heads[1:]:
        names = {*as_asked(head.names, first.names)} - left_out
        lacks, more = ([c for c in order if c in some] for order, some in (
            (first.names, known - names), (head.names, names - known)))  # fmt: skip
        apart |= dict.fromkeys([*lacks, *more])
        told = [f"lacks {listed(lacks)}"] * bool(lacks) + [f"also has {listed(more)}"] * bool(more)
        problems += [f"{printable(head.path.name)} {' and '.join(told)}"] if told else []
    if not problems:
        return
    lack = "does not have" if len(problems) == 1 else "do not have"
    message = f"{len(problems):,} of {len(heads):,} files {lack} the columns of {printable(first.path.name)}"
    message += f": {problems[0]}." if len(problems) == 1 else "."
    fix = "give all files the same columns, or pass fewer files"
    if len(apart) < min(len(known), 6):
        drop = " ".join(f"--drop-column {quoted(column)}" for column in apart)
        fix = f"leave these columns out with {drop}, or give all files the same columns"
    raise DataError("DATA-COLUMNS", message, fix=fix, problems=problems if len(problems) > 1 else ())


def dropped_from(heads: Sequence[Head], options: DataConfig) -> tuple[str, ...]:
    """The columns of `--drop-column`, without those that only files after the first have."""
    later = {name for head in heads for name in head.names} - {*heads[0].names}
    return tuple(name for name in options.drop_columns if name not in later)


def are_mixed(heads: Sequence[Head], options: DataConfig) -> bool:
    """Whether columns must be read by kind, according to the first rows of each file and the options.

    Raises: DataError for a column that holds numbers in one file and text in another, unless `--column` gives its kind.
    """
    names, asked = _features(heads[0], options), {*asked_kinds(options.kinds)}
    for name in [name for name in names if name not in asked]:
        numbers, texts = (
            next((head for head in heads if name in getattr(head, what)), None) for what in ("numbers", "texts")
        )
        if numbers is not None and texts is not None:
            here, there = printable(numbers.path.name), printable(texts.path.name)
            message = f'column "{printable(name)}" holds numbers in {here}, but text in {there}.'
            fix = f"correct one of the files, or give the kind of the column: {column_option(name, 'category')}"
            raise DataError("DATA-COLUMNS", message, fix=fix)
    given = bool(options.kinds or options.null_values) or options.scale == "quantile" or options.window is not None
    return given or any({*names} & {*head.others} for head in heads)


def _features(head: Head, options: DataConfig) -> list[str]:
    beside = {options.label, options.group, *options.drop_columns}
    return [name for name in head.names if name not in beside and name.lower() not in LABEL_NAMES]


def read_joined(name: str, heads: Sequence[Head], options: DataConfig, progress: Progress | None = None) -> Samples:
    """The rows of all files as one table. Ids are `file/row`, with rows counted from 0.

    Raises: DataError with all problems by file, row and column; ResourceError if the tables do not fit into memory.
    """
    refuse_too_large(sum(head.n_bytes for head in heads), f"{name}, with columns of several kinds or gaps,", fix=FEWER)
    samples = without_wrong_label(lambda guess: _read(name, heads, options, progress, guess), options)
    if any(head.dialect for head in heads):
        return samples
    return with_types(samples, ParquetFrame(heads[0].path).empty, None)


def _read(
    name: str, heads: Sequence[Head], options: DataConfig, progress: Progress | None, guess_label: bool
) -> Samples:
    head, style, files = heads[0], _style_of(heads), names_of_files([each.path for each in heads])
    plan = plan_columns(head.names, options, name=name, guess_label=guess_label, texts=head.texts)
    known = {"label": plan.label, "group": plan.group, "style": style}
    counting, starts = head.dialect.counting if head.dialect else COUNTING, [0]

    def where(row: int) -> str:
        at = bisect.bisect_right(starts, row) - 1
        return f"{printable(files[at])}, row {row - starts[at]:,}"

    findings = Findings(name, head.names, options, counting=counting, where=where, **known)
    parts, first = list[Gathered](), [0]
    for done, each in enumerate(heads):
        part, found = _gathered(each, files[done], head.names, plan, options, style)
        parts.append(found._replace(rows=found.rows + starts[-1], places=found.places + first[-1]))
        findings.add_part(part, starts[-1])
        last = [*found.rows[-1:].tolist(), *(row for row, _ in part.ragged)]
        starts.append(starts[-1] + max(last, default=0) + 1)
        first.append(first[-1] + part.n_rows)
        if progress is not None:
            progress(done + 1, len(heads))
    notes = tuple(dict.fromkeys(note for each in heads if each.dialect for note in each.dialect.notes))
    used = [head.names[at] for at in (*plan.features, plan.label, plan.group) if at is not None]
    samples = mixed_samples(_joined(parts, used, style), plan, findings, options, name, notes=(*notes, *plan.notes))
    names = ShardRowNames([*map(without_suffixes, files)], np.array(first), [None] * len(heads))
    return replace(samples, ids=names if samples.ids is None else RowNames(np.array([*map(int, samples.ids)]), names))


def _style_of(heads: Sequence[Head]) -> Style:
    """The number format of all text files; plain if there are several, because their numbers are then rewritten."""
    styles = {head.dialect.style for head in heads if head.dialect}
    return styles.pop() if len(styles) == 1 else PLAIN


def _in_plain(cells: pl.DataFrame, columns: Sequence[str], style: Style) -> pl.DataFrame:
    """The cells with the numbers in these columns written with a decimal point, and without thousands separators."""
    columns = [name for name in columns if name in cells.columns]
    return cells.with_columns([_with_points(cells[name], style) for name in columns])


def _with_points(cells: pl.Series, style: Style) -> pl.Series:
    are_numbers = pl.Series(np.isfinite(numbers_of_texts(cells, style)))
    bare = cells.str.replace_all(style.thousands, "", literal=True) if style.thousands else cells
    points = bare.str.replace(style.decimal, ".", literal=True)
    return pl.select(pl.when(are_numbers).then(points).otherwise(cells).alias(cells.name)).to_series()


def _gathered(
    head: Head, file: str, names: Sequence[str], plan: Plan, options: DataConfig, style: Style
) -> tuple[Findings, Gathered]:
    """The cells of one file, and what was found in it; `plan` is for the columns `names` of the first file."""
    own = as_asked(head.names, names)
    place = {column: at for at, column in enumerate(own)}
    features = tuple(place[names[at]] for at in plan.features)
    label, group = (None if at is None else place[names[at]] for at in (plan.label, plan.group))
    here = Plan(features, label, plan.guessed, group=group)
    counting = head.dialect.counting if head.dialect else COUNTING
    part = Findings(
        file, own, options, counting=counting, label=label, group=group,
        style=head.dialect.style if head.dialect else PLAIN, where=lambda row: f"{printable(file)}, row {row:,}",
    )  # fmt: skip
    if head.dialect is None:
        return part, gather_frame(NulledFrame.of(ParquetFrame(head.path), part), own, here, part)
    with InputFile(head.path) as opened:
        first, chunks = first_and_further(opened, head.encoding)
        found = gather_text(
            chain([first.after(head.dialect.header_lines)], chunks), Parser(head.dialect, here, part, options)
        )
    if head.dialect.style == style:
        return part, found
    return part, found._replace(cells=_in_plain(found.cells, as_asked(head.numbers, names), head.dialect.style))


def _joined(parts: Sequence[Gathered], names: Sequence[str], style: Style) -> Gathered:
    """These columns of all parts; a column whose types differ becomes one of numbers, or else of text."""
    together = [_column([part.cells[name] for part in parts]) for name in names]
    rows, places, unlabeled = (np.concatenate([getattr(part, what) for part in parts])
                               for what in ("rows", "places", "unlabeled"))  # fmt: skip
    return Gathered(pl.DataFrame(together), rows, places, unlabeled, style)


def _column(parts: Sequence[pl.Series]) -> pl.Series:
    types = {part.dtype for part in parts if part.dtype != pl.Null}
    if len(types) > 1:
        are_numbers = all(kind.is_numeric() for kind in types)
        parts = [part.cast(pl.Float64) if are_numbers else as_texts(part) for part in parts]
    return pl.concat([part.cast(next(iter(types))) if len(types) == 1 else part for part in parts])


__all__ = ["Head", "are_mixed", "dropped_from", "head_of", "read_joined", "refuse_other_columns"]
