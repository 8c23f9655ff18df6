"""Fits the preprocessing to a training part: range, means, standard deviations, medians."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from isthmus.data.batching.encoding import Encoding
from isthmus.data.batching.encoding_fit import fit_encoding
from isthmus.data.batching.plain_columns import plain_columns
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.numeric import blocks
from isthmus.data.ranges import UsedRange, is_scaled_by_use, used_range
from isthmus.data.samples import Samples
from isthmus.data.schema import Schema
from isthmus.data.series_layout import SeriesLayout
from isthmus.data.stored_rows import StoredRows
from isthmus.data.value_moments import moments_of
from isthmus.errors import DataError
from isthmus.wording import shell_word

MEDIAN_VALUES = 2**22  # values of a table that are copied at once to find medians: 16 MB


def fit_preprocess(
    train: Samples,
    scale: str,
    digits: str = "auto",
    range: str = "data",
    missing: str = "auto",
    series: SeriesLayout | None = None,
) -> Preprocess:
    """The preprocessing for `train`. `scale`: auto, none, minmax or standard; `digits`: float32 detects constant
    columns by the rule of older runs; `range`: data or type, for images that are neither bytes nor floats in [0, 1];
    `missing`: median also fills the gaps of columns of several kinds, instead of encoding them; `series`: the layout of
    the series that windows were cut from.

    auto scales images to [0, 1] by the range of their type, or by the range in use, and standardizes the columns of
    tables after filling gaps with medians, which are kept for later data. Constant columns are scaled by 1 and become
    zeros.

    Raises: DataError if a column of the training part holds only gaps.
    """
    if series is not None:
        return _of_windows(train, series, scale, missing)
    if train.schema is not None:
        return _of_columns(train, train.schema, scale, missing)
    plain = None if train.is_image else plain_columns(train.x)  # before medians are put into its gaps
    fill = None if train.is_image else medians(train)
    if fill is not None and not train.is_streamed and np.isnan(train.x).any():
        train = replace(train, x=np.where(np.isnan(train.x), np.array(fill, train.x.dtype), train.x))
    known: dict[str, Any] = {
        "shape": tuple(train.shape),
        "dtype": str(train.x.dtype),
        "columns": train.columns,
        "label_column": train.label_column,
        "group_column": train.group_column,
        "classes": train.classes,
        "fill": fill,
        "alpha": train.alpha,
        "frame": train.frame,
        "plain": plain,
    }
    if scale == "auto" and range == "data" and train.is_image and (used := range_in_use(train)):
        span = used.white - used.black
        offset, factor = (used.black,) * train.shape[0], (1 / span if span > 0 else 1.0,) * train.shape[0]
        return Preprocess(**known, offset=offset, scale=factor, range=(0.0, 1.0), clips=False)
    if scale == "auto":
        scale = "range" if train.is_image else "standard"
    if scale == "range" or (scale == "none" and train.is_image):
        return Preprocess(**known, range=(0.0, 1.0) if train.is_image else None)
    if scale == "none":
        return Preprocess(**known)
    if train.is_streamed:
        offset, spread = _of_streamed(train, scale, fill)
    else:
        offset, spread = _standard(train, digits) if scale == "standard" else _minmax(train)
    inverse = tuple(float(1 / s) if s > 0 else 1.0 for s in spread)
    bounds = (0.0, 1.0) if scale == "minmax" else None
    return Preprocess(**known, offset=tuple(map(float, offset)), scale=inverse, range=bounds)


def _of_columns(train: Samples, schema: Schema, scale: str, missing: str) -> Preprocess:
    """The preprocessing of a table whose columns are of several kinds."""
    encoding = fit_encoding(train.x, schema, scale)
    fill = usual_values(train, schema) if missing == "median" else None
    known: dict[str, Any] = {"columns": schema.names, "label_column": train.label_column, "classes": train.classes}
    known |= {"group_column": train.group_column, "fill": fill, "schema": schema, "encoding": encoding}
    known["frame"] = train.frame
    return Preprocess((encoding.size,), "float64", **known)


def _of_windows(train: Samples, series: SeriesLayout, scale: str, missing: str) -> Preprocess:
    """The preprocessing of windows, which is that of their rows. It is fitted to the part of each window that the next
    window does not repeat; together, these parts hold nearly every row once.
    """
    own, rows = min(series.stride, series.window), series.rows
    raw = train.x.reshape(len(train), series.window, -1)[:, :own].reshape(-1, series.n_columns)
    one = _of_columns(replace(train, x=raw, columns=rows.names, windows=None), rows, scale, missing)
    assert one.encoding is not None
    encoding = Encoding(one.encoding.row, series.window)
    fill = None if one.fill is None else one.fill * series.window
    known = {"schema": series.windows, "columns": series.windows.names, "fill": fill}
    return replace(one, **known, shape=(encoding.size,), encoding=encoding, series=series)


def usual_values(train: Samples, schema: Schema) -> tuple[float, ...]:
    """The median of each column; for categories and yes-no, the most frequent value."""
    found = list(medians(train))
    for k, column in enumerate(schema.modeled):
        if column.kind in {"category", "yes-no"}:
            found[k] = float(np.bincount(train.x[~np.isnan(train.x[:, k]), k].astype(np.int64)).argmax())
        elif column.kind == "count":
            found[k] = float(np.floor(found[k]))
    return tuple(found)


def range_in_use(train: Samples) -> UsedRange | None:
    """Black and white of the training images, from whole images if available; None for bytes and floats in [0, 1]."""
    if train.whole is None:
        return used_range([train.x], train.x.size) if is_scaled_by_use(train.x) else None
    chosen = range(len(train.whole)) if train.owner is None else np.unique(train.owner).tolist()
    images = [train.whole.image(i) for i in chosen]
    if not any(is_scaled_by_use(image) for image in images):
        return None
    return used_range(images, sum(image.size for image in images))


def medians(train: Samples) -> tuple[float, ...]:
    """The median of each column of a table without its gaps (NaN), computed for a few columns at a time.

    For a table that is read from disk, evenly spaced rows with about `MEDIAN_VALUES` values are used.
    """
    if isinstance(train.x, StoredRows):
        stride = -(-train.x.size // MEDIAN_VALUES)
        return medians(replace(train, x=_with_something(train.x[::stride], train.x)))
    width = max(1, MEDIAN_VALUES // max(1, len(train)))
    return tuple(value for start in range(0, train.x.shape[1], width) for value in _medians(train, start, width))


def _with_something(some: np.ndarray, rows: StoredRows) -> np.ndarray:
    """The rows `some`; a column with only gaps gets one value from another row, if there is any."""
    empty = np.isnan(some).all(0)
    for part in blocks(rows) if empty.any() else ():  # type: ignore[arg-type]
        found = empty & ~np.isnan(part).all(0)
        for k in np.flatnonzero(found):
            some[0, k] = part[~np.isnan(part[:, k]), k][0]
        empty &= ~found
    return some


def _of_streamed(train: Samples, scale: str, fill: tuple[float, ...] | None) -> tuple[np.ndarray, np.ndarray]:
    """Offset and spread as in `_standard` and `_minmax`, in one pass over samples that are read from disk."""
    found = moments_of(train.x, None if fill is None else np.array(fill))
    if scale != "standard":
        low, high = found.low, found.high
        if train.is_image:
            low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
        return low, high - low
    noise = np.finfo(train.x.dtype).eps if train.x.dtype.kind == "f" else 0.0
    largest = np.maximum(np.abs(found.low), np.abs(found.high))
    is_constant = found.deviation <= noise * largest if not train.is_image else np.zeros(len(largest), bool)
    return found.mean, np.where(is_constant, 0.0, found.deviation)


def _medians(train: Samples, start: int, width: int) -> list[float]:
    block = np.array(train.x[:, start : start + width])
    gaps = np.isnan(block)
    if not gaps.any():
        return np.median(block, axis=0, overwrite_input=True).astype(np.float64).tolist()
    empty = (start + np.flatnonzero(gaps.all(0))).tolist()
    if empty:
        name = train.columns[empty[0]] if train.columns else str(empty[0])
        message = f'{train.name}: column "{name}" is empty in the whole training part, so it has no median.'
        raise DataError("DATA-MISSING", message, fix=f"leave it out with --drop-column {shell_word(name)}")
    return np.nanmedian(block, axis=0).astype(np.float64).tolist()


def _standard(train: Samples, digits: str) -> tuple[np.ndarray, np.ndarray]:
    if train.is_image:  # one mean and standard deviation per channel, as is usual for images
        pixels = train.x.astype(np.float32)
        return pixels.mean((0, 2, 3), dtype=np.float64), pixels.std((0, 2, 3), dtype=np.float64)
    first = train.x[0] if train.x.dtype == np.float64 else 0.0  # sums with large offsets would lose precision
    apart = train.x - first if train.x.dtype == np.float64 else train.x
    return first + apart.mean(0, dtype=np.float64), _deviation(train.x, apart, digits)


def _deviation(x: np.ndarray, apart: np.ndarray, digits: str) -> np.ndarray:
    """Standard deviation of each column, from `apart`; rounding noise in a constant column of x counts as zero."""
    deviation = apart.std(0, dtype=np.float64)
    # Values that differ only in the last bit have a standard deviation of up to half of eps, relative to their size.
    noise = 1e-6 if digits == "float32" else np.finfo(x.dtype).eps if x.dtype.kind == "f" else 0.0
    return np.where(deviation > noise * np.abs(x).max(0, initial=0), deviation, 0.0)


def _minmax(train: Samples) -> tuple[np.ndarray, np.ndarray]:
    axes = (0, 2, 3) if train.is_image else (0,)
    low, high = train.x.min(axes).astype(np.float64), train.x.max(axes).astype(np.float64)
    if train.is_image:  # one range for all channels, so that colors keep their proportions
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    return low, high - low
