"""Data frames for the scikit-learn estimator: with categories, times, booleans and gaps, and converted back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.samples import Samples
from isthmus.data.schema import Schema
from isthmus.data.tables.column_types import library_of, trained_frame
from isthmus.data.tables.given_frames import as_frame, raw_of_frame
from isthmus.data.tables.null_values import blanked_raw
from isthmus.data.tables.reading import samples_from_frame
from isthmus.errors import DataError, UsageError
from isthmus.settings import where_is

WORDS = {"--column": "settings={'kinds': ['NAME=KIND']}", "--drop-column": "X.drop(columns=[…])"}
WORDS |= {"--null-values": "settings={'null_values': ['WORD']}"}
BY_COLUMN = {"data.kinds", "data.null_values"}  # settings that require reading columns by kind


def is_mixed(X: Any, settings: Mapping[str, Any]) -> bool:
    """Whether X is a data frame (polars, pandas) with columns that are not numbers, with gaps, or with `settings` for
    its columns.

    Raises: TypeError for sparse columns of pandas, with a fix.
    """
    asked = any(where_is(name) in BY_COLUMN or value == "quantile" for name, value in settings.items())
    if isinstance(X, pl.LazyFrame | pl.DataFrame):
        frame = X.lazy().collect()
        numeric = all(dtype.is_numeric() for dtype in frame.dtypes)
        return (
            asked
            or not numeric
            or bool(sum(frame.null_count().row(0)) or any(s.is_nan().any() for s in _floats(frame)))
        )
    if not (hasattr(X, "iloc") and hasattr(X, "columns")):
        return False
    if any("Sparse" in str(dtype) for dtype in X.dtypes):
        raise TypeError("X holds sparse columns, but dense ones are required. fix: X.sparse.to_dense()")
    numeric = all(getattr(dtype, "kind", "O") in "iuf" for dtype in X.dtypes)
    return asked or not numeric or bool(X.isna().to_numpy().any())


def _floats(frame: pl.DataFrame) -> Iterator[pl.Series]:
    return (column for column in frame.get_columns() if column.dtype.is_float())


def samples_of(X: Any, options: DataConfig) -> Samples:
    """The samples of a data frame with columns of several kinds; no column is used as a label.

    Raises: ValueError with all problems of the cells, as scikit-learn's estimators do.
    """
    with _as_value_error():
        frame = X.lazy().collect() if isinstance(X, pl.LazyFrame) else X
        return samples_from_frame(frame, name="X", options=options, guess_label=False)


def rows_of(X: Any, schema: Schema) -> np.ndarray:
    """Raw values (N, K) of a data frame like the one in `fit`. Raises: ValueError, also for arrays."""
    frame = as_frame(X)
    if frame is None:
        held = ", ".join(schema.names[:5])
        message = f"X is a {type(X).__name__}, but fit was given a data frame with columns of several kinds ({held}"
        raise ValueError(f"{message}{'…' * (len(schema.names) > 5)}): pass a data frame with these columns.")
    with _as_value_error():
        return raw_of_frame(frame, schema)


def frame_back(raw: np.ndarray, schema: Schema, library: str, like: Any) -> Any:
    """Raw rows (N, K) as a data frame with the types that the model was fitted on: in the library and with the index of
    `like` if that is a data frame, else in `library`.
    """
    given = like if hasattr(like, "columns") else None
    wanted = "" if given is None else library_of(given)
    found = trained_frame(raw, schema, library, wanted)
    if wanted == "pandas":
        found.index = like.index
    return found


def framed(X: np.ndarray, names: Sequence[str], like: Any) -> Any:
    """Rows (N, D) as a data frame of the same library as `like`, with its index if it has one."""
    columns, make = dict(zip(names, X.T, strict=True)), type(like)
    return make(columns, index=like.index) if hasattr(like, "index") else make(columns)


def refuse_names(given: np.ndarray, known: np.ndarray | None, n: int) -> None:
    """Raises: ValueError, worded as in scikit-learn, for names that differ from those in `fit`, or in their number."""
    if known is not None and not np.array_equal(known, given):
        raise ValueError("input_features is not equal to feature_names_in_")
    if len(given) != n:
        message = f"input_features should have length equal to number of features ({n}), got {len(given)}"
        raise ValueError(message)


@contextmanager
def _as_value_error() -> Iterator[None]:
    try:
        yield
    except (DataError, UsageError) as error:
        fix = str(error.fix or "")
        for option, call in WORDS.items():
            fix = call if option in fix else fix
        raise ValueError("\n".join([error.message, *error.problems[:10], f"fix: {fix}"])) from error


__all__ = ["blanked_raw", "frame_back", "framed", "is_mixed", "refuse_names", "rows_of", "samples_of"]
