"""The signals that anomaly scores are based on: one class for images, one for rows of numbers, one for columns of
several kinds, and one for everything else.

Each class measures signals, converts one of them to nats, divides the nats into parts, and lists alternative values
for a row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.models.abstract_model import AbstractModel
from isthmus.runs.error_signals import ErrorSignals, error_signals, passes
from isthmus.tools.anomaly.column_tails import ColumnTails
from isthmus.tools.anomaly.local_errors import MAPS, LocalErrors, local_nats
from isthmus.tools.anomaly.neighbor_distance import NEIGHBORS, TAIL, NeighborDistance, near_signals

Arrays = Mapping[str, np.ndarray]


ALTERNATIVES = 8  # per column, roughly: the reconstruction and some quantiles
COMPARED = 8  # comparing with this many rows takes as long as sending one value through the model
COPIED = 4  # copying this many values of an encoded row takes as long: most are zeros of one-hot names
Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


class AbstractMeasure(ABC):
    """Measures signals of samples, and stores those of normal samples.

    `takes_density`: whether the density of the codes counts too. `has_local`: whether an unusual place counts.
    """

    takes_density: bool
    has_local: bool

    @abstractmethod
    def signals(self, model: AbstractModel, data: Tensor, *, among: bool = False) -> ErrorSignals:
        """The signals of resident samples or network input (n, *shape), by a deterministic pass. `among`: all of them
        are among the normal rows that new rows are compared with, if there are such.
        """

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that are saved in the run folder, by name."""

    @abstractmethod
    def misfit(self, watched: ErrorSignals, held: ErrorSignals, model: AbstractModel) -> str:
        """Which saved arrays do not match the model, or each other; "" if all do."""

    @abstractmethod
    def log_of(self, found: ErrorSignals) -> np.ndarray:
        """The signal (n,) that is normally distributed for normal samples."""

    @abstractmethod
    def divided(self, nats: np.ndarray, code: np.ndarray, found: ErrorSignals, watched: ErrorSignals) -> Parts:
        """(error, code, local), (n,) each, from the nats of `log_of` and those of the density of the code."""

    @abstractmethod
    def alternatives(self, model: AbstractModel, x: Tensor, usual: Tensor) -> Iterator[Tensor]:
        """For each column, the rows x (N, D) with alternative values in only that column, (N, A, D); `usual` (Q, D)."""

    def blame_values(self, model: AbstractModel) -> int:
        """About how many values must go through the model to find the columns to blame for one row."""
        D = model.preprocess.size
        return D * ALTERNATIVES * D

    @abstractmethod
    def heat(self, errors: Tensor) -> Tensor:
        """The errors (n, *shape), relative to the usual ones."""


@dataclass(frozen=True)
class PlainErrors(AbstractMeasure):
    """Plain errors: for old runs, and for tables with a large code or hardly any rows.

    `spread` (D,) are the usual squared errors.
    """

    spread: np.ndarray
    takes_density, has_local = True, False

    def signals(self, model: AbstractModel, data: Tensor, *, among: bool = False) -> ErrorSignals:
        return error_signals(model, data)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"spread": self.spread}

    def misfit(self, watched: ErrorSignals, held: ErrorSignals, model: AbstractModel) -> str:
        return "" if self.spread.shape == (model.preprocess.size,) else "its arrays do not match the model's size"

    def log_of(self, found: ErrorSignals) -> np.ndarray:
        return found.log_error

    def divided(self, nats: np.ndarray, code: np.ndarray, found: ErrorSignals, watched: ErrorSignals) -> Parts:
        return nats, code, np.zeros(len(nats))

    def alternatives(self, model: AbstractModel, x: Tensor, usual: Tensor) -> Iterator[Tensor]:
        return reconstructed_or_usual(model, x, usual)

    def heat(self, errors: Tensor) -> Tensor:
        return _beside(errors, self.spread)


