"""How columns of plain numbers are written, found in the data, so that what a model makes reads alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isthmus.data.numeric import blocks

MOST_DECIMALS = 7  # of columns of several kinds too; more digits are those of a computation, and are all kept
PROBED = 1_000  # rows that refute most digits, before all are looked at


@dataclass(frozen=True)
class PlainColumns:
    """The digits after the point of each column (None: as many as it takes), and between which values whole numbers
    lie: from 0 on where the data has none below, 0 to 1 where it has no others. None: they are not bounded.
    """

    decimals: tuple[int | None, ...]
    least: tuple[float | None, ...]
    most: tuple[float | None, ...]

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Values (N, K) that a model made, as the data has them; the type stays."""
        return np.stack([self._column(values[:, k], k) for k in range(len(self.decimals))], 1)

    def columns(self, values: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Values (N, K) that a model made as columns of a table by name, whole numbers as such."""
        found = {name: self._column(values[:, k], k) for k, name in enumerate(names)}
        whole = [name for name, decimals in zip(names, self.decimals, strict=True) if decimals == 0]
        return found | {name: as_whole(found[name]) for name in whole}

    def _column(self, values: np.ndarray, k: int) -> np.ndarray:
        decimals, least, most = self.decimals[k], self.least[k], self.most[k]
        if decimals is None:
            return values
        rounded = values.astype(np.float64).round(decimals) + 0.0  # never -0
        bounded = rounded if least is None else rounded.clip(least, most)
        return bounded.astype(values.dtype)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PlainColumns:
        """What `as_dict` gave, from a file that anybody may have written.

        Raises: ValueError for what no data gives; TypeError and KeyError for other contents.
        """
        found = cls(tuple(values["decimals"]), tuple(values["least"]), tuple(values["most"]))
        digits = all(d is None or (type(d) is int and 0 <= d <= MOST_DECIMALS) for d in found.decimals)
        if not digits or not {*found.least} <= {None, 0.0} or not {*found.most} <= {None, 1.0}:
            raise ValueError("the digits or the bounds of a column are invalid")
        return found

    def check(self, n: int) -> None:
        """Raises: ValueError unless it is of n columns."""
        if not len(self.decimals) == len(self.least) == len(self.most) == n:
            raise ValueError(f"the digits of {len(self.decimals)} columns are given, not of {n}")


def plain_columns(x: np.ndarray) -> PlainColumns:
    """How the columns of x (N, K), numbers of any type with NaN for gaps, are written."""
    decimals = np.zeros(x.shape[1], np.int64)
    least, most = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
    for part in (x[:PROBED], *blocks(x)):
        while (more := ~_are_written(part, decimals)).any():
            decimals[more] += 1
        if len(part):
            least = np.fmin(least, np.fmin.reduce(part, axis=0))
            most = np.fmax(most, np.fmax.reduce(part, axis=0))
    counts = (decimals == 0) & (least >= 0)
    return PlainColumns(
        tuple(int(d) if d <= MOST_DECIMALS else None for d in decimals),
        tuple(0.0 if whole else None for whole in counts),
        tuple(1.0 if whole else None for whole in counts & (most <= 1)),
    )


def _are_written(values: np.ndarray, decimals: np.ndarray) -> np.ndarray:
    """(K,) whether all values (N, K) of a column are numbers of so many digits, in their own type."""
    found = np.ones(len(decimals), bool)
    for digits in np.unique(decimals[decimals <= MOST_DECIMALS]):
        part = values[:, at := np.flatnonzero(decimals == digits)]
        with np.errstate(over="ignore", invalid="ignore"):
            same = (part.astype(np.float64) * 10.0**digits).round() / 10.0**digits
            found[at] = ((same.astype(part.dtype) == part) | (part != part)).all(0)
    return found


def as_whole(values: np.ndarray) -> np.ndarray:
    """Whole numbers held as floats as int64, where it holds them all; else as they are."""
    return values.astype(np.int64) if bool((np.abs(values) < 2.0**63).all()) else values  # not where NaN is


__all__ = ["PlainColumns", "as_whole", "plain_columns"]
