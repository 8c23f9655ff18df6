"""Column types of data frames as text that a model stores, and data frames with these types again."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from isthmus.data.schema import Schema, TableColumn
from isthmus.data.tables.given_columns import like_given, usual_type

MOST_CATEGORIES = 10_000  # stored with a model; with more, the column comes back as text
ARGUMENTS = {
    "Datetime": ("time_unit", "time_zone"),
    "Decimal": ("precision", "scale"),
    "Enum": ("categories",),
    "category": ("categories", "ordered"),
}
PLAIN = (
    *("Boolean", "Categorical", "Date", "Float32", "Float64", "Int8", "Int16", "Int32", "Int64", "Int128"),
    *("Null", "String", "Time", "UInt8", "UInt16", "UInt32", "UInt64"),
)
OF_PANDAS = {"bool": "Boolean", "boolean": "Boolean", "datetime64[us]": "Datetime", "datetime64[ns]": "Datetime"}
# An example of each Python type that an object column of pandas may hold
EXAMPLES = {
    "bool": True,
    "datetime": datetime(2000, 1, 1),
    "date": date(2000, 1, 1),
    "time": time(0),
    "int": 1,
    "float": 1.0,
    "Decimal": Decimal(1),
}


def library_of(frame: Any) -> str:
    """The library of a data frame: "polars" or "pandas"."""
    return "polars" if isinstance(frame, pl.DataFrame | pl.LazyFrame) else "pandas"


def typed(schema: Schema, frame: Any) -> Schema:
    """The schema with the column types of a data frame, except for numbers that are text there, such as $12."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.head(0).collect()
    texts = {str(name): text_of(frame[name]) for name in frame.columns}
    kept = {column.name: "" if column.template else texts.get(column.name, "") for column in schema.columns}
    return Schema(tuple(replace(column, dtype=kept[column.name]) for column in schema.columns))


def text_of(column: Any) -> str:
    """The type of a column: `UInt16`, `Datetime {"time_unit": "us", "time_zone": null}`, `datetime64[ns, UTC]`."""
    dtype: Any = column.dtype
    name = type(dtype).__name__ if isinstance(dtype, pl.DataType) else str(dtype)
    if name == "object":
        return _text("object", {"of": _of_objects(column)})
    arguments = {key: getattr(dtype, key) for key in ARGUMENTS.get(name, ())}
    if "categories" in arguments:
        categories = arguments["categories"].to_list()
        if len(categories) > MOST_CATEGORIES or not all(type(value) in {str, int, float, bool} for value in categories):
            return ""
        arguments["categories"] = categories
    return _text(name, arguments)


def _text(name: str, arguments: dict[str, Any]) -> str:
    return f"{name} {json.dumps(arguments, ensure_ascii=False)}" if arguments else name


def _of_objects(column: Any) -> str:
    """The Python type of the first value in an object column of pandas."""
    known = column[column.notna()]
    return type(known.iloc[0]).__name__ if len(known) else "str"


def typed_cells(raw: np.ndarray, schema: Schema) -> dict[str, pl.Series]:
    """Raw rows (N, K) as polars columns by name, with the types of the training data."""
    return like_given(raw, schema, {column.name: _polars_column(column) for column in schema.modeled})


def trained_frame(raw: np.ndarray, schema: Schema, library: str, wanted: str = "") -> Any:
    """Raw rows (N, K) as a data frame with the types of the training data. `library` is that of the training data, ""
    for a file. The result is from the library `wanted`, by default `library`; polars if pandas is not installed.
    """
    pandas = pandas_or_none() if library == "pandas" else None
    if pandas is None:
        found: Any = pl.DataFrame(typed_cells(raw, schema))
    else:
        empty: dict[str, Any] = {column.name: _pandas_column(column.dtype, pandas) for column in schema.modeled}
        found = pandas.DataFrame(like_given(raw, schema, empty))
    return found if wanted in {"", library_of(found)} else _converted(found, wanted)


def pandas_or_none() -> Any:
    try:
        import pandas  # late: pandas is optional
    except ImportError:
        return None
    return pandas


def _converted(frame: Any, wanted: str) -> Any:
    """The data frame converted to the other library, cell by cell."""
    if wanted == "pandas":
        return pandas_or_none().DataFrame({name: frame[name].to_list() for name in frame.columns})
    cells = {str(name): frame[name].astype(object) for name in frame.columns}
    return pl.DataFrame({name: [None if gap else value for value, gap in zip(column, column.isna(), strict=True)]
                         for name, column in cells.items()})  # fmt: skip


def _polars_column(column: TableColumn) -> pl.Series:
    """An empty column of the stored type; for a file, floats, integers or text."""
    name, arguments = _parted(column.dtype)
    name = OF_PANDAS.get(name, name)
    if name in ARGUMENTS or name in PLAIN:
        with suppress(TypeError, ValueError, AttributeError, pl.exceptions.PolarsError):
            return pl.Series([], dtype=getattr(pl, name)(**arguments))
    return pl.Series([], dtype=usual_type(column))


def _pandas_column(text: str, pandas: Any) -> Any:
    name, arguments = _parted(text)
    if name == "object":
        return pandas.Series([EXAMPLES.get(arguments.get("of", ""), "")], dtype=object)
    with suppress(TypeError, ValueError, ImportError):
        dtype = pandas.CategoricalDtype(**arguments) if name == "category" else name
        return pandas.Series([], dtype=dtype or object)
    return pandas.Series([""], dtype=object)


def _parted(text: str) -> tuple[str, dict[str, Any]]:
    """The name of a type and its arguments; arguments that are invalid or unknown are dropped."""
    name, _, rest = text.partition(" {")
    try:
        arguments = json.loads("{" + rest) if rest else {}
    except ValueError:
        return name, {}
    return name, {k: v for k, v in arguments.items() if k in (*ARGUMENTS.get(name, ()), "of")}


__all__ = ["library_of", "pandas_or_none", "text_of", "trained_frame", "typed", "typed_cells"]
