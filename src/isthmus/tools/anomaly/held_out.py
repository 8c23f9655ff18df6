"""`HeldOutScores`: how normal rows are, where a row of the training data is judged by a model that did not see it."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from isthmus.runs.error_signals import error_nats
from isthmus.tools.anomaly.conformal import ROUNDING, threshold
from isthmus.tools.anomaly.surprisal import Surprisal
from isthmus.wording import counted

# Rows held out that set a threshold: 200 know a share of 0.1 to 0.02. Of fewer, every row is held out once, in FOLDS.
# On scikit-learn's breast cancer (benign) and wine, 4 splits each, 0.098 of new rows are outliers at 0.1 by 3 folds,
# 0.100 by 2, 0.093 by 5; a fit takes 3.5, 3.0 and 5.1 s of one core.
ENOUGH, FOLDS = 200, 3
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

    def threshold(self, share: float) -> float:
        """The score below which rows are outliers, so that of new rows like those held out at most `share` are.

        Outliers have a conformal p-value of at most `share`: with k = floor(share * (n + 1)) a new row is one where its
        score is below the k-th of the n, and the k lowest are themselves; -inf where k is 0, for n so few hold no such
        share. Rows as normal as the next are none.
        """
        strange = -self.scores
        k_th = -threshold(strange, share)
        tied = (self.scores <= k_th).sum() > np.floor(share * (len(strange) + 1) + ROUNDING)
        return float(k_th if tied or np.isinf(k_th) else np.nextafter(k_th, np.inf))

    def _scored(self, log_error: np.ndarray, code: np.ndarray) -> np.ndarray:
        return -error_nats(log_error, *self._usual) - code


def too_few(rows: int, share: float) -> str:
    """What to say where no threshold can be set by so many different rows."""
    needed = max(math.ceil(1 / share - ROUNDING) - 1, 2 * FOLDS)  # p is 1 / (n + 1) at least; two rows a fold at least
    return (
        f"X has {counted(rows, 'different row')}: too few to call a new one an outlier at contamination={share:g}, "
        f"which takes {needed:,}. predict calls none so; score_samples still orders them."
    )
