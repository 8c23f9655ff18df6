"""`NeighborDistance`: the distance of a row of numbers from its nearest training rows, by code and error together."""

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

NEIGHBORS = 5  # 3 and 8 rank equally well on the tables used to choose it; 1 depends on single rows
# Weight of the error: on validation rows, the weighted error varies at least this much relative to the code, and the
# weight is at least 1. 0.1 to 0.25 rank equally well on the tables used to choose it; 0.05 misses rows off a plane.
# docs/experiments.md, "Odd rows".
SHARE = 0.15
# Distances are divided by this power of the usual distance nearby: half way, in logs, between the distance itself and
# its ratio to that of the neighbors. 0.35 and 0.65 rank equally well; 0.8 and 1 miss rows far from all others.
POWER = 0.5
FEW = 50  # training rows at which half of that power is used: with few rows, five say little about the density nearby
LEAST_SCALE = 0.1  # least distance to neighbors, relative to the usual one; between equal rows it would be 0
MOST_ROWS, MOST_VALUES = 10_000, 2**22  # of training rows that are kept: 54,000 rows of 10 columns score in seconds
FLOOR = 1e-3  # added to each distance, relative to the usual one: a row equal to five others has a finite score
EQUAL = 1e-5  # relative to the length of a row: closer rows differ only by rounding
TAIL = 0.2  # nats per nat of the most extreme value: 0.1 and 0.25 rank equally well; at 0.5, neighbors count too little
Points = Float[np.ndarray, "N D"]


class EncodedRows(NamedTuple):
    """Rows of numbers as a model sees them: codes (N, Z), errors (N, D) and network input (N, D)."""

    z: Points
    errors: Points
    x: Points

    def joined(self, weight: float) -> Points:
        """Code and weighted errors, concatenated: the space in which distances are measured."""
        return np.concatenate([self.z.astype(np.float64), weight * self.errors.astype(np.float64)], 1)


