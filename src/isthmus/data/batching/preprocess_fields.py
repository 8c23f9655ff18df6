"""Restores and checks the saved fields of a `Preprocess`, which come from an untrusted file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from isthmus.data.batching.encoding import Encoding
from isthmus.data.batching.plain_columns import PlainColumns
from isthmus.data.schema import Schema
from isthmus.data.series_layout import SeriesLayout

DTYPES = ("uint8", "uint16", "float32", "float64")  # types of stored data
KINDS = {"schema": Schema, "encoding": Encoding, "series": SeriesLayout, "plain": PlainColumns}


def restored(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields from `Preprocess.as_dict`, in their original types.

    Raises: ValueError for impossible values; TypeError and KeyError for unknown names.
    """
    found: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    for name, kind in KINDS.items():
        if found.get(name) is not None:
            found[name] = kind.from_dict(found[name])
    if (series := found.get("series")) is not None:
        found |= {"schema": series.windows, "columns": series.windows.names}
    return found


def check(fields: Mapping[str, Any], raw_shape: tuple[int, ...]) -> None:
    """Raises: ValueError unless the fields are consistent; `raw_shape` is the shape of one raw sample."""
    _check_shape(fields["shape"], fields["dtype"], fields["alpha"])
    _check_columns(fields)
    n = raw_shape[0] if raw_shape else 0
    for name, wanted in (("offset", n), ("scale", n), ("fill", n), ("range", 2)):
        numbers = fields[name]
        if numbers is not None and not (len(numbers) == wanted and all(map(math.isfinite, numbers))):
            raise ValueError(f"{name} needs {wanted} finite numbers")
    if fields["columns"] is not None and len(fields["columns"]) != math.prod(raw_shape):
        raise ValueError(f"{len(fields['columns'])} column names for samples of shape {fields['shape']!r}")


def _check_shape(shape: tuple[int, ...], dtype: str, alpha: Any) -> None:
    n = shape[0] if shape else 0
    if len(shape) not in (1, 3) or not all(type(side) is int and side > 0 for side in shape):
        raise ValueError(f"{shape!r} is not a shape of samples")
    if dtype not in DTYPES:
        raise ValueError(f"the type {dtype!r} is not one of {', '.join(DTYPES)}")
    if type(alpha) is not bool or (alpha and not (len(shape) == 3 and n > 1)):
        raise ValueError(f"samples of shape {shape!r} cannot have transparency")


def _check_columns(fields: Mapping[str, Any]) -> None:
    """Raises: ValueError if schema and encoding, or number formats and columns, do not match."""
    schema, encoding, series, shape = (fields[name] for name in ("schema", "encoding", "series", "shape"))
    if fields["plain"] is not None:
        fields["plain"].check(math.prod(shape) if len(shape) == 1 and schema is None else 0)
    if (schema is None) != (encoding is None):
        raise ValueError("only one of schema and encoding is present")
    if schema is None or encoding is None:
        return
    if shape != (encoding.size,) or fields["columns"] != schema.names:
        raise ValueError(f"the schema does not match samples of shape {shape!r}")
    if series is not None and encoding.repeats != series.window:
        raise ValueError(f"the encoding is of windows of {encoding.repeats} rows, not {series.window}")
    encoding.check(schema)


__all__ = ["check", "restored"]
