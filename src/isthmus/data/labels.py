"""Converts labels of any type to indices into a list of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from isthmus.data.samples import Samples
from isthmus.errors import DataError

FEW_FLOATS = 20  # distinct fractions beyond which a column is a quantity, not a class; star ratings in halves have 10
FEW_CLASSES = 50  # up to this number, classes with one sample each are accepted


def encode_labels(values: np.ndarray | Sequence, *, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Indices (N,) and the classes: numbers in numeric order, texts in alphabetical order.

    Raises: DataError if `values` are not one label per sample, are missing, or are quantities rather than classes.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            "DATA-LABEL", f"{name}: the shape is {array.shape}, but one label per sample is needed.", fix=_FIX
        )
    if array.dtype.kind == "O":
        array = _plain(array, name)
    if array.dtype.kind not in "biufUS":
        raise DataError("DATA-LABEL", f"{name} holds {array.dtype}, not numbers or text.", fix=_FIX)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        raise DataError("DATA-LABEL", f"{name}: sample {row} has the label {array[row]}.", fix=_FIX)
    unique, codes = np.unique(array, return_inverse=True)
    refuse_quantity(unique, len(array), name)
    return codes.astype(np.int64), tuple(map(class_name, unique))


_FIX = "give labels as a list of whole numbers or texts, one per sample"


def refuse_quantity(unique: np.ndarray, n_samples: int, name: str) -> None:
    """Checks that values can be classes.

    Raises: DataError with the reason.
    """
    why = why_no_classes(unique, n_samples)
    if why:
        fix = "use a column or array of classes as the label, or leave the label out"
        raise DataError("DATA-LABEL", f"{name} cannot be the label: {why}.", fix=fix)


def why_no_classes(unique: np.ndarray, n_samples: int) -> str | None:
    """Why these distinct values are not classes; None if they can be."""
    n = len(unique)
    if unique.dtype.kind == "f" and n > FEW_FLOATS and (unique != np.floor(unique)).any():
        return f"it has {n:,} different fractions such as {unique[0]:g} and {unique[1]:g}, so it is a quantity"
    if n > FEW_CLASSES and n > n_samples / 2:
        return f"{n:,} of its {n_samples:,} values are different, so it is an identifier or a quantity"
    return None


def class_name(value: object) -> str:
    """A label as text: whole numbers without a decimal point."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def same_classes(first: Samples, second: Samples) -> tuple[Samples, Samples]:
    """Both sets with labels that are indices into the union of their classes, numbers in numeric order."""
    if first.labels is None or second.labels is None or first.classes == second.classes:
        return first, second
    classes = tuple(sorted({*first.classes, *second.classes}, key=_class_key))
    place = {c: i for i, c in enumerate(classes)}
    a, b = (replace(s, classes=classes, labels=_moved(s, place)) for s in (first, second))
    return a, b


def evenly(rows: np.ndarray, labels: np.ndarray | None, limit: int) -> np.ndarray:
    """`limit` of the shuffled `rows`, the same number from each class where there are enough.

    >>> evenly(np.arange(6), np.array([0, 0, 0, 0, 1, 1]), 4)
    array([0, 1, 4, 5])
    """
    if limit >= len(rows) or labels is None:
        return rows[:limit]
    found = labels[rows]
    order = np.argsort(found, kind="stable")
    ordered = found[order]
    rank = np.empty(len(rows), dtype=np.int64)  # the number of earlier rows of the same class
    rank[order] = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    return rows[np.sort(np.argsort(rank, kind="stable")[:limit])]


def _moved(samples: Samples, place: dict[str, int]) -> np.ndarray:
    assert samples.labels is not None
    return np.array([*(place[c] for c in samples.classes), -1], dtype=np.int64)[samples.labels]  # -1 is for none


def _class_key(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _plain(array: np.ndarray, name: str) -> np.ndarray:
    """Python objects as an array of numbers or of texts."""
    if any(value is None or value != value for value in array):
        raise DataError("DATA-LABEL", f"{name}: some labels are missing.", fix=_FIX)
    if all(isinstance(value, int | float | np.number | np.bool_) for value in array):
        return np.array(array.tolist())
    return np.array([str(value) for value in array])
