"""Columnar tables (Parquet, polars, pandas) as a matrix, a few columns at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.inputs import PARQUET
from isthmus.data.numeric import are_bytes, loses_digits, table_type
from isthmus.data.tables.cells import PLAIN, Numbers, masked, to_numbers
from isthmus.data.tables.columns import Plan, quoted
from isthmus.data.tables.findings import Findings
from isthmus.errors import DataError
from isthmus.system.memory import refuse_too_large, size_of
from isthmus.wording import listed, printable

BLOCK = 1 << 21  # values converted at once: 16 MB as float64, so that a few copies are small compared with the result
ADVICE = {
    "time": "turn it into a number first, for example seconds",
    "nested": "put each of its values into its own column",
    "other": "turn it into numbers first",
}


class AbstractFrame(ABC):
    """A table of named columns; `block` gives some of them by index."""

    names: list[str]
    types: list[pl.DataType]
    n_rows: int

    @property
    def empty(self) -> pl.DataFrame:
        """A data frame with these columns and no rows."""
        return pl.DataFrame(schema=dict(zip(self.names, self.types, strict=True)))

    @abstractmethod
    def block(self, places: Sequence[int]) -> pl.DataFrame: ...

    def rows(self, places: Sequence[int], start: int, n: int) -> pl.DataFrame:
        """As `block`, but only n rows from `start`."""
        return self.block(places).slice(start, n)


class PolarsFrame(AbstractFrame):
    """A polars frame, lazy or not. Each block collects only its own columns."""

    def __init__(self, frame: pl.DataFrame | pl.LazyFrame) -> None:
        self._frame = frame.lazy()
        schema = self._frame.collect_schema()
        self.names, self.types = schema.names(), schema.dtypes()
        self.n_rows = int(self._frame.select(pl.len()).collect().item())

    def block(self, places: Sequence[int]) -> pl.DataFrame:
        return self._frame.select(self.names[i] for i in places).collect()

    def rows(self, places: Sequence[int], start: int, n: int) -> pl.DataFrame:
        return self._frame.select(self.names[i] for i in places).slice(start, n).collect()


class ParquetFrame(AbstractFrame):
    """A Parquet file. Raises: DataError if it is incomplete or damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _refuse_cut(path)
        try:
            self._frame = PolarsFrame(pl.scan_parquet(path, glob=False))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._damaged(error) from None
        self.names, self.types, self.n_rows = self._frame.names, self._frame.types, self._frame.n_rows

    def block(self, places: Sequence[int]) -> pl.DataFrame:
        try:
            return self._frame.block(places)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._damaged(error) from None

    def rows(self, places: Sequence[int], start: int, n: int) -> pl.DataFrame:
        try:
            return self._frame.rows(places, start, n)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> DataError:
        reason = str(error).splitlines()[0][:120]
        message = f"{printable(self._path.name)} cannot be read as Parquet: {reason}."
        return DataError("DATA-DAMAGED", message, fix="download or export the file again")


