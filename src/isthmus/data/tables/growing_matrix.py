"""A matrix that grows by blocks of rows, so that reading needs little more memory than the result."""

from __future__ import annotations

import numpy as np

from isthmus.data.numeric import are_bytes, blocks
from isthmus.system.scratch import fits, is_mapped, room

GROWTH = 1.25  # each time by a quarter, since what is reserved in vain takes memory until the end


class GrowingMatrix:
    """(n, k) values: uint8 as long as all are whole numbers 0..255, `wide` (float32 or float64) after that.

    In memory, or in a file where they are too many for it. `n_rows` is an estimate; a good one saves moving. `what`
    names the data in messages.

    Raises: ResourceError where there is room nowhere.
    """

    def __init__(self, n_columns: int, *, n_rows: int, what: str, wide: type[np.floating] = np.float32) -> None:
        self.what, self.n, self.wide = what, 0, wide
        self._array = room((n_rows, n_columns), np.uint8, what)  # pages that are never written cost nothing

    def append(self, block: np.ndarray) -> None:
        """Rows to the end."""
        needed, kind = self.n + len(block), self._array.dtype
        if kind == np.uint8 and not are_bytes(block):
            kind = np.dtype(self.wide)
        if needed > len(self._array):
            self._move(max(needed, int(len(self._array) * GROWTH)), kind)
        elif kind != self._array.dtype:
            self._move(len(self._array), kind)
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and what is too large was marked before
            self._array[self.n : needed] = block
        self.n = needed

    def finish(self) -> np.ndarray:
        """The matrix without the rows that were only reserved."""
        if is_mapped(self._array):
            return self._array[: self.n]
        self._array.resize((self.n, self._array.shape[1]), refcheck=False)
        return self._array

    def _move(self, n_rows: int, kind: np.dtype) -> None:
        """Into an array of so many rows of that type; in memory without a copy, where only the rows are more."""
        shape = (n_rows, self._array.shape[1])
        if kind == self._array.dtype and not is_mapped(self._array) and fits(int(np.prod(shape)) * kind.itemsize):
            self._array.resize(shape, refcheck=False)
            return
        new, at = room(shape, kind, self.what), 0
        for part in blocks(self._array[: self.n]):
            new[at : at + len(part)] = part
            at += len(part)
        self._array = new
