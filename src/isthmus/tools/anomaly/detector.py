"""`Detector`: how strange a sample is to a trained run, by its reconstruction and by its code, and where."""

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
from isthmus.tools.anomaly.conformal import largest, p_values, threshold
from isthmus.tools.anomaly.evidence import Evidence


class Scores(NamedTuple):
    """Of N samples, all (N,), larger is stranger: `score` = `error` + `code` + `local`, in nats, and its `p_value`.

    `local` is 0 for tables, and for runs from before small faults were looked for.
    """

    score: np.ndarray
    error: np.ndarray
    code: np.ndarray
    p_value: np.ndarray
    local: np.ndarray


class Detector:
    """Scores samples: nats of surprise at the code, -log p(z), at the error, -log P(a normal one's is as large), and
    of images at the strangest place, by `LocalErrors`.

    p(z) is the mixture of Gaussians fitted to the training codes; the log of the error is normal with the mean and
    deviation of the watched validation samples, so that all parts are in one unit and nothing is weighed by hand.
    Of rows of numbers the score is -log P(a normal one lies as far from its neighbors), by `NeighborDistance`, divided
    between error and code by their shares of that distance.
    `calibration` has a score for each of the `unit` that calibrate: samples, or groups by the largest of their scores.
    """

    def __init__(self, model: AbstractModel, evidence: Evidence, density: Density | None) -> None:
        self.model, self.evidence, self.density = model, evidence, density
        self.measure = evidence.measure
        logs = self.measure.log_of(evidence.watched)
        self.center = float(logs.mean())
        self.width = float(logs.std()) if len(logs) > 1 and np.ptp(logs) > 0 else 1.0  # of one sample nothing is known
        scores = self._parts(evidence.calibration).score
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
            tell("measuring what is usual")
            evidence = Evidence.build(run.prepared, model, untouched=left_out(run))
            artifacts.keep(EVIDENCE, *evidence.as_part())
        dense = has_density(model) and evidence.measure.takes_density
        return cls(model, evidence, density_of(run, "mixture") if dense else None)

    @property
    def has_local(self) -> bool:
        """Whether a strange place counts: in images, unless the run is from before that."""
        return self.measure.has_local

    @property
    def blame_values(self) -> int:
        """What it takes to blame one row, see `AbstractMeasure`."""
        return self.measure.blame_values(self.model)

    @property
    def _is_table(self) -> bool:
        return not self.model.preprocess.is_image

    @property
    def n(self) -> int:
        """How many samples or groups calibrate the p-values."""
        return len(self.calibration)

    def threshold(self, rate: float) -> float | None:
        """The score above which samples are outliers at that rate; infinite where too few calibrate it."""
        return threshold(self.calibration, rate)

    def set_scores(self, scores: np.ndarray, rate: float) -> SetScores:
        """What the check of a whole set needs of its scores (N,)."""
        return SetScores(self.calibration, scores, rate)

    def about(self, rate: float, asked: float | None) -> list[str]:
        """What limits the p-values."""
        said, n = [], self.n
        if not n:
            said.append(f"no validation {self.unit} were held out (too few), so every p-value is 1; train on more data")
        elif asked is None and rate > 1 / (n + 1) - 1e-12 and n < 99:
            folds = ", or of a table --false-alarms 0.01, for which further models are trained,"
            more = f"training on more data, or naming more with --validation{folds * self._is_table} allows a lower one"
            least = f"{n} {self.unit} calibrate the p-values, so the least is {rate:.2g}, which is the rate taken"
            said.append(f"{least}; {more}")
        if n and not self.evidence.untouched:
            said.append(
                "an older version made this run: the samples that calibrate also helped to choose the epoch, "
                "so false alarms may be slightly more frequent than stated; a new run does not have this problem"
            )
        return said

    def scores(self, raw: np.ndarray) -> Scores:
        """Of raw samples (N, *shape)."""
        found = self._of_data(resident(np.asarray(raw), self.model.preprocess, self.model.device))
        return found._replace(p_value=p_values(self.calibration, found.score))

    def _of_data(self, data: Tensor) -> Scores:
        """Of resident samples or network input."""
        return self._parts(self.measure.signals(self.model, data))

    def _parts(self, found: ErrorSignals) -> Scores:
        """The scores, with no p-value yet."""
        nats = error_nats(self.measure.log_of(found), self.center, self.width)
        code = np.zeros(len(nats))
        if self.density is not None and found.z is not None and len(nats):
            code = -self.density.log_density(found.z)
        error, code, local = self.measure.divided(nats, code, found, self.evidence.watched)
        return Scores(error + code + local, error, code, np.zeros(0), local)

    def heat(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(x_hat, heat) of raw samples: heat is 1 where the error is as usual.

        Of images `LocalErrors.heat`, (N, 1, H, W); else the error of each value over its root mean square, (N, *shape).
        """
        heats, x_hats = [], []
        for x, x_hat in passes(self.model, raw):
            heats.append(self.measure.heat(gaps(self.model, x, x_hat)).numpy())
            x_hats.append(x_hat.cpu().numpy())
        return np.concatenate(x_hats), np.concatenate(heats)

    def blame(self, raw: np.ndarray) -> np.ndarray:
        """(N, K) nats by which the score of rows (N, K) would fall if that column alone were as the others want it, or
        usual: the lowest score counts of the alternatives that the measure names.
        """
        x = self.model.preprocess.to_x(torch.from_numpy(np.array(raw)))
        usual, before = torch.from_numpy(self.evidence.usual).to(x.dtype), self._of_data(x).score
        after = [
            self._of_data(changed.flatten(0, 1)).score.reshape(len(x), -1).min(1)
            for changed in each(self.measure.alternatives(self.model, x, usual), raw.shape[1])
        ]
        return np.maximum(before[:, None] - np.stack(after, 1), 0)


def left_out(run: RunFolder) -> bool:
    """Whether the run's monitor left out the samples that calibrate; older runs have no such setting on record."""
    settings = run.record.get("settings", {}).get("training", {})
    return bool(settings.get("calibration", 0))


__all__ = ["Detector", "Scores", "left_out"]
