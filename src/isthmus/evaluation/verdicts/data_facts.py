"""What verdicts need to know of the data itself: its range, values that outweigh all others, classes, columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from isthmus.data.batching.preprocess import FULL_SCALE, Preprocess
from isthmus.data.batching.split import Splits
from isthmus.data.numeric import blocks
from isthmus.data.samples import Samples
from isthmus.wording import counted, number, printable

NEARLY_ALL = 0.01  # of the images may lie beyond: single broken ones should not make a narrow range look wide
SWALLOWS = 0.75  # of a column's squared deviations: without that value the column's scale would be less than half
LEAST_KINDS = 3  # different values beside the extreme one: a rare yes among no is one value too, and no mistake
SOME_VALUES = 2**22  # of rows on disk that medians are found from: tens of thousands of rows of a table
TOGETHER = 64  # columns looked at together, so that a table never stands in memory twice as float64
SHIFTED = 1.0  # training deviations between the means of test and training data: more than any fair division makes


class Spans(NamedTuple):
    """Least and largest value of all training images, and of nearly all of them, as the network takes them."""

    low: float
    high: float
    usual_low: float
    usual_high: float


class Swallowed(NamedTuple):
    """A column whose scale one value makes: its `share` of the squared deviations, and where it stands."""

    column: str
    row: str
    value: float
    share: float


def spans(train: Samples, preprocess: Preprocess) -> Spans | None:
    """What part of [0, 1] the training images use; None for tables, and where `--scale` was to bring them there."""
    if not preprocess.is_image or preprocess.range is None or preprocess.offset is not None or not len(train):
        return None
    full = {str(kind).removeprefix("torch."): scale for kind, scale in FULL_SCALE.items()}.get(str(train.x.dtype), 1.0)
    ends = [(part.min((1, 2, 3)) / full, part.max((1, 2, 3)) / full) for part in blocks(train.x)]
    lows, highs = (np.concatenate(each) for each in zip(*ends, strict=True))
    usual = float(np.quantile(lows, NEARLY_ALL)), float(np.quantile(highs, 1 - NEARLY_ALL))
    return Spans(float(lows.min()), float(highs.max()), *usual)


def swallowed(train: Samples) -> tuple[Swallowed, ...]:
    """The columns of a table in which one value has nearly all of the squared deviations from the mean.

    Deviations are taken in float64 and counted from the median, which the value itself cannot move.
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
    """Column, row, value and share of the squared deviations, where that is nearly all."""
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
    """The same of rows on disk, in one pass; medians and the number of different values are those of some rows."""
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
    """Training samples, and those held out, by class; "" stands for all classes that training has no name for."""
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
    """Where test and training data, both as the network takes them, differ most; "" where their means are alike.

    Of images their brightness as a whole, of tables the columns, in training deviations.
    """
    if train.ndim > 2:
        ours, theirs = float(test.mean()), float(train.mean())
        return f"their mean value is {number(ours)}, that of training images {number(theirs)}"
    spread = np.maximum(train.std(0, dtype=np.float64), 1e-12)
    moved = (test.mean(0, dtype=np.float64) - train.mean(0, dtype=np.float64)) / spread
    wider = test.std(0, dtype=np.float64) / spread
    # A column that varies less than in training costs nothing more, so only a wider one counts.
    far = np.maximum(np.abs(moved) / SHIFTED, np.log2(np.maximum(wider, 1e-12)))
    order = [int(k) for k in np.argsort(-far, kind="stable")[:3] if far[k] > 1]  # three say which; all stand in `check`
    names = [printable(columns[k]) if columns else f"column_{k + 1}" for k in order]
    moves = [f'"{n}" (mean {moved[k]:+.3g}, spread {wider[k]:.3g})' for n, k in zip(names, order, strict=True)]
    if not moves:
        return ""
    more = int((far > 1).sum()) - len(order)
    rest = f" and {counted(more, 'more column')}" if more > 0 else ""
    return f"in training deviations, where 0 and 1 are usual: {', '.join(moves)}{rest}"
