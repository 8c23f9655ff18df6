"""Contact sheets of similar samples: a sample with its nearest neighbors, and pairs of possible duplicates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import BODY, INK, MARGIN, MUTED, SMALL, Page, fitted, look
from isthmus.evaluation.figures.contact_sheets import (
    GAP,
    LABEL,
    AbstractRow,
    PictureRow,
    TextRow,
    draw_picture,
    pictures,
    sheet,
    tile_size,
)
from isthmus.evaluation.figures.figures import ERRORS
from isthmus.wording import label

ACROSS = 10  # nearest samples, or pairs, per row: with the sample itself about 1,250 pixels
PAIR_ROWS = 4  # rows of pairs at most: 40 pairs are enough to look through


@look()
def neighbors(
    sample: np.ndarray, name: str, found: Sequence[tuple[str, np.ndarray, Sequence[str], Sequence[str]]]
) -> Figure:
    """One sample (C, H, W) at the left, and to its right its nearest samples, one block per space.

    `found` has, for each space, its title, the images (k, C, H, W), and two lines of text for every image.
    """
    k = max(len(images) for _, images, _, _ in found)
    across = min(k, ACROSS)
    tile = tile_size(sample.shape[1:], across + 1)
    lines = [-(-len(images) // across) for _, images, _, _ in found]
    step = tile[0] + 2 * LABEL
    heads = [MARGIN + sum(lines[:i]) * step + i * 2 * BODY for i in range(len(lines))]
    left = MARGIN + max(tile[1], 120) + 4 * GAP
    page = Page(left + across * (tile[1] + GAP) - GAP + MARGIN, heads[-1] + 2 * BODY + lines[-1] * step + MARGIN)
    name_line = fitted(name, max(tile[1], 120), SMALL, keep="end")
    _one(page, pictures(sample[None])[0], MARGIN, heads[0] + 2 * BODY, tile, (name_line, ""))
    for (title, images, first, second), top in zip(found, heads, strict=True):
        page.text(title, left, top + BODY * 0.7, ha="left")
        for i, picture in enumerate(pictures(images)):
            x, y = left + i % across * (tile[1] + GAP), top + 2 * BODY + i // across * step
            room = tile[1] + GAP / 2
            _one(page, picture, x, y, tile, (fitted(first[i], room, SMALL, keep="end"), fitted(second[i], room, SMALL)))
    return page.figure


def _one(page: Page, picture: np.ndarray, x: float, y: float, tile: tuple[int, int], texts: tuple[str, str]) -> None:
    draw_picture(page, picture, x, y, tile)
    page.frames([(x, y, tile[1], tile[0])])
    for line, (text, color) in enumerate(zip(texts, (INK, MUTED), strict=True)):
        page.text(text, x + tile[1] / 2, y + tile[0] + (line + 0.5) * LABEL * 0.85, size=SMALL, color=color)


@look()
def pairs(first: np.ndarray, second: np.ndarray, ids: Sequence[tuple[str, str]], distances: Sequence[float]) -> Figure:
    """Pairs of images (N, C, H, W), one above the other, with ids, difference and the distance of their pixels."""
    most = min(len(first), ACROSS * PAIR_ROWS)
    across = min(most, ACROSS)
    x, y = pictures(first[:most]), pictures(second[:most])
    difference = np.abs(x - y).mean(axis=-1, keepdims=True)
    colors = ERRORS | {"vmax": max(float(np.nanmax(difference, initial=0.0)), 1 / 255)}
    tile = tile_size(x.shape[1:3], across)
    room = tile[1] + GAP / 2
    rows: list[AbstractRow] = []
    for start in range(0, most, across):
        part = slice(start, min(start + across, most))
        names = [[fitted(pair[end], room, SMALL, keep="end") for pair in ids[part]] for end in (0, 1)]
        labels = ["identical" if d == 0 else label(d) for d in distances[part]]
        rows += [
            TextRow("id", names[0], top=3 * GAP if start else GAP),
            PictureRow("first", x[part]),
            PictureRow("second", y[part]),
            TextRow("id", names[1]),
            PictureRow("difference", difference[part], colors=colors, bar=True),
            TextRow("RMS difference", labels),
        ]
    return sheet(rows, across, tile).figure


__all__ = ["neighbors", "pairs"]
