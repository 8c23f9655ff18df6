"""Writes result tables as CSV or Parquet, atomically, and safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from isthmus.errors import UsageError
from isthmus.system.files import write_atomic
from isthmus.wording import counted, listed, plural

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # spreadsheets run cells that begin with these; tab and CR hide what follows
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"  # a class called -1 is harmless, and must be read back unchanged
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def write_table(path: Path, columns: Mapping[str, np.ndarray | Sequence]) -> Path:
    """Writes columns of equal length to `.csv`, `.tsv` or `.parquet`, atomically.

    In text files, text and column names that a spreadsheet would run as a formula are prefixed with an apostrophe;
    numbers, also in text columns, are unchanged.

    Raises: UsageError for another suffix; ResourceError if the disk is full or the folder is not writable.
    """
    path = Path(path)
    frame = pl.DataFrame({name: _series(values) for name, values in columns.items()})
    match path.suffix.lower():
        case ".parquet":
            return write_atomic(path, frame.write_parquet)
        case ".csv" | ".tsv" as suffix:
            _refuse_nested(frame, suffix)
            safe = _without_formulas(frame)
            return write_atomic(path, lambda part: safe.write_csv(part, separator=SEPARATORS[suffix]))
        case suffix:
            raise UsageError(
                "USAGE-SUFFIX", f"a table cannot be written as {suffix or 'a file without suffix'}: {path}.", fix=FIX
            )


FIX = "name it .csv, .tsv or .parquet"


def keeps_types(path: Path) -> bool:
    """Whether a file of this name stores column types, and not only text."""
    return path.suffix.lower() == ".parquet"


def _refuse_nested(frame: pl.DataFrame, suffix: str) -> None:
    """Raises: UsageError for columns of lists, which text files cannot hold."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    if nested:
        which = f"{plural(len(nested), 'column')} {listed(nested)} {'has' if len(nested) == 1 else 'have'}"
        message = f"{which} several values in one cell, which {suffix} files cannot hold."
        raise UsageError("USAGE-OUT", message, fix="write a .parquet file with -o")


def about_formulas(path: Path, columns: Mapping[str, np.ndarray | Sequence]) -> tuple[str, ...]:
    """A note if `write_table` prefixes text or column names with apostrophes."""
    if path.suffix.lower() not in SEPARATORS:
        return ()
    texts = {k: v for k, v in columns.items() if not (isinstance(v, np.ndarray) and v.dtype.kind in "biuf")}
    frame = pl.DataFrame({name: _series(values) for name, values in texts.items()}).select(pl.col(pl.String))
    n = sum(int(series.to_frame().select(_is_formula(pl.col(series.name))).sum().item() or 0) for series in frame)
    n_names = sum(name.startswith(FORMULA) for name in columns)
    counts = [counted(n, "text")] if n else []
    counts += [counted(n_names, "column name")] if n_names else []
    if not counts:
        return ()
    begin = "begins" if n + n_names == 1 else "begin"
    runs = "so that spreadsheets do not run it" if n + n_names == 1 else "so that spreadsheets do not run them"
    return (f"{' and '.join(counts)} {begin} with = + - or @; an apostrophe was put in front, {runs}",)


def without_apostrophes(texts: Sequence[str]) -> list[str]:
    """The texts without the apostrophes that `write_table` added."""
    return [text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text for text in texts]


def _series(values: np.ndarray | Sequence) -> pl.Series:
    return pl.Series(np.ascontiguousarray(values) if isinstance(values, np.ndarray) else values, strict=False)


def _is_formula(texts: pl.Expr) -> pl.Expr:
    return texts.str.contains(r"^[=+\-@\t\r]") & ~texts.str.contains(NUMBER)


def _without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    texts = pl.col(pl.String)
    safe = frame.with_columns(pl.when(_is_formula(texts)).then(pl.lit("'") + texts).otherwise(texts).name.keep())
    return safe.rename({name: f"'{name}" for name in safe.columns if name.startswith(FORMULA)})
