"""Nearest samples, by codes or any other features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from isthmus.errors import DataError

PIECE = 2**24  # values held at once as floats: 64 MB in float32


class Nearest(NamedTuple):
    """`rows` (Q, k) of the data and their Euclidean `distances` (Q, k), nearest first."""

    rows: np.ndarray
    distances: np.ndarray


def nearest(queries: np.ndarray, data: np.ndarray, k: int, *, leave_out: np.ndarray | None = None) -> Nearest:
    """The k samples of data (N, …) nearest to each query (Q, …), or all of them if there are fewer.

    `leave_out` (Q,) has one row of the data to exclude for each query, such as the query itself, or -1. The data is
    searched in pieces, so that bytes are not all converted to floats at once.

    Raises: DataError if queries and data have different numbers of values, or there is nothing to search.
    """
    queries, data = flat(queries), flat(data)
    if queries.shape[1] != data.shape[1]:
        message = f"the given samples have {queries.shape[1]:,} values, but those to search have {data.shape[1]:,}."
        raise DataError("DATA-SHAPE", message, fix="search data of the same kind")
    more = int(leave_out is not None)
    k = min(k, len(data) - more)
    if k < 1 or not len(queries):
        message = f"there are too few samples: {len(queries):,} given, and {len(data):,} to search."
        raise DataError("DATA-COUNT", message, fix="use more samples")
    rows = _search(queries.astype(np.float32), data, k + more)
    if leave_out is not None:
        rows = _without(rows, leave_out)
    distances = distances_to(queries, data, rows)
    order = np.argsort(distances, axis=1, kind="stable")
    return Nearest(np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1))


def distances_to(queries: np.ndarray, data: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Euclidean distances (Q, k) from each query to its `rows` (Q, k) of the data, computed from differences.

    The search uses |a|^2 - 2ab + |b|^2, which gives only rounding errors if two samples are nearly equal.
    """
    queries, data = flat(queries), flat(data)
    found = np.empty(rows.shape)
    step = max(1, PIECE // max(1, queries.shape[1] * rows.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        differences = queries[part, None].astype(np.float64) - data[rows[part]]
        found[part] = np.sqrt(np.square(differences, out=differences).sum(2))
    return found


def flat(x: np.ndarray) -> np.ndarray:
    """(N, …) as (N, D)."""
    x = np.asarray(x)
    return x.reshape(len(x), int(np.prod(x.shape[1:])))


def _search(queries: np.ndarray, data: np.ndarray, k: int) -> np.ndarray:
    """Rows (Q, k) of the data, nearest first: the nearest of each piece, and the nearest of those."""
    step = max(k, PIECE // max(1, data.shape[1]))
    rows, distances = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0))
    for start in range(0, len(data), step):
        piece = data[start : start + step].astype(np.float32)
        index = NearestNeighbors(n_neighbors=min(k, len(piece))).fit(piece)
        far, near = index.kneighbors(queries)
        rows, distances = np.hstack([rows, near + start]), np.hstack([distances, far])
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        rows, distances = (np.take_along_axis(values, order, 1) for values in (rows, distances))
    return rows


def _without(rows: np.ndarray, leave_out: np.ndarray) -> np.ndarray:
    """(Q, k) of rows (Q, k + 1): without the excluded row or, if it is not among them, without the last."""
    keep = rows != np.asarray(leave_out)[:, None]
    keep[keep.all(1), -1] = False
    return rows[keep].reshape(len(rows), -1)


__all__ = ["Nearest", "distances_to", "flat", "nearest"]
