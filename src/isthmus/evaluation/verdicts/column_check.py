"""Which columns of a set of rows are unlike the training data: in other units, or with another mean or spread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from isthmus.runs.set_facts import SetFacts, column_sizes
from isthmus.wording import number

END = 0.05  # of the training values are beyond the first and the last of the stored quantiles
UNITS = 3.0  # smallest factor between units: feet and meters, about the closest units of one quantity
SAME = 0.5  # power of that factor by which the three quartiles may differ; in other units, all have the same factor
# Shift of a mean in standard deviations, and factor of a spread: less is not worth reporting.
SHIFT, SPREAD = 0.5, 2.0
FEWEST_SPREAD = 10  # rows needed to know a spread to about a quarter


class Column(NamedTuple):
    """A column that is unlike the training data; `units` if other units would explain it."""

    name: str
    words: str
    units: bool


def unlike_columns(facts: SetFacts, rows: np.ndarray, names: tuple[str, ...] | None, alarm: float) -> list[Column]:
    """The columns of rows (N, D), in raw units, that differ: first those in other units, then by the shift of the mean.

    If nothing differs, each of the two checks finds a column with a probability of about `alarm`.
    """
    rows = np.asarray(rows, np.float64)
    names = names or tuple(f"x{i}" for i in range(rows.shape[1]))
    units = other_units(facts, rows, alarm)
    moved = {i: words for i, words in moved_columns(facts, rows, alarm).items() if i not in units}
    return [Column(names[i], words, found is units) for found in (units, moved) for i, words in found.items()]


def other_units(facts: SetFacts, rows: np.ndarray, alarm: float) -> dict[int, str]:
    """A phrase for each column (by index) whose values are a fixed multiple of those in training.

    The quartiles of the absolute values must have about the same factor, at least 3 or at most 1/3, and more values
    must be beyond the 5 % or 95 % point of training than chance allows. Columns with 0 as a quartile are not checked.
    """
    sizes, found = column_sizes(rows), {}
    for i in range(rows.shape[1]):
        middle, known = sizes[1:4, i], facts.sizes[1:4, i]
        if not (np.all(middle > 0) and np.all(known > 0)):
            continue
        times = np.log(middle / known)
        alike, far = np.ptp(times) <= SAME * abs(times[1]), abs(times[1]) >= np.log(UNITS)
        if alike and far and _by_chance(facts.sizes[:, i], rows[:, i], times[1] > 0) < alarm / rows.shape[1]:
            factor = _times(float(np.exp(times[1])))
            found[i] = f"has values about {factor} times as large as in training (other units?)"
    return found


def _by_chance(sizes: np.ndarray, column: np.ndarray, larger: bool) -> float:
    """The probability of this many values beyond the highest or lowest 5 % of the training data."""
    size = np.abs(column[~np.isnan(column)])
    beyond = size > sizes[-1] if larger else size < sizes[0]
    return float(special.bdtrc(int(beyond.sum()) - 1, len(size), END))


def _times(factor: float) -> str:
    """Two digits: a median is not known more precisely."""
    rounded = float(f"{factor:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.6g}"


def moved_columns(facts: SetFacts, rows: np.ndarray, alarm: float) -> dict[int, str]:
    """Columns with a mean or spread that differs from training by more than chance, the largest shift first."""
    n = np.maximum((~np.isnan(rows)).sum(0), 1)
    mean = np.nansum(rows, axis=0) / n
    wide = np.sqrt(np.nansum(np.square(rows - mean), axis=0) / n)
    known = np.where(facts.deviation > 0, facts.deviation, np.inf)  # a constant column cannot be compared
    shift = (mean - facts.mean) / known
    times = np.where(facts.deviation > 0, wide / known, 1.0)
    chance = -float(special.ndtri(alarm / 2 / rows.shape[1])) * np.sqrt(1 / n + 1 / facts.n_rows)
    spread = (n >= FEWEST_SPREAD) & ((times >= SPREAD) | (times <= 1 / SPREAD))
    found = {}
    for i in map(int, np.argsort(-np.abs(shift), kind="stable")):
        if abs(shift[i]) > max(SHIFT, chance[i]):
            side = "above" if shift[i] > 0 else "below"
            found[i] = f"has a mean {number(abs(float(shift[i])))} standard deviations {side} that of training"
        elif spread[i]:
            found[i] = f"has {number(float(times[i]))} times the standard deviation of training"
    return found


__all__ = ["Column", "moved_columns", "other_units", "unlike_columns"]
