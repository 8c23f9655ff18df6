"""`HeldOutScores`: how normal rows are, where a row of the training data is judged by a model that did not see it."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from isthmus.runs.error_signals import error_nats
from isthmus.tools.anomaly.surprisal import Surprisal

Signals = tuple[np.ndarray, np.ndarray]  # log error and code, (N,) each, as `Surprisal.signals` gives them


class HeldOutScores:
    """Scores in nats, larger for more normal rows: log P(an error as large) + log p(code), up to a constant.

    `surprisal` judges new rows. `signals` are those of rows that each came from a model which was not trained on them:
    they say what is usual, and `scores` (N,) are theirs. Where `numbers` (N,), hashes of those rows, are given, a row
    that comes again gets the score it got then.
    """

    def __init__(self, surprisal: Surprisal, signals: Signals, numbers: np.ndarray | None = None) -> None:
        log_error = signals[0]
        self._surprisal = surprisal
        self._usual = float(log_error.mean()), float(log_error.std()) or 1.0  # of equal errors nothing is known
        self.scores = self._scored(*signals)
        self._known, first = np.unique(np.zeros(0) if numbers is None else numbers, return_index=True)
        self._judged = self.scores[first]

    def score(self, x: Tensor, numbers: np.ndarray) -> np.ndarray:
        """The scores (M,) of network input (M, ...), whose rows have these hashes (M,)."""
        scores = self._scored(*self._surprisal.signals(x))
        if not len(self._known):
            return scores
        place = np.minimum(np.searchsorted(self._known, numbers), len(self._known) - 1)
        return np.where(self._known[place] == numbers, self._judged[place], scores)

    def _scored(self, log_error: np.ndarray, code: np.ndarray) -> np.ndarray:
        return -error_nats(log_error, *self._usual) - code
