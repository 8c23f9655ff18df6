"""Tables of results: CSV or Parquet, whole or not at all, and safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from isthmus.errors import UsageError
from isthmus.files import write_atomic

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs cells that begin so; tab and CR hide what follows
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def write_table(path: Path, columns: Mapping[str, np.ndarray | Sequence]) -> Path:
    """Writes columns of equal length to `.csv`, `.tsv` or `.parquet`, atomically.

    In text files, texts and column names that a spreadsheet would run as a formula get an apostrophe in front; numbers
    stay as they are.

    Raises: UsageError for another suffix; ResourceError if the disk is full or the folder may not be written.
    """
    path = Path(path)
    frame = pl.DataFrame({name: _series(values) for name, values in columns.items()})
    match path.suffix.lower():
        case ".parquet":
            return write_atomic(path, frame.write_parquet)
        case ".csv" | ".tsv" as suffix:
            safe = _without_formulas(frame)
            return write_atomic(path, lambda part: safe.write_csv(part, separator=SEPARATORS[suffix]))
        case suffix:
            raise UsageError(
                "USAGE-SUFFIX", f"a table cannot be written as {suffix or 'a file without suffix'}: {path}.", fix=FIX
            )


FIX = "name it .csv, .tsv or .parquet"


def _series(values: np.ndarray | Sequence) -> pl.Series:
    return pl.Series(np.ascontiguousarray(values) if isinstance(values, np.ndarray) else values, strict=False)


def _without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    texts = pl.col(pl.String)
    safe = frame.with_columns(
        pl.when(texts.str.contains(r"^[=+\-@\t\r]")).then(pl.lit("'") + texts).otherwise(texts).name.keep()
    )
    return safe.rename({name: f"'{name}" for name in safe.columns if name.startswith(FORMULA)})
