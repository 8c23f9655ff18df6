"""NumPy arrays, and anything that NumPy can convert to an array, as samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.arrays.npy import plain, refuse_kind
from isthmus.data.arrays.number_columns import has_kinds, samples_by_kind
from isthmus.data.labels import encode_labels
from isthmus.data.layout import TABLE, images_from_array, parse_shape
from isthmus.data.numeric import LARGEST, are_bytes, blocks, converted, loses_digits, table_type, value_range
from isthmus.data.ranges import image_values
from isthmus.data.samples import Samples
from isthmus.data.schema import Expected, Schema
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.median_gaps import kept_gaps
from isthmus.data.tables.null_values import NullValues
from isthmus.data.tabular import Origin, samples_from_matrix
from isthmus.errors import DataError
from isthmus.wording import listed

SMALLEST_IMAGE = 16  # pixels: a square array of bytes with at least this side is one image, not a table


def samples_from_array(
    array: Any, *, labels: Any = None, name: str, options: DataConfig, expected: Expected | None = None
) -> Samples:
    """The samples of an array of numbers; `expected` are the columns of a trained model.

    (N, H, W), (N, H, W, C) and (N, C, H, W) are images: uint8, uint16, or floats in [0, 1]; whole numbers 0..255 of
    another type become uint8. (N, D) is a table, or images if `--shape` says so or if the rows are bytes of square
    images. `labels` are N numbers or strings. Arrays that need no conversion are not copied, so a mapped file stays on
    disk.

    Raises: DataError for values that are not numbers, unknown shapes, ranges that are not allowed, or labels that are
    not one per sample.
    """
    x = plain(array)
    refuse_kind(x.dtype, f"the array {name}")
    if x.size == 0 or not 2 <= x.ndim <= 4:
        wanted = "(samples, height, width), (samples, height, width, channels) or (samples, columns)"
        raise DataError("DATA-SHAPE", f"{name} has shape {x.shape}; expected {wanted}.", fix="reshape the array")
    if x.ndim > 2 and options.shape == TABLE:
        x = x.reshape(len(x), -1)
    samples = _from_rows(x, name, options, expected) if x.ndim == 2 else _from_images(x, name, options)
    return samples if labels is None else _labeled(samples, labels, len(x), name)


def _from_images(x: np.ndarray, name: str, options: DataConfig) -> Samples:
    images, layout_notes = images_from_array(x, name=name)
    C, H, W = images.shape[1:]
    if options.shape is not None and parse_shape(options.shape) != (H, W, C):
        message = f"{name} already holds images of {H}x{W}x{C}, but --shape {options.shape} was given."
        raise DataError("DATA-SHAPE", message, fix="leave --shape out; --resize changes the size")
    values, value_notes = image_values(images, scale=options.scale, name=name, range=options.range)
    return Samples(values, name, notes=layout_notes + value_notes)


def _from_rows(x: np.ndarray, name: str, options: DataConfig, expected: Expected | None) -> Samples:
    """A table, rows of pixels, or one gray image."""
    H, W = x.shape
    if options.shape is not None and options.shape != TABLE:
        if parse_shape(options.shape) == (H, W, 1):
            return _from_images(x[None], name, options)
    elif options.shape is None and x.dtype == np.uint8 and H == W >= SMALLEST_IMAGE:
        samples = _from_images(x[None], name, options)
        note = f"{name}: {H} rows of {W} bytes are read as one gray image; --shape table reads them as a table."
        return replace(samples, notes=(note, *samples.notes))
    if has_kinds(x, options, expected):
        return samples_by_kind(x, name, options, expected)
    x = _blanked(x, options, expected)
    if expected is not None and options.missing == "auto":  # a trained model fills gaps with its own medians
        options = replace(options, missing="median")
    declared = x.dtype in (np.uint8, np.uint16)
    if x.dtype.kind != "f":
        matrix = x if declared or not are_bytes(x) else x.astype(np.uint8)
        if x.dtype.itemsize > 2 and table_type(matrix, options.digits) is np.float64:
            matrix = converted(matrix, np.float64)
        notes = _about_digits(loses_digits(matrix), name) if matrix.dtype != np.float64 else ()
        return samples_from_matrix(matrix, Origin(name, notes=notes, declared=declared), options)
    matrix, origin = _finite(x, name, options, predicting=expected is not None)
    return samples_from_matrix(matrix, origin, options)


def _blanked(x: np.ndarray, options: DataConfig, expected: Expected | None) -> np.ndarray:
    """Rows (N, D) with NaN in place of the numbers that `--null-values` declares as missing."""
    known = [] if expected is None or isinstance(expected, Schema) else list(expected)
    names = known if len(known) == x.shape[1] else [str(i) for i in range(x.shape[1])]
    return NullValues(options.null_values, names).blanked_rows(x, names) if options.null_values else x


def _finite(x: np.ndarray, name: str, options: DataConfig, *, predicting: bool) -> tuple[np.ndarray, Origin]:
    """The rows of floats to keep; NaN is a missing value and infinity an invalid one, as in any table."""
    low, high = value_range(x)
    if np.isfinite(low) and np.isfinite(high) and max(-low, high) <= LARGEST:
        dtype = table_type(x, options.digits)
        lossy = np.any([loses_digits(part) for part in blocks(x)], axis=0) & (dtype is np.float32)
        return converted(x, dtype), Origin(name, notes=_about_digits(lossy, name))
    columns = [str(i) for i in range(x.shape[1])]
    findings = Findings(name, columns, options, counting="Rows and columns are counted from 0, as in NumPy.")
    keep, at = np.ones(len(x), bool), 0
    for part in blocks(x):
        missing = np.isnan(part)
        with np.errstate(invalid="ignore"):
            bad = ~(np.abs(part) <= LARGEST) & ~missing
        findings.add_cells(range(at, at + len(part)), missing, bad, _shower(part), range(x.shape[1]))
        lost, gaps = bad.any(1), missing.any(1)
        findings.n_rows_bad += int(lost.sum())
        findings.n_rows_missing += int(gaps.sum())
        keep[at : at + len(part)] = ~(lost | gaps) if options.missing == "drop" else ~lost
        at += len(part)
    findings.n_rows = len(x)
    notes = findings.conclude()
    if not keep.any():
        raise DataError("DATA-EMPTY", f"{name}: no rows are left.", fix="pass --missing median")
    matrix = x[keep]
    with np.errstate(over="ignore"):
        matrix = matrix.astype(table_type(matrix, options.digits), copy=False)
    gap_notes = kept_gaps(matrix, findings, range(x.shape[1]), predicting=predicting)
    ids = None if keep.all() else tuple(map(str, np.flatnonzero(keep)))
    return matrix, Origin(name, ids=ids, notes=notes + gap_notes)


def _shower(part: np.ndarray):
    return lambda i, j: str(part[i, j])


def _about_digits(lossy: np.ndarray, name: str) -> tuple[str, ...]:
    if not lossy.any():
        return ()
    columns = listed([str(i) for i in np.flatnonzero(lossy)])
    return (f"{name}: column {columns} has whole numbers above 16,777,216, which float32 rounds to 7 digits.",)


def _labeled(samples: Samples, labels: Any, n: int, name: str) -> Samples:
    """The samples with their labels, without the labels of dropped rows."""
    values = plain(labels)
    n_labels = len(values) if values.ndim else 0
    if n_labels != n:
        message = f"{name} holds {n:,} samples, but there are {n_labels:,} labels."
        raise DataError("DATA-COUNT", message, fix="give one label per sample")
    if samples.ids is not None:
        values = values[np.array(samples.ids, dtype=np.int64)]
    codes, classes = encode_labels(values, name=f"the labels of {name}")
    return replace(samples, labels=codes, classes=classes)