@dataclass(frozen=True)
class PlaceErrors(AbstractMeasure):
    """Errors of images, and of their most unusual place by `LocalErrors`.

    For normal images of `shape`: `spread` and `smoothed` (D,) are the mean squares of the errors and of the smoothed
    errors, `fine` (2, H W) mean and standard deviation of their fineness.
    """

    spread: np.ndarray
    smoothed: np.ndarray
    fine: np.ndarray
    shape: tuple[int, ...]
    takes_density, has_local = True, True

    @cached_property
    def local(self) -> LocalErrors:
        usual = (torch.from_numpy(part).reshape(self.shape) for part in (self.spread, self.smoothed))
        return LocalErrors(*usual, *torch.from_numpy(self.fine).reshape(2, *self.shape[1:]))

    def signals(self, model: AbstractModel, data: Tensor, *, among: bool = False) -> ErrorSignals:
        return error_signals(model, data, peaks=self.local.peaks)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"spread": self.spread, "smoothed": self.smoothed, "fine": self.fine}

    def misfit(self, watched: ErrorSignals, held: ErrorSignals, model: AbstractModel) -> str:
        C, H, W = model.preprocess.shape
        found = [_shape(part) for part in (self.spread, self.smoothed, self.fine, watched.peaks, held.peaks)]
        n = [(len(part.log_error), MAPS) for part in (watched, held)]
        wanted = [(C * H * W,), (C * H * W,), (2, H * W), *n]
        return "" if found == wanted else "its local errors do not match the model's size"

    def log_of(self, found: ErrorSignals) -> np.ndarray:
        return found.log_error

    def alternatives(self, model: AbstractModel, x: Tensor, usual: Tensor) -> Iterator[Tensor]:
        raise NotImplementedError("images have no columns")

    def divided(self, nats: np.ndarray, code: np.ndarray, found: ErrorSignals, watched: ErrorSignals) -> Parts:
        assert found.peaks is not None
        assert watched.peaks is not None
        return nats, code, local_nats(found.peaks, watched.peaks)

    def heat(self, errors: Tensor) -> Tensor:
        return self.local.heat(errors)


