"""How well a model of a time series fills in a hidden row, compared with a line between the neighboring rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.batches import resident
from isthmus.data.samples import Samples
from isthmus.models.abstract_model import AbstractModel, evaluation

MOST_WINDOWS = 2_000  # that are used: enough to know the error to a few percent
LEAST_WINDOW = 3  # rows: one in the middle and one on either side
QUANTITIES = {"number", "count"}


def row_filling(model: AbstractModel, test: Samples) -> dict[str, Any]:
    """The `filling` block: mean squared errors, relative to the variances of the columns, for the middle row of each
    test window, which is hidden from the model: of the model, of the line between the neighboring rows, of the row
    before, and of the mean.

    Empty for windows of fewer than three rows, and if no column is a number or a count.
    """
    preprocess = model.preprocess
    layout, known = preprocess.series, preprocess.of_rows
    if layout is None or known.encoding is None or layout.window < LEAST_WINDOW or not len(test):
        return {}
    columns = [k for k, c in enumerate(layout.rows.modeled) if c.kind in QUANTITIES]
    raw = test.x[np.linspace(0, len(test) - 1, min(len(test), MOST_WINDOWS)).round().astype(np.int64)]
    middle = layout.window // 2
    x = _by_row(resident(raw, preprocess, model.device).cpu(), layout.window)
    values = [known.encoding.places[k].start for k in columns]
    rows = raw.reshape(len(raw), layout.window, -1)[:, :, columns]
    there = torch.from_numpy(~np.isnan(rows[:, middle - 1 : middle + 2]).any(1))  # known in all three rows
    if not columns or not bool(there.any()):
        return {}
    filled = _by_row(_filled(model, raw, middle), layout.window)[:, middle, values]
    before, truth, after = (x[:, middle + at, values] for at in (-1, 0, 1))
    answers = {"model": filled, "line": (before + after) / 2, "last": before, "mean": torch.zeros_like(truth)}
    return {name: {"mse": float((answer - truth)[there].double().square().mean())} for name, answer in answers.items()}


def _by_row(x: Tensor, window: int) -> Tensor:
    return x.reshape(len(x), window, -1)


def _filled(model: AbstractModel, raw: np.ndarray, row: int) -> Tensor:
    """The model's output for windows in which that row is hidden, (n, D)."""
    assert model.preprocess.series is not None
    hidden = raw.reshape(len(raw), model.preprocess.series.window, -1).copy()
    hidden[:, row] = np.nan
    x = resident(hidden.reshape(len(raw), -1), model.preprocess, model.device)
    with torch.no_grad(), evaluation(model):
        return torch.cat([model.x_hat(part.to(model.device)).cpu() for part in x.split(MOST_WINDOWS)])


__all__ = ["row_filling"]
