"""The picture of anomalies: the images with the highest scores, their reconstructions, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import SMALL, fitted, look
from isthmus.evaluation.figures.contact_sheets import (
    GAP,
    AbstractRow,
    PictureRow,
    TextRow,
    columns_for,
    pictures,
    sheet,
    tile_size,
)
from isthmus.wording import p_value

BANDS = 2  # bands of images at most: twenty images are enough to look at
FROM, TO = 2.0, 6.0  # times the usual error of a pixel: one in twenty normal pixels is above 2, none above 6
GLOW = np.array([0.84, 0.19, 0.12])  # the red of warnings, which no gray image has


@look()
def strangest(
    x: np.ndarray, x_hat: np.ndarray, heat: np.ndarray, ids: Sequence[str], p: Sequence[float], outlier: Sequence[bool]
) -> Figure:
    """Images (N, C, H, W), highest score first: id, image, reconstruction, the image with `heat` on it, p-value.

    `heat` is the error of each value divided by the usual error there; it is drawn in red from 2, fully red at 6.
    """
    columns = columns_for(len(x), x.shape[3])
    tile = tile_size(x.shape[2:], columns)
    rows: list[AbstractRow] = []
    for start in range(0, min(len(x), BANDS * columns), columns):
        part = slice(start, start + columns)
        labels = [
            f"p {p_value(value)}{' !' if flag else ''}" for value, flag in zip(p[part], outlier[part], strict=True)
        ]
        rows += [
            TextRow("id", [fitted(i, tile[1] - GAP / 2, SMALL, keep="end") for i in ids[part]], top=3 * GAP),
            PictureRow("image", pictures(x[part])),
            PictureRow("reconstruction", pictures(x_hat[part])),
            PictureRow("anomaly map", overlaid(x[part], heat[part]), note="red: error 2 to 6 times the usual"),
            TextRow("! outlier", labels),
        ]
    return sheet(rows, columns, tile).figure


def overlaid(x: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(N, H, W, 3): the images (N, C, H, W) in darker gray, with the largest heat of a pixel's channels in red."""
    gray = pictures(x)[..., :3].mean(-1, keepdims=True)
    strength = np.clip((heat.max(1)[..., None] - FROM) / (TO - FROM), 0, 1)
    return (0.75 * gray * (1 - strength) + GLOW * strength).astype(np.float32)


__all__ = ["overlaid", "strangest"]