@dataclass(frozen=True)
class HiddenColumns(AbstractMeasure):
    """The cost of each column when it is hidden, if columns are of several kinds; `usual` (K,) is its usual cost.

    How well columns predict each other detects odd rows better than how rare a code is: docs/experiments.md.
    """

    usual: np.ndarray
    takes_density, has_local = False, False

    def signals(self, model: AbstractModel, data: Tensor, *, among: bool = False) -> ErrorSignals:
        return error_signals(model, data, usual=self.usual)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"spread": self.usual}

    def misfit(self, watched: ErrorSignals, held: ErrorSignals, model: AbstractModel) -> str:
        encoding = model.preprocess.encoding
        known = encoding is not None and self.usual.shape == (len(encoding.blocks),)
        return "" if known else "its arrays do not match the model's size"

    def log_of(self, found: ErrorSignals) -> np.ndarray:
        return found.log_error

    def divided(self, nats: np.ndarray, code: np.ndarray, found: ErrorSignals, watched: ErrorSignals) -> Parts:
        return nats, code, np.zeros(len(nats))

    def alternatives(self, model: AbstractModel, x: Tensor, usual: Tensor) -> Iterator[Tensor]:
        """A gap, which costs nothing and does not mislead any other column."""
        encoding = model.preprocess.encoding
        assert encoding is not None
        for k in range(len(encoding.blocks)):
            hidden = torch.zeros(len(x), len(encoding.blocks), dtype=torch.bool)
            hidden[:, k] = True
            yield encoding.hidden(x, hidden)[:, None]

    def blame_values(self, model: AbstractModel) -> int:
        """Each column is hidden together with each other one."""
        K = len(self.usual)
        return K * K * max(ALTERNATIVES, model.preprocess.size // COPIED)

    def heat(self, errors: Tensor) -> Tensor:
        raise NotImplementedError("columns of several kinds have no places")


@dataclass(frozen=True)
class RowDistances(AbstractMeasure):
    """The distance of rows of numbers from their nearest training rows; `spread` (D,) as in `PlainErrors`."""

    spread: np.ndarray
    neighbors: NeighborDistance
    takes_density, has_local = False, False

    def blame_values(self, model: AbstractModel) -> int:
        return max(super().blame_values(model), model.preprocess.size * len(self.neighbors.reference) // COMPARED)

    def signals(self, model: AbstractModel, data: Tensor, *, among: bool = False) -> ErrorSignals:
        return near_signals(model, data, self.neighbors, among=among)

    def arrays(self) -> dict[str, np.ndarray]:
        near, tails = self.neighbors, self.neighbors.tails
        known = {"reference": near.reference, "scale": np.array([near.weight, near.unit]), "log_scale": near.log_scale}
        ends = {} if tails is None else {"ends": tails.ends, "ends_of": np.array([tails.n])}
        return {"spread": self.spread} | known | ends

    def misfit(self, watched: ErrorSignals, held: ErrorSignals, model: AbstractModel) -> str:
        D, rows = model.preprocess.size, len(self.neighbors.reference)
        parts = self.spread, self.neighbors.reference, self.neighbors.log_scale, watched.near, held.near
        found = [_shape(part) for part in parts]
        signals = [(len(part.log_error), self.neighbors.n_signals) for part in (watched, held)]
        tails = self.neighbors.tails
        fits = found == [(D,), (rows, D + model.z_size), (rows,), *signals] and rows > NEIGHBORS
        fits = fits and (tails is None or not tails.misfit(D))
        return "" if fits else "its neighbors do not match the model's size"

    def alternatives(self, model: AbstractModel, x: Tensor, usual: Tensor) -> Iterator[Tensor]:
        return reconstructed_or_usual(model, x, usual)

    def log_of(self, found: ErrorSignals) -> np.ndarray:
        assert found.near is not None
        return found.near[:, 0]

    def divided(self, nats: np.ndarray, code: np.ndarray, found: ErrorSignals, watched: ErrorSignals) -> Parts:
        """Divided by the shares of error and code in the squared distance; an extreme value counts as error."""
        assert found.near is not None
        share, tails = found.near[:, 1], found.near[:, 2:].sum(1)
        return share * nats + TAIL * tails, (1 - share) * nats, np.zeros(len(nats))

    def heat(self, errors: Tensor) -> Tensor:
        return _beside(errors, self.spread)


OF_NEW_NEIGHBORS = {"log_scale", "ends", "ends_of"}  # older runs lack them
OF_PLACES, OF_NEIGHBORS = {"smoothed", "fine", "peaks", "held_peaks"}, {"near", "held_near", "reference", "scale"}


def measure_of(arrays: Arrays, model: AbstractModel) -> AbstractMeasure:
    """The measure saved with a run. Raises: ValueError if only some of its arrays are there; KeyError for `spread`."""
    spread, names = arrays["spread"], set(arrays)
    for what, needed in (("local errors", OF_PLACES), ("neighbors", OF_NEIGHBORS)):
        if names & needed and not needed <= names:
            raise ValueError(f"some of its arrays of {what} are missing")
    if names >= OF_PLACES:
        return PlaceErrors(spread, arrays["smoothed"], arrays["fine"], model.preprocess.shape)
    if names >= OF_NEIGHBORS:
        weight, unit = map(float, arrays["scale"])
        log_scale = arrays.get("log_scale", np.zeros(len(arrays["reference"])))
        tails = ColumnTails(arrays["ends"], int(arrays["ends_of"][0])) if "ends" in names else None
        return RowDistances(spread, NeighborDistance(arrays["reference"], weight, unit, log_scale, tails))
    return PlainErrors(spread) if model.preprocess.encoding is None else HiddenColumns(spread)


def reconstructed_or_usual(model: AbstractModel, x: Tensor, usual: Tensor) -> Iterator[Tensor]:
    """Each column with its reconstruction, and with its usual values. The error of a column alone is not enough: an
    autoencoder spreads a wrong value over the reconstruction of all related columns.
    """
    N, D = x.shape
    x_hat = torch.cat([out.cpu() for _, out in passes(model, x)])
    for column in range(D):
        instead = torch.cat([x_hat[:, column, None], usual[:, column].expand(N, -1)], 1)  # (N, 1 + Q)
        changed = x[:, None].repeat(1, instead.shape[1], 1)
        changed[:, :, column] = instead
        yield changed


def _beside(errors: Tensor, spread: np.ndarray) -> Tensor:
    """Each error divided by its usual root mean square, (n, *shape)."""
    return (errors.square() / torch.from_numpy(spread).reshape(errors.shape[1:])).sqrt()


def _shape(part: Any) -> tuple[int, ...] | None:
    return None if part is None else part.shape


__all__ = [
    "OF_NEIGHBORS", "OF_NEW_NEIGHBORS", "OF_PLACES", "AbstractMeasure", "HiddenColumns", "PlaceErrors", "PlainErrors",
    "RowDistances", "measure_of",
]  # fmt: skip
