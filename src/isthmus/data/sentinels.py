"""Numbers that may mean a missing value, such as -999 far from all other values of a column."""

from __future__ import annotations

import numpy as np

from isthmus.wording import shell_word

NINES = {sign * (10.0**digits - 1) for digits in range(1, 11) for sign in (1, -1)}  # 9, -99, 9999 …
LEAST = 3  # cells with this value: a single one is more likely a mistake


def sentinel(values: np.ndarray) -> float | None:
    """The minimum or maximum of values (n,), ignoring NaN, if its digits are all nines, it occurs at least LEAST times,
    and its distance from all other values is larger than their range.

    >>> sentinel(np.array([18.0, 44.0, 93.0, -999.0, -999.0, -999.0]))
    -999.0
    """
    if len(values) and np.isfinite(both := (values.min(), values.max())).all() and not NINES & set(map(float, both)):
        return None  # the usual case, without a copy
    values = values[np.isfinite(values)]
    ends = [float(end) for end in (values.min(), values.max())] if len(values) else []
    for end in ends:
        if end not in NINES or np.count_nonzero(values == end) < LEAST:
            continue
        others = values[values != end]
        if len(others) and np.ptp(others) > 0 and np.abs(others - end).min() > np.ptp(others):
            return end
    return None


def about_sentinel(name: str, values: np.ndarray) -> str:
    """A clause with the option to use if the numbers of a column hold a `sentinel`; "" if they hold none."""
    found = sentinel(values)
    if found is None:
        return ""
    far = f"{found:.0f} in {np.count_nonzero(values == found):,} rows is far from all other values"
    return f"; {far}; if it means missing, pass --null-values {shell_word(f'{name}={found:.0f}')}"


__all__ = ["about_sentinel", "sentinel"]
