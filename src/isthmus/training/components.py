"""The principal components of training samples as network input: their directions, and the linear code they define.

For a table all of them, which also show how many hold most of the variance; for images the largest ones.
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

MOST_ROWS = 20_000  # rows that are used, enough to know a variance to 1%
# The largest matrix that is decomposed: 3 s on one core. A table with more columns uses this many rows, because it has
# no more components than rows.
SIDE = 2_048
LEAST = 1e-10  # share of the largest variance below which float32 cannot resolve a direction
# Values of the images that are used, as floats: 21,845 images of 64 x 64 in color, half a minute on one core. With only
# half of 11,000 patches of photographs, the components have 4% more error on other patches.
MOST_VALUES = 2**28
AT_ONCE = 1024  # images in memory as floats
ROUGH_SAMPLES = 2_000  # enough because the layers are trained further: docs/speedrun.md
LEAST_OF_IMAGES = 1e-4  # share of the largest standard deviation below which there is only rounding


class Components(NamedTuple):
    """For a table: the `mean` (D,), all `variances` (S,) in descending order, and their `directions` (D, S)."""

    mean: Float[Tensor, " D"]
    variances: Float[Tensor, " S"]
    directions: Float[Tensor, "D S"]

    def holding(self, share: float) -> int:
        """How many of the first components hold this share of the variance; at least 1."""
        shares = self.variances.cumsum(0) / self.variances.sum().clamp(min=1e-12)
        return max(1, min(int((shares < share).sum()) + 1, len(self.variances)))

    def code(self, k: int) -> LinearCode:
        """The code of the first k, in units of the columns, so that a larger variance counts more."""
        return LinearCode(self.mean, self.directions[:, :k], torch.ones_like(self.variances[:k]))

    def explained(self, x: Float[Tensor, "N D"], k: int) -> float:
        """The share of the variance of rows x, network input, that the first k explain: 1 minus their squared error.

        The rows need not be those that the components were fitted to. If all rows equal the mean, the share is 1.
        """
        centered = x.double() - self.mean
        total = float(centered.square().sum())
        return 1.0 if total == 0 else float((centered @ self.directions[:, :k]).square().sum()) / total


def components_of(samples: Samples, preprocess: Preprocess) -> Components:
    """Computed in float64 from at most 20,000 evenly spaced rows, or 2,048 if there are more than 2,048 columns.

    `_signed` sets the signs of the directions.
    """
    most = MOST_ROWS if preprocess.size <= SIDE else SIDE
    x = preprocess.to_x(torch.from_numpy(np.array(samples.x[:: -(-len(samples) // most)]))).flatten(1).double()
    mean = x.mean(0)
    with using_threads(1):  # more threads round differently; the result should depend only on the data
        variances, directions = _decomposed(x - mean)
    return Components(mean, variances, _signed(directions))


def rough_code(samples: Samples, preprocess: Preprocess, k: int) -> LinearCode:
    """Approximately the code of the k largest components, from 2,000 evenly spaced samples, in a few steps' time."""
    raw = resident(np.array(samples.x[:: -(-len(samples) // ROUGH_SAMPLES)]), preprocess, torch.device("cpu"))
    x = as_x(raw, preprocess).float().flatten(1)
    with using_threads(1):
        mean, directions = principal(x, k, roughly=True)
    return _code_of(mean, directions, ((x - mean) @ directions).square().mean(0).sqrt())


def linear_code_of_images(images: Samples, preprocess: Preprocess, k: int) -> LinearCode:
    """The code of at most k numbers from the largest components of images, on the grid of `coarse_shape`. Each number
    has a standard deviation of 1 over the images.
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
    """The code from all directions that are not only rounding, with the signs of `_signed`."""
    kept = sizes > LEAST_OF_IMAGES * max(float(sizes.amax()), LEAST_OF_IMAGES) if len(sizes) else sizes > 0
    return LinearCode(mean, _signed(directions)[:, kept], sizes[kept])


def _signed(directions: Tensor) -> Tensor:
    """Makes the largest entry of each direction positive, so that the same data gives the same code everywhere."""
    return directions * directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()


def _decomposed(centered: Tensor) -> tuple[Tensor, Tensor]:
    """(variances, directions), from the smaller of the covariance and the Gram matrix."""
    N, D = centered.shape
    wide = D > N
    products = centered @ centered.T if wide else centered.T @ centered
    values, vectors = (part.flip(-1) for part in torch.linalg.eigh(products))
    kept = values > LEAST * values[0].clamp(min=1e-300)
    values, vectors = values[kept], vectors[:, kept]
    directions = centered.T @ vectors / values.sqrt() if wide else vectors
    return values / max(N - 1, 1), directions


__all__ = ["Components", "components_of", "linear_code_of_images", "rough_code"]
