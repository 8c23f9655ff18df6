"""`StepDetector`: the anomaly score of each row of a series, and the columns to blame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from isthmus.data.batching.batches import resident
from isthmus.data.batching.split import held_apart
from isthmus.data.samples import Samples
from isthmus.data.series.series_rows import SeriesRows, as_given
from isthmus.data.series.windowing import RowMeans, WindowCut, all_windows
from isthmus.data.series_layout import SeriesLayout
from isthmus.errors import ModelFileError
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.runs.artifacts import Artifact, Artifacts
from isthmus.runs.error_signals import LEAST_ERROR, error_nats
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly.dependent_scores import dependent_p_values, independent_scores
from isthmus.training.prepared import Prepared

STEPS = "steps"  # the part of RUN/latent/ with the costs of validation rows, which scoring needs
LEAST_USUAL = 0.1  # least usual cost of a column, relative to the mean: otherwise one predicted exactly would dominate


class StepScores(NamedTuple):
    """For the N rows of a table, in its order: `score` (N,) in nats, larger is more anomalous, `p_value` (N,), and
    `blame` (N, K), the nats by which the score would fall if only that column were as usual.
    """

    score: np.ndarray
    p_value: np.ndarray
    blame: np.ndarray


@dataclass(frozen=True)
class StepEvidence:
    """What a run keeps about its validation rows, which were not trained on.

    `usual` (W, K) is the mean cost of each column at each position in a window; `watched` (n,) are the log costs of
    rows that were used to choose the best epoch, `held` (m,) those of the other rows, which count as `independent`
    ones.
    """

    usual: np.ndarray
    watched: np.ndarray
    held: np.ndarray
    independent: float

    @classmethod
    def build(cls, prepared: Prepared, model: AbstractModel) -> StepEvidence:
        """Measured on the two parts of the validation windows, by deterministic passes."""
        validation, layout = prepared.splits.validation, _layout(model)
        watched, held = held_apart(validation, prepared.config.training.calibration, prepared.config.training.seed)
        usual = _usual(model, watched, layout)
        logs = [_logs(model, part, layout, usual) for part in (watched, held)]
        independent = independent_scores(logs[1])
        seen, calibrating = (np.concatenate([np.zeros(0), *each]) for each in logs)
        return cls(usual, seen, calibrating, independent)

    def as_part(self) -> Artifact:
        """The form in which it is saved in the run folder."""
        arrays = {"usual": self.usual, "watched": self.watched, "held": self.held}
        return Artifact({"independent": self.independent}, arrays)

    @classmethod
    def from_part(cls, part: Artifact, layout: SeriesLayout) -> StepEvidence:
        """Raises: ModelFileError if the arrays do not match the model."""
        try:
            found = cls(**part.arrays, independent=float(part.about["independent"]))
            if found.usual.shape != (layout.window, layout.n_columns) or found.held.ndim != 1 or not len(found.watched):
                raise ValueError("its arrays do not match the model's size")
            if not 0 <= found.independent <= len(found.held):
                raise ValueError(f"{len(found.held)} rows cannot count as {found.independent}")
            return found
        except (KeyError, TypeError, ValueError) as error:
            message = f"latent/{STEPS} in the run folder cannot be used: {error}."
            raise ModelFileError(
                "LATENT-FILE", message, fix=f"remove RUN/latent/{STEPS}; it is recreated when it is needed"
            ) from None


class StepDetector:
    """Scores rows in nats: -log P(a normal row costs as much), over the windows that contain the row.

    The cost of a column at its position in a window is divided by its usual cost there; the cost of a row is the mean
    over its columns and windows. Its log is modeled as normal with the mean and deviation of watched rows.
    """

    def __init__(self, model: AbstractModel, evidence: StepEvidence) -> None:
        self.model, self.evidence, self.layout = model, evidence, _layout(model)
        self.center = float(evidence.watched.mean())
        self.width = float(evidence.watched.std()) or 1.0  # if all rows cost the same, the width is unknown
        self.calibration = self._nats(evidence.held)

    @classmethod
    def of_run(cls, run: RunFolder) -> StepDetector:
        """The detector of a run, from its folder; missing parts are computed from the training data and saved.

        Raises: DataError if that data is needed and cannot be read.
        """
        layout = _layout(run.model)
        if run.artifacts.has(STEPS):
            return cls(run.model, run.artifacts.read(STEPS, lambda part: StepEvidence.from_part(part, layout)))
        evidence = StepEvidence.build(run.prepared, run.model)
        run.artifacts.keep(STEPS, *evidence.as_part())
        return cls(run.model, evidence)

    def scores(self, rows: SeriesRows) -> StepScores:
        """The scores of every row of a series, in the order of its table."""
        known = ~np.isnan(rows.raw)
        costs = row_costs(self.model, all_windows(rows, self.layout), len(rows), self.evidence.usual)
        costs = as_given(rows, np.where(known, np.nan_to_num(costs), 0.0))
        n = np.maximum(as_given(rows, known.sum(1)), 1)
        score = self._nats(np.log(costs.sum(1) / n + LEAST_ERROR))
        without = (costs.sum(1, keepdims=True) - costs + np.minimum(costs, 1.0)) / n[:, None]
        blame = np.maximum(score[:, None] - self._nats(np.log(without + LEAST_ERROR)), 0.0)
        return StepScores(score, dependent_p_values(self.calibration, self.evidence.independent, score), blame)

    def _nats(self, logs: np.ndarray) -> np.ndarray:
        return error_nats(logs, self.center, self.width)


def keep_steps(run_path: str | Path, prepared: Prepared, model: AbstractModel) -> None:
    """Writes to RUN/latent/ what scoring a series needs, for a newly trained run."""
    if prepared.splits.series is not None:
        evidence = StepEvidence.build(prepared, model)
        Artifacts(run_path, model.weights_sha256 or "").put(STEPS, *evidence.as_part())


def row_costs(model: AbstractModel, cuts: Iterable[WindowCut], n_rows: int, usual: np.ndarray) -> np.ndarray:
    """The cost of each cell of rows (N, K) divided by its usual cost, averaged over all windows; 0 for a gap."""
    means = RowMeans(n_rows, usual.shape[1])
    for cut in cuts:
        means.add(cut.rows, window_costs(model, cut.raw, usual.shape) / usual)
    return means.values


def window_costs(model: AbstractModel, raw: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The cost (n, W, K) of each cell of raw windows (n, W * K), by one deterministic pass; 0 for a gap."""
    x = resident(raw, model.preprocess, model.device).to(model.device)
    with torch.no_grad(), evaluation(model):
        costs = model.likelihood.errors(model(x).params.float(), x).cpu().double()
    return costs.reshape(len(x), *shape).numpy()


