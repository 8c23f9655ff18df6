"""A model of pieces of images, put to whole ones: through overlapping pieces, blended, none of the border lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from isthmus.data.batching.preprocess import Preprocess
from isthmus.models.blending import blended
from isthmus.system.workers import Progress


class WholeImageModel(Protocol):
    """What takes images of any size, as photographs need it: a denoiser, or a model of pieces."""

    @property
    def preprocess(self) -> Preprocess:
        """Of its samples."""
        ...

    def denoise(self, given: Any, strength: float = 1.0, *, progress: Progress | None = None) -> Any:
        """Images (N, C, H, W) in, images of the same kind out."""
        ...

    def denoise_over(self, pixels: np.ndarray, strength: float = 1.0, *, progress: Progress | None = None) -> None:
        """The same of one image (C, H, W), written over it."""
        ...


class PiecewiseModel:
    """`function` takes pieces (n, C, h, w) of the size that `preprocess` knows, and gives as many.

    A gray model takes each channel by itself; to a color model a gray image stands for all channels.
    """

    def __init__(self, preprocess: Preprocess, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.preprocess, self.function = preprocess, function

    def denoise(self, given: Any, strength: float = 1.0, *, progress: Progress | None = None) -> Any:
        """Images (N, C, H, W) with every pixel a mean over the pieces that hold it; `strength` from 0 to 1 blends."""
        return np.stack([blended(image, self._whole(image, progress), strength) for image in given])

    def denoise_over(self, pixels: np.ndarray, strength: float = 1.0, *, progress: Progress | None = None) -> None:
        """The same of one image (C, H, W), written over it."""
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
    """`function` of all pieces (n, C, h, w) of an image (C, H, W), as one image of float32.

    Pieces overlap by half at least, and those at the border end with it. A piece counts most in its middle, where it
    knows most around a pixel, and falls off linearly, so that no seam shows. An image smaller than a piece is mirrored.
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
    """Where pieces begin that cover n pixels, the first at the first and the last ending with the last one."""
    count = 1 + -(-2 * (n - side) // side)
    return [int(at) for at in np.linspace(0, n - side, count).round()]


def _falling(side: int) -> np.ndarray:
    """Weights (side,) from 1 in the middle to nearly 0 at both ends."""
    return (1 - np.abs((2 * np.arange(side) + 1) / side - 1) + 1 / side).astype(np.float32)


def _as_type(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float32 in the type of the image; whole numbers are rounded, and cut to what the type holds."""
    if dtype.kind == "f":
        return x.astype(dtype)
    return x.round().clip(np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


__all__ = ["PiecewiseModel", "WholeImageModel", "put_together", "starts"]
