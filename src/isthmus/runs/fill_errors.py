"""How well a run fills gaps (missing values): its error on hidden validation cells, by column, saved with the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.batches import resident
from isthmus.data.batching.encoding import Encoding
from isthmus.data.samples import Samples
from isthmus.data.schema import TableColumn
from isthmus.data.series_layout import SeriesLayout
from isthmus.errors import ModelFileError
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.parts.column_likelihood import ColumnsLikelihood
from isthmus.randomness import generator_for
from isthmus.runs.artifacts import Artifacts
from isthmus.runs.linear_fill import LinearFill
from isthmus.training.prepared import Prepared

PART = "fill_errors"
MOST_ROWS = 5_000  # validation rows: few runs have more
NAMED = {"category", "yes-no"}  # kinds of columns whose values are names
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the linear answer: finer steps differ by less than a few dozen cells can show
CPU = torch.device("cpu")


class FillError(NamedTuple):
    """The error of one column, measured on `n` cells. `error` is the root mean square error of the filled values in the
    unit of the column, or the share of wrong names. `constant` is the error of always filling in `usual`, the mean or
    the most frequent name of the training data.
    """

    error: float
    constant: float
    n: int
    usual: float = math.nan  # older runs do not have it
    linear: float = 0.0  # the weight of the linear answer in the filled value; the rest is the network's

    @property
    def tells_nothing(self) -> bool:
        """Whether the other columns say so little about this one that the constant is the better answer."""
        return self.error >= self.constant and not math.isnan(self.usual)


def filled(
    model: AbstractModel, raw: np.ndarray, linear: LinearFill | None = None, shares: Sequence[float] = ()
) -> np.ndarray:
    """Raw rows (N, K) with their gaps (NaN) filled by the model; `shares` (K,) are the linear answer's weights."""
    x = resident(raw, model.preprocess, model.device)
    made = _x_hat(model, x)
    if linear is not None and any(shares):
        made = _mixed(model, made, linear.x_hat(x.cpu(), _encoding(model)), shares)
    return np.where(np.isnan(raw), model.preprocess.to_raw(made).numpy(), raw)


def _x_hat(model: AbstractModel, x: Tensor) -> Tensor:
    with torch.no_grad(), evaluation(model):
        return torch.cat([model.x_hat(part.to(model.device)).cpu() for part in x.split(MOST_ROWS)])


def _mixed(model: AbstractModel, made: Tensor, other: Tensor, shares: Sequence[float]) -> Tensor:
    """A weighted mean of both answers (N, D), with K weights by column for the second."""
    share = torch.tensor([shares[k] for k in _encoding(model).column_of], dtype=made.dtype)
    return (1 - share) * made + share * other


def _encoding(model: AbstractModel) -> Encoding:
    assert model.preprocess.encoding is not None
    return model.preprocess.encoding


def can_draw(model: AbstractModel) -> bool:
    """Whether gaps can be filled by random draws: this needs a stochastic code and learned deviations."""
    likelihood = model.likelihood
    return isinstance(likelihood, ColumnsLikelihood) and likelihood.learned and model.bottleneck.draws


def drawn(model: AbstractModel, raw: np.ndarray, n: int, seed: int) -> Iterator[np.ndarray]:
    """`filled`, n times: each time a code is drawn for each row, then values from the distribution it decodes to."""
    assert isinstance(model.likelihood, ColumnsLikelihood)
    x = resident(raw, model.preprocess, model.device)
    with torch.no_grad(), evaluation(model):
        for k in range(n):
            generator = generator_for(seed, k, "impute", device=model.device)
            parts = []
            for part in x.split(MOST_ROWS):
                params = model(part.to(model.device), sample=True, generator=generator).params.float()
                parts.append(model.preprocess.to_raw(model.likelihood.draw(params, generator)).cpu().numpy())
            yield np.where(np.isnan(raw), np.concatenate(parts), raw)


def keep_fill_errors(run_path: str | Path, prepared: Prepared, model: AbstractModel) -> None:
    """Measures and writes RUN/latent/fill_errors/ for a table with columns of several kinds; otherwise does nothing."""
    if model.preprocess.schema is None:
        return
    train = prepared.splits.train
    linear = None if model.preprocess.series is not None else _linear(model, train)
    found = measured(model, train, prepared.splits.validation, linear)
    about = {"columns": {name: list(error) for name, error in found.items()}}
    arrays = None if linear is None else {"mean": linear.mean, "covariance": linear.covariance}
    Artifacts(run_path, model.weights_sha256 or "").put(PART, about, arrays)


