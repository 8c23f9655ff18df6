"""Encodes the label and group columns of a table as numbers."""

from __future__ import annotations

import numpy as np
import polars as pl

from isthmus.data.labels import class_name, refuse_quantity, why_no_classes
from isthmus.data.tables.columns import Plan
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.parsing import MISSING_LABELS
from isthmus.errors import DataError
from isthmus.wording import counted, printable


class NoClasses(Exception):
    """The guessed label turned out to be a quantity; the message says why."""


def encoded_labels(
    labels: pl.Series | None, plan: Plan, findings: Findings, predicting: bool
) -> tuple[np.ndarray | None, tuple[str, ...], tuple[str, ...]]:
    """Indices (N,), -1 for rows without a label, which only data for a trained model may have; classes; notes.

    Raises: DataError if a label that an option names is not one.
    """
    if labels is None or plan.label is None:
        return None, (), ()
    what = f'{findings.name}: column "{printable(findings.columns[plan.label])}"'
    if findings.n_missing[plan.label] and findings.options.missing != "drop":
        if predicting:
            return _of_some(labels, what)
        raise DataError("DATA-LABEL", f"{what} has gaps, and a median cannot fill a label.", fix="pass --missing drop")
    column = _numbers_or_texts(labels)
    classes = column.unique().sort().to_numpy()
    why = why_no_classes(classes, len(column))
    if why and predicting:
        return None, (), (f"{what} is left out: {why}.",)
    if why and plan.guessed:
        raise NoClasses(f"{what} is not used as the label, because {why}; it stays a feature.")
    refuse_quantity(classes, len(column), what)
    return _codes(column), tuple(map(class_name, classes)), ()


def _of_some(labels: pl.Series, what: str) -> tuple[np.ndarray | None, tuple[str, ...], tuple[str, ...]]:
    """As `encoded_labels`, for a column with gaps."""
    known = ~labels.str.strip_chars().str.to_lowercase().is_in(list(MISSING_LABELS)).fill_null(True)
    column = _numbers_or_texts(labels.filter(known))
    classes = column.unique().sort().to_numpy()
    why = why_no_classes(classes, len(column)) if len(column) else "it is empty"
    if why:
        return None, (), (f"{what} is left out: {why}.",)
    codes = np.full(len(labels), -1, np.int64)
    codes[known.to_numpy()] = _codes(column)
    return (
        codes,
        tuple(map(class_name, classes)),
        (f"{what} has gaps: {counted(int((~known).sum()), 'row')} without a label.",),
    )


def _numbers_or_texts(labels: pl.Series) -> pl.Series:
    """Labels as numbers if all are, so that 1.0 is the class 1."""
    text = labels.str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    return numbers if not numbers.null_count() and numbers.is_finite().all() else text


def _codes(column: pl.Series) -> np.ndarray:
    """The index (n,) of each label in the sorted classes."""
    return column.rank("dense").to_numpy().astype(np.int64) - 1


def refuse_few(n: int, findings: Findings, plan: Plan, *, predicting: bool) -> None:
    """Raises: DataError if the `n` rows left are too few for training, or for using a model (`predicting`)."""
    least = 1 if predicting else 2
    if n >= least:
        return
    fix = "use more rows" if findings.n_rows == n else "leave out fewer rows"
    unlabeled = 0 if plan.label is None else findings.n_missing[plan.label]
    if predicting and 0 < unlabeled == findings.n_rows:
        fix = "pass --missing auto; rows then need no label"
    raise DataError("DATA-EMPTY", f"{findings.name}: {counted(n, 'data row')}; at least {least} needed.", fix=fix)


def grouped_rows(groups: pl.Series | None, plan: Plan, findings: Findings) -> np.ndarray | None:
    """A group number for each row (N,). Raises: DataError for rows without a group."""
    if groups is None or plan.group is None:
        return None
    if findings.n_missing[plan.group] and findings.options.missing != "drop":
        what = f'{findings.name}: column "{printable(findings.columns[plan.group])}"'
        raise DataError("DATA-GROUP", f"{what} has gaps, and a median cannot fill a group.", fix="pass --missing drop")
    return groups.str.strip_chars().rank("dense").to_numpy().astype(np.int64) - 1
