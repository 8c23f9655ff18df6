"""How strongly the columns of a table are associated, for numbers, times and categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def associations(values: np.ndarray, named: Sequence[bool]) -> np.ndarray:
    """Symmetric matrix (K, K) of associations of raw values (N, K), with NaN for gaps; `named` marks categories.

    For two quantities, Pearson's correlation, -1 to 1; for two categories, Cramér's V, 0 to 1; for a category and a
    quantity, the correlation ratio, 0 to 1. Computed from the rows in which both are known; NaN if one is constant.
    The diagonal is 1.
    """
    K = values.shape[1]
    found = np.full((K, K), np.nan)
    np.fill_diagonal(found, 1.0)
    for i in range(K):
        for j in range(i):
            a, b = values[:, i], values[:, j]
            there = ~np.isnan(a) & ~np.isnan(b)
            found[i, j] = found[j, i] = _association(a[there], b[there], named[i], named[j])
    return found


def _association(a: np.ndarray, b: np.ndarray, a_named: bool, b_named: bool) -> float:
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    if a_named and b_named:
        return cramers_v(a, b)
    if a_named or b_named:
        return correlation_ratio(a, b) if a_named else correlation_ratio(b, a)
    return float(np.corrcoef(a, b)[0, 1])


def cramers_v(a: np.ndarray, b: np.ndarray) -> float:
    """sqrt(chi² / (n min(R - 1, C - 1))) of categories a (n,), b (n,), each with two or more values (Cramér 1946)."""
    (_, i), (_, j) = (np.unique(names, return_inverse=True) for names in (a, b))
    table = np.zeros((i.max() + 1, j.max() + 1))
    np.add.at(table, (i, j), 1)
    expected = table.sum(1, keepdims=True) * table.sum(0) / len(a)
    chi_squared = (np.square(table - expected) / expected).sum()
    return float(np.sqrt(chi_squared / (len(a) * (min(table.shape) - 1))))


def correlation_ratio(names: np.ndarray, y: np.ndarray) -> float:
    """sqrt(variance of the means of y (n,) by category / variance of y), Fisher's eta."""
    _, group = np.unique(names, return_inverse=True)
    sizes = np.bincount(group)
    means = np.bincount(group, weights=y - y.mean()) / sizes
    return float(np.sqrt((sizes * np.square(means)).sum() / np.square(y - y.mean()).sum()))


__all__ = ["associations", "correlation_ratio", "cramers_v"]
