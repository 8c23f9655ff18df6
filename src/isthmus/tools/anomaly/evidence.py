"""`Evidence`: what a run keeps of its validation samples, so that new ones can be scored beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.batches import in_order, resident
from isthmus.data.batching.split import held_apart
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.runs.artifacts import Artifact, Artifacts
from isthmus.runs.error_signals import (
    EVIDENCE,
    LEAST_ERROR,
    ErrorSignals,
    error_signals,
    gaps,
    has_density,
    hidden_costs,
    log_errors,
    log_surprise,
)
from isthmus.tools.anomaly.local_errors import MAPS, SMOOTHED, LocalErrors, blurred, fineness
from isthmus.tools.anomaly.neighbor_distance import NEIGHBORS, NeighborDistance, near_signals, neighbors_of
from isthmus.training.prepared import Prepared

LEAST_SPREAD = 0.1  # of the mean over all values is added to each: a border that is always black has no error at all
FEW = 50  # images from which on a pixel is mostly judged by its own, less by all
SHARE = 0.5  # of the validation samples that calibrate, for runs from before their monitor left some out
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of a column: what it could have been instead


@dataclass(frozen=True)
class Evidence:
    """What a run keeps of its validation samples for this: they trained nothing.

    Of those that the monitor watched: the `watched` (W,) log errors, `spread` (D,), the mean squared error of each
    value, and `usual` (Q, D), quantiles of each column of a table; of images `smoothed` (D,), the mean square of the
    smoothed errors, `fine` (2, H W), mean and deviation of their fineness, and `peaks` (W, 4) of `LocalErrors`; of rows
    of numbers `near` (W, 2) of `NeighborDistance`, with its `reference` and `scale`, weight and unit. These are None in
    runs from before they were kept. Of those that nothing has chosen by: `calibration`, and `groups` (n,), alike for
    samples that belong together. `untouched` is false for runs whose monitor watched the latter too.
    """

    watched: np.ndarray
    spread: np.ndarray
    usual: np.ndarray
    calibration: ErrorSignals
    untouched: bool
    groups: np.ndarray | None = None
    smoothed: np.ndarray | None = None
    fine: np.ndarray | None = None
    peaks: np.ndarray | None = None
    near: np.ndarray | None = None
    reference: np.ndarray | None = None
    scale: np.ndarray | None = None

    @classmethod
    def build(cls, prepared: Prepared, model: AbstractModel, *, untouched: bool = True) -> Evidence:
        """From the two parts of the validation data, by deterministic passes."""
        training = prepared.config.training
        share = training.calibration if untouched else SHARE
        rule = prepared.config.data.split
        watched, held = held_apart(prepared.splits.validation, share, training.seed, rule=rule)
        held = replace(held, groups=None) if rule == "shuffled" else held
        return cls.of_parts(model, prepared.splits.train, watched, held, untouched=untouched)

    @classmethod
    def of_parts(
        cls, model: AbstractModel, train: Samples, watched: Samples, held: Samples, *, untouched: bool = True
    ) -> Evidence:
        """From what trained the model, what chose its epoch, and what calibrates, by groups where it has such."""
        groups = held.groups
        if model.preprocess.encoding is not None:
            return cls._of_columns(model, watched, held, untouched, groups)
        logs, spread, smoothed, fine = _usual_errors(model, watched)
        usual = _usual(model, watched)
        if smoothed is None or fine is None:
            neighbors = neighbors_of(model, train, watched)
            found = cls(logs, spread, usual, signals(model, held.x, neighbors=neighbors), untouched, groups)
            return (
                found if neighbors is None else found._with(neighbors, signals(model, watched.x, neighbors=neighbors))
            )
        local = _local(model, spread, smoothed, fine)
        peaks = signals(model, watched.x, local=local).peaks
        calibration = signals(model, held.x, local=local)
        return cls(logs, spread, usual, calibration, untouched, groups, smoothed, fine, peaks)

    def _with(self, neighbors: NeighborDistance, watched: ErrorSignals) -> Evidence:
        """The same with what measures neighbors, and what it measures of the watched rows."""
        scale = np.array([neighbors.weight, neighbors.unit])
        return replace(self, near=watched.near, reference=neighbors.reference, scale=scale)

    @classmethod
    def _of_columns(
        cls, model: AbstractModel, watched: Samples, held: Samples, untouched: bool, groups: np.ndarray | None
    ) -> Evidence:
        """Where columns are of several kinds: `spread` (K,) is what each usually costs where it is hidden."""
        with torch.no_grad(), evaluation(model):
            data = resident(watched.x, model.preprocess, model.device)
            x = torch.cat(list(in_order(data, model.preprocess, model.device)))
            missing = model.preprocess.encoding.missing(x).cpu() if model.preprocess.encoding else torch.zeros(0)
            costs = hidden_costs(model, x)
            mean = (costs.sum(0) / (~missing).sum(0).clamp(min=1)).numpy()
            usual = np.maximum(mean, max(LEAST_SPREAD * float(mean.mean()), LEAST_ERROR))
            logs = log_surprise(model, x, usual)
        return cls(logs, usual, np.zeros((0, len(usual))), signals(model, held.x, usual), untouched, groups)

    def local(self, model: AbstractModel) -> LocalErrors | None:
        """What finds small faults in images; None for tables, and for runs from before it was kept."""
        if self.smoothed is None or self.fine is None:
            return None
        return _local(model, self.spread, self.smoothed, self.fine)

    @property
    def neighbors(self) -> NeighborDistance | None:
        """What measures rows of numbers; None for all else, and for runs from before it was kept."""
        if self.reference is None or self.scale is None:
            return None
        return NeighborDistance(self.reference, *map(float, self.scale))

    def as_part(self) -> Artifact:
        """What is kept of it in the run folder."""
        arrays = {"watched": self.watched, "spread": self.spread, "usual": self.usual}
        arrays |= {"log_error": self.calibration.log_error}
        more = {"z": self.calibration.z, "groups": self.groups, "held_peaks": self.calibration.peaks}
        more |= {"smoothed": self.smoothed, "fine": self.fine, "peaks": self.peaks, "near": self.near}
        more |= {"held_near": self.calibration.near, "reference": self.reference, "scale": self.scale}
        return Artifact({"untouched": self.untouched}, arrays | {k: v for k, v in more.items() if v is not None})

    @classmethod
    def from_part(cls, part: Artifact, model: AbstractModel) -> Evidence:
        """Raises: ModelFileError where the arrays do not fit the model."""
        arrays, encoding = dict(part.arrays), model.preprocess.encoding
        D = model.preprocess.size if encoding is None else len(encoding.blocks)
        try:
            held = (arrays.pop(name, None) for name in ("z", "held_peaks", "held_near"))
            calibration = ErrorSignals(arrays.pop("log_error"), *held)
            found = cls(**arrays, calibration=calibration, untouched=bool(part.about["untouched"]))
            n = len(calibration.log_error)
            wanted = (n, model.z_size) if has_density(model) else None
            if found.groups is not None and found.groups.shape != (n,):
                raise ValueError("its groups are not those of its samples")
            if found.spread.shape != (D,) or (None if calibration.z is None else calibration.z.shape) != wanted:
                raise ValueError("its arrays are not of this model's sizes")
            found._check_local(n, model.preprocess.shape)
            found._check_near(n, D + model.z_size)
            return found
        except (KeyError, TypeError, ValueError) as error:
            message = f"latent/{EVIDENCE} in the run folder cannot be used: {error}."
            raise ModelFileError(
                "LATENT-FILE", message, fix=f"remove RUN/latent/{EVIDENCE}, which is made anew"
            ) from None

    def _check_local(self, n: int, shape: tuple[int, ...]) -> None:
        """Raises: ValueError where not all that finds small faults is there, in its sizes, or nothing of it."""
        parts = (self.smoothed, self.fine, self.peaks, self.calibration.peaks)
        if all(part is None for part in parts):
            return
        C, H, W = shape
        shapes = [None if part is None else part.shape for part in parts]
        if shapes != [(C * H * W,), (2, H * W), (len(self.watched), MAPS), (n, MAPS)]:
            raise ValueError("what it holds of local errors is not of this model's sizes")

    def _check_near(self, n: int, width: int) -> None:
        """Raises: ValueError where not all that measures neighbors is there, in its sizes, or nothing of it."""
        parts = (self.near, self.reference, self.scale, self.calibration.near)
        if all(part is None for part in parts):
            return
        shapes = [None if part is None else part.shape for part in parts]
        rows = 0 if self.reference is None else len(self.reference)
        if rows <= NEIGHBORS or shapes != [(len(self.watched), 2), (rows, width), (2,), (n, 2)]:
            raise ValueError("what it holds of neighbors is not of this model's sizes")


def keep_evidence(run_path: str | Path, prepared: Prepared, model: AbstractModel) -> None:
    """Writes into RUN/latent/ what scoring needs of the validation data, for a run that has just been trained."""
    if prepared.splits.series is not None:  # whose rows are scored, not its windows
        return
    evidence = Evidence.build(prepared, model, untouched=prepared.config.training.calibration > 0)
    Artifacts(run_path, model.weights_sha256 or "").put(EVIDENCE, *evidence.as_part())


def signals(
    model: AbstractModel, raw: np.ndarray, usual: np.ndarray | None = None, local: LocalErrors | None = None,
    neighbors: NeighborDistance | None = None,
) -> ErrorSignals:  # fmt: skip
    """Of raw samples (N, *shape); `usual` as for `error_signals`."""
    data = resident(np.asarray(raw), model.preprocess, model.device)
    if neighbors is not None:
        return near_signals(model, data, neighbors)
    return error_signals(model, data, usual=usual, peaks=None if local is None else local.peaks)


def passes(model: AbstractModel, data: Tensor | np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
    """(x, x_hat) of all samples, chunk by chunk on the device, without noise and without drawing."""
    if isinstance(data, np.ndarray):
        data = resident(data, model.preprocess, model.device)
    with torch.no_grad(), evaluation(model):
        for x in in_order(data, model.preprocess, model.device):
            yield x, model.x_hat(x)


def _usual_errors(
    model: AbstractModel, watched: Samples
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Log errors (W,), the mean squares (D,) of the errors, and of images those of the smoothed ones and mean and
    deviation of the fineness (2, H W).
    """
    squares = torch.zeros(2, *model.preprocess.shape, dtype=torch.float64)
    logs, powers, is_image = (
        [],
        torch.zeros(2, *model.preprocess.shape[-2:], dtype=torch.float64),
        model.preprocess.is_image,
    )
    for x, x_hat in passes(model, watched.x):
        errors = gaps(model, x, x_hat)
        squares[0] += errors.square().sum(0)
        logs.append(log_errors(errors.square()))
        if is_image:
            squares[1] += blurred(errors, SMOOTHED).square().sum(0)
            found = fineness(errors)
            powers += torch.stack([found.sum(0), found.square().sum(0)])
    spread, smoothed = (_with_floor(part.flatten().numpy() / len(watched)) for part in squares)
    if not is_image:
        return np.concatenate(logs), spread, None, None
    return np.concatenate(logs), spread, smoothed, _moments(powers.flatten(1).numpy() / len(watched), len(watched))


