"""`Detector`: how strange a sample is to a trained run, by its reconstruction and by its code, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.batches import in_order, resident
from isthmus.data.batching.split import held_apart
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.runs.artifacts import Artifact, Artifacts
from isthmus.runs.density import Density, density_of
from isthmus.runs.error_signals import (
    EVIDENCE,
    LEAST_ERROR,
    ErrorSignals,
    error_nats,
    error_signals,
    has_density,
    hidden_costs,
    log_errors,
    log_surprise,
)
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly.conformal import largest, p_values
from isthmus.training.prepared import Prepared

LEAST_SPREAD = 0.1  # of the mean over all values is added to each: a border that is always black has no error at all
SHARE = 0.5  # of the validation samples that calibrate, for runs from before their monitor left some out
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of a column: what it could have been instead


class Scores(NamedTuple):
    """Of N samples, all (N,), larger is stranger: `score` = `error` + `code`, both in nats, and its `p_value`."""

    score: np.ndarray
    error: np.ndarray
    code: np.ndarray
    p_value: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """What a run keeps of its validation samples for this: they trained nothing.

    Of those that the monitor watched: the `watched` (W,) log errors, `spread` (D,), the mean squared error of each
    value, and `usual` (Q, D), quantiles of each column of a table. Of those that nothing has chosen by: `calibration`,
    and `groups` (n,), alike for samples that belong together. `untouched` is false for runs whose monitor watched the
    latter too.
    """

    watched: np.ndarray
    spread: np.ndarray
    usual: np.ndarray
    calibration: ErrorSignals
    untouched: bool
    groups: np.ndarray | None = None

    @classmethod
    def build(cls, prepared: Prepared, model: AbstractModel, *, untouched: bool = True) -> Evidence:
        """From the two parts of the validation data, by deterministic passes."""
        training = prepared.config.training
        share = training.calibration if untouched else SHARE
        rule = prepared.config.data.split
        watched, held = held_apart(prepared.splits.validation, share, training.seed, rule=rule)
        groups = None if rule == "shuffled" else held.groups
        if model.preprocess.encoding is not None:
            return cls._of_columns(model, watched, held, untouched, groups)
        squares = torch.zeros(model.preprocess.size, dtype=torch.float64)
        logs = []
        for x, x_hat in _passes(model, watched.x):
            errors = _squares(model, x, x_hat)
            squares += errors.flatten(1).sum(0)
            logs.append(log_errors(errors))
        spread = (squares / len(watched)).numpy()
        floor = max(LEAST_SPREAD * float(spread.mean()), LEAST_ERROR)
        calibration = signals(model, held.x)
        return cls(np.concatenate(logs), spread + floor, _usual(model, watched), calibration, untouched, groups)

    @classmethod
    def _of_columns(
        cls, model: AbstractModel, watched: Samples, held: Samples, untouched: bool, groups: np.ndarray | None
    ) -> Evidence:
        """Where columns are of several kinds: `spread` (K,) is what each usually costs where it is hidden."""
        with torch.no_grad(), evaluation(model):
            data = resident(watched.x, model.preprocess, model.device)
            x = torch.cat(list(in_order(data, model.preprocess, model.device)))
            gaps = model.preprocess.encoding.missing(x).cpu() if model.preprocess.encoding else torch.zeros(0)
            costs = hidden_costs(model, x)
            mean = (costs.sum(0) / (~gaps).sum(0).clamp(min=1)).numpy()
            usual = np.maximum(mean, max(LEAST_SPREAD * float(mean.mean()), LEAST_ERROR))
            logs = log_surprise(model, x, usual)
        return cls(logs, usual, np.zeros((0, len(usual))), signals(model, held.x, usual), untouched, groups)

    def as_part(self) -> Artifact:
        """What is kept of it in the run folder."""
        arrays = {"watched": self.watched, "spread": self.spread, "usual": self.usual}
        arrays |= {"log_error": self.calibration.log_error}
        if self.calibration.z is not None:
            arrays["z"] = self.calibration.z
        if self.groups is not None:
            arrays["groups"] = self.groups
        return Artifact({"untouched": self.untouched}, arrays)

    @classmethod
    def from_part(cls, part: Artifact, model: AbstractModel) -> Evidence:
        """Raises: ModelFileError where the arrays do not fit the model."""
        arrays, encoding = dict(part.arrays), model.preprocess.encoding
        D = model.preprocess.size if encoding is None else len(encoding.blocks)
        try:
            calibration = ErrorSignals(arrays.pop("log_error"), arrays.pop("z", None))
            found = cls(**arrays, calibration=calibration, untouched=bool(part.about["untouched"]))
            n = len(calibration.log_error)
            wanted = (n, model.z_size) if has_density(model) else None
            if found.groups is not None and found.groups.shape != (n,):
                raise ValueError("its groups are not those of its samples")
            if found.spread.shape != (D,) or (None if calibration.z is None else calibration.z.shape) != wanted:
                raise ValueError("its arrays are not of this model's sizes")
            return found
        except (KeyError, TypeError, ValueError) as error:
            message = f"latent/{EVIDENCE} in the run folder cannot be used: {error}."
            raise ModelFileError(
                "LATENT-FILE", message, fix=f"remove RUN/latent/{EVIDENCE}, which is made anew"
            ) from None


class Detector:
    """Scores samples: nats of surprise at the code, -log p(z), and at the error, -log P(a normal one's is as large).

    p(z) is the mixture of Gaussians fitted to the training codes; the log of the error is normal with the mean and
    deviation of the watched validation samples, so that both parts are in one unit and nothing is weighed by hand.
    `calibration` has a score for each of the `unit` that calibrate: samples, or groups by the largest of their scores.
    """

    def __init__(self, model: AbstractModel, evidence: Evidence, density: Density | None) -> None:
        self.model, self.evidence, self.density = model, evidence, density
        logs = evidence.watched
        self.center = float(logs.mean())
        self.width = float(logs.std()) if len(logs) > 1 and np.ptp(logs) > 0 else 1.0  # of one sample nothing is known
        scores = self._parts(evidence.calibration)[0]
        self.unit = "samples" if evidence.groups is None else "groups"
        self.calibration = scores if evidence.groups is None else largest(scores, evidence.groups)

    @classmethod
    def of_run(cls, run: RunFolder) -> Detector:
        """The detector of a run, from its folder alone; what is not there yet is made of the training data, and kept.

        Raises: DataError where that data is needed and cannot be read.
        """
        model, artifacts = run.model, run.artifacts
        if artifacts.has(EVIDENCE):
            evidence = artifacts.read(EVIDENCE, lambda part: Evidence.from_part(part, model))
        else:
            evidence = Evidence.build(run.prepared, model, untouched=left_out(run))
            artifacts.keep(EVIDENCE, *evidence.as_part())
        # What columns say of each other tells odd rows; that a code is rare tells them worse: docs/experiments.md.
        dense = has_density(model) and model.preprocess.encoding is None
        return cls(model, evidence, density_of(run, "mixture") if dense else None)

    def scores(self, raw: np.ndarray) -> Scores:
        """Of raw samples (N, *shape)."""
        score, error, code = self._parts(signals(self.model, raw, self._usual))
        return Scores(score, error, code, p_values(self.calibration, score))

    def _parts(self, found: ErrorSignals) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        error = error_nats(found.log_error, self.center, self.width)
        code = np.zeros(len(error))
        if self.density is not None and found.z is not None and len(error):
            code = -self.density.log_density(found.z)
        return error + code, error, code

    @property
    def _usual(self) -> np.ndarray | None:
        """What columns of several kinds usually cost where they are hidden; None for all else."""
        return None if self.model.preprocess.encoding is None else self.evidence.spread

    def heat(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(x_hat, heat), both (N, *shape): heat is the error of each value over its root mean square on normal data."""
        heats, x_hats = [], []
        spread = torch.from_numpy(self.evidence.spread).reshape(self.model.preprocess.shape)
        for x, x_hat in _passes(self.model, raw):
            heats.append((_squares(self.model, x, x_hat) / spread).sqrt().numpy())
            x_hats.append(x_hat.cpu().numpy())
        return np.concatenate(x_hats), np.concatenate(heats)

    def blame(self, raw: np.ndarray) -> np.ndarray:
        """(N, D) nats by which the score of rows (N, D) would fall if that column alone were as the others want it.

        Each column is replaced by its reconstruction and by its usual values; the lowest score counts. The error of a
        column would not do: an autoencoder spreads a wrong value over the reconstruction of all that go with it.
        """
        x = self.model.preprocess.to_x(torch.from_numpy(np.array(raw)))
        if self._usual is not None:
            return self._blame_of_columns(x)
        N, D = x.shape
        x_hat = torch.cat([out.cpu() for _, out in _passes(self.model, x)])
        usual = torch.from_numpy(self.evidence.usual).to(x.dtype)
        before = self._of_x(x)
        found = np.zeros((N, D))
        for column in range(D):
            instead = torch.cat([x_hat[:, column, None], usual[:, column].expand(N, -1)], 1)  # (N, 1 + Q)
            changed = x[:, None].repeat(1, instead.shape[1], 1)
            changed[:, :, column] = instead
            after = self._of_x(changed.flatten(0, 1)).reshape(N, -1).min(1)
            found[:, column] = np.maximum(before - after, 0)
        return found

    def _blame_of_columns(self, x: Tensor) -> np.ndarray:
        """(N, K) nats by which the score would fall if that column alone were a gap, which costs nothing and misleads
        no other.
        """
        encoding = self.model.preprocess.encoding
        assert encoding is not None
        N, K = len(x), len(encoding.blocks)
        before, found = self._of_x(x), np.zeros((N, K))
        for k in range(K):
            hidden = torch.zeros(N, K, dtype=torch.bool)
            hidden[:, k] = True
            found[:, k] = np.maximum(before - self._of_x(encoding.hidden(x, hidden)), 0)
        return found

    def _of_x(self, x: Tensor) -> np.ndarray:
        return self._parts(error_signals(self.model, x, usual=self._usual))[0]


def keep_evidence(run_path: str | Path, prepared: Prepared, model: AbstractModel) -> None:
    """Writes into RUN/latent/ what scoring needs of the validation data, for a run that has just been trained."""
    evidence = Evidence.build(prepared, model, untouched=prepared.config.training.calibration > 0)
    Artifacts(run_path, model.weights_sha256 or "").put(EVIDENCE, *evidence.as_part())


def left_out(run: RunFolder) -> bool:
    """Whether the run's monitor left out the samples that calibrate; older runs have no such setting on record."""
    settings = run.record.get("settings", {}).get("training", {})
    return bool(settings.get("calibration", 0))


def signals(model: AbstractModel, raw: np.ndarray, usual: np.ndarray | None = None) -> ErrorSignals:
    """Of raw samples (N, *shape); `usual` as for `error_signals`."""
    return error_signals(model, resident(np.asarray(raw), model.preprocess, model.device), usual=usual)


def _passes(model: AbstractModel, data: Tensor | np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
    """(x, x_hat) of all samples, chunk by chunk on the device, without noise and without drawing."""
    if isinstance(data, np.ndarray):
        data = resident(data, model.preprocess, model.device)
    with torch.no_grad(), evaluation(model):
        for x in in_order(data, model.preprocess, model.device):
            yield x, model.x_hat(x)


def _squares(model: AbstractModel, x: Tensor, x_hat: Tensor) -> Tensor:
    """(x_hat - x)^2 in float64 on the processor; 0 where x is not seen for its transparency."""
    seen = model.preprocess.known_only(x, x_hat) if model.preprocess.alpha else x_hat
    return (seen - x).cpu().double().square()


def _usual(model: AbstractModel, watched: Samples) -> np.ndarray:
    """Quantiles (Q, D) of each column of a table, as network input; none for images."""
    if model.preprocess.is_image:
        return np.zeros((0, model.preprocess.size), np.float32)
    x = model.preprocess.to_x(torch.from_numpy(np.array(watched.x)))
    return torch.quantile(x, torch.tensor(QUANTILES), dim=0).numpy()


__all__ = ["Detector", "Evidence", "Scores", "keep_evidence", "left_out"]
