"""The principal components of a table as network input: how many hold most of what varies, and where they point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.samples import Samples
from isthmus.training.threads import using_threads

MOST_ROWS = 20_000  # that are looked at; they know a variance to 1 %
# The largest matrix that is decomposed: 3 s on one core. Of more columns so many rows are looked at, since a table has
# no more components than rows.
SIDE = 2_048
LEAST = 1e-10  # of the largest variance: below it float32 knows no direction


class Components(NamedTuple):
    """Of a table: the `mean` (D,), all variances (S,), descending, and as many `directions` (D, S)."""

    mean: Float[Tensor, " D"]
    variances: Float[Tensor, " S"]
    directions: Float[Tensor, "D S"]

    def holding(self, share: float) -> int:
        """How many of the first components hold that share of the variance; 1 at least."""
        shares = self.variances.cumsum(0) / self.variances.sum().clamp(min=1e-12)
        return max(1, min(int((shares < share).sum()) + 1, len(self.variances)))

    def explained(self, x: Float[Tensor, "N D"], k: int) -> float:
        """The share of what varies between rows x, network input, that the first k tell: 1 less their squared error.

        Of rows that the components were not fitted to; rows that are all at the mean count as told.
        """
        centered = x.double() - self.mean
        total = float(centered.square().sum())
        return 1.0 if total == 0 else float((centered @ self.directions[:, :k]).square().sum()) / total


def components_of(samples: Samples, preprocess: Preprocess) -> Components:
    """Of at most 20,000 rows, spread evenly; of 2,048 where there are more columns than that. All in float64.

    Directions have their largest entry above 0, so that the same data gives the same code on every machine.
    """
    most = MOST_ROWS if preprocess.size <= SIDE else SIDE
    x = preprocess.to_x(torch.from_numpy(np.array(samples.x[:: -(-len(samples) // most)]))).flatten(1).double()
    mean = x.mean(0)
    with using_threads(1):  # more threads round otherwise; the data alone should decide
        variances, directions = _decomposed(x - mean)
    signs = directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()
    return Components(mean, variances, directions * signs)


def _decomposed(centered: Tensor) -> tuple[Tensor, Tensor]:
    """(variances, directions) by the smaller of the two matrices of products."""
    N, D = centered.shape
    wide = D > N
    products = centered @ centered.T if wide else centered.T @ centered
    values, vectors = (part.flip(-1) for part in torch.linalg.eigh(products))
    kept = values > LEAST * values[0].clamp(min=1e-300)
    values, vectors = values[kept], vectors[:, kept]
    directions = centered.T @ vectors / values.sqrt() if wide else vectors
    return values / max(N - 1, 1), directions


__all__ = ["Components", "components_of"]
