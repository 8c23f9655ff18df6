"""Merges identical problems of many rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

NAMED = 20  # rows named per problem; they fill two lines of a terminal
_OF_ROW = re.compile(r"row ([\d,]+), (.+)", re.DOTALL)


def without_repeats(problems: Sequence[str]) -> list[str]:
    """Merges problems such as `row 9, column "b": …` that differ only in the row into one line with the first rows."""
    rows: dict[str, list[str]] = {}
    for problem in problems:
        row, said = found.groups() if (found := _OF_ROW.fullmatch(problem)) else ("", problem)
        rows.setdefault(said, []).append(row)
    return [f"{_place(alike)}{said}" for said, alike in rows.items()]


def _place(rows: Sequence[str]) -> str:
    if not rows[0]:
        return ""
    if len(rows) == 1:
        return f"row {rows[0]}, "
    more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
    return f"rows {', '.join(rows[:NAMED])}{more}, "


__all__ = ["without_repeats"]
