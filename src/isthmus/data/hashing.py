"""Finds identical samples: within a set, and between training and test.

A 64-bit hash of every sample is computed, vectorized; only samples with equal hashes are compared in full, so counts
are exact and a million samples take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

MOST_BYTES = 1 << 26  # processed at once: 64 MB
DIGESTED = 32  # bytes: no two different samples with the same digest of this size are known
LISTED = 10  # pairs that are listed; of more, only the number is reported


class Matches(NamedTuple):
    """The number of samples that equal another one, and the first pairs as row numbers: (the other, the sample)."""

    count: int
    pairs: tuple[tuple[int, int], ...]


def find_exact_duplicates(x: np.ndarray, most: int = LISTED, *, numbers: np.ndarray | None = None) -> Matches:
    """Samples of (N, ...) that equal an earlier one, with the first `most` pairs (earliest equal sample, sample).

    `numbers` are `numbers_of(x)`, if they are already known.

    >>> find_exact_duplicates(np.array([[1, 2], [3, 4], [1, 2], [1, 2]]))
    Matches(count=2, pairs=((0, 2), (0, 3)))
    """
    numbers = numbers_of(x) if numbers is None else numbers
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


def find_overlap(
    train: np.ndarray,
    test: np.ndarray,
    most: int = LISTED,
    *,
    numbers: tuple[np.ndarray, np.ndarray] | None = None,
) -> Matches:
    """Samples of `test` that equal one of `train`, with the first `most` pairs (row in train, row in test).

    Samples of different shapes are never equal; samples of different types are compared in the wider type. `numbers`
    are `numbers_of` both, if they are already known.

    >>> find_overlap(np.array([[1, 2], [3, 4]]), np.array([[3, 4], [3, 4], [5, 6]]))
    Matches(count=2, pairs=((1, 0), (1, 1)))
    """
    if train.shape[1:] != test.shape[1:] or not len(train) or not len(test):
        return Matches(0, ())
    if train.dtype != test.dtype:
        wider = np.result_type(train, test)
        train, test, numbers = train.astype(wider), test.astype(wider), None
    in_train, in_test = numbers or (numbers_of(train), numbers_of(test))
    shared = np.intersect1d(in_train, in_test)
    first: dict[bytes, int] = {}
    for row in np.flatnonzero(are_in(in_train, shared)).tolist():
        first.setdefault(_exact(train, row), row)
    count, pairs = 0, []
    for row in np.flatnonzero(are_in(in_test, shared)).tolist():
        found = first.get(_exact(test, row))
        if found is not None:
            count += 1
            pairs += [(found, row)] if count <= most else []
    return Matches(count, tuple(pairs))


def is_among(x: np.ndarray, numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Which samples of x (N, ...) are among the samples of type `dtype` with these `numbers`, (N,) bool.

    Those samples are not available, so only the hash decides: a new sample is mistaken for one of M samples with
    probability M / 2**64.

    >>> is_among(np.array([[1.0], [2.5]]), numbers_of(np.array([[1], [2]], np.uint8)), np.dtype(np.uint8))
    array([ True, False])
    """
    with np.errstate(invalid="ignore"):  # values that the type cannot hold will differ below
        same = x.astype(dtype)
    equal = (same == x) | ((same != same) & (x != x))  # a gap (NaN) does not equal itself
    kept = equal.reshape(len(x), -1).all(1)
    return kept & are_in(numbers_of(same), numbers)


def are_in(numbers: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of the uint64 `numbers` (n,) are among the `known` (m,), as `np.isin`.

    By sorting, because NumPy 2.0 fails with whole numbers above 2**63 where few are known.
    """
    return np.isin(numbers, known, kind="sort")


def numbers_of(x: np.ndarray) -> np.ndarray:
    """Hashes (N,) uint64 of samples: equal for equal samples, almost never equal for others; the same on every machine
    and in every version.

    The sample's bytes are split into 64-bit words; a fixed random number is added to each, the result is mixed, and all
    are summed modulo 2**64. Without mixing (plain multilinear hashing), floats would lose their high bits: 1.0 and 2.0
    end with 23 zero bits.
    """
    numbers = np.empty(len(x), dtype=np.uint64)
    keys = None
    for start, words in _words(x):
        if keys is None:  # the raw output of the generator, which is guaranteed not to change
            keys = np.random.PCG64(0).random_raw(words.shape[1])
        numbers[start : start + len(words)] = _mixed(words + keys).sum(1, dtype=np.uint64)
    return numbers


def _mixed(words: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit words in which each input bit affects half of the output bits.

    Source: Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators, OOPSLA, figure 16, with the
    constants of Stafford's variant 13.
    """
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    return words ^ (words >> np.uint64(31))


def _words(x: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The samples' bytes as (n, W) uint64, padded with zeros, one block of samples at a time."""
    n_bytes = int(np.prod(x.shape[1:])) * x.dtype.itemsize
    width = -(-max(n_bytes, 1) // 8)
    step = max(1, MOST_BYTES // (8 * width))
    for start in range(0, len(x), step):
        block = _canonical(x[start : start + step]).reshape(len(x[start : start + step]), -1)
        raw = np.zeros((len(block), 8 * width), dtype=np.uint8)
        raw[:, :n_bytes] = block.view(np.uint8).reshape(len(block), -1)
        yield start, raw.view("<u8")


def _canonical(block: np.ndarray) -> np.ndarray:
    """A contiguous block with one form of -0.0 and 0.0, and of gaps (NaN), which mean the same but differ in bits."""
    block = np.ascontiguousarray(block)
    if block.dtype.kind != "f":
        return block
    return np.where(np.isnan(block), block.dtype.type(np.nan), block + 0.0)


def _exact(x: np.ndarray, row: int) -> bytes:
    """A key that only equal samples share: their bytes, or a digest of large ones, since a million may be equal."""
    content = _canonical(x[row]).tobytes()
    return content if len(content) <= DIGESTED else blake2b(content, digest_size=DIGESTED).digest()
