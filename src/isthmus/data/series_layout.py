"""`SeriesLayout`: what a model stores about the series that its windows were cut from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from isthmus.data.schema import Schema, TableColumn

STAMPS = {"time", "number", "count"}  # kinds of columns that can be the time of a row
MOST_WINDOW = 65_536  # rows; networks take no more values


@dataclass(frozen=True)
class SeriesLayout:
    """A sample is `window` consecutive rows; training uses every `stride`-th window. `table` is the schema of the
    table, and `time` the column that orders the rows (None: they are in order). `step` is the usual distance between
    two rows, in seconds or in the unit of a column of numbers; None without a time column.
    """

    window: int
    stride: int
    table: Schema
    time: str | None = None
    step: float | None = None

    @property
    def rows(self) -> Schema:
        """The schema of a row, without the time column."""
        return Schema(tuple(column for column in self.table.columns if column.name != self.time))

    @property
    def n_columns(self) -> int:
        """The number of values per row, K."""
        return len(self.rows.modeled)

    @property
    def time_column(self) -> TableColumn | None:
        return next((column for column in self.table.modeled if column.name == self.time), None)

    @property
    def windows(self) -> Schema:
        """The columns of a window, row by row: `load[t-1]` is in the last row but one."""
        columns, last = self.rows.modeled, self.window - 1
        named = [[replace(c, name=step_name(c.name, last - w), why="") for c in columns] for w in range(self.window)]
        return Schema(tuple(column for row in named for column in row))

    @property
    def cover(self) -> int:
        """The distance between windows that together cover every row."""
        return min(self.stride, self.window)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SeriesLayout:
        """The inverse of `as_dict`, for values from a file that is not trusted.

        Raises: ValueError for invalid values; TypeError and KeyError for another structure.
        """
        known: dict[str, Any] = {**values, "table": Schema.from_dict(values["table"])}
        found = cls(**known)
        for name, most in (("window", MOST_WINDOW), ("stride", 1_000_000_000)):
            number = getattr(found, name)
            if type(number) is not int or not 1 <= number <= most:
                raise ValueError(f"the {name} of a series cannot be {number!r}")
        column = found.time_column
        if found.time is not None and (column is None or column.kind not in STAMPS):
            raise ValueError(f"the series has no time column {found.time!r}")
        if found.step is not None and not (math.isfinite(found.step) and found.step > 0):
            raise ValueError(f"the rows of a series cannot be {found.step!r} apart")
        return found


def step_name(column: str, back: int) -> str:
    """`load[t]` for the last row of a window, `load[t-1]` for the one before."""
    return f"{column}[t-{back}]" if back else f"{column}[t]"


__all__ = ["MOST_WINDOW", "STAMPS", "SeriesLayout", "step_name"]
