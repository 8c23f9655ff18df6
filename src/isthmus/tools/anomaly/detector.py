"""`Detector`: anomaly scores of samples from a trained run, by reconstruction error and code, and heat maps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.batches import resident
from isthmus.evaluation.verdicts.set_check import SetScores
from isthmus.models.abstract_model import AbstractModel
from isthmus.runs.density import Density, density_of
from isthmus.runs.error_signals import EVIDENCE, ErrorSignals, error_nats, gaps, has_density, passes
from isthmus.runs.folder import RunFolder
from isthmus.system.progress import each, tell
from isthmus.tools.anomaly.conformal import MORE, largest, p_values, threshold
from isthmus.tools.anomaly.evidence import Evidence
from isthmus.wording import counted


class Scores(NamedTuple):
    """Scores of N samples, (N,) each: `score` = `error` + `code` + `local`, in nats, larger is more anomalous; and the
    `p_value` of `score`, from 0 to 1.

    `local` is 0 for tables, and for old runs, which have no local errors.
    """

    score: np.ndarray
    error: np.ndarray
    code: np.ndarray
    p_value: np.ndarray
    local: np.ndarray


class Detector:
    """Scores samples in nats: -log p(z) for the code, -log P(a normal error is as large) for the error, and for images
    also the most unusual place, by `LocalErrors`.

    p(z) is the mixture of Gaussians fitted to the training codes; the log of the error is modeled as normal with the
    mean and deviation of the watched validation samples. So all parts have the same unit, and no weights are needed.
    For rows of numbers the score is -log P(a normal row is as far from its neighbors), by `NeighborDistance`, divided
    between error and code by their shares of that distance.
    `calibration` has one score per calibration `unit`: a sample, or a group with the largest of its scores.
    """

    def __init__(self, model: AbstractModel, evidence: Evidence, density: Density | None) -> None:
        self.model, self.evidence, self.density = model, evidence, density
        self.measure = evidence.measure
        logs = self.measure.log_of(evidence.watched)
        self.center = float(logs.mean())
        self.width = float(logs.std()) if len(logs) > 1 and np.ptp(logs) > 0 else 1.0  # one sample has no width
        scores = self._parts(evidence.calibration).score
        self.unit = "sample" if evidence.groups is None else "group"
        self.calibration = scores if evidence.groups is None else largest(scores, evidence.groups)

    @classmethod
    def of_run(cls, run: RunFolder) -> Detector:
        """The detector of a run, from its folder; missing parts are computed from the training data and saved.

        Raises: DataError if that data is needed and cannot be read.
        """
        model, artifacts = run.model, run.artifacts
        if artifacts.has(EVIDENCE):
            evidence = artifacts.read(EVIDENCE, lambda part: Evidence.from_part(part, model))
        else:
            tell("scoring validation samples for comparison")
            evidence = Evidence.build(run.prepared, model, untouched=left_out(run))
            artifacts.keep(EVIDENCE, *evidence.as_part())
        dense = has_density(model) and evidence.measure.takes_density
        return cls(model, evidence, density_of(run, "mixture") if dense else None)

    @property
    def has_local(self) -> bool:
        """Whether unusual places count: for images, except in old runs."""
        return self.measure.has_local

    @property
    def blame_values(self) -> int:
        """The cost of finding the columns to blame for one row, see `AbstractMeasure`."""
        return self.measure.blame_values(self.model)

    @property
    def n(self) -> int:
        """The number of samples or groups that calibrate the p-values."""
        return len(self.calibration)

    def threshold(self, rate: float) -> float | None:
        """The score above which samples are outliers at that rate; infinite if too few samples calibrate it."""
        return threshold(self.calibration, rate)

    def set_scores(self, scores: np.ndarray, rate: float) -> SetScores:
        """The scores (N,) of a data set in the form that the check of the whole set needs."""
        return SetScores(self.calibration, scores, rate)

    def about(self, rate: float, asked: float | None, folds: float | None = None) -> list[str]:
        """Notes on the limits of the p-values. `folds`: the rate that models of folds would allow, or None."""
        said, n = [], self.n
        helps = folds is not None and (not n or folds < rate)
        ways = f"{MORE}, or pass --false-alarms {folds:g}, which trains additional models" if helps else MORE
        if not n:
            few = f"no validation {self.unit}s were held out for calibration because there are too few"
            said.append(f"{few}, so every p-value is 1; {ways}")
        elif asked is None and rate > 1 / (n + 1) - 1e-12 and n < 99:
            calibrate = f"{counted(n, self.unit)} {'calibrates' if n == 1 else 'calibrate'} the p-values"
            said.append(
                f"{calibrate}, so the false-alarm rate is {rate:.2g}, the lowest possible; for a lower one, {ways}"
            )
        if n and not self.evidence.untouched:
            said.append(
                "the calibration samples of this run also helped to choose the best epoch, as in older versions or "
                "with training.calibration=0, so false alarms may be slightly more frequent than stated; a new run "
                "with the default setting does not have this problem"
            )
        return said

    def scores(self, raw: np.ndarray) -> Scores:
        """The scores of raw samples (N, *shape)."""
        found = self._of_data(resident(np.asarray(raw), self.model.preprocess, self.model.device))
        return found._replace(p_value=p_values(self.calibration, found.score))

    def _of_data(self, data: Tensor) -> Scores:
        """The scores of resident samples or network input."""
        return self._parts(self.measure.signals(self.model, data))

    def _parts(self, found: ErrorSignals) -> Scores:
        """The scores, without p-values."""
        nats = error_nats(self.measure.log_of(found), self.center, self.width)
        code = np.zeros(len(nats))
        if self.density is not None and found.z is not None and len(nats):
            code = -self.density.log_density(found.z)
        error, code, local = self.measure.divided(nats, code, found, self.evidence.watched)
        return Scores(error + code + local, error, code, np.zeros(0), local)

    def heat(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(x_hat, heat) of raw samples: heat is 1 where the error is as usual.

        For images, `LocalErrors.heat`, (N, 1, H, W); otherwise the error of each value divided by its root mean square,
        (N, *shape).
        """
        heats, x_hats = [], []
        for x, x_hat in passes(self.model, raw):
            heats.append(self.measure.heat(gaps(self.model, x, x_hat)).numpy())
            x_hats.append(x_hat.cpu().numpy())
        return np.concatenate(x_hats), np.concatenate(heats)

    def blame(self, raw: np.ndarray) -> np.ndarray:
        """(N, K) nats by which the score of rows (N, K) would fall if only that column had a value that fits the
        others, or a usual one: the lowest score of all alternatives that the measure lists.
        """
        x = self.model.preprocess.to_x(torch.from_numpy(np.array(raw)))
        usual, before = torch.from_numpy(self.evidence.usual).to(x.dtype), self._of_data(x).score
        after = [
            self._of_data(changed.flatten(0, 1)).score.reshape(len(x), -1).min(1)
            for changed in each(self.measure.alternatives(self.model, x, usual), raw.shape[1], "column")
        ]
        return np.maximum(before[:, None] - np.stack(after, 1), 0)


def left_out(run: RunFolder) -> bool:
    """Whether the calibration samples were not used to choose the best epoch; old runs did not record this setting."""
    settings = run.record.get("settings", {}).get("training", {})
    return bool(settings.get("calibration", 0))


__all__ = ["Detector", "Scores", "left_out"]
