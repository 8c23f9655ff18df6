"""Converts raw values of columns of several kinds to columns with the types of a given data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from isthmus.data.schema import Schema, TableColumn
from isthmus.data.tables.cell_conversion import to_texts
from isthmus.data.tables.cells import Style
from isthmus.data.tables.number_units import written_with
from isthmus.data.tables.times import held_by, moments_of


def like_given(values: np.ndarray, schema: Schema, frame: Any) -> dict[str, Any]:
    """Columns by name from raw values (N, K), each with its type in `frame` (polars or pandas, any length)."""
    return {
        column.name: column_like(values[:, k], column, frame[column.name]) for k, column in enumerate(schema.modeled)
    }


def numbers_like(columns: Mapping[str, np.ndarray], frame: Any) -> dict[str, Any]:
    """Columns of numbers, each with its type in `frame` (polars or pandas) if that can hold them."""
    given = {str(name): frame[name] for name in frame.columns}
    return {name: _numbers_like(values, given.get(name)) for name, values in columns.items()}


def _numbers_like(values: np.ndarray, given: Any) -> Any:
    if isinstance(given, pl.Series):
        plain = pl.Series(values)
        typed = plain.cast(given.dtype, strict=False) if given.dtype.is_numeric() else plain
        same = (typed.cast(pl.Float64) == plain).fill_null(False).all()
        return typed if given.dtype.is_float() or same else plain
    dtype = None if given is None else given.dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iufb":  # pandas' own types are only needed for gaps
        return values
    with np.errstate(invalid="ignore", over="ignore"):
        typed = values.astype(dtype)
    return typed if dtype.kind == "f" or bool((typed == values).all()) else values


def filled_frame(frame: Any, values: np.ndarray, gaps: np.ndarray, schema: Schema) -> Any:
    """A copy of a data frame of N rows with raw values (N, K) where `gaps` (N, K) is true; other cells stay."""
    found = frame.clone() if isinstance(frame, pl.DataFrame) else frame.copy()
    for k, column in enumerate(schema.modeled):
        if not gaps[:, k].any():
            continue
        given: Any = frame[column.name]
        instead = _beside_given(column_like(values[:, k], column, given), column)
        if isinstance(found, pl.DataFrame):
            found = found.with_columns(put(given, instead, gaps[:, k]).alias(column.name))
        else:
            found[column.name] = given.astype(instead.dtype).where(~gaps[:, k], instead)
    return found


def _beside_given(made: Any, column: TableColumn) -> Any:
    """Numbers as text in the format of their column, such as $12; anything else unchanged."""
    is_polars = isinstance(made, pl.Series)
    if not column.template or (is_polars and made.dtype != pl.String):
        return made
    texts = [written_with(value, column.template) if isinstance(value, str) else value for value in made.to_list()]
    return pl.Series(made.name, texts, dtype=pl.String) if is_polars else type(made)(texts, made.index, name=made.name)


def column_like(values: np.ndarray, column: TableColumn, given: Any) -> Any:
    """Raw values (n,) as a column with the type of `given` (polars, pandas), or as text if it cannot hold them."""
    if isinstance(given, pl.Series):
        return in_type(values, column, given.dtype).alias(given.name)
    return _of_pandas(values, column, given)


def as_cells(values: np.ndarray, column: TableColumn, dtype: pl.DataType, style: Style) -> pl.Series:
    """Raw values (n,) as cells of a column of a file: of its type, or text in its format."""
    if dtype != pl.String:
        return in_type(values, column, dtype)
    comma = style.decimal == "," and column.kind == "number"
    texts = [text.replace(".", ",") if comma else text for text in to_texts(values, column)]
    return pl.Series([written_with(text, column.template) for text in texts], dtype=pl.String)


def in_type(values: np.ndarray, column: TableColumn, dtype: pl.DataType) -> pl.Series:
    """Raw values (n,) in a polars type, null for a gap; in another type if this one cannot hold them, or is that of an
    empty column.
    """
    dtype = usual_type(column) if dtype == pl.Null else dtype
    if column.kind in {"number", "count"}:
        return _numbers(values, column, dtype)
    if column.kind == "time" and dtype.is_temporal():
        return moments_of(values, dtype)
    if column.kind == "yes-no" and dtype == pl.Boolean:
        return pl.Series([None if np.isnan(v) else bool(v) for v in values], dtype=pl.Boolean)
    texts = pl.Series([text or None for text in to_texts(values, column)], dtype=pl.String)
    if dtype.is_numeric() or isinstance(dtype, pl.Categorical | pl.Enum):
        typed = texts.cast(dtype, strict=False)
        return typed if typed.null_count() == texts.null_count() else texts
    return texts


def usual_type(column: TableColumn) -> pl.DataType:
    """Float, integer or text: the type for a column whose original type is unknown."""
    if column.kind not in {"number", "count"}:
        return pl.String()
    return pl.Int64() if column.kind == "count" or column.decimals == 0 else pl.Float64()


def _numbers(values: np.ndarray, column: TableColumn, dtype: pl.DataType) -> pl.Series:
    rounded = pl.Series(values if column.decimals is None and column.kind == "number" else _rounded(values, column))
    rounded = rounded.fill_nan(None)
    if not dtype.is_numeric():  # numbers that are stored as text
        texts = [text or None for text in to_texts(values, column)]
        return pl.Series(texts, dtype=pl.String)
    if isinstance(dtype, pl.Decimal) and bool((rounded.abs() >= 10.0 ** (dtype.precision - dtype.scale)).any()):
        return rounded  # casting these is an error in polars, or gives a gap
    typed = rounded.cast(dtype, strict=False)
    same = not dtype.is_integer() or bool((typed.cast(pl.Float64) == rounded).fill_null(True).all())
    return typed if same and typed.null_count() == rounded.null_count() else rounded


def _rounded(values: np.ndarray, column: TableColumn) -> np.ndarray:
    return np.round(values, column.decimals or 0) + 0.0  # turns -0.0 into 0.0


def _of_pandas(values: np.ndarray, column: TableColumn, given: Any) -> Any:
    make, kind = type(given), getattr(given.dtype, "kind", "O")
    if kind == "M" and column.kind == "time":
        return _moments(values, given)
    types = {"b": pl.Boolean(), "i": pl.Int64(), "u": pl.UInt64(), "f": pl.Float64(), "O": _of_objects(given, column)}
    found = in_type(values, column, types.get(kind, pl.String())).to_list()
    index = given.index if len(given) == len(found) else None
    if hasattr(given.dtype, "categories"):
        names: dict[Any, Any] = {str(category): category for category in given.dtype.categories} | {None: None}
        if not {*found} <= names.keys():
            return make(found, index=index, name=given.name)
        found = [names[value] for value in found]
    try:
        typed = make(found, index=index, name=given.name, dtype=given.dtype)
    except (TypeError, ValueError, OverflowError):  # an integer or boolean with a gap
        return make(found, index=index, name=given.name)
    return typed if int(typed.isna().sum()) == _n_none(found) else make(found, index=index, name=given.name)


def _of_objects(given: Any, column: TableColumn) -> pl.DataType:
    """The polars type for the Python objects in a pandas column, from the first value; text for other types."""
    if str(given.dtype) != "object":
        return pl.String()
    known = given[given.notna()]
    if not len(known):
        return usual_type(column)
    kind, zoned = type(known.iloc[0]).__name__, getattr(known.iloc[0], "tzinfo", None) is not None
    types = {"bool": pl.Boolean(), "date": pl.Date(), "datetime": pl.Datetime(), "time": pl.Time()}
    types |= {"int": pl.Int64(), "float": pl.Float64()}
    return types.get(kind, pl.String()) if not zoned else pl.String()


def _moments(values: np.ndarray, given: Any) -> Any:
    """Times as a pandas column, in the time zone of `given`."""
    known, zone = np.isfinite(values), given.dt.tz
    unit = getattr(given.dtype, "unit", None) or np.datetime_data(given.dtype)[0]
    values = held_by(values, unit, has_zone=zone is not None)
    micro = (np.where(known, values, 0.0) * 1e6).round().astype(np.int64)
    moments = np.where(known, micro.astype("datetime64[us]"), np.datetime64("NaT"))
    index = given.index if len(given) == len(values) else None
    found = type(given)(moments, index=index, name=given.name)
    found = found if zone is None else found.dt.tz_localize("UTC").dt.tz_convert(zone)
    return found.astype(given.dtype)


def _n_none(values: Sequence[Any]) -> int:
    return sum(value is None for value in values)


def put(given: pl.Series, instead: pl.Series, gaps: np.ndarray) -> pl.Series:
    """`given` with `instead` at the gaps; as text if `given` is of another type, neither numeric nor null."""
    if given.dtype != instead.dtype and not given.dtype.is_numeric():
        given = given.cast(instead.dtype if given.dtype == pl.Null else pl.String)
        instead = instead.cast(given.dtype)
    return pl.select(pl.when(pl.Series(gaps)).then(instead).otherwise(given).alias(given.name)).to_series()


__all__ = ["as_cells", "column_like", "filled_frame", "in_type", "like_given", "numbers_like", "put", "usual_type"]
