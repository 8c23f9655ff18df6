"""A fast anomaly score: from the reconstruction error, and from the distance of the code to training codes.

`isthmus score` fits a density to the codes, which may take half a minute the first time. To compare a whole set with
the training data, distances to stored codes work as well, and nothing has to be fitted.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isthmus.models.abstract_model import AbstractModel
from isthmus.runs.artifacts import Artifacts
from isthmus.runs.error_signals import EVIDENCE, ErrorSignals, error_nats, error_signals
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import Latent
from isthmus.runs.set_facts import MOST, SetFacts, spread

# On the shipped digits, the distances to the 1st, 5th and 20th neighbor detect mirrored digits equally well; the 5th is
# not affected by a single copy of a sample.
NEIGHBORS = 5
MOST_CODES = 5_000  # codes to compute distances to: a thousand samples take a tenth of a second
LEAST_DISTANCE = 1e-6  # standard deviations; float32 cannot resolve smaller distances


class NeighborScore:
    """The sum of -log P(a normal sample has as large an error), in nats, and Z log r of the code.

    r is the distance to the fifth nearest training code, with each unit divided by its standard deviation; up to a
    constant, Z log r is -log of the k-nearest-neighbors density estimate (Loftsgaarden and Quesenberry 1965).
    `calibration` (n,) are the scores of validation samples that were not used for any choice.
    """

    def __init__(
        self, model: AbstractModel, watched: np.ndarray, calibration: ErrorSignals, latent: Latent | None
    ) -> None:
        self.model, self.center = model, float(watched.mean())
        self.width = float(watched.std()) if np.ptp(watched) > 0 else 1.0
        self.codes = None
        if latent is not None and calibration.z is not None:
            deviation = latent.std.astype(np.float32)
            self.deviation = torch.from_numpy(np.where(deviation > 0, deviation, 1.0))
            rows = spread(len(latent.codes), MOST_CODES)
            self.codes = torch.from_numpy(np.array(latent.codes[rows])) / self.deviation
        kept = spread(len(calibration.log_error), MOST)
        z = None if calibration.z is None else calibration.z[kept]
        self.calibration = self._nats(ErrorSignals(calibration.log_error[kept], z))

    @classmethod
    def of_run(cls, run: RunFolder, facts: SetFacts | None, *, noisy: bool) -> NeighborScore | None:
        """The score from what the run folder stores; for `noisy` samples, from noisy ones. None if that is not stored.

        Raises: ModelFileError if it is damaged.
        """
        model, kept = run.model, Artifacts(run.path)
        if noisy:
            if facts is None or facts.watched is None or facts.noisy is None or not len(facts.watched):
                return None
            watched, calibration = facts.watched, facts.noisy
        elif kept.has(EVIDENCE):
            arrays = kept.get(EVIDENCE).arrays
            watched, calibration = arrays["watched"], ErrorSignals(arrays["log_error"], arrays.get("z"))
        else:
            return None
        latent = Latent.load(run.path) if calibration.z is not None and Latent.is_kept(run.path) else None
        return cls(model, watched, calibration, latent)

    def of(self, x: Tensor) -> np.ndarray:
        """Scores (N,) of network input x (N, *shape); larger is more anomalous."""
        return self._nats(error_signals(self.model, x))

    def _nats(self, found: ErrorSignals) -> np.ndarray:
        error = error_nats(found.log_error, self.center, self.width)
        if self.codes is None or found.z is None or not len(error):
            return error
        z = torch.from_numpy(found.z) / self.deviation
        k = min(NEIGHBORS, len(self.codes))
        r = torch.cat([torch.cdist(part, self.codes).kthvalue(k, dim=1).values for part in z.split(500)])
        return error + z.shape[1] * np.log(r.double().numpy() + LEAST_DISTANCE)


__all__ = ["NeighborScore"]
