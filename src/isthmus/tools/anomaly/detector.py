"""`Detector`: how strange a sample is to a trained run, by its reconstruction and by its code, and where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from isthmus.evaluation.verdicts.set_check import SetScores
from isthmus.models.abstract_model import AbstractModel
from isthmus.runs.density import Density, density_of
from isthmus.runs.error_signals import EVIDENCE, ErrorSignals, error_nats, error_signals, gaps, has_density
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly.conformal import largest, p_values, threshold
from isthmus.tools.anomaly.evidence import Evidence, passes, signals
from isthmus.tools.anomaly.local_errors import local_nats
from isthmus.tools.anomaly.neighbor_distance import near_signals


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
        self._local, self._neighbors = evidence.local(model), evidence.neighbors
        logs = evidence.watched if evidence.near is None else evidence.near[:, 0]
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
            evidence = Evidence.build(run.prepared, model, untouched=left_out(run))
            artifacts.keep(EVIDENCE, *evidence.as_part())
        # What columns say of each other tells odd rows; that a code is rare tells them worse: docs/experiments.md.
        dense = has_density(model) and model.preprocess.encoding is None and evidence.neighbors is None
        return cls(model, evidence, density_of(run, "mixture") if dense else None)

    @property
    def has_local(self) -> bool:
        """Whether a strange place counts: in images, unless the run is from before that."""
        return self._local is not None

    @property
    def n_compared(self) -> int:
        """How many training rows each row is set beside."""
        return 0 if self._neighbors is None else len(self._neighbors.reference)

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
            said.append(
                f"no validation {self.unit} were held apart (too few), so every p-value is 1; train on more data"
            )
        elif asked is None and rate > 1 / (n + 1) - 1e-12 and n < 99:
            folds = ", or of a table --false-alarms 0.01, for which further models are trained,"
            more = f"training on more data, or naming more with --validation{folds * self._is_table} allows a lower one"
            least = f"{n} {self.unit} calibrate the p-values, so the least is {rate:.2g}, which is the rate taken"
            said.append(f"{least}; {more}")
        if n and not self.evidence.untouched:
            said.append(
                "the run is from before its monitor left out the samples that calibrate: they helped to choose the "
                "epoch, so false alarms may come a little oftener than stated; a run trained anew has no such doubt"
            )
        return said

    def scores(self, raw: np.ndarray) -> Scores:
        """Of raw samples (N, *shape)."""
        found = self._parts(signals(self.model, raw, self._usual, self._local, self._neighbors))
        return found._replace(p_value=p_values(self.calibration, found.score))

    def _parts(self, found: ErrorSignals) -> Scores:
        """The scores, with no p-value yet."""
        if found.near is not None:
            return self._by_neighbors(*found.near.T)
        error = error_nats(found.log_error, self.center, self.width)
        code, local = np.zeros(len(error)), np.zeros(len(error))
        if self.density is not None and found.z is not None and len(error):
            code = -self.density.log_density(found.z)
        if found.peaks is not None and self.evidence.peaks is not None:
            local = local_nats(found.peaks, self.evidence.peaks)
        return Scores(error + code + local, error, code, np.zeros(0), local)

    def _by_neighbors(self, log_distance: np.ndarray, share: np.ndarray) -> Scores:
        score = error_nats(log_distance, self.center, self.width)
        return Scores(score, share * score, (1 - share) * score, np.zeros(0), np.zeros(len(score)))

    @property
    def _usual(self) -> np.ndarray | None:
        """What columns of several kinds usually cost where they are hidden; None for all else."""
        return None if self.model.preprocess.encoding is None else self.evidence.spread

    def heat(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(x_hat, heat) of raw samples: heat is 1 where the error is as usual.

        Of images `LocalErrors.heat`, (N, 1, H, W); else the error of each value over its root mean square, (N, *shape).
        """
        heats, x_hats = [], []
        spread = torch.from_numpy(self.evidence.spread).reshape(self.model.preprocess.shape)
        for x, x_hat in passes(self.model, raw):
            errors = gaps(self.model, x, x_hat)
            heat = (errors.square() / spread).sqrt() if self._local is None else self._local.heat(errors)
            heats.append(heat.numpy())
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
        x_hat = torch.cat([out.cpu() for _, out in passes(self.model, x)])
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
        if self._neighbors is not None:
            return self._parts(near_signals(self.model, x, self._neighbors)).score
        return self._parts(error_signals(self.model, x, usual=self._usual)).score


def left_out(run: RunFolder) -> bool:
    """Whether the run's monitor left out the samples that calibrate; older runs have no such setting on record."""
    settings = run.record.get("settings", {}).get("training", {})
    return bool(settings.get("calibration", 0))


__all__ = ["Detector", "Scores", "left_out"]