def _moments(powers: np.ndarray, n: int) -> np.ndarray:
    """Mean and deviation (2, P) at each of P pixels of means of values and of their squares (2, P), of n samples.

    The fewer samples, the more each pixel is like all of them together.
    """
    mean, square = powers
    share = n / (n + FEW)
    variance = np.maximum(square - mean**2, 0)
    overall = max(float(square.mean() - mean.mean() ** 2), LEAST_ERROR)
    return np.stack([share * mean + (1 - share) * mean.mean(), np.sqrt(share * variance + (1 - share) * overall)])


def _with_floor(spread: np.ndarray) -> np.ndarray:
    return spread + max(LEAST_SPREAD * float(spread.mean()), LEAST_ERROR)


def _local(model: AbstractModel, spread: np.ndarray, smoothed: np.ndarray, fine: np.ndarray) -> LocalErrors:
    shape = model.preprocess.shape
    usual = (torch.from_numpy(part).reshape(shape) for part in (spread, smoothed))
    return LocalErrors(*usual, *torch.from_numpy(fine).reshape(2, *shape[1:]))


def _usual(model: AbstractModel, watched: Samples) -> np.ndarray:
    """Quantiles (Q, D) of each column of a table, as network input; none for images."""
    if model.preprocess.is_image:
        return np.zeros((0, model.preprocess.size), np.float32)
    x = model.preprocess.to_x(torch.from_numpy(np.array(watched.x)))
    return torch.quantile(x, torch.tensor(QUANTILES), dim=0).numpy()


__all__ = ["Evidence", "keep_evidence", "passes", "signals"]