def _usual(model: AbstractModel, watched: Samples, layout: SeriesLayout) -> np.ndarray:
    """(W, K): the mean cost of each column at each position in a window, at least a tenth of the overall mean."""
    shape, sums, n = (layout.window, layout.n_columns), np.zeros(1), np.zeros(1)
    for cut in _cuts(watched):
        sums = sums + window_costs(model, cut.raw, shape).sum(0)
        n = n + (~np.isnan(cut.raw)).reshape(-1, *shape).sum(0)
    mean = sums / np.maximum(n, 1)
    return np.maximum(mean, max(LEAST_USUAL * float(mean.mean()), LEAST_ERROR))


def _logs(model: AbstractModel, part: Samples, layout: SeriesLayout, usual: np.ndarray) -> list[np.ndarray]:
    """The log costs of the rows in the windows, by stretches of consecutive rows."""
    if part.windows is None or not len(part):
        return []
    rows = np.unique(part.windows.first[:, None] + np.arange(layout.window))
    cells = np.zeros((len(rows), layout.n_columns))
    for cut in _cuts(part):
        cells[np.searchsorted(rows, cut.rows)] = ~np.isnan(cut.raw.reshape(*cut.rows.shape, -1))
    local = (cut._replace(rows=np.searchsorted(rows, cut.rows)) for cut in _cuts(part))
    costs = row_costs(model, local, len(rows), usual)
    logs = np.log(costs.sum(1) / np.maximum(cells.sum(1), 1) + LEAST_ERROR)
    return np.split(logs, np.flatnonzero(np.diff(rows) > 1) + 1)


def _cuts(part: Samples, most: int = 4_096) -> Iterable[WindowCut]:
    """The windows of the samples, `most` at a time."""
    assert part.windows is not None
    first, length = part.windows
    for at in range(0, len(part), most):
        yield WindowCut(part.x[at : at + most], first[at : at + most, None] + np.arange(length))


def _layout(model: AbstractModel) -> SeriesLayout:
    layout = model.preprocess.series
    assert layout is not None
    return layout


__all__ = ["STEPS", "StepDetector", "StepEvidence", "StepScores", "keep_steps"]
