"""`NeighborDistance`: how far a row of numbers lies from its nearest training rows, by code and by error together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from torch import Tensor

from isthmus.data.batching.batches import resident
from isthmus.data.samples import Samples
from isthmus.models.abstract_model import AbstractModel
from isthmus.runs.error_signals import ErrorSignals, error_signals, has_density
from isthmus.tools.anomaly.nearest_rows import NearestRows

NEIGHBORS = 5  # 3 and 8 rank alike on the tables that chose; 1 follows single rows
# The error counts so that on validation rows it varies this much beside the code, and never less than itself: 0.1 to
# 0.25 rank alike on the tables that chose, 0.05 loses rows that lie off a plane. docs/experiments.md, "Odd rows".
SHARE = 0.15
# A distance is divided by the root of what is usual right there: half way, in logs, between the distance itself and its
# ratio to that of the neighbors. 0.35 and 0.65 rank alike, at 0.8 and 1 rows far from all others are lost.
POWER = 0.5
FEW = 50  # training rows at which half of that power is taken: the less they are, the less five of them tell of a place
LEAST_SCALE = 0.1  # of the usual distance is that of each row at least: five equal rows make no place endlessly dense
MOST_ROWS, MOST_VALUES = 10_000, 2**22  # of training rows that are kept: 54,000 rows of 10 columns score in seconds
FLOOR = 1e-3  # of the usual distance is added to each: a row that equals five others is not endlessly usual
Points = Float[np.ndarray, "N D"]


@dataclass(frozen=True)
class NeighborDistance:
    """The mean distance from the nearest of `reference` (R, Z + D): code beside `weight` times the error by column.

    A code and an error say where a row lies: together, at weight 1, where it lies among all rows. So at weight 1 the
    distance is nearly that in the table itself; above it counts more what the code cannot tell. `unit` is the usual
    distance, of rows that did not train. `log_scale` (R,) is the log of what a distance is divided by near each row of
    `reference`, by how far that row lies from its own neighbors; 0 for runs from before that.

    Source: the distance beside that of the neighbors, at power 1, is a form of the local outlier factor, Breunig et al.
    2000, LOF: identifying density-based local outliers, SIGMOD, section 4.
    """

    reference: np.ndarray
    weight: float
    unit: float
    log_scale: np.ndarray

    @classmethod
    def build(cls, train: tuple[Points, Points], watched: tuple[Points, Points]) -> NeighborDistance | None:
        """From codes and errors (N, Z), (N, D) of training rows and of validation rows; None of too few rows."""
        if len(train[0]) <= NEIGHBORS or not len(watched[0]):
            return None
        code, error = watched[0].var(0).sum(), np.square(watched[1]).sum(1).mean()
        weight = max(1.0, SHARE * float(np.sqrt(code / max(error, 1e-12))))
        reference = _joined(*train, weight).astype(np.float32)
        near = NearestRows(reference, NEIGHBORS).of(_joined(*watched, weight))[0]
        unit = float(near.mean()) or 1.0
        return cls(reference, weight, unit, log_scales(reference, unit))

    def measured(self, z: Points, errors: Points) -> Float[np.ndarray, "N 2"]:
        """The log of each row's mean distance over the usual one, less the mean of its neighbors' `log_scale`; and the
        share of the error in the square of the distance.
        """
        if not len(z):
            return np.zeros((0, 2))
        points = _joined(z, errors, self.weight)
        distances, rows = self.search.of(points)
        own = np.square(points[:, None, z.shape[1] :] - self.reference[rows][:, :, z.shape[1] :]).sum((1, 2))
        share = own / np.maximum(np.square(distances).sum(1), 1e-30)
        logs = np.log(distances.mean(1) / self.unit + FLOOR) - self.log_scale[rows].mean(1)
        return np.stack([logs, share.clip(0, 1)], 1)

    @cached_property
    def search(self) -> NearestRows:
        return NearestRows(self.reference, NEIGHBORS)


def log_scales(reference: Points, unit: float) -> Float[np.ndarray, " N"]:
    """power * log(mean distance of each row from its nearest others, over `unit`), power = POWER N / (N + FEW)."""
    N = len(reference)
    near = NearestRows(reference, NEIGHBORS + 1).of(reference.astype(np.float64))[0]  # the first is 0, to itself
    own = near[:, 1:].mean(1) / unit
    return POWER * N / (N + FEW) * np.log(np.maximum(own, LEAST_SCALE))


def rows_kept(n: int, width: int) -> slice:
    """Which of n training rows of that many values are kept: all, or so many, spread evenly."""
    most = max(NEIGHBORS + 1, min(MOST_ROWS, MOST_VALUES // width))
    return slice(None, None, -(-n // most))


def _joined(z: Points, errors: Points, weight: float) -> np.ndarray:
    return np.concatenate([z.astype(np.float64), weight * errors.astype(np.float64)], 1)


def near_signals(model: AbstractModel, data: Tensor, neighbors: NeighborDistance) -> ErrorSignals:
    """Of rows of numbers, resident or network input (N, D), with their distance from training rows."""
    found, errors = _with_errors(model, data)
    assert found.z is not None
    return found._replace(near=neighbors.measured(found.z, errors))


def _with_errors(model: AbstractModel, data: Tensor) -> tuple[ErrorSignals, np.ndarray]:
    found = error_signals(model, data, peaks=lambda errors: errors.flatten(1).numpy())
    assert found.peaks is not None
    return found._replace(peaks=None), found.peaks


def neighbors_of(model: AbstractModel, train: Samples, watched: Samples) -> NeighborDistance | None:
    """For tables of numbers with a code of few numbers; of as many training rows as are kept."""
    if model.preprocess.is_image or not has_density(model):
        return None
    kept = train.x[rows_kept(len(train), model.preprocess.size + model.z_size)]
    data = (resident(np.ascontiguousarray(x), model.preprocess, model.device) for x in (kept, watched.x))
    (own, errors), (others, their_errors) = (_with_errors(model, x) for x in data)
    assert own.z is not None
    assert others.z is not None
    return NeighborDistance.build((own.z, errors), (others.z, their_errors))


__all__ = ["NEIGHBORS", "NeighborDistance", "log_scales", "near_signals", "neighbors_of", "rows_kept"]
