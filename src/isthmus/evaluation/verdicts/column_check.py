"""Which columns of a set of rows are unlike the training data's: in other units, moved, or spread otherwise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from isthmus.runs.set_facts import SetFacts, column_sizes
from isthmus.wording import number

END = 0.05  # of the training values lie beyond the first and the last of the quantiles that are kept
UNITS = 3.0  # times as large or as small at least: feet and meters, about the nearest units of one thing
SAME = 0.5  # power of that factor by which those of three quantiles may differ; in other units all are the same
# Of its standard deviations, that a mean has moved, and times its spread: less is not worth naming.
SHIFT, SPREAD = 0.5, 2.0
FEWEST_SPREAD = 10  # rows from which a spread is known to about a quarter


class Column(NamedTuple):
    """A column that is unlike the training data's; `units` where other units would explain it."""

    name: str
    words: str
    units: bool


def unlike_columns(facts: SetFacts, rows: np.ndarray, names: tuple[str, ...] | None, alarm: float) -> list[Column]:
    """Those of rows (N, D) in raw units, the ones in other units first, then by how far they moved.

    Where all is as in training, one is found with a probability of about `alarm` for each of both questions.
    """
    rows = np.asarray(rows, np.float64)
    names = names or tuple(f"x{i}" for i in range(rows.shape[1]))
    units = other_units(facts, rows, alarm)
    moved = {i: words for i, words in moved_columns(facts, rows, alarm).items() if i not in units}
    return [Column(names[i], words, found is units) for found in (units, moved) for i, words in found.items()]


def other_units(facts: SetFacts, rows: np.ndarray, alarm: float) -> dict[int, str]:
    """Columns that hold a fixed multiple of what training's held, by number, in words.

    The quartiles of the absolute values must be about the same multiple, at least 3 or at most 1/3, and more values
    beyond training's 5 % or 95 % than chance allows. Nothing is said of columns that are 0 at a quartile.
    """
    sizes, found = column_sizes(rows), {}
    for i in range(rows.shape[1]):
        middle, known = sizes[1:4, i], facts.sizes[1:4, i]
        if not (np.all(middle > 0) and np.all(known > 0)):
            continue
        times = np.log(middle / known)
        alike, far = np.ptp(times) <= SAME * abs(times[1]), abs(times[1]) >= np.log(UNITS)
        if alike and far and _by_chance(facts.sizes[:, i], rows[:, i], times[1] > 0) < alarm / rows.shape[1]:
            found[i] = f"holds about {_times(float(np.exp(times[1])))} times the values of training (other units?)"
    return found


def _by_chance(sizes: np.ndarray, column: np.ndarray, larger: bool) -> float:
    """The probability of so many values beyond the training data's last or first twentieth."""
    size = np.abs(column[~np.isnan(column)])
    beyond = size > sizes[-1] if larger else size < sizes[0]
    return float(special.bdtrc(int(beyond.sum()) - 1, len(size), END))


def _times(factor: float) -> str:
    """Two digits: more of them a median does not know."""
    rounded = float(f"{factor:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.6g}"


def moved_columns(facts: SetFacts, rows: np.ndarray, alarm: float) -> dict[int, str]:
    """Columns whose mean or spread differs from training's by more than sampling allows, the farthest first."""
    n = np.maximum((~np.isnan(rows)).sum(0), 1)
    mean = np.nansum(rows, axis=0) / n
    wide = np.sqrt(np.nansum(np.square(rows - mean), axis=0) / n)
    known = np.where(facts.deviation > 0, facts.deviation, np.inf)  # of a constant column nothing can be measured
    shift = (mean - facts.mean) / known
    times = np.where(facts.deviation > 0, wide / known, 1.0)
    chance = -float(special.ndtri(alarm / 2 / rows.shape[1])) * np.sqrt(1 / n + 1 / facts.n_rows)
    spread = (n >= FEWEST_SPREAD) & ((times >= SPREAD) | (times <= 1 / SPREAD))
    found = {}
    for i in map(int, np.argsort(-np.abs(shift), kind="stable")):
        if abs(shift[i]) > max(SHIFT, chance[i]):
            side = "above" if shift[i] > 0 else "below"
            found[i] = f"lies {number(abs(float(shift[i])))} standard deviations {side} training's mean"
        elif spread[i]:
            found[i] = f"spreads {number(float(times[i]))} times as far as in training"
    return found


__all__ = ["Column", "moved_columns", "other_units", "unlike_columns"]
