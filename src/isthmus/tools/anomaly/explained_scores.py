"""`ExplainedScores`: the result of `Run.score`, with the columns to blame, which are computed on first access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.tables.given_frames import as_frame
from isthmus.errors import UsageError
from isthmus.runs.folder import RunFolder
from isthmus.tools.anomaly.detector import Scores
from isthmus.tools.anomaly.fold_training import detector_for
from isthmus.wording import shell_word


class ExplainedScores(Scores):
    """`Scores` with `blame`, which is computed on first access."""

    _explain: Callable[[], Any]

    @classmethod
    def of(cls, scores: Scores, explain: Callable[[], Any]) -> ExplainedScores:
        found = cls(*scores)
        found._explain = explain
        return found

    def __reduce__(self) -> tuple[type[Scores], tuple[np.ndarray, ...]]:
        """Pickled as plain `Scores`, without the model."""
        return Scores, tuple(self)

    @cached_property
    def blame(self) -> Any:
        """(N, K) for rows of a table: by how many nats the score of a row would fall if only this column had a value
        that fits the other columns, or a usual one. A data frame, with the column names of the table, if one was
        scored; otherwise an array of float64. 10,000 rows take seconds.

        Raises: UsageError for images, which have no columns.
        """
        return self._explain()


def explained_scores(run: RunFolder, given: Any, false_alarms: float | None = None) -> ExplainedScores:
    """The scores of raw samples of any type that `Model.encode` takes.

    Raises: like `Model.encode` and `detector_for`.
    """
    known = run.model.preprocess
    carrier, detector = Carrier(given, known), detector_for(run, false_alarms)
    raw = carrier.raw.cpu().numpy()
    if not known.is_image:
        raw = raw.copy()  # blame belongs to the values scored now, even if the array changes later

    def explain() -> Any:
        _refuse_images(run)
        names = known.columns or [f"x{i}" for i in range(raw.shape[1])]
        blame = detector.blame(raw) if len(raw) else np.zeros(raw.shape)
        return blame if carrier.frame is None else carrier.in_kind(torch.from_numpy(blame), names)

    return ExplainedScores.of(detector.scores(raw), explain)


def blame_like(given: Any, blame: np.ndarray, names: Sequence[str]) -> Any:
    """Nats (N, K) as a data frame of the same library as `given`, with its index (pandas); unchanged for an array."""
    frame = as_frame(given)
    if frame is None:
        return blame
    columns = dict(zip(names, blame.T, strict=True))
    index = getattr(frame, "index", None)
    make: Any = type(frame)
    return make(columns) if index is None else make(columns, index=index)


def _refuse_images(run: RunFolder) -> None:
    if run.model.preprocess.is_image:
        message = "images have no columns to blame."
        how = f"isthmus score {shell_word(run.path)} IMAGES -o scores.csv --picture anomalies.png"
        raise UsageError("USAGE-BLAME", message, fix=f"see where they are unusual with `{how}`")


__all__ = ["ExplainedScores", "blame_like", "explained_scores"]
