"""`NeighborDistance`: how far a row of numbers lies from its nearest training rows, by code and by error together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from isthmus.data.batching.batches import in_order, resident
from isthmus.data.samples import Samples
from isthmus.models.abstract_model import AbstractModel
from isthmus.runs.error_signals import ErrorSignals, error_signals, has_density
from isthmus.tools.anomaly.column_tails import ColumnTails
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
EQUAL = 1e-5  # of a row's length: nearer ones differ by rounding alone
TAIL = 0.2  # nats for each nat of the most extreme value: 0.1 and 0.25 rank alike, at 0.5 near rows count too little
Points = Float[np.ndarray, "N D"]


class EncodedRows(NamedTuple):
    """Rows of numbers as a model sees them: codes (N, Z), errors (N, D) and network input (N, D)."""

    z: Points
    errors: Points
    x: Points

    def joined(self, weight: float) -> Points:
        """Code and errors side by side, in which distances are taken."""
        return np.concatenate([self.z.astype(np.float64), weight * self.errors.astype(np.float64)], 1)


@dataclass(frozen=True)
class NeighborDistance:
    """The mean distance from the nearest of `reference` (R, Z + D): code beside `weight` times the error by column.

    A code and an error say where a row lies: together, at weight 1, where it lies among all rows. So at weight 1 the
    distance is nearly that in the table itself; above it counts more what the code cannot tell. `unit` is the usual
    distance, of rows that did not train. `log_scale` (R,) is the log of what a distance is divided by near each row of
    `reference`, by how far that row lies from its own neighbors; 0 for runs from before that. `tails` tell single
    values that are extreme; None for runs from before that.

    A row that is one of `reference` is compared with the others: so rows that calibrate can be among them, as a new
    row and they are then measured alike.

    Source: the distance beside that of the neighbors, at power 1, is a form of the local outlier factor, Breunig et al.
    2000, LOF: identifying density-based local outliers, SIGMOD, section 4.
    """

    reference: np.ndarray
    weight: float
    unit: float
    log_scale: np.ndarray
    tails: ColumnTails | None = None

    @classmethod
    def build(cls, normal: EncodedRows, watched: EncodedRows) -> NeighborDistance | None:
        """From normal rows, and validation rows, which may be among them; None of too few rows."""
        if len(normal.z) <= NEIGHBORS or not len(watched.z):
            return None
        code, error = watched.z.var(0).sum(), np.square(watched.errors).sum(1).mean()
        weight = max(1.0, SHARE * float(np.sqrt(code / max(error, 1e-12))))
        reference = normal.joined(weight).astype(np.float32)
        found = cls(reference, weight, 1.0, np.zeros(len(reference)), ColumnTails.build(normal.x))
        unit = float(found._near(watched.joined(weight))[0].mean()) or 1.0
        return replace(found, unit=unit, log_scale=log_scales(reference, unit))

    def measured(self, rows: EncodedRows) -> Float[np.ndarray, "N K"]:
        """The log of each row's mean distance over the usual one, less the mean of its neighbors' `log_scale`; the
        share of the error in the square of the distance; and the nats of its most extreme value, where `tails` are.
        """
        if not len(rows.z):
            return np.zeros((0, self.n_signals))
        points, Z = rows.joined(self.weight), rows.z.shape[1]
        distances, places, own = self._near(points)
        squares = np.square(points[:, None, Z:] - self.reference[places][:, :, Z:]).sum((1, 2))
        share = squares / np.maximum(np.square(distances).sum(1), 1e-30)
        logs = np.log(distances.mean(1) / self.unit + FLOOR) - self.log_scale[places].mean(1)
        tails = [] if self.tails is None else [self.tails.nats(rows.x, own)]
        return np.stack([logs, share.clip(0, 1), *tails], 1)

    @property
    def n_signals(self) -> int:
        """How many numbers `measured` gives of a row."""
        return 2 if self.tails is None else 3

    @cached_property
    def search(self) -> NearestRows:
        return NearestRows(self.reference, NEIGHBORS + 1)

    def _near(self, points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distances and places (N, k) of the nearest other rows, and 1 (N,) for rows that are in `reference`."""
        distances, places = self.search.of(points)
        own = (distances[:, 0] <= EQUAL * np.linalg.norm(points, axis=1)).astype(np.int64)
        others = own[:, None] + np.arange(NEIGHBORS)
        return np.take_along_axis(distances, others, 1), np.take_along_axis(places, others, 1), own


def log_scales(reference: Points, unit: float) -> Float[np.ndarray, " N"]:
    """power * log(mean distance of each row from its nearest others, over `unit`), power = POWER N / (N + FEW)."""
    N = len(reference)
    near = NearestRows(reference, NEIGHBORS + 1).of(reference.astype(np.float64))[0]  # the first is 0, to itself
    own = near[:, 1:].mean(1) / unit
    return POWER * N / (N + FEW) * np.log(np.maximum(own, LEAST_SCALE))


def rows_kept(n: int, width: int) -> slice:
    """Which of n rows of that many values are kept: all, or so many, spread evenly."""
    most = max(NEIGHBORS + 1, min(MOST_ROWS, MOST_VALUES // width))
    return slice(None, None, -(-n // most))


def near_signals(model: AbstractModel, data: Tensor, neighbors: NeighborDistance) -> ErrorSignals:
    """Of rows of numbers, resident or network input (N, D), with their distance from normal rows."""
    found, rows = _rows_of(model, data)
    return found._replace(near=neighbors.measured(rows))


def _rows_of(model: AbstractModel, data: Tensor) -> tuple[ErrorSignals, EncodedRows]:
    found = error_signals(model, data, peaks=lambda errors: errors.flatten(1).numpy())
    assert found.peaks is not None
    assert found.z is not None
    batches = in_order(data, model.preprocess, model.device) if len(data) else ()
    x = np.concatenate([found.peaks[:0], *(x.cpu().numpy() for x in batches)])
    return found._replace(peaks=None), EncodedRows(found.z, found.peaks, x)


def neighbors_of(model: AbstractModel, normal: Sequence[Samples], watched: Samples) -> NeighborDistance | None:
    """For tables of numbers with a code of few numbers; of as many rows of `normal` as are kept."""
    if model.preprocess.is_image or not has_density(model):
        return None
    some = rows_kept(sum(map(len, normal)), model.preprocess.size + model.z_size)
    parts = [_raw_rows(model, np.ascontiguousarray(samples.x[some])) for samples in normal]
    known = EncodedRows(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    return NeighborDistance.build(known, _raw_rows(model, watched.x))


def _raw_rows(model: AbstractModel, raw: np.ndarray) -> EncodedRows:
    return _rows_of(model, resident(raw, model.preprocess, model.device))[1]


__all__ = [
    "NEIGHBORS", "TAIL", "EncodedRows", "NeighborDistance", "log_scales", "near_signals", "neighbors_of", "rows_kept",
]  # fmt: skip
