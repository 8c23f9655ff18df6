"""Local times without a zone, as they come when clocks are set forward and back: hours that are missing or twice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

HOUR, DAY, WEEK = 3_600.0, 86_400.0, 604_800.0
SUNDAY = 3 * DAY  # 1970-01-04, counted from 1970
LAST_HOUR = 4 * HOUR  # clocks are set at 1 to 3 in the morning, in nearly all countries of a Sunday
MONTHS = {3, 4, 9, 10, 11}  # in which clocks are set, north and south


class ClockChange(NamedTuple):
    """The `row` before which the clock was set, and whether forward."""

    row: int
    forward: bool


def clock_changes(stamps: np.ndarray, step: float) -> list[ClockChange]:
    """Where local stamps (N,) in seconds, as the rows stand, jump by an hour for the clock alone.

    Rows `step` apart then stand `step + 1 h` or `step - 1 h` apart, early on a Sunday in a month of such changes.
    """
    jumps = np.diff(stamps) - step
    found = []
    for row in np.flatnonzero(np.abs(np.abs(jumps) - HOUR) < 1e-3 * step) + 1:
        before = stamps[row - 1]
        month = int(np.datetime64(int(before), "s").astype("datetime64[M]").astype(int)) % 12 + 1
        if (before - SUNDAY) % WEEK <= LAST_HOUR and month in MONTHS:
            found.append(ClockChange(int(row), bool(jumps[row - 1] > 0)))
    return found


def without_changes(stamps: np.ndarray, changes: list[ClockChange]) -> np.ndarray:
    """The stamps as a clock would have shown them that was never set."""
    even = stamps.copy()
    for change in changes:
        even[change.row :] += -HOUR if change.forward else HOUR
    return even


__all__ = ["ClockChange", "clock_changes", "without_changes"]
