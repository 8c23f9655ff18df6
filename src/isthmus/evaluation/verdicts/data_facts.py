"""What verdicts need to know about the data: its range, extreme values, classes, and differences between sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from isthmus.data.batching.preprocess import FULL_SCALE, Preprocess
from isthmus.data.batching.split import Splits
from isthmus.data.numeric import blocks
from isthmus.data.samples import Samples
from isthmus.wording import counted, number, printable

NEARLY_ALL = 0.01  # of the images may be beyond: a few broken ones should not make a narrow range look wide
SWALLOWS = 0.75  # of a column's squared deviations: without that value, the column's scale would be less than half
LEAST_KINDS = 3  # different values besides the extreme one: a rare yes among many no is a single value too, and fine
SOME_VALUES = 2**22  # from rows on disk, for medians: tens of thousands of rows of a table
TOGETHER = 64  # columns per step, so that a table is never in memory twice as float64
SHIFTED = 1.0  # training standard deviations between the means of test and training data: more than a random split has


class Spans(NamedTuple):
    """Smallest and largest value of all training images, and of nearly all of them, as input to the network."""

    low: float
    high: float
    usual_low: float
    usual_high: float


class Swallowed(NamedTuple):
    """A column whose scale is determined by one value, with that value's row and `share` of the squared deviations."""

    column: str
    row: str
    value: float
    share: float


def spans(train: Samples, preprocess: Preprocess) -> Spans | None:
    """The part of [0, 1] that the training images use; None for tables, and if `--scale` rescaled the images."""
    if not preprocess.is_image or preprocess.range is None or preprocess.offset is not None or not len(train):
        return None
    full = {str(kind).removeprefix("torch."): scale for kind, scale in FULL_SCALE.items()}.get(str(train.x.dtype), 1.0)
    ends = [(part.min((1, 2, 3)) / full, part.max((1, 2, 3)) / full) for part in blocks(train.x)]
    lows, highs = (np.concatenate(each) for each in zip(*ends, strict=True))
    usual = float(np.quantile(lows, NEARLY_ALL)), float(np.quantile(highs, 1 - NEARLY_ALL))
    return Spans(float(lows.min()), float(highs.max()), *usual)


def swallowed(train: Samples) -> tuple[Swallowed, ...]:
    """The columns of a table in which one value accounts for most of the squared deviations.

    Deviations are computed in float64, from the median, because the value itself would shift the mean.
    """
    if train.is_image or len(train) < 3:
        return ()
    found = []
    for k, row, value, share in _of_streamed(train) if train.is_streamed else _heaviest(train):
        name = train.columns[k] if train.columns else f"column_{k + 1}"
        if train.schema is None or name in train.schema.quantities:
            found.append(Swallowed(printable(name), train.id_of(row), value, share))
    return tuple(found)


def _heaviest(train: Samples) -> Iterator[tuple[int, int, float, float]]:
    """Column, row, value and share of the squared deviations, for shares of SWALLOWS or more."""
    for first in range(0, train.x.shape[1], TOGETHER):
        columns = train.x[:, first : first + TOGETHER].astype(np.float64)
        squares = np.nan_to_num(np.square(columns - np.nanmedian(columns, axis=0)))
        rows, totals = squares.argmax(0), squares.sum(0)
        shares = squares.max(0) / np.maximum(totals, np.finfo(np.float64).tiny)
        for k in np.flatnonzero(shares >= SWALLOWS).tolist():
            row = int(rows[k])
            if len(np.unique(np.delete(columns[:, k], row))) >= LEAST_KINDS:
                yield first + k, row, float(columns[row, k]), float(shares[k])


def _of_streamed(train: Samples) -> Iterator[tuple[int, int, float, float]]:
    """The same for rows on disk, in one pass; medians and the number of different values come from some of the rows."""
    some = train.x[:: -(-train.x.size // SOME_VALUES)].astype(np.float64)
    median, places = np.nanmedian(some, axis=0), np.arange(some.shape[1])
    totals, largest, values = np.zeros(len(median)), np.zeros(len(median)), np.zeros(len(median))
    rows, at = np.zeros(len(median), np.int64), 0
    for part in blocks(train.x):
        squares = np.nan_to_num(np.square(part.astype(np.float64) - median))
        top = squares.argmax(0)
        better = squares[top, places] > largest
        rows[better], values[better] = at + top[better], part[top, places][better]
        totals, largest, at = totals + squares.sum(0), np.maximum(largest, squares.max(0)), at + len(part)
    shares = largest / np.maximum(totals, np.finfo(np.float64).tiny)
    for k in np.flatnonzero(shares >= SWALLOWS).tolist():
        if len(np.unique(some[some[:, k] != values[k], k])) >= LEAST_KINDS:
            yield k, int(rows[k]), float(values[k]), float(shares[k])


def classes_of(splits: Splits) -> Mapping[str, tuple[int, int]]:
    """The numbers of training and of held-out samples by class; "" is for all classes that are not in training."""
    train, classes = splits.train, splits.train.classes
    if train.labels is None or not classes:
        return {}
    n_train = np.bincount(train.labels[train.labels >= 0], minlength=len(classes))
    held = [other.labels for other in (splits.validation, splits.test) if other.labels is not None]
    held_out = np.concatenate([*held, np.zeros(0, np.int64)]).astype(np.int64)
    n_held = np.bincount(held_out[(held_out >= 0) & (held_out < len(classes))], minlength=len(classes))
    found = {printable(name): (int(a), int(b)) for name, a, b in zip(classes, n_train, n_held, strict=True)}
    n_unknown_class = int((held_out < 0).sum())
    return found | ({"": (0, n_unknown_class)} if n_unknown_class else {})


def differences(train: np.ndarray, test: np.ndarray, columns: tuple[str, ...] | None) -> str:
    """Where test and training data, both as input to the network, differ most; "" if their means are alike.

    For images, the overall brightness; for tables, columns, in standard deviations of the training data.
    """
    if train.ndim > 2:
        ours, theirs = float(test.mean()), float(train.mean())
        return f"their mean value is {number(ours)}, that of training images {number(theirs)}"
    spread = np.maximum(train.std(0, dtype=np.float64), 1e-12)
    moved = (test.mean(0, dtype=np.float64) - train.mean(0, dtype=np.float64)) / spread
    wider = test.std(0, dtype=np.float64) / spread
    # A column that varies less than in training does not raise the error, so only a larger spread counts.
    far = np.maximum(np.abs(moved) / SHIFTED, np.log2(np.maximum(wider, 1e-12)))
    order = [int(k) for k in np.argsort(-far, kind="stable")[:3] if far[k] > 1]  # three for the text; `check` shows all
    names = [printable(columns[k]) if columns else f"column_{k + 1}" for k in order]
    moves = [f'"{n}" (mean {moved[k]:+.3g}, spread {wider[k]:.3g})' for n, k in zip(names, order, strict=True)]
    if not moves:
        return ""
    more = int((far > 1).sum()) - len(order)
    rest = f" and {counted(more, 'more column')}" if more > 0 else ""
    usual = "in standard deviations of the training data (usual: mean 0, spread 1)"
    return f"the largest differences, {usual}: {', '.join(moves)}{rest}"
