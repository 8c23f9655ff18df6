"""Four measures of drawn shapes: thickness, slant, width and height.

For light shapes on a dark background, such as digits and letters. After an edit, the same function measures whether
the feature has changed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Num

from isthmus.errors import DataError, unknown

FAINT = 0.5  # of the brightest pixel: darker pixels count as the soft edge of a stroke


def thickness(x: Num[np.ndarray, "N C H W"]) -> np.ndarray:
    """Mean width of the strokes in pixels, (N,): twice the area over the perimeter, NaN for an empty image.

    A stroke of length L and width w has the area L w and, if L is much larger than w, the perimeter 2 L. The perimeter
    is the total variation, the sum of gradient magnitudes over all pixels, which needs no threshold (coarea formula).
    """
    mass = _mass(x)
    padded = np.pad(mass, ((0, 0), (1, 1), (1, 1)))
    dy, dx = padded[:, 1:, :-1] - padded[:, :-1, :-1], padded[:, :-1, 1:] - padded[:, :-1, :-1]
    return 2.0 * mass.sum((1, 2)) / _nonzero(np.hypot(dx, dy).sum((1, 2)))


def slant(x: Num[np.ndarray, "N C H W"]) -> np.ndarray:
    """How far strokes lean to the right, as the tangent of the angle from the vertical, (N,): -mu_11 / mu_02.

    mu are the central moments of the brightness; this is the shear that makes x and y uncorrelated. 0 is upright, 0.5
    is about 27 degrees; NaN for an empty image.
    """
    mass = _mass(x)
    total = _nonzero(mass.sum((1, 2)))
    rows, columns = np.arange(mass.shape[1]), np.arange(mass.shape[2])
    y, x_ = (mass.sum(2) @ rows) / total, (mass.sum(1) @ columns) / total
    dy, dx = rows[None, :, None] - y[:, None, None], columns[None, None, :] - x_[:, None, None]
    return -(mass * dy * dx).sum((1, 2)) / _nonzero((mass * dy * dy).sum((1, 2)))


def width(x: Num[np.ndarray, "N C H W"]) -> np.ndarray:
    """Number of columns from the first to the last with a pixel over half as bright as the brightest one, (N,)."""
    return _extent(_mass(x).max(1))


def height(x: Num[np.ndarray, "N C H W"]) -> np.ndarray:
    """Number of rows from the first to the last with a pixel over half as bright as the brightest one, (N,)."""
    return _extent(_mass(x).max(2))


MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "thickness": thickness,
    "slant": slant,
    "width": width,
    "height": height,
}


def measure(name: str, x: np.ndarray) -> np.ndarray:
    """The measure `name` of raw images (N, C, H, W), (N,).

    Raises: UsageError with the known names; DataError for rows of a table.
    """
    if name not in MEASURES:
        raise unknown("measure", name, MEASURES)
    if np.ndim(x) != 4:
        message = f"{name} can only be measured on images, but these are rows of a table."
        raise DataError("DATA-SHAPE", message, fix="learn from a column instead: --column NAME")
    return MEASURES[name](np.asarray(x))


def _mass(x: np.ndarray) -> np.ndarray:
    """Brightness (N, H, W) of images, the mean of the channels, in any unit."""
    return x.mean(1, dtype=np.float64)


def _extent(profile: np.ndarray) -> np.ndarray:
    """Length from the first to the last entry of each row (N, L) over half of its maximum; NaN if there is none."""
    brightest = profile.max(1, keepdims=True)
    there = profile > FAINT * brightest
    length = profile.shape[1] - there[:, ::-1].argmax(1) - there.argmax(1)
    return np.where(brightest[:, 0] > 0, length, np.nan)


def _nonzero(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


__all__ = ["MEASURES", "height", "measure", "slant", "thickness", "width"]
