"""A matrix that grows by blocks of rows, so that reading needs little more memory than the result."""

from __future__ import annotations

import numpy as np

from isthmus.data.numeric import are_bytes
from isthmus.system.memory import refuse_too_large

GROWTH = 1.25  # each time by a quarter, since what is reserved in vain takes memory until the end


class GrowingMatrix:
    """(n, k) values: uint8 as long as all are whole numbers 0..255, `wide` (float32 or float64) after that.

    `n_rows` is an estimate; a good one saves moving. `what` names the data in messages.
    """

    def __init__(self, n_columns: int, *, n_rows: int, what: str, wide: type[np.floating] = np.float32) -> None:
        self.what, self.n, self.wide = what, 0, wide
        refuse_too_large(n_rows * n_columns, what, fix=FIX)
        self._array = np.empty((n_rows, n_columns), dtype=np.uint8)  # pages that are never written cost nothing

    def append(self, block: np.ndarray) -> None:
        """Rows to the end. Raises: ResourceError before memory runs out."""
        if self._array.dtype == np.uint8 and not are_bytes(block):
            self._widen()
        needed = self.n + len(block)
        if needed > len(self._array):
            self._reserve(max(needed, int(len(self._array) * GROWTH)))
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and what is too large was marked before
            self._array[self.n : needed] = block
        self.n = needed

    def finish(self) -> np.ndarray:
        """The matrix without the rows that were only reserved."""
        self._array.resize((self.n, self._array.shape[1]), refcheck=False)
        return self._array

    def _reserve(self, n_rows: int) -> None:
        more = (n_rows - len(self._array)) * self._array.shape[1] * self._array.itemsize
        refuse_too_large(more, self.what, fix=FIX)
        self._array.resize((n_rows, self._array.shape[1]), refcheck=False)

    def _widen(self) -> None:
        refuse_too_large(np.dtype(self.wide).itemsize * self._array.size, self.what, fix=FIX)
        wide = np.empty(self._array.shape, dtype=self.wide)
        wide[: self.n] = self._array[: self.n]
        self._array = wide


FIX = "leave out columns with --drop-column, or save images as uint8 in a .npy file, which is read from disk"
