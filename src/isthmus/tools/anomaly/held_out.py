"""`HeldOutScores`: how normal rows are; a training row is judged by a model that was not trained on it."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from isthmus.runs.error_signals import error_nats
from isthmus.tools.anomaly.conformal import ROUNDING, threshold
from isthmus.tools.anomaly.surprisal import Surprisal
from isthmus.wording import counted

# Held-out rows for a threshold: 200 are enough to know a share of 0.1 to 0.02. With fewer, every row is held out once,
# in FOLDS folds. On scikit-learn's breast cancer (benign) and wine, 4 splits each, 0.098 of new rows are outliers at
# 0.1 with 3 folds, 0.100 with 2, 0.093 with 5; a fit takes 3.5, 3.0 and 5.1 s on one core.
ENOUGH, FOLDS = 200, 3
Signals = tuple[np.ndarray, np.ndarray]  # log error and code, (N,) each, from `Surprisal.signals`


class HeldOutScores:
    """Scores in nats, larger for more normal rows: log P(an error as large) + log p(code), up to a constant.

    `surprisal` judges new rows. `signals` are those of held-out rows, each from a model that was not trained on the
    row; they define what is normal, and `scores` (N,) are their scores. If `numbers` (N,), hashes of these rows, are
    given, a row that appears again gets the same score again.
    """

    def __init__(self, surprisal: Surprisal, signals: Signals, numbers: np.ndarray | None = None) -> None:
        log_error = signals[0]
        self._surprisal = surprisal
        self._usual = float(log_error.mean()), float(log_error.std()) or 1.0  # equal errors have no width
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

    def threshold(self, share: float) -> float:
        """The score below which rows are outliers, so that at most `share` of new rows like the held-out ones are.

        Outliers have a conformal p-value of at most `share`: with k = floor(share * (n + 1)), a new row is an outlier
        if its score is below the k-th lowest of the n; the k lowest are outliers themselves. -inf if k is 0, because n
        is too small for the share. Rows tied with the next score are not outliers.
        """
        strange = -self.scores
        k_th = -threshold(strange, share)
        tied = (self.scores <= k_th).sum() > np.floor(share * (len(strange) + 1) + ROUNDING)
        return float(k_th if tied or np.isinf(k_th) else np.nextafter(k_th, np.inf))

    def _scored(self, log_error: np.ndarray, code: np.ndarray) -> np.ndarray:
        return -error_nats(log_error, *self._usual) - code


def too_few(rows: int, share: float) -> str:
    """A message for too few distinct rows to set a threshold."""
    needed = max(math.ceil(1 / share - ROUNDING) - 1, 2 * FOLDS)  # p is at least 1 / (n + 1); at least two rows a fold
    return (
        f"X has {counted(rows, 'distinct row')}, too few to detect outliers at contamination={share:g}, which needs "
        f"{needed:,}. predict marks no outliers; score_samples still ranks rows."
    )
