"""Mean and principal components of samples of any size, computed piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import ArpackError, eigsh
from torch import Tensor

from isthmus.errors import DataError

PIECE = 2**20  # values processed at a time: 4 MB in float32

ToX = Callable[[Tensor], Tensor]  # raw samples (B, *shape) -> floats on the scale of x

SIDE = 4096  # the largest matrix of products that is decomposed: 128 MB in float64, a few seconds on two cores
WORK = 2e12  # multiplications for that matrix, about 20 s on two cores; beyond this the components are randomized
EXACT_WORK = 2e10  # up to here, about a second, products are in float64; beyond this in float32, twice as fast
SMALL = 1024  # up to here all eigenvectors take under a second; above this only the first k are computed
ROUNDS, MORE = 7, 10  # power iterations, and directions in addition to k: scikit-learn's choice for small k
ROUNDS_ROUGHLY = 1  # for layers that are trained further: after 60 steps the result is as good as from three rounds


def principal(
    train: Float[Tensor, "N ..."],
    n_components: int,
    to_x: ToX = Tensor.float,
    mean: Tensor | None = None,
    *,
    roughly: bool = False,
) -> tuple[Float[Tensor, " D"], Float[Tensor, "D K"]]:
    """The mean of the training samples and the largest principal components, as orthonormal columns.

    K is `n_components`, limited to the rank of the samples, which is at most min(N - 1, D). `to_x` converts raw samples
    to floats, piece by piece, so that the floats never need much memory. The components are exact (eigenvectors of the
    covariance, or of the samples' inner products if there are fewer samples than values), except for data with more
    than 4,096 samples of more than 4,096 values, or if this takes more than 2e12 multiplications: then they are
    randomized. With `roughly`, they are always randomized, in one round. `mean` is the mean of the samples, in the
    shape of one sample, if it is known already.

    Source: Pearson 1901; for the randomized ones Halko, Martinsson, Tropp 2011, https://arxiv.org/abs/0909.4061,
    algorithm 4.4.
    """
    rows = Rows(train, to_x)
    mean = _mean(rows) if mean is None else mean.flatten()
    k = min(n_components, len(train) - 1, rows.width)
    if roughly and k > 0:
        return mean, _randomized(rows, mean, k, ROUNDS_ROUGHLY)
    return mean, _components(rows, mean, k).float()


class Rows:
    """Samples as rows of float32 on the CPU, in pieces; larger ones than in `metrics`, for faster matrix products.

    Each piece comes with its slice.
    """

    def __init__(self, data: Tensor, to_x: ToX) -> None:
        if not data.numel():
            message = f"samples of shape {tuple(data.shape)} are empty, so nothing can be learned from them."
            raise DataError("DATA-SHAPE", message, fix="pass at least one sample with at least one value")
        self.data, self.to_x, self.width = data, to_x, to_x(data[:1]).numel()

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        return self.pieces(4 * PIECE)

    def pieces(self, n_values: int) -> Iterator[tuple[slice, Tensor]]:
        step = max(1, n_values // self.width)
        for at in range(0, len(self.data), step):
            part = slice(at, min(at + step, len(self.data)))
            yield part, self.to_x(self.data[part]).flatten(1).cpu()


def _mean(rows: Rows) -> Tensor:
    total = sum((piece.sum(0, dtype=torch.float64) for _, piece in rows), torch.zeros(rows.width).double())
    return (total / len(rows)).float()


def _components(rows: Rows, mean: Tensor, k: int) -> Tensor:
    N, D = len(rows), rows.width
    if k < 1:
        return torch.zeros(D, 0)
    if min(N, D) > SIDE or 2.0 * N * D * min(N, D) > WORK:
        return _randomized(rows, mean, k)
    if D <= N:
        # Sums are always in float64. Products in float32 lose the order of directions below 1e-6 of the largest,
        # which changes MNIST's error at 32 components by less than a millionth of it.
        digits = torch.float64 if 2.0 * N * D * D <= EXACT_WORK else torch.float32
        centered = ((piece - mean).to(digits) for _, piece in rows)
        return _largest(sum(((c.T @ c).double() for c in centered), torch.zeros(D, D).double()), k)[1]
    digits, least = (torch.float64, 1e-12) if 2.0 * N * N * D <= EXACT_WORK else (torch.float32, 1e-6)
    values, vectors = _largest(_inner_products(rows, mean, digits), k)
    kept = values > values[0] * least  # below this, the precision is not enough for a direction
    return torch.linalg.qr(_back(rows, mean, vectors[:, kept] / values[kept].sqrt())).Q


def _inner_products(rows: Rows, mean: Tensor, digits: torch.dtype) -> Tensor:
    """(N, N) products of the centered samples, for two pieces at a time, so that only these two are floats."""
    products = torch.empty(len(rows), len(rows), dtype=torch.float64)
    for a, left in rows.pieces(8 * PIECE):
        centered = (left - mean).to(digits)
        for b, right in rows.pieces(8 * PIECE):
            if b.start > a.start:
                break
            found = (centered @ (right - mean).to(digits).T).double()
            products[a, b], products[b, a] = found, found.T
    return products


def _back(rows: Rows, mean: Tensor, weights: Tensor) -> Tensor:
    """(D, K) sums of the centered samples with weights (N, K)."""
    total = torch.zeros(rows.width, weights.shape[1], dtype=weights.dtype)
    for part, piece in rows:
        total += (piece - mean).to(weights.dtype).T @ weights[part]
    return total


def _randomized(rows: Rows, mean: Tensor, k: int, rounds: int = ROUNDS) -> Tensor:
    """Approximately the k largest components: random directions, improved by passes over the data."""
    wide = min(k + MORE, len(rows), rows.width)
    directions = torch.randn(rows.width, wide, generator=torch.Generator().manual_seed(0))  # reproducible
    for _ in range(rounds + 1):
        basis = torch.linalg.qr(torch.cat([(piece - mean) @ directions for _, piece in rows])).Q
        pulled = _back(rows, mean, basis)
        directions = torch.linalg.qr(pulled).Q
    return torch.linalg.svd(pulled, full_matrices=False).U[:, :k]


def _largest(matrix: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues of a symmetric matrix, descending, and their eigenvectors as columns."""
    S = len(matrix)
    if S > SMALL and k <= S // 10:
        try:
            start = np.random.default_rng(0).standard_normal(S)  # otherwise ARPACK draws one
            values, vectors = (torch.from_numpy(part.copy()) for part in eigsh(matrix.numpy(), k, v0=start))
            order = values.argsort(descending=True)
            return values[order], vectors[:, order]
        except ArpackError:  # fewer than k directions in the data, which the full decomposition can handle
            pass
    values, vectors = torch.linalg.eigh(matrix)
    return values[-k:].flip(0), vectors[:, -k:].flip(1)