@dataclass(frozen=True)
class NeighborDistance:
    """The mean distance from the nearest of `reference` (R, Z + D): the code and `weight` times the error by column.

    Code and error together determine a row. At weight 1 the distance is nearly that in the table itself; a larger
    weight counts more what the code does not capture. `unit` is the usual distance of rows that were not trained on.
    `log_scale` (R,) is the log of the divisor of distances near each row of `reference`, from the distance of that row
    to its own neighbors; 0 for old runs. `tails` finds single extreme values; None for old runs.

    A row that is in `reference` is compared only with the others. So calibration rows can be in it, and are measured
    like new rows: as a new row that equals one of `reference` is taken for it, a calibration row that equals another
    one is compared without that one too.

    Source: the distance relative to that of the neighbors, at power 1, is a form of the local outlier factor, Breunig
    et al. 2000, LOF: identifying density-based local outliers, SIGMOD, section 4.
    """

    reference: np.ndarray
    weight: float
    unit: float
    log_scale: np.ndarray
    tails: ColumnTails | None = None

    @classmethod
    def build(cls, normal: EncodedRows, watched: EncodedRows) -> NeighborDistance | None:
        """From normal rows, and validation rows, which may be among them; None if there are too few rows."""
        if len(normal.z) <= NEIGHBORS + 1 or not len(watched.z):
            return None
        code, error = watched.z.var(0).sum(), np.square(watched.errors).sum(1).mean()
        weight = max(1.0, SHARE * float(np.sqrt(code / max(error, 1e-12))))
        reference = normal.joined(weight).astype(np.float32)
        found = cls(reference, weight, 1.0, np.zeros(len(reference)), ColumnTails.build(normal.x))
        unit = float(found._near(watched.joined(weight))[0].mean()) or 1.0
        return replace(found, unit=unit, log_scale=log_scales(reference, unit))

    def measured(self, rows: EncodedRows, *, among: bool = False) -> Float[np.ndarray, "N K"]:
        """The log of each row's mean distance relative to the usual one, minus the mean `log_scale` of its neighbors;
        the share of the error in the squared distance; and, with `tails`, the nats of its most extreme value. `among`:
        all rows are in `reference`, as calibration rows.
        """
        if not len(rows.z):
            return np.zeros((0, self.n_signals))
        points, Z = rows.joined(self.weight), rows.z.shape[1]
        distances, places, own = self._near(points, among=among)
        squares = np.square(points[:, None, Z:] - self.reference[places][:, :, Z:]).sum((1, 2))
        share = squares / np.maximum(np.square(distances).sum(1), 1e-30)
        scales = self._scales_without(points, places) if among else self.log_scale[places]
        logs = np.log(distances.mean(1) / self.unit + FLOOR) - scales.mean(1)
        tails = [] if self.tails is None else [self.tails.nats(rows.x, own)]
        return np.stack([logs, share.clip(0, 1), *tails], 1)

    @property
    def n_signals(self) -> int:
        """The number of values that `measured` returns per row."""
        return 2 if self.tails is None else 3

    @cached_property
    def search(self) -> NearestRows:
        return NearestRows(self.reference, NEIGHBORS + 1)

    @cached_property
    def _search_among(self) -> NearestRows:
        return NearestRows(self.reference, NEIGHBORS + 2)

    @cached_property
    def _within(self) -> tuple[np.ndarray, np.ndarray]:
        """Distances and indices (R, k) of the rows nearest to each row of `reference`, itself first."""
        return self._search_among.of(self.reference.astype(np.float64))

    def _near(self, points: Points, *, among: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distances and indices (N, k) of the nearest other rows, and (N,) how many nearer ones are left out: the row
        itself, if `among`, and one that is equal.
        """
        distances, places = (self._search_among if among else self.search).of(points)
        own = among + (distances[:, int(among)] <= EQUAL * np.linalg.norm(points, axis=1)).astype(np.int64)
        others = own[:, None] + np.arange(NEIGHBORS)
        return np.take_along_axis(distances, others, 1), np.take_along_axis(places, others, 1), own

    def _scales_without(self, points: Points, places: np.ndarray) -> Float[np.ndarray, "N K"]:
        """`log_scale` of the rows at `places` (N, K), if each of the points, which are in `reference`, were not."""
        itself = self.search.of(points)[1][:, :1, None]
        distances, others = self._within
        there = others[places][:, :, 1:] != itself
        nearest = there & (there.cumsum(2) <= NEIGHBORS)
        return _log_scale((distances[places][:, :, 1:] * nearest).sum(2) / NEIGHBORS / self.unit, len(self.reference))


def log_scales(reference: Points, unit: float) -> Float[np.ndarray, " N"]:
    """power * log(mean distance of each row to its nearest others / `unit`), with power = POWER N / (N + FEW)."""
    near = NearestRows(reference, NEIGHBORS + 1).of(reference.astype(np.float64))[0]  # the first is the row itself
    return _log_scale(near[:, 1:].mean(1) / unit, len(reference))


def _log_scale(distances: np.ndarray, n: int) -> np.ndarray:
    return POWER * n / (n + FEW) * np.log(np.maximum(distances, LEAST_SCALE))


def rows_kept(n: int, width: int) -> slice:
    """Which of n rows with `width` values are kept: all, or as many as allowed, spread evenly."""
    most = max(NEIGHBORS + 2, min(MOST_ROWS, MOST_VALUES // width))
    return slice(None, None, -(-n // most))


def near_signals(
    model: AbstractModel, data: Tensor, neighbors: NeighborDistance, *, among: bool = False
) -> ErrorSignals:
    """The signals of rows of numbers, resident or network input (N, D), with their distance from normal rows, `among`
    which they may be.
    """
    found, rows = _rows_of(model, data)
    return found._replace(near=neighbors.measured(rows, among=among))


def _rows_of(model: AbstractModel, data: Tensor) -> tuple[ErrorSignals, EncodedRows]:
    found = error_signals(model, data, peaks=lambda errors: errors.flatten(1).numpy())
    assert found.peaks is not None
    assert found.z is not None
    batches = in_order(data, model.preprocess, model.device) if len(data) else ()
    x = np.concatenate([found.peaks[:0], *(x.cpu().numpy() for x in batches)])
    return found._replace(peaks=None), EncodedRows(found.z, found.peaks, x)


def neighbors_of(model: AbstractModel, normal: Sequence[Samples], watched: Samples) -> NeighborDistance | None:
    """The distance from the kept rows of `normal`; None unless the data is a table of numbers with a small code."""
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
