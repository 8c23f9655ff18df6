"""`FoldDetectors`: p-values for small tables by cross-conformal prediction. Every row calibrates, judged by a model
that was trained without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import DataError, ModelFileError, UsageError
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.building import build_model
from isthmus.runs.artifacts import Artifact
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly.detector import Detector, Scores
from isthmus.tools.anomaly.evidence import Evidence
from isthmus.wording import counted

# Each model is trained on four fifths of the rows. Ten folds would train on nine tenths, take over twice the time, and
# guarantee less: at a rate of 0.01 with 225 rows, `guarantee` is 0.028 for 2 folds, 0.054 for 5 and 0.096 for 10.
FOLDS = 5
PART = "folds/{}"  # of RUN/latent/, for each fold
WEIGHT = "weights."  # prefix for the names of a model's own arrays, next to those of its evidence


class FoldDetectors:
    """The `whole` detector of a run gives the scores, and one detector per fold the p-values.

    p = (1 + sum over folds of #{scores of the fold's rows >= that of the new row}) / (n + 1), where the fold's own
    model scores both; no p is below 1 / (n + 1), with all n rows of the training and validation data.

    Source: Vovk 2015, Cross-conformal predictors, Annals of Mathematics and Artificial Intelligence 74, eq. 7.
    """

    def __init__(self, whole: Detector, folds: Sequence[Detector]) -> None:
        self.whole, self.folds = whole, folds
        self.model, self.unit, self.has_local = whole.model, whole.unit, whole.has_local
        self.n = sum(len(fold.calibration) for fold in folds)

    @classmethod
    def of_run(cls, run: RunFolder, whole: Detector) -> FoldDetectors | None:
        """Loads the folds from the run folder; None if not all have been trained."""
        if not all(run.artifacts.has(PART.format(k)) for k in range(FOLDS)):
            return None
        folds = [run.artifacts.read(PART.format(k), lambda part: _from_part(part, run.model)) for k in range(FOLDS)]
        return cls(whole, folds)

    def scores(self, raw: np.ndarray) -> Scores:
        """The scores of raw samples (N, *shape)."""
        pairs = [(fold.calibration, fold.scores(raw).score) for fold in self.folds]
        return self.whole.scores(raw)._replace(p_value=cross_p_values(pairs))

    def blame(self, raw: np.ndarray) -> np.ndarray:
        """Like `Detector.blame`, for the score."""
        return self.whole.blame(raw)

    def heat(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Like `Detector.heat`."""
        return self.whole.heat(raw)

    @property
    def blame_values(self) -> int:
        """Like `Detector.blame_values`."""
        return self.whole.blame_values

    def threshold(self, rate: float) -> None:
        """None: the models of the folds decide what is an outlier, so there is no single threshold."""

    def set_scores(self, scores: np.ndarray, rate: float) -> None:
        """None: too few rows were held out to compare the whole set with them at that rate."""

    def about(self, rate: float, asked: float | None, folds: float | None = None) -> list[str]:
        """A note on how the p-values are computed, and how far they can be trusted."""
        sure = guarantee(rate, self.n, len(self.folds))
        return [
            f"the p-values are cross-conformal: {len(self.folds)} additional models, each trained without a part of "
            f"the {counted(self.n, self.unit)}, score that part and the new rows; the score column is from the run "
            f"itself, so scores and p-values may rank rows slightly differently. For new normal rows, the false-alarm "
            f"rate is at most {sure:.2g} for any data, and usually about {rate:.2g}"
        ]


def cross_p_values(folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Cross-conformal p-values (N,), from each fold's calibration scores (n_k,) and its scores (N,) of the new rows.

    >>> cross_p_values([(np.array([1.0, 2.0]), np.array([3.0, 2.0])), (np.array([5.0]), np.array([9.0, 4.0]))])
    array([0.25, 0.75])
    """
    n = sum(len(calibration) for calibration, _ in folds)
    counts = [len(known) - np.searchsorted(np.sort(known), scores, side="left") for known, scores in folds]
    return (1 + np.sum(counts, axis=0)) / (n + 1)


def guarantee(rate: float, n: int, folds: int) -> float:
    """P(p <= rate) of a normal row is at most 2 rate + 2 (1 - rate) (folds - 1) / (n + folds), and at most 1.

    Each fold alone gives a valid p-value; their mean, weighted by the sizes of the folds plus one, is (folds + S) / (n
    + folds) where p = (1 + S) / (n + 1), and twice a mean of p-values is a valid p-value.

    Source: Vovk and Wang 2020, Combining p-values via averaging, Biometrika 107, proposition 2; so in Barber et al.
    2021, Predictive inference with the jackknife+, arXiv:1905.02928, section 3.

    >>> round(guarantee(0.01, 225, 5), 4)
    0.0544
    """
    return min(1.0, 2 * rate + 2 * (1 - rate) * (folds - 1) / (n + folds))


def as_part(model: AbstractModel, evidence: Evidence) -> Artifact:
    """What a run keeps of a fold: its model, and the scores of the rows that were held out."""
    about, arrays = evidence.as_part()
    weights = {WEIGHT + name: value.cpu().numpy() for name, value in model.state_dict().items()}
    return Artifact(about | {"preprocess": model.preprocess.as_dict()}, arrays | weights)


def _from_part(part: Artifact, whole: AbstractModel) -> Detector:
    """Raises: ModelFileError if the arrays do not match each other."""
    own = {name: value for name, value in part.arrays.items() if not name.startswith(WEIGHT)}
    try:
        preprocess = Preprocess.from_dict(part.about["preprocess"])
        with torch.device("meta"):
            model = build_model(whole.config, preprocess)
        weights = {k.removeprefix(WEIGHT): torch.from_numpy(v) for k, v in part.arrays.items() if k not in own}
        model.load_state_dict(weights, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError, DataError, UsageError) as error:
        raise ModelFileError("LATENT-FILE", f"the model of a fold cannot be used: {error}.") from None
    model = model.to(whole.device).eval()
    return Detector(model, Evidence.from_part(part._replace(arrays=own), model), None)


__all__ = ["FOLDS", "PART", "FoldDetectors", "as_part", "cross_p_values", "guarantee"]
