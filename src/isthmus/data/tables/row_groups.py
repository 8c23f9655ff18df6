"""Reads columnar tables that are larger than memory by groups of rows."""

from __future__ import annotations

import numpy as np
import polars as pl

from isthmus.config import DataConfig
from isthmus.data.numeric import Rounding, loses_digits
from isthmus.data.tables.columns import Plan
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.frames import (
    BLOCK,
    AbstractFrame,
    Table,
    matrix_of,
    numbers_in,
    refuse_types,
    shower_of,
    texts_of,
)
from isthmus.data.tables.growing_matrix import GrowingMatrix
from isthmus.system.scratch import fits


def table_of(frame: AbstractFrame, plan: Plan, findings: Findings, options: DataConfig) -> Table:
    """As `matrix_of`; if the matrix is too large for memory, it is read some rows at a time into a file.

    Raises: DataError if column types are not numeric; ResourceError if neither memory nor disk has enough room.
    """
    if fits(frame.n_rows * len(plan.features) * 4):
        return matrix_of(frame, plan, findings, options)
    refuse_types(frame, plan, findings.name)
    return _by_rows(frame, plan, findings, options)


def _by_rows(frame: AbstractFrame, plan: Plan, findings: Findings, options: DataConfig) -> Table:
    N, k, places = frame.n_rows, len(plan.features), list(plan.features)
    wide = np.float64 if options.digits == "float64" else np.float32
    matrix = GrowingMatrix(k, n_rows=N, what=findings.name, wide=wide)
    rounding, lossy, kept = Rounding(k), np.zeros(k, bool), np.zeros(N, bool)
    labels, unlabeled = texts_of(frame, plan.label, findings)
    groups, ungrouped = texts_of(frame, plan.group, findings)
    step = max(1, BLOCK // k)
    for at in range(0, N, step):
        block = frame.rows(places, at, step)
        numbers, part = numbers_in(block), slice(at, at + block.height)
        findings.add_cells(range(at + 1, at + 1 + block.height), numbers.missing, numbers.bad, shower_of(block), places)
        bad, incomplete = numbers.bad.any(1), numbers.missing.any(1) | unlabeled[part] | ungrouped[part]
        findings.n_rows_bad += int(bad.sum())
        findings.n_rows_missing += int(incomplete.sum())
        kept[part] = ~bad & ~incomplete if options.missing == "drop" else ~bad
        matrix.append(numbers.values[kept[part]])
        rounding.add(numbers.values)
        lossy |= loses_digits(numbers.values)
    findings.n_rows = N
    if not kept.all():
        labels, groups = (None if each is None else each.filter(pl.Series(kept)) for each in (labels, groups))
    anew = options.digits == "auto" and wide is np.float32 and bool(rounding.matters.any())
    return Table(matrix.finish(), labels, np.flatnonzero(kept), lossy, groups, anew)


__all__ = ["table_of"]
