"""Reads all cells of a table unchanged, for tools that change only some of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

import polars as pl

from isthmus.config import DataConfig
from isthmus.data.inputs import PARQUET, InputFile
from isthmus.data.schema import Schema
from isthmus.data.tables.cells import PLAIN, Style
from isthmus.data.tables.columns import Plan, as_asked
from isthmus.data.tables.dialects import find_dialect
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.frames import ParquetFrame
from isthmus.data.tables.gathered_cells import CELL_BYTES, LEAVE_OUT, gather_text
from isthmus.data.tables.parsing import Parser
from isthmus.data.tables.reading import names_of_header
from isthmus.data.tables.text import find_encoding, first_and_further
from isthmus.system.memory import refuse_too_large


def read_cells(path: Path, options: DataConfig, schema: Schema) -> tuple[pl.DataFrame, Style]:
    """Every cell of all columns of a table, and the style of its numbers. Cells of a text file are stripped text or
    numbers; columns of a Parquet file keep their types.

    Raises: DataError for rows of the wrong length, unless these are skipped, or for columns without cells.
    """
    with InputFile(path) as file:
        if file.head.startswith(PARQUET) and not file.gzipped:
            frame = ParquetFrame(path)
            refuse_too_large(frame.n_rows * len(frame.names) * CELL_BYTES, path.name, fix=LEAVE_OUT)
            return frame.block(range(len(frame.names))), PLAIN
        options = replace(options, encoding=find_encoding(file, options.encoding)[0])
        first, chunks = first_and_further(file, options.encoding or "utf-8")
        dialect = find_dialect(first, options, name=file.name)
        names = as_asked(names_of_header(dialect, options), schema.names)
        plan = Plan(tuple(range(len(names))), None, False)
        findings = Findings(file.name, names, options, counting=dialect.counting, style=dialect.style)
        found = gather_text(
            chain([first.after(dialect.header_lines)], chunks), Parser(dialect, plan, findings, options)
        )
        findings.conclude()
        return found.cells, dialect.style


__all__ = ["read_cells"]
