"""Refuses values that cannot be trained on: gaps without an option to fill them, and targets outside the range of a
likelihood.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.batches import chunk_of
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.numeric import blocks, value_range
from isthmus.data.ranges import refuse_other_scale, within_unit
from isthmus.data.samples import Samples
from isthmus.errors import DataError


def refuse_gaps(samples: Samples, missing: str) -> None:
    """Raises: DataError for rows of a table with NaN unless `missing="median"`. Files and arrays were already checked
    when they were read; `Samples` may come from anywhere."""
    allowed = missing == "median" or samples.schema is not None
    if allowed or samples.is_image or not (n := sum(int(np.isnan(part).sum()) for part in blocks(samples.x))):
        return
    message = f"{samples.name}: {n:,} of {samples.x.size:,} values are NaN."
    raise DataError("DATA-MISSING", message, fix="remove or replace them, or pass --missing median")


def refuse_other_values(samples: Samples, preprocess: Preprocess) -> None:
    """Raises: DataError for images whose type or range shows that they are not on the scale of the training part."""
    if not samples.is_image or (samples.x.dtype == np.uint8 and preprocess.ends is None) or not samples.x.size:
        return
    low, high = value_range(samples.x)
    refuse_other_scale(preprocess.ends, str(samples.x.dtype), low, high)
    by_type = preprocess.offset is None and samples.x.dtype == np.float32
    if by_type and not within_unit(low, high):
        message = f"{samples.name}: float images have values from {low:g} to {high:g}; the model takes 0 to 1."
        raise DataError("DATA-RANGE", message, fix="divide by 255 if they were bytes, or pass uint8")


def refuse_out_of_range(x: Tensor, allowed: tuple[float, float] | None, *, what: str, likelihood: str) -> None:
    """Checks that targets are in the range of a likelihood, before the first epoch.

    Raises: DataError with the observed range, the likelihood and the fix.
    """
    if allowed is None or not len(x):
        return
    ends = [torch.aminmax(part) for part in x.split(chunk_of(x[0].numel()))]
    low, high = float(torch.stack([end.min for end in ends]).min()), float(torch.stack([end.max for end in ends]).max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(
            "DATA-RANGE", f"{what} holds NaN or infinite values.", fix="remove them, or pass --missing median"
        )
    if low < allowed[0] or high > allowed[1]:
        raise DataError(
            "DATA-RANGE",
            f"{what} has values from {low:g} to {high:g}, but the {likelihood} cost needs "
            f"{allowed[0]:g} to {allowed[1]:g}.",
            fix="pass --scale minmax to bring the data to [0, 1], or --loss gaussian for a squared error",
        )
