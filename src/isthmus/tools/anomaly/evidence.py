"""`Evidence`: what a run keeps about its validation samples, so that new samples can be scored against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from isthmus.data.batching.batches import in_order, resident
from isthmus.data.batching.split import Splits, held_apart
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.runs.artifacts import Artifact, Artifacts
from isthmus.runs.error_signals import (
    EVIDENCE,
    LEAST_ERROR,
    ErrorSignals,
    gaps,
    has_density,
    hidden_costs,
    passes,
)
from isthmus.tools.anomaly.local_errors import SMOOTHED, blurred, fineness
from isthmus.tools.anomaly.measures import (
    OF_NEIGHBORS,
    OF_NEW_NEIGHBORS,
    OF_PLACES,
    AbstractMeasure,
    HiddenColumns,
    PlaceErrors,
    PlainErrors,
    RowDistances,
    measure_of,
)
from isthmus.tools.anomaly.neighbor_distance import neighbors_of, rows_kept
from isthmus.training.prepared import Prepared

LEAST_SPREAD = 0.1  # of the mean over all values is added to each: a border that is always black has no error
FEW = 50  # with more images than this, a pixel is judged mostly by its own mean, not by that of all pixels
SHARE = 0.5  # share of validation samples used for calibration, for old runs without a calibration part
KNOWN = {"watched", "log_error", "spread", "usual", "z", "groups"} | OF_PLACES | OF_NEIGHBORS | OF_NEW_NEIGHBORS
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of a column: alternative values for blame


@dataclass(frozen=True)
class Evidence:
    """What a run keeps about its validation samples, which were not trained on.

    From the samples used to choose the best epoch: their signals `watched` by the `measure`, and `usual` (Q, D),
    quantiles of each column of a table of numbers. From the other samples: their signals `calibration`, and `groups`
    (n,), equal for samples that belong together. `untouched` is false if the latter also helped to choose the epoch.
    """

    measure: AbstractMeasure
    watched: ErrorSignals
    calibration: ErrorSignals
    usual: np.ndarray
    untouched: bool
    groups: np.ndarray | None = None

    @classmethod
    def build(cls, prepared: Prepared, model: AbstractModel, *, untouched: bool = True) -> Evidence:
        """Measured on the two parts of the validation data, by deterministic passes."""
        training = prepared.config.training
        share = training.calibration if untouched else SHARE
        rule = prepared.config.data.split
        watched, held = held_apart(prepared.splits.validation, share, training.seed, rule=rule)
        held = replace(held, groups=None) if rule == "shuffled" else held
        beside = _beside(model, prepared.splits)
        return cls.of_parts(model, prepared.splits.train, watched, held, beside=beside, untouched=untouched)

    @classmethod
    def of_parts(
        cls, model: AbstractModel, train: Samples, watched: Samples, held: Samples, *,
        beside: Sequence[Samples] = (), untouched: bool = True,
    ) -> Evidence:  # fmt: skip
        """From the samples that trained the model, those that chose its epoch, and those that calibrate, with their
        groups if they have any. `beside` are more normal samples that were not trained on, including the watched and
        the calibration ones.
        """
        measure = _fitting_measure(model, (train, *beside), watched)
        parts = (resident(part.x, model.preprocess, model.device) for part in (watched, held))
        seen, calibration = (measure.signals(model, x, among=bool(beside)) for x in parts)
        return cls(measure, seen, calibration, _usual(model, watched), untouched, held.groups)

    def as_part(self) -> Artifact:
        """The form in which it is saved in the run folder."""
        arrays = {"watched": self.watched.log_error, "log_error": self.calibration.log_error, "usual": self.usual}
        more = {"z": self.calibration.z, "groups": self.groups}
        more |= {"peaks": self.watched.peaks, "held_peaks": self.calibration.peaks}
        more |= {"near": self.watched.near, "held_near": self.calibration.near}
        arrays |= {name: value for name, value in more.items() if value is not None}
        return Artifact({"untouched": self.untouched}, arrays | self.measure.arrays())

    @classmethod
    def from_part(cls, part: Artifact, model: AbstractModel) -> Evidence:
        """Raises: ModelFileError if the arrays do not match the model."""
        arrays = part.arrays
        try:
            if unknown := set(arrays) - KNOWN:
                raise ValueError(f"it has an unknown array, {min(unknown)}")
            watched = ErrorSignals(arrays["watched"], None, arrays.get("peaks"), arrays.get("near"))
            held = (arrays.get(name) for name in ("z", "held_peaks", "held_near"))
            calibration = ErrorSignals(arrays["log_error"], *held)
            known = arrays["usual"], bool(part.about["untouched"]), arrays.get("groups")
            found = cls(measure_of(arrays, model), watched, calibration, *known)
            found._check(model)
            return found
        except (KeyError, TypeError, ValueError) as error:
            message = f"latent/{EVIDENCE} in the run folder cannot be used: {error}."
            raise ModelFileError(
                "LATENT-FILE", message, fix=f"remove RUN/latent/{EVIDENCE}; it is recreated when it is needed"
            ) from None

    def _check(self, model: AbstractModel) -> None:
        """Raises: ValueError if sizes do not match the model, or each other."""
        n, z = len(self.calibration.log_error), self.calibration.z
        if self.groups is not None and self.groups.shape != (n,):
            raise ValueError("its groups do not match its samples")
        if (None if z is None else z.shape) != ((n, model.z_size) if has_density(model) else None):
            raise ValueError("its arrays do not match the model's size")
        if misfit := self.measure.misfit(self.watched, self.calibration, model):
            raise ValueError(misfit)


def keep_evidence(run_path: str | Path, prepared: Prepared, model: AbstractModel) -> None:
    """Writes to RUN/latent/ what scoring needs about the validation data, for a newly trained run."""
    if prepared.splits.series is not None:  # rows of a series are scored, not windows
        return
    evidence = Evidence.build(prepared, model, untouched=prepared.config.training.calibration > 0)
    Artifacts(run_path, model.weights_sha256 or "").put(EVIDENCE, *evidence.as_part())


def _beside(model: AbstractModel, splits: Splits) -> tuple[Samples, ...]:
    """The drawn rows that new rows are compared with, besides the training rows: all, or none of a large table, where
    only some rows can be kept, or of groups, whose rows are closer to each other than to new rows.
    """
    n, width = sum(map(len, (splits.train, *splits.drawn))), model.preprocess.size + model.z_size
    keeps_all = rows_kept(n, width).step == 1
    return splits.drawn if keeps_all and splits.validation.groups is None else ()


def _fitting_measure(model: AbstractModel, normal: Sequence[Samples], watched: Samples) -> AbstractMeasure:
    """The measure for the type of the samples, fitted to the watched ones; rows are compared with the normal ones."""
    if model.preprocess.encoding is not None:
        return HiddenColumns(_usual_costs(model, watched))
    if model.preprocess.is_image:
        return _of_places(model, watched)
    spread = _spread(model, watched)
    neighbors = neighbors_of(model, normal, watched)
    return PlainErrors(spread) if neighbors is None else RowDistances(spread, neighbors)


def _usual_costs(model: AbstractModel, watched: Samples) -> np.ndarray:
    """(K,): the usual cost of each column when it is hidden, at least a tenth of the mean over all columns."""
    encoding = model.preprocess.encoding
    assert encoding is not None
    with torch.no_grad(), evaluation(model):
        data = resident(watched.x, model.preprocess, model.device)
        x = torch.cat(list(in_order(data, model.preprocess, model.device)))
        known = (~encoding.missing(x)).sum(0).clamp(min=1).cpu()
        mean = (hidden_costs(model, x).sum(0) / known).numpy()
    return np.maximum(mean, max(LEAST_SPREAD * float(mean.mean()), LEAST_ERROR))


def _spread(model: AbstractModel, watched: Samples) -> np.ndarray:
    """(D,): the mean squared error of each value."""
    squares = sum(gaps(model, x, x_hat).double().square().sum(0) for x, x_hat in passes(model, watched.x))
    return _with_floor(torch.as_tensor(squares).flatten().numpy() / len(watched))


def _of_places(model: AbstractModel, watched: Samples) -> PlaceErrors:
    """Mean squares of errors and smoothed errors, and mean and deviation of the fineness, for images."""
    shape, n = model.preprocess.shape, len(watched)
    squares, powers = (torch.zeros(2, *sides, dtype=torch.float64) for sides in (shape, shape[-2:]))
    for x, x_hat in passes(model, watched.x):
        errors = gaps(model, x, x_hat).double()
        found = fineness(errors)
        squares += torch.stack([e.square().sum(0) for e in (errors, blurred(errors, SMOOTHED))])
        powers += torch.stack([found.sum(0), found.square().sum(0)])
    spread, smoothed = (_with_floor(part.flatten().numpy() / n) for part in squares)
    return PlaceErrors(spread, smoothed, _moments(powers.flatten(1).numpy() / n, n), shape)


def _moments(powers: np.ndarray, n: int) -> np.ndarray:
    """Mean and standard deviation (2, P) at each of P pixels, from means of values and of squares (2, P) of n samples.

    The fewer samples, the closer each pixel is to the average over all pixels.
    """
    mean, square = powers
    share = n / (n + FEW)
    variance = np.maximum(square - mean**2, 0)
    overall = max(float(square.mean() - mean.mean() ** 2), LEAST_ERROR)
    return np.stack([share * mean + (1 - share) * mean.mean(), np.sqrt(share * variance + (1 - share) * overall)])


def _with_floor(spread: np.ndarray) -> np.ndarray:
    return spread + max(LEAST_SPREAD * float(spread.mean()), LEAST_ERROR)


def _usual(model: AbstractModel, watched: Samples) -> np.ndarray:
    """Quantiles (Q, D) of each column of a table of numbers, as network input; none for other data."""
    if model.preprocess.is_image or model.preprocess.encoding is not None:
        return np.zeros((0, model.preprocess.size), np.float32)
    x = model.preprocess.to_x(torch.from_numpy(np.array(watched.x)))
    return torch.quantile(x, torch.tensor(QUANTILES), dim=0).numpy()


__all__ = ["Evidence", "keep_evidence"]
