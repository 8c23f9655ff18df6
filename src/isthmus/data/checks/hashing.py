"""Samples that are the same, value for value: within a set, and between training and test.

A 64-bit number is made of every sample, all at once; only samples that share theirs are compared in full, so that the
counts are exact and a million samples take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

MOST_BYTES = 1 << 26  # looked at at once: 64 MB
LISTED = 10  # pairs that are named; of more only the number is told


class Matches(NamedTuple):
    """How many samples equal another, and the first pairs as row numbers: (the other, the sample)."""

    count: int
    pairs: tuple[tuple[int, int], ...]


def count_duplicates(x: np.ndarray) -> int:
    """How many samples of (N, ...) equal an earlier one.

    >>> count_duplicates(np.array([[1, 2], [3, 4], [1, 2], [1, 2]]))
    2
    """
    return find_duplicates(x).count


def count_overlap(train: np.ndarray, test: np.ndarray) -> int:
    """How many samples of `test` (M, ...) equal one of `train` (N, ...).

    >>> count_overlap(np.array([[1, 2], [3, 4]]), np.array([[3, 4], [3, 4], [5, 6]]))
    2
    """
    return find_overlap(train, test).count


def find_duplicates(x: np.ndarray, most: int = LISTED) -> Matches:
    """Samples of (N, ...) that equal an earlier one, with the first `most` pairs (earliest equal one, sample)."""
    numbers = _numbers(x)
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    candidates = np.flatnonzero(counts[inverse] > 1)
    first: dict[bytes, int] = {}
    count, pairs = 0, []
    for row in candidates.tolist():
        earliest = first.setdefault(_exact(x, row), row)
        if earliest != row:
            count += 1
            pairs += [(earliest, row)] if count <= most else []
    return Matches(count, tuple(pairs))


def find_overlap(train: np.ndarray, test: np.ndarray, most: int = LISTED) -> Matches:
    """Samples of `test` that equal one of `train`, with the first `most` pairs (row in train, row in test).

    Samples of different shapes are never equal; those of different types are compared as the wider of the two.
    """
    if train.shape[1:] != test.shape[1:] or not len(train) or not len(test):
        return Matches(0, ())
    if train.dtype != test.dtype:
        wider = np.result_type(train, test)
        train, test = train.astype(wider), test.astype(wider)
    in_train, in_test = _numbers(train), _numbers(test)
    shared = np.intersect1d(in_train, in_test)
    first: dict[bytes, int] = {}
    for row in np.flatnonzero(np.isin(in_train, shared)).tolist():
        first.setdefault(_exact(train, row), row)
    count, pairs = 0, []
    for row in np.flatnonzero(np.isin(in_test, shared)).tolist():
        found = first.get(_exact(test, row))
        if found is not None:
            count += 1
            pairs += [(found, row)] if count <= most else []
    return Matches(count, tuple(pairs))


def _numbers(x: np.ndarray) -> np.ndarray:
    """(N,) uint64: equal for equal samples, and hardly ever else.

    The sample's bytes as 64-bit words, each times its own odd random number, summed modulo 2**64 (multilinear hashing).
    """
    numbers = np.empty(len(x), dtype=np.uint64)
    multipliers = None
    for start, words in _words(x):
        if multipliers is None:
            multipliers = np.random.default_rng(0).integers(0, 2**64, words.shape[1], dtype=np.uint64) | np.uint64(1)
        numbers[start : start + len(words)] = words @ multipliers
    return numbers


def _words(x: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The samples' bytes as (n, W) uint64, a block of samples at a time, filled up with zeros."""
    n_bytes = int(np.prod(x.shape[1:])) * x.dtype.itemsize
    width = -(-max(n_bytes, 1) // 8)
    step = max(1, MOST_BYTES // (8 * width))
    for start in range(0, len(x), step):
        block = _canonical(x[start : start + step]).reshape(len(x[start : start + step]), -1)
        raw = np.zeros((len(block), 8 * width), dtype=np.uint8)
        raw[:, :n_bytes] = block.view(np.uint8).reshape(len(block), -1)
        yield start, raw.view(np.uint64)


def _canonical(block: np.ndarray) -> np.ndarray:
    """Contiguous, and with one zero instead of 0.0 and -0.0, which are equal but differ in a bit."""
    block = np.ascontiguousarray(block)
    return block + 0.0 if block.dtype.kind == "f" else block


def _exact(x: np.ndarray, row: int) -> bytes:
    return _canonical(x[row]).tobytes()
