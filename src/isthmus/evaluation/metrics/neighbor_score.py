"""How strange samples are to a run, quickly: by their error, and by how far their codes lie from its training codes.

`isthmus score` fits a density to the codes, which may take half a minute when first asked for. To set a whole set
beside the training data distances to the codes that are kept do as well, and there is nothing to fit.
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

# To the fifth: on the shipped digits 1, 5 and 20 told mirrored ones alike, and one copy of a sample is not enough.
NEIGHBORS = 5
MOST_CODES = 5_000  # codes that distances are taken to: a thousand samples take a tenth of a second
LEAST_DISTANCE = 1e-6  # deviations; float32 does not tell nearer ones apart


class NeighborScore:
    """Nats of surprise at the error, -log P(a normal one's is as large), and Z log r of the code.

    r is the distance to the fifth nearest training code, each unit divided by its deviation: -log of the density that
    k nearest neighbors estimate (Loftsgaarden and Quesenberry 1965), but for a constant. `calibration` (n,) are the
    values of validation samples that nothing was chosen by.
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
        """From what the run keeps; `noisy` samples are set beside noisy ones. None where that is not kept.

        Raises: ModelFileError where it is damaged.
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
        """Of network input x (N, *shape), (N,), larger is stranger."""
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
