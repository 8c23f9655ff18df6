"""The number format of plain columns, found in the data, so that values from a model are written in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isthmus.data.numeric import blocks

MOST_DECIMALS = 7  # as for columns of several kinds; more digits come from a computation, and all are kept
PROBED = 1_000  # first rows, which rule out most numbers of digits before all rows are checked


@dataclass(frozen=True)
class PlainColumns:
    """The decimals of each column (None: all digits), and the bounds of whole numbers: at least 0 if the data has no
    negative values, 0 to 1 if it has no others. None: no bound.
    """

    decimals: tuple[int | None, ...]
    least: tuple[float | None, ...]
    most: tuple[float | None, ...]

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Values (N, K) from a model, rounded and bounded like the data; the type is kept."""
        return np.stack([self._column(values[:, k], k) for k in range(len(self.decimals))], 1)

    def columns(self, values: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Values (N, K) from a model as columns of a table by name, whole numbers as integers."""
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
        """Inverse of `as_dict`, for values from an untrusted file.

        Raises: ValueError for impossible values; TypeError and KeyError for other contents.
        """
        found = cls(tuple(values["decimals"]), tuple(values["least"]), tuple(values["most"]))
        digits = all(d is None or (type(d) is int and 0 <= d <= MOST_DECIMALS) for d in found.decimals)
        if not digits or not {*found.least} <= {None, 0.0} or not {*found.most} <= {None, 1.0}:
            raise ValueError("the digits or the bounds of a column are invalid")
        return found

    def check(self, n: int) -> None:
        """Raises: ValueError unless it describes n columns."""
        if not len(self.decimals) == len(self.least) == len(self.most) == n:
            raise ValueError(f"the digits of {len(self.decimals)} columns are given, not of {n}")


def plain_columns(x: np.ndarray) -> PlainColumns:
    """The number format of the columns of x (N, K), numbers of any type with NaN for gaps."""
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
    """(K,): whether all values (N, K) of a column have at most that many decimals, in their own type."""
    found = np.ones(len(decimals), bool)
    for digits in np.unique(decimals[decimals <= MOST_DECIMALS]):
        part = values[:, at := np.flatnonzero(decimals == digits)]
        with np.errstate(over="ignore", invalid="ignore"):
            same = (part.astype(np.float64) * 10.0**digits).round() / 10.0**digits
            found[at] = ((same.astype(part.dtype) == part) | (part != part)).all(0)
    return found


def as_whole(values: np.ndarray) -> np.ndarray:
    """Whole numbers stored as floats, as int64 if all fit; otherwise unchanged."""
    return values.astype(np.int64) if bool((np.abs(values) < 2.0**63).all()) else values  # false for NaN


__all__ = ["PlainColumns", "as_whole", "plain_columns"]
