"""The types of a frame's columns as texts that a model keeps, and an empty frame of them again."""

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

MOST_CATEGORIES = 10_000  # that are kept with a model: names beyond come back as texts
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
# What objects of a column of pandas are, whose type says nothing: an example of each
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
    """Whose frame it is: "polars" or "pandas"."""
    return "polars" if isinstance(frame, pl.DataFrame | pl.LazyFrame) else "pandas"


def typed(schema: Schema, frame: Any) -> Schema:
    """The schema with the types that its columns have in a frame, but for numbers that are texts there, such as $12."""
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
    """What the objects of a column of pandas are, by the first that is there."""
    known = column[column.notna()]
    return type(known.iloc[0]).__name__ if len(known) else "str"


def typed_cells(raw: np.ndarray, schema: Schema) -> dict[str, pl.Series]:
    """Raw rows (N, K) as polars columns by name, of the types that a run was trained on."""
    return like_given(raw, schema, {column.name: _polars_column(column) for column in schema.modeled})


def trained_frame(raw: np.ndarray, schema: Schema, library: str, wanted: str = "") -> Any:
    """Raw rows (N, K) as a frame of the types that a run was trained on, with a `library` of "" on a file. A frame of
    the library `wanted` where that is named, else of the one that it was trained on; polars where there is no pandas.
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
        import pandas  # late: it need not be installed
    except ImportError:
        return None
    return pandas


def _converted(frame: Any, wanted: str) -> Any:
    """A frame of the other library, of what its cells are."""
    if wanted == "pandas":
        return pandas_or_none().DataFrame({name: frame[name].to_list() for name in frame.columns})
    cells = {str(name): frame[name].astype(object) for name in frame.columns}
    return pl.DataFrame({name: [None if gap else value for value, gap in zip(column, column.isna(), strict=True)]
                         for name, column in cells.items()})  # fmt: skip


def _polars_column(column: TableColumn) -> pl.Series:
    """An empty column of the type that is kept; of one of a file numbers, whole ones or texts."""
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
    """The name of a type, and its arguments, none where they are not readable or not its own."""
    name, _, rest = text.partition(" {")
    try:
        arguments = json.loads("{" + rest) if rest else {}
    except ValueError:
        return name, {}
    return name, {k: v for k, v in arguments.items() if k in (*ARGUMENTS.get(name, ()), "of")}


__all__ = ["library_of", "pandas_or_none", "text_of", "trained_frame", "typed", "typed_cells"]
