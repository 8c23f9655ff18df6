"""Daylight saving time in local times without a zone: missing and repeated hours where clocks are set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

HOUR, DAY, WEEK = 3_600.0, 86_400.0, 604_800.0
SUNDAY = 3 * DAY  # 1970-01-04, counted from 1970
LAST_HOUR = 4 * HOUR  # clocks are set between 1 and 3 a.m., on a Sunday in nearly all countries
MONTHS = {3, 4, 9, 10, 11}  # when clocks are set, in both hemispheres


class ClockChange(NamedTuple):
    """The first `row` after the clock was set, and whether it was set forward."""

    row: int
    forward: bool


def clock_changes(stamps: np.ndarray, step: float) -> list[ClockChange]:
    """The rows where local stamps (N,) in seconds, in table order, jump by an hour because the clock was set.

    There, the distance is `step + 1 h` or `step - 1 h`, early on a Sunday in a month when clocks are set.
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
    """The stamps as shown by a clock that is never set."""
    even = stamps.copy()
    for change in changes:
        even[change.row :] += -HOUR if change.forward else HOUR
    return even


__all__ = ["ClockChange", "clock_changes", "without_changes"]
