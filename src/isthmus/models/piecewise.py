"""Applies a model for pieces of images to whole images: to overlapping pieces that are blended, up to the border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from isthmus.data.batching.preprocess import Preprocess
from isthmus.models.blending import blended
from isthmus.system.workers import Progress


class WholeImageModel(Protocol):
    """A model for images of any size, such as photographs: a denoiser, or a model for pieces."""

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing of its samples."""
        ...

    def denoise(self, given: Any, strength: float = 1.0, *, progress: Progress | None = None) -> Any:
        """Removes noise from images (N, C, H, W); returns the same kind."""
        ...

    def denoise_over(self, pixels: np.ndarray, strength: float = 1.0, *, progress: Progress | None = None) -> None:
        """The same for one image (C, H, W), in place."""
        ...


class PiecewiseModel:
    """`function` takes pieces (n, C, h, w) of the size in `preprocess`, and returns as many.

    A gray model is applied to each channel; for a color model, a gray image is repeated in all channels.
    """

    def __init__(self, preprocess: Preprocess, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.preprocess, self.function = preprocess, function

    def denoise(self, given: Any, strength: float = 1.0, *, progress: Progress | None = None) -> Any:
        """Images (N, C, H, W), every pixel a mean over the pieces that contain it; `strength` blends from 0 to 1."""
        return np.stack([blended(image, self._whole(image, progress), strength) for image in given])

    def denoise_over(self, pixels: np.ndarray, strength: float = 1.0, *, progress: Progress | None = None) -> None:
        """The same for one image (C, H, W), in place."""
        pixels[:] = blended(pixels, self._whole(pixels, progress), strength)

    def _whole(self, image: np.ndarray, progress: Progress | None) -> np.ndarray:
        C, (channels, h, w) = len(image), self.preprocess.shape
        if C == 1 < channels:
            made = put_together(self.function, np.repeat(image, channels, axis=0), (h, w), progress)
            return _as_type(made.mean(0, keepdims=True), image.dtype)
        if channels == 1 < C:
            return _as_type(put_together(self._each_channel, image, (h, w), progress), image.dtype)
        return _as_type(put_together(self.function, image, (h, w), progress), image.dtype)

    def _each_channel(self, pieces: np.ndarray) -> np.ndarray:
        n, C, h, w = pieces.shape
        return self.function(pieces.reshape(n * C, 1, h, w)).reshape(n, C, h, w)


def put_together(
    function: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    sides: tuple[int, int],
    progress: Progress | None = None,
) -> np.ndarray:
    """Applies `function` to all pieces (n, C, h, w) of an image (C, H, W); returns one float32 image.

    Pieces overlap by at least half, and the last ones end at the border. The weight of a piece is highest in its
    middle, where most context is known, and falls off linearly, so that no seams are visible. An image smaller than a
    piece is extended by mirroring.
    """
    _, H, W = image.shape
    padding = [(0, 0), *((0, max(0, side - n)) for side, n in zip(sides, (H, W), strict=True))]
    x = np.pad(image, padding, mode="symmetric") if any(end for _, end in padding) else image
    weight = np.outer(*(_falling(side) for side in sides))
    total, known = np.zeros(x.shape, np.float32), np.zeros(x.shape[1:], np.float32)
    tops, lefts = (starts(n, side) for n, side in zip(x.shape[1:], sides, strict=True))
    for done, top in enumerate(tops, start=1):
        places = [(slice(top, top + sides[0]), slice(left, left + sides[1])) for left in lefts]
        made = function(np.stack([x[:, rows, columns] for rows, columns in places]))
        for piece, (rows, columns) in zip(made, places, strict=True):
            total[:, rows, columns] += weight * piece
            known[rows, columns] += weight
        if progress is not None:
            progress(done, len(tops))
    return (total / known)[:, :H, :W]


def starts(n: int, side: int) -> list[int]:
    """The start positions of pieces that cover n pixels, from the first pixel to the last."""
    count = 1 + -(-2 * (n - side) // side)
    return [int(at) for at in np.linspace(0, n - side, count).round()]


def _falling(side: int) -> np.ndarray:
    """Weights (side,) from 1 in the middle to nearly 0 at both ends."""
    return (1 - np.abs((2 * np.arange(side) + 1) / side - 1) + 1 / side).astype(np.float32)


def _as_type(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float32 to the type of the image; for integer types, values are rounded and clipped to the type's range."""
    if dtype.kind == "f":
        return x.astype(dtype)
    return x.round().clip(np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


__all__ = ["PiecewiseModel", "WholeImageModel", "put_together", "starts"]
