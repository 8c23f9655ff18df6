"""Gaps of a table that medians of the training data will fill."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.data.numeric import blocks
from isthmus.data.tables.columns import quoted
from isthmus.data.tables.findings import Findings
from isthmus.errors import DataError
from isthmus.wording import counted, printable


def kept_gaps(
    matrix: np.ndarray, findings: Findings, features: Sequence[int], *, predicting: bool = False
) -> tuple[str, ...]:
    """A note on the NaN that `--missing median` leaves in `matrix` until the training data is known.

    `features` are the table indices of the columns of `matrix`. A trained model (`predicting`) has its own medians.

    Raises: DataError if a column is empty.
    """
    if not findings.n_missing or findings.options.missing != "median":
        return ()
    gaps = np.sum([np.isnan(part).sum(0) for part in blocks(matrix)], axis=0)
    for name in (findings.columns[c] for c, n in zip(features, gaps, strict=True) if n == len(matrix)):
        if not predicting:
            message = f'{findings.name}: column "{printable(name)}" is empty, so it has no median.'
            raise DataError("DATA-MISSING", message, fix=f"leave it out with --drop-column {quoted(name)}")
    n, n_columns = int(gaps.sum()), int(np.count_nonzero(gaps))
    if not n:
        return ()
    what = f"{counted(n, 'missing value')} in {counted(n_columns, 'column')}"
    return (f"{findings.name}: {what}; they are filled with the medians of the training data.",)


__all__ = ["kept_gaps"]