class PandasFrame(AbstractFrame):
    """A pandas frame, read without importing pandas, which need not be installed."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.names = [str(column) for column in frame.columns]
        self.types = [_type_of_pandas(frame.iloc[:, i].dtype) for i in range(len(self.names))]
        self.n_rows = len(frame)

    def block(self, places: Sequence[int]) -> pl.DataFrame:
        return pl.DataFrame([_series(self._frame.iloc[:, i]).alias(str(i)) for i in places])


def _type_of_pandas(dtype: Any) -> pl.DataType:
    kinds = {"b": pl.Boolean(), "f": pl.Float64(), "M": pl.Datetime(), "m": pl.Duration(), "c": pl.Object()}
    kind = getattr(dtype, "kind", "O")
    if kind in "iu":
        return pl.UInt8() if str(dtype).lower() == "uint8" else pl.Int64()
    return kinds.get(kind, pl.String())


def _series(column: Any) -> pl.Series:
    """A pandas column as numbers if it holds numbers, as times if it holds times, else as text."""
    if getattr(column.dtype, "kind", "O") in "biuf":
        if column.isna().any() and column.dtype.kind == "b":
            cells = zip(column, column.isna(), strict=True)
            return pl.Series([None if gap else bool(value) for value, gap in cells], dtype=pl.Boolean)
        if column.isna().any():
            return pl.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
        return pl.Series(
            np.ascontiguousarray(column.to_numpy(dtype=getattr(column.dtype, "numpy_dtype", column.dtype)))
        )
    if getattr(column.dtype, "kind", "O") == "M":
        return _moments(column)
    gaps = column.isna().to_numpy()
    return pl.Series([None if gap else str(value) for value, gap in zip(column, gaps, strict=True)], dtype=pl.String)


def _moments(column: Any) -> pl.Series:
    """A pandas column of times, in UTC if it has a time zone, because polars does not know all zones of pandas."""
    zone = None if column.dt.tz is None else "UTC"
    plain = column if zone is None else column.dt.tz_convert("UTC").dt.tz_localize(None)
    return pl.Series(plain.to_numpy("datetime64[us]")).cast(pl.Datetime("us", zone))


class Table(NamedTuple):
    """Features (N, k) as uint8, float32 or float64, labels as text, the indices of the rows kept, a mask of the columns
    with whole numbers that float32 rounds, and groups as text. With `loses_digits`, the table must be read again as
    float64.
    """

    matrix: np.ndarray
    labels: pl.Series | None
    kept: np.ndarray
    lossy: np.ndarray
    groups: pl.Series | None = None
    loses_digits: bool = False


def matrix_of(frame: AbstractFrame, plan: Plan, findings: Findings, options: DataConfig) -> Table:
    """The features of a frame. Problems are added to `findings`, with rows counted from 1.

    Raises: DataError if column types are not numeric; ResourceError if memory is too small.
    """
    refuse_types(frame, plan, findings.name)
    N, k = frame.n_rows, len(plan.features)
    whole = all(frame.types[i].is_integer() for i in plan.features)
    refuse_too_large(N * k * 4, findings.name, fix="leave out columns with --drop-column")
    matrix = np.empty((N, k), dtype=np.uint8 if whole else np.float64 if options.digits == "float64" else np.float32)
    bad, incomplete, lossy = np.zeros(N, bool), np.zeros(N, bool), np.zeros(k, bool)
    width = max(1, BLOCK // max(1, N))
    for start in range(0, k, width):
        places = plan.features[start : start + width]
        block = frame.block(places)
        numbers = numbers_in(block)
        columns = slice(start, start + len(places))
        if matrix.dtype == np.uint8 and not are_bytes(numbers.values):
            matrix = matrix.astype(np.float64 if options.digits == "float64" else np.float32)
        if matrix.dtype == np.float32 and table_type(numbers.values, options.digits) is np.float64:
            matrix = _in_full(frame, plan.features[:start], matrix, findings.name)
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and too large values are in the masks
            matrix[:, columns] = numbers.values
        findings.add_cells(range(1, N + 1), numbers.missing, numbers.bad, shower_of(block), places)
        bad |= numbers.bad.any(1)
        incomplete |= numbers.missing.any(1)
        lossy[columns] = loses_digits(numbers.values)
    labels, unlabeled = texts_of(frame, plan.label, findings)
    groups, ungrouped = texts_of(frame, plan.group, findings)
    incomplete |= unlabeled | ungrouped
    findings.n_rows, findings.n_rows_bad, findings.n_rows_missing = N, int(bad.sum()), int(incomplete.sum())
    keep = ~bad & ~incomplete if options.missing == "drop" else ~bad
    if keep.all():
        return Table(matrix, labels, np.arange(N), lossy, groups)
    labels, groups = (None if each is None else each.filter(pl.Series(keep)) for each in (labels, groups))
    return Table(matrix[keep], labels, np.flatnonzero(keep), lossy, groups)


def numbers_of(frame: AbstractFrame, plan: Plan, findings: Findings) -> np.ndarray:
    """All features of a frame at once as float64 (N, k), NaN for missing values. Problems are added to `findings`,
    with rows counted from 1.

    Raises: DataError if column types are not numeric.
    """
    refuse_types(frame, plan, findings.name)
    block = frame.block(plan.features)
    numbers = numbers_in(block)
    findings.add_cells(range(1, frame.n_rows + 1), numbers.missing, numbers.bad, shower_of(block), plan.features)
    findings.n_rows, findings.n_rows_bad = frame.n_rows, int(numbers.bad.any(1).sum())
    findings.n_rows_missing = int(numbers.missing.any(1).sum())
    return numbers.values


def _in_full(frame: AbstractFrame, places: Sequence[int], matrix: np.ndarray, name: str) -> np.ndarray:
    """The matrix as float64; its first columns, at `places`, are read again with all their digits."""
    refuse_too_large(matrix.size * 8, name, fix="leave out columns with --drop-column")
    full = np.empty(matrix.shape, np.float64)
    width = max(1, BLOCK // max(1, frame.n_rows))
    for start in range(0, len(places), width):
        block = places[start : start + width]
        full[:, start : start + len(block)] = numbers_in(frame.block(block)).values
    return full


def numbers_in(block: pl.DataFrame) -> Numbers:
    """All columns as float64; text is parsed."""
    texts = [name for name, dtype in block.schema.items() if _is_text(dtype)]
    plain = block.select(pl.exclude(texts).cast(pl.Float64)) if len(texts) < block.width else None
    if plain is None:
        return to_numbers(block.cast(pl.String), PLAIN)
    values = plain.select(pl.all().fill_null(float("nan"))).to_numpy()
    numbers = masked(values, np.isnan(values))
    if not texts:
        return numbers
    read = to_numbers(block.select(pl.col(texts).cast(pl.String)), PLAIN)
    order = [[*plain.columns, *texts].index(name) for name in block.columns]
    return Numbers(*(np.concatenate(pair, axis=1)[:, order] for pair in zip(numbers, read, strict=True)))


def texts_of(frame: AbstractFrame, place: int | None, findings: Findings) -> tuple[pl.Series | None, np.ndarray]:
    """The column at `place` as text, and a mask of its gaps."""
    if place is None:
        return None, np.zeros(frame.n_rows, bool)
    block = frame.block([place])
    column = block.to_series()
    text = column.cast(pl.String).str.strip_chars()
    unlabeled = (text.is_null() | text.is_in(["", "nan", "NaN"])).to_numpy()
    marks = unlabeled[:, None]
    findings.add_cells(range(1, frame.n_rows + 1), marks, np.zeros_like(marks), shower_of(block), [place])
    return text, unlabeled


def shower_of(block: pl.DataFrame):
    return lambda i, j: "" if (cell := block[int(i), int(j)]) is None else str(cell)


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def refuse_types(frame: AbstractFrame, plan: Plan, name: str, *, times: bool = False) -> None:
    """Checks that every feature has a type that can hold numbers, or `times`.

    Raises: DataError with a line for each other column, and a list of the usable columns.
    """
    refused = [i for i in plan.features if not _is_usable(frame.types[i], times)]
    if not refused:
        return
    problems = [f'column "{printable(frame.names[i])}" is {frame.types[i]}: {_advice(frame.types[i])}' for i in refused]
    usable = [frame.names[i] for i in plan.features if i not in refused]
    message = (
        f"{name}: {len(refused)} of {len(plan.features)} columns hold no numbers; usable: {listed(usable) or 'none'}."
    )
    drop = " ".join(f"--drop-column {quoted(frame.names[i])}" for i in refused[:5])
    raise DataError("DATA-TYPE", message, fix=f"leave them out with {drop}", problems=problems)


def _is_usable(dtype: pl.DataType, times: bool) -> bool:
    if times and isinstance(dtype, pl.Date | pl.Datetime | pl.Time):
        return True
    return dtype.is_numeric() or isinstance(dtype, pl.Boolean | pl.Null) or _is_text(dtype)


def _advice(dtype: pl.DataType) -> str:
    return ADVICE["time" if dtype.is_temporal() else "nested" if dtype.is_nested() else "other"]


def _refuse_cut(path: Path) -> None:
    """Raises: DataError for an incomplete file: a Parquet file has its magic number at both ends."""
    with path.open("rb") as file:
        n_bytes = file.seek(0, 2)
        file.seek(max(0, n_bytes - 4))
        end = file.read(4)
    if end != PARQUET:
        message = f"{printable(path.name)} ends after {n_bytes:,} bytes ({size_of(n_bytes)}) without a Parquet footer"
        raise DataError(
            "DATA-DAMAGED", f"{message}; the file may be incomplete.", fix="download or copy the file again"
        )
