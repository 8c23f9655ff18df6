"""Projects codes to two dimensions by principal components, t-SNE or UMAP; the same codes give the same map."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from isthmus.errors import DataError, UsageError, unknown
from isthmus.extras import installing
from isthmus.randomness import seed_of

try:  # the extra `umap`
    import umap  # pyright: ignore[reportMissingImports]
except ImportError:
    umap = None

# The defaults of scikit-learn's t-SNE and of umap-learn, which most published maps use; lower with few samples.
PERPLEXITY, NEIGHBORS = 30.0, 15
ROUNDS = 1_000  # iterations of t-SNE: scikit-learn's default
LEAST = 5  # samples: no method makes a map of fewer


class Projection(NamedTuple):
    """`points` (N, 2) float32, and a sentence that describes them."""

    points: np.ndarray
    sentence: str


def project(z: np.ndarray, method: str = "tsne", *, seed: int = 0, rounds: int = ROUNDS) -> Projection:
    """The codes z (N, Z) as points in a plane, by `method`, one of `METHODS`.

    `rounds` is the number of iterations of t-SNE. PCA keeps directions and distances as well as two dimensions allow;
    t-SNE and UMAP keep neighbors together, and their distances between groups mean nothing.

    Raises: UsageError for an unknown method, or for UMAP if it is not installed; DataError for too few codes.
    Source: t-SNE, van der Maaten and Hinton 2008; UMAP, McInnes, Healy and Melville 2018, arXiv:1802.03426.
    """
    refuse_method(method)
    z = np.asarray(z, dtype=np.float32)
    if len(z) < LEAST:
        message = f"a map needs at least {LEAST} samples; the data has {len(z)}."
        raise DataError("DATA-COUNT", message, fix="use more samples")
    if not np.isfinite(z).all():
        raise DataError("DATA-CODES", "some codes are not finite numbers.", fix="train again with a lower --lr")
    if method == "tsne":
        return _tsne(z, seed_of(seed, "map") % 2**32, rounds)
    return METHODS[method](z, seed_of(seed, "map") % 2**32)


def refuse_method(method: str) -> None:
    """Raises: UsageError for a method that is unknown or not installed."""
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if method == "umap" and umap is None:
        fix = f"pass --method tsne, or install it: {installing('umap')}"
        raise UsageError("USAGE-UMAP", "UMAP is not installed.", fix=fix)


def _pca(z: np.ndarray, state: int) -> Projection:
    if z.shape[1] == 1:  # a code of one number is already a line
        return Projection(np.column_stack([z[:, 0], np.zeros(len(z), np.float32)]), "the code's only number")
    model = PCA(2, svd_solver="full", random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # codes that are all the same have no variance to divide by
        points = model.fit_transform(z)
        share = float(np.nan_to_num(model.explained_variance_ratio_).sum())
    return Projection(points.astype(np.float32), f"two principal components, {share:.0%} of the variance")


def _tsne(z: np.ndarray, state: int, rounds: int = ROUNDS) -> Projection:
    perplexity = min(PERPLEXITY, (len(z) - 1) / 3)  # above that, all samples would be neighbors
    start: Any = _pca(z, state).points
    start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4  # like scikit-learn's init="pca"
    model = TSNE(perplexity=perplexity, init=start, random_state=state, max_iter=rounds)
    return Projection(model.fit_transform(z), f"t-SNE, perplexity {perplexity:.3g}")


def _umap(z: np.ndarray, state: int) -> Projection:
    neighbors = min(NEIGHBORS, len(z) - 1)
    assert umap is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that a seed means one thread, which is intended
        points = umap.UMAP(n_neighbors=neighbors, random_state=state).fit_transform(z)
    return Projection(np.asarray(points, dtype=np.float32), f"UMAP, {neighbors} neighbors")


METHODS: dict[str, Callable[[np.ndarray, int], Projection]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}

__all__ = ["METHODS", "Projection", "project", "refuse_method"]
