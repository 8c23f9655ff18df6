"""`Surprisal`: how strange samples are to a model in memory, by error and by code, in nats, as `isthmus score` says it.

Models that were trained on different parts of the same data say it alike, so that each can judge what it did not see.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from isthmus.models.autoencoder import Model
from isthmus.models.loading import Double
from isthmus.runs.density import fit_gaussian, fit_mixture
from isthmus.runs.error_signals import LEAST_ERROR, has_density

MOST_CODES = 5_000  # the density is fitted to: of 32 numbers in 1.7 s, where 10,000 of MNIST took 21 s


class Surprisal:
    """The two signals of a model in float64; its density is that of the codes of `train`, what it was trained on.

    Everything takes network input (N, ...) and gives (N,).
    """

    def __init__(self, model: Model, train: Tensor, seed: int) -> None:
        self._model, self._density = Double(model), None
        if not has_density(model) or len(train) < 2:
            return
        z = self._codes(train[np.random.default_rng(seed).permutation(len(train))[:MOST_CODES]])
        self._density = fit_mixture(z, seed)
        # Each model shifts, turns and scales its codes as it likes; counted from one Gaussian's entropy, nats do not.
        log_det = np.linalg.slogdet(fit_gaussian(z).covariances[0])[1]
        self._entropy = (log_det + z.shape[1] * np.log(2 * np.pi * np.e)) / 2

    def signals(self, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """`log_error` and `code`."""
        return self.log_error(x), self.code(x)

    def log_error(self, x: Tensor) -> np.ndarray:
        """The logarithm of the mean squared error of the reconstruction."""
        return np.log(self._model.errors(x).numpy() + LEAST_ERROR)

    def code(self, x: Tensor) -> np.ndarray:
        """-log p(z), less the entropy of one Gaussian with the covariance of the training codes; 0 without a code."""
        if self._density is None:
            return np.zeros(len(x))
        return -self._density.log_density(self._codes(x)) - self._entropy

    def _codes(self, x: Tensor) -> np.ndarray:
        return self._model.codes(x).flatten(1).numpy()


__all__ = ["Surprisal"]
