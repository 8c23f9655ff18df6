"""Decoded rows in the type of the run's training data, for Python: `Run.sample`, `Run.decode`."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from isthmus.data.tables.column_types import pandas_or_none, trained_frame
from isthmus.data.tables.given_frames import as_frame
from isthmus.runs.folder import RunFolder
from isthmus.tools.sampling.sampling import draw_samples


def as_trained(run: RunFolder, raw: np.ndarray) -> Any:
    """Raw samples (N, *shape) as a data frame if columns are of several kinds, or if the run was trained on one;
    otherwise, and for windows of a series, unchanged.
    """
    known = run.model.preprocess
    if known.is_image or known.series is not None:
        return raw
    if known.schema is not None:
        return trained_frame(raw, known.schema, known.frame)
    if not known.frame or known.columns is None:
        return raw
    pandas = pandas_or_none() if known.frame == "pandas" else None
    make: Any = pl.DataFrame if pandas is None else pandas.DataFrame
    return make(known.cells(raw))


def drawn_like_training(run: RunFolder, n: int, **settings: Any) -> Any:
    """n new samples as `as_trained` returns them; `settings` and errors are those of `draw_samples`."""
    return as_trained(run, draw_samples(run, n, **settings).x)


def decoded_rows(run: RunFolder, z: Any) -> Any:
    """Decodes codes z (N, z_size) like `Model.decode`; for columns of several kinds the result is always a data frame,
    because an array cannot hold names.
    """
    known = run.model.preprocess
    found = run.coder.decode(z)
    if known.schema is None or known.series is not None or as_frame(z) is not None:
        return found
    return as_trained(run, np.asarray(found).reshape(-1, len(known.schema.modeled)))


__all__ = ["as_trained", "decoded_rows", "drawn_like_training"]
