"""`Surprisal`: anomaly scores from a model in memory, by error and by code, in nats, like those of `isthmus score`.

Scores of models trained on different parts of the same data are comparable, so each can judge the data it did not see.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from isthmus.models.autoencoder import Model
from isthmus.models.loading import Double
from isthmus.runs.density import fit_gaussian, fit_mixture
from isthmus.runs.error_signals import LEAST_ERROR, has_density

MOST_CODES = 5_000  # used to fit the density: for 32 numbers it takes 1.7 s; 10,000 of MNIST took 21 s


class Surprisal:
    """The two signals of a model in float64. The density is fitted to the codes of `train`, its training data.

    All methods take network input (N, ...) and return (N,).
    """

    def __init__(self, model: Model, train: Tensor, seed: int) -> None:
        self._model, self._density = Double(model), None
        if not has_density(model) or len(train) < 2:
            return
        z = self._codes(train[np.random.default_rng(seed).permutation(len(train))[:MOST_CODES]])
        self._density = fit_mixture(z, seed)
        # Codes of different models differ by shift, rotation and scale; nats relative to a Gaussian's entropy do not.
        log_det = np.linalg.slogdet(fit_gaussian(z).covariances[0])[1]
        self._entropy = (log_det + z.shape[1] * np.log(2 * np.pi * np.e)) / 2

    def signals(self, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """`log_error` and `code`."""
        return self.log_error(x), self.code(x)

    def log_error(self, x: Tensor) -> np.ndarray:
        """The logarithm of the mean squared error of the reconstruction."""
        return np.log(self._model.errors(x).numpy() + LEAST_ERROR)

    def code(self, x: Tensor) -> np.ndarray:
        """-log p(z) minus the entropy of a Gaussian with the covariance of the training codes; 0 without a code."""
        if self._density is None:
            return np.zeros(len(x))
        return -self._density.log_density(self._codes(x)) - self._entropy

    def _codes(self, x: Tensor) -> np.ndarray:
        return self._model.codes(x).flatten(1).numpy()


__all__ = ["Surprisal"]
