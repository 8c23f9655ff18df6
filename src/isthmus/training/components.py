"""The principal components of training samples as network input: where they point, and the linear code that they make.

Of a table all of them, which say as well how many hold most of what varies; of images the largest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.data.batching.batches import as_x, resident
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.samples import Samples
from isthmus.parts.refinement import Coarse, coarse_shape, step_of
from isthmus.parts.shortcuts import LinearCode
from isthmus.training.principal_components import principal
from isthmus.training.threads import using_threads

MOST_ROWS = 20_000  # that are looked at; they know a variance to 1 %
# The largest matrix that is decomposed: 3 s on one core. Of more columns so many rows are looked at, since a table has
# no more components than rows.
SIDE = 2_048
LEAST = 1e-10  # of the largest variance: below it float32 knows no direction
# Of the images that are looked at, as floats: 21,845 of 64 x 64 in color, half a minute of a core. Of half of 11,000
# patches of photographs the components leave 4 % more error on others.
MOST_VALUES = 2**28
AT_ONCE = 1024  # of them that stand in memory as floats
ROUGH_SAMPLES = 2_000  # layers go on from there: docs/speedrun.md
LEAST_OF_IMAGES = 1e-4  # of the largest deviation: less is rounding


class Components(NamedTuple):
    """Of a table: the `mean` (D,), all variances (S,), descending, and as many `directions` (D, S)."""

    mean: Float[Tensor, " D"]
    variances: Float[Tensor, " S"]
    directions: Float[Tensor, "D S"]

    def holding(self, share: float) -> int:
        """How many of the first components hold that share of the variance; 1 at least."""
        shares = self.variances.cumsum(0) / self.variances.sum().clamp(min=1e-12)
        return max(1, min(int((shares < share).sum()) + 1, len(self.variances)))

    def code(self, k: int) -> LinearCode:
        """The code of the first k: in units of the columns, so that what varies more counts more."""
        return LinearCode(self.mean, self.directions[:, :k], torch.ones_like(self.variances[:k]))

    def explained(self, x: Float[Tensor, "N D"], k: int) -> float:
        """The share of what varies between rows x, network input, that the first k tell: 1 less their squared error.

        Of rows that the components were not fitted to; rows that are all at the mean count as told.
        """
        centered = x.double() - self.mean
        total = float(centered.square().sum())
        return 1.0 if total == 0 else float((centered @ self.directions[:, :k]).square().sum()) / total


def components_of(samples: Samples, preprocess: Preprocess) -> Components:
    """Of at most 20,000 rows, spread evenly; of 2,048 where there are more columns than that. All in float64.

    Directions have the signs of `_signed`.
    """
    most = MOST_ROWS if preprocess.size <= SIDE else SIDE
    x = preprocess.to_x(torch.from_numpy(np.array(samples.x[:: -(-len(samples) // most)]))).flatten(1).double()
    mean = x.mean(0)
    with using_threads(1):  # more threads round otherwise; the data alone should decide
        variances, directions = _decomposed(x - mean)
    return Components(mean, variances, _signed(directions))


def rough_code(samples: Samples, preprocess: Preprocess, k: int) -> LinearCode:
    """About the code of the k largest components, in the time of a few steps: of 2,000 samples, spread evenly."""
    raw = resident(np.array(samples.x[:: -(-len(samples) // ROUGH_SAMPLES)]), preprocess, torch.device("cpu"))
    x = as_x(raw, preprocess).float().flatten(1)
    with using_threads(1):
        mean, directions = principal(x, k, roughly=True)
    return _code_of(mean, directions, ((x - mean) @ directions).square().mean(0).sqrt())


def linear_code_of_images(images: Samples, preprocess: Preprocess, k: int) -> LinearCode:
    """The code of at most k numbers that the largest components of images make, on the grid of `coarse_shape`; each
    number has a deviation of 1 over the images.
    """
    most = max(2, MOST_VALUES // math.prod(coarse_shape(preprocess.shape)))
    raw = resident(np.array(images.x[:: -(-len(images) // most)]), preprocess, torch.device("cpu"))
    coarse = Coarse(step_of(preprocess.shape))

    def to_x(piece: Tensor) -> Tensor:
        return coarse(as_x(piece, preprocess))

    with using_threads(1):
        mean, directions = principal(raw, k, to_x)
        squares = sum(((to_x(x).flatten(1) - mean) @ directions).square().sum(0) for x in raw.split(AT_ONCE))
    return _code_of(mean, directions, (torch.as_tensor(squares) / len(raw)).sqrt())


def _code_of(mean: Tensor, directions: Tensor, sizes: Tensor) -> LinearCode:
    """That of the directions which are no rounding, with the signs of `_signed`."""
    kept = sizes > LEAST_OF_IMAGES * max(float(sizes.amax()), LEAST_OF_IMAGES) if len(sizes) else sizes > 0
    return LinearCode(mean, _signed(directions)[:, kept], sizes[kept])


def _signed(directions: Tensor) -> Tensor:
    """The same with the largest entry of each above 0, so that the same data gives the same code on every machine."""
    return directions * directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()


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


__all__ = ["Components", "components_of", "linear_code_of_images", "rough_code"]