def _linear(model: AbstractModel, train: Samples) -> LinearFill | None:
    rows = train.x[:: -(-len(train) // MOST_ROWS)]
    return LinearFill.fit(resident(rows, model.preprocess, CPU), _encoding(model))


def measured(
    model: AbstractModel, train: Samples, held: Samples, linear: LinearFill | None = None
) -> dict[str, FillError]:
    """The error of each column, when only that column is hidden in all rows of `held` that have it. The weight of the
    linear answer is the one of SHARES that fills these cells best.
    """
    assert model.preprocess.schema is not None
    if model.preprocess.series is not None:
        return _of_windows(model, model.preprocess.series, train, held)
    found, raw = {}, held.x[:MOST_ROWS]
    for k, column in enumerate(model.preprocess.schema.modeled):
        rows = raw[~np.isnan(raw[:, k])]
        if not len(rows):
            continue
        hidden = rows.copy()
        hidden[:, k] = np.nan
        x = resident(hidden, model.preprocess, model.device)
        made = _x_hat(model, x)
        other = made if linear is None else linear.x_hat(x.cpu(), _encoding(model))
        errors = {}
        for share in SHARES if linear is not None else SHARES[:1]:
            mixed = _mixed(model, made, other, [share] * raw.shape[1])
            errors[share] = _error(rows[:, k], model.preprocess.to_raw(mixed)[:, k].numpy(), column.kind)
        best, usual = min(errors, key=lambda share: errors[share]), _usual(train.x[:, k], column)
        constant = _error(rows[:, k], usual, column.kind)
        found[column.name] = FillError(errors[best], constant, len(rows), usual, best)
    return found


def _of_windows(model: AbstractModel, series: SeriesLayout, train: Samples, held: Samples) -> dict[str, FillError]:
    """The error of each column, when it is hidden in one row of each window: in turn the first, the second …"""
    found, raw = {}, held.x[:MOST_ROWS].reshape(-1, series.window, series.n_columns)
    row = np.arange(len(raw)) % series.window
    for k, column in enumerate(series.rows.modeled):
        truth = raw[np.arange(len(raw)), row, k]
        there = ~np.isnan(truth)
        if not there.any():
            continue
        hidden = raw[there].copy()
        at = np.arange(len(hidden)), row[there], np.full(len(hidden), k)
        hidden[at] = np.nan
        made = filled(model, hidden.reshape(len(hidden), -1)).reshape(hidden.shape)[at]
        usual = _usual(train.x.reshape(len(train), series.window, -1)[:, 0, k], column)
        ours, constant = (_error(truth[there], answer, column.kind) for answer in (made, usual))
        found[column.name] = FillError(ours, constant, len(hidden), usual)
    return found


def linear_fill(run_path: str | Path, model: AbstractModel) -> LinearFill | None:
    """The linear answer saved with a run; None for older runs. Raises: ModelFileError if it is damaged."""
    kept, size = Artifacts(run_path, model.weights_sha256), _encoding(model).flags.count(False)
    arrays = kept.get(PART).arrays if kept.has(PART) else {}
    if "mean" not in arrays and "covariance" not in arrays:
        return None
    mean, covariance = arrays.get("mean"), arrays.get("covariance")
    if mean is None or covariance is None or mean.shape != (size,) or covariance.shape != (size, size):
        message = (
            f"latent/{PART} in {run_path} cannot be used: its means and covariances do not match the model's size."
        )
        raise ModelFileError("LATENT-FILE", message, fix=kept.remedy(PART))
    return LinearFill(mean, covariance)


def fill_errors(run_path: str | Path, weights: str | None) -> dict[str, FillError]:
    """The errors saved with a run; empty if there are none. Raises: ModelFileError if they are damaged."""
    kept = Artifacts(run_path, weights)
    if not kept.has(PART):
        return {}
    try:
        columns = kept.get(PART).about["columns"]
        return {
            str(name): FillError(float(e), float(c), int(n), *map(float, u)) for name, (e, c, n, *u) in columns.items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"latent/{PART} in {run_path} cannot be used: {error}."
        raise ModelFileError("LATENT-FILE", message, fix=kept.remedy(PART)) from None


def _usual(values: np.ndarray, column: TableColumn) -> float:
    """The most frequent name, or the mean, rounded as the column's values are."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0
    if column.kind in NAMED:
        return float(np.bincount(known.astype(np.int64)).argmax())
    mean, step = float(known.mean()), column.step
    if column.kind == "time":
        return round(mean / step) * step
    decimals = 0 if column.kind == "count" else column.decimals
    return mean if decimals is None else round(mean, decimals)


def _error(truth: np.ndarray, answer: np.ndarray | float, kind: str) -> float:
    if kind in NAMED:
        return float((truth != answer).mean())
    return float(np.sqrt(np.square(truth - answer).mean()))


__all__ = ["FillError", "can_draw", "drawn", "fill_errors", "filled", "keep_fill_errors", "linear_fill", "measured"]
