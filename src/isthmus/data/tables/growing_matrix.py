"""A matrix that grows by blocks of rows, so that reading needs little more memory than its result."""

from __future__ import annotations

import numpy as np

from isthmus.data.numeric import are_bytes, blocks
from isthmus.system.scratch import fits, is_mapped, room

GROWTH = 1.25  # only a quarter each time, because unused rows take memory until the end


class GrowingMatrix:
    """Values (n, k): uint8 as long as all are whole numbers 0..255, then `wide` (float32 or float64).

    They are in memory, or in a file if there are too many. `n_rows` is an estimate; a good one avoids copies. `what`
    names the data in messages.

    Raises: ResourceError if neither memory nor disk has enough room.
    """

    def __init__(self, n_columns: int, *, n_rows: int, what: str, wide: type[np.floating] = np.float32) -> None:
        self.what, self.n, self.wide = what, 0, wide
        self._array = room((n_rows, n_columns), np.uint8, what)  # memory pages that are never written cost nothing

    def append(self, block: np.ndarray) -> None:
        """Appends rows."""
        needed, kind = self.n + len(block), self._array.dtype
        if kind == np.uint8 and not are_bytes(block):
            kind = np.dtype(self.wide)
        if needed > len(self._array):
            self._move(max(needed, int(len(self._array) * GROWTH)), kind)
        elif kind != self._array.dtype:
            self._move(len(self._array), kind)
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and too large values were marked before
            self._array[self.n : needed] = block
        self.n = needed

    def finish(self) -> np.ndarray:
        """The matrix without unused rows."""
        if is_mapped(self._array):
            return self._array[: self.n]
        self._array.resize((self.n, self._array.shape[1]), refcheck=False)
        return self._array

    def _move(self, n_rows: int, kind: np.dtype) -> None:
        """Moves to an array of `n_rows` rows of type `kind`; in memory, without a copy if only rows are added."""
        shape = (n_rows, self._array.shape[1])
        if kind == self._array.dtype and not is_mapped(self._array) and fits(int(np.prod(shape)) * kind.itemsize):
            self._array.resize(shape, refcheck=False)
            return
        new, at = room(shape, kind, self.what), 0
        for part in blocks(self._array[: self.n]):
            new[at : at + len(part)] = part
            at += len(part)
        self._array = new
