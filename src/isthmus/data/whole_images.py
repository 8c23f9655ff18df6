"""Images of any sizes in one array, for networks that work on images of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Corner = tuple[int, int]  # the upper left corner: row, column
PIECE = 192  # pixels per side of the pieces for evaluation: scikit-image's filters take a second for 20 of them
LEFT_OUT = 0.1  # the largest fraction of images to leave out as too small, only if pieces can then be twice as large
PER_IMAGE = 4  # the most pieces of one image: more pieces of the same image add little information
MULTIPLE = 4  # sides of pieces are multiples of this, so a network that halves them twice needs no border


@dataclass(frozen=True, eq=False)
class WholeImages:
    """`values` (V,) holds n images one after the other, each as (C, H, W); `starts` (n,), `sizes` (n, 2) as (H, W).

    `names` (n) are their file names, if they have any.
    """

    values: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    channels: int
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def empty(
        cls, sizes: Sequence[tuple[int, int]], channels: int, dtype: str, names: Sequence[str] = ()
    ) -> WholeImages:
        """Uninitialized memory for images of these sizes."""
        shapes = np.array(sizes, np.int64).reshape(-1, 2)
        ends = np.cumsum(channels * shapes.prod(1))
        values = np.empty(int(ends[-1]) if len(ends) else 0, dtype)
        return cls(values, ends - channels * shapes.prod(1), shapes, channels, tuple(names))

    @classmethod
    def of_array(cls, x: np.ndarray) -> WholeImages:
        """Images (N, C, H, W), sharing memory with x if it is contiguous."""
        N, C, H, W = x.shape
        return cls(x.reshape(-1), np.arange(N) * (C * H * W), np.tile([[H, W]], (N, 1)), C)

    def take(self, rows: Sequence[int]) -> WholeImages:
        """The selected images, sharing memory with all images."""
        if len(rows) == len(self):
            return self
        chosen = np.asarray(rows, np.int64)
        names = tuple(self.names[i] for i in rows) if self.names else ()
        return WholeImages(self.values, self.starts[chosen], self.sizes[chosen], self.channels, names)

    def image(self, i: int) -> np.ndarray:
        """Image i, (C, H, W), without a copy."""
        H, W = self.sizes[i]
        start = self.starts[i]
        return self.values[start : start + self.channels * H * W].reshape(self.channels, H, W)

    def side(self) -> int:
        """The side of pieces that fits all images, or all but a few that are much smaller."""
        sides = np.minimum(np.sort(self.sizes.min(1)), PIECE)
        least, next_least = int(sides[0]), int(sides[int(LEFT_OUT * len(sides))])
        side = next_least if next_least >= 2 * least else least
        return side // MULTIPLE * MULTIPLE or side

    def pieces(self, side: int | None = None) -> tuple[np.ndarray, np.ndarray, list[Corner]]:
        """Pieces (M, C, S, S) evenly spaced over every image, the image (M,) of each, and its upper left corner.

        Images that are smaller than a piece give no pieces.
        """
        S = self.side() if side is None else side
        found = [
            (i, corner)
            for i in range(len(self))
            for corner in _corners(int(self.sizes[i, 0]), int(self.sizes[i, 1]), S)
        ]
        x = np.empty((len(found), self.channels, S, S), self.values.dtype)
        for row, (i, (top, left)) in enumerate(found):
            x[row] = self.image(i)[:, top : top + S, left : left + S]
        return x, np.array([i for i, _ in found], np.int64), [corner for _, corner in found]


def _corners(H: int, W: int, S: int) -> list[Corner]:
    """At most four positions of a piece in an image, from edge to edge; none if the image is smaller."""
    if min(H, W) < S:
        return []
    rows, columns = (np.linspace(0, side - S, -(-side // S)).round().astype(int) for side in (H, W))
    every = [(int(top), int(left)) for top in rows for left in columns]
    chosen = np.unique(np.linspace(0, len(every) - 1, min(PER_IMAGE, len(every))).round().astype(int))
    return [every[k] for k in chosen]
