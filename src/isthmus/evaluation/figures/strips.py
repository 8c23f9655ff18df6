"""Pictures of new samples: with their nearest training samples, between two others, and along each unit of the code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import MUTED, SMALL, Page, fitted, look
from isthmus.evaluation.figures.contact_sheets import (
    GAP,
    LABEL,
    AbstractRow,
    PictureRow,
    TextRow,
    columns_for,
    draw_picture,
    pictures,
    sheet,
    tile_size,
)
from isthmus.wording import label, three_digits

MOST_ROWS = 12  # units that are drawn, so that the page stays readable
MOST_COLUMNS = 16  # steps of an interpolation that are drawn; of more, some are left out
MOST_SHOWN = 20  # samples that are drawn with their nearest training samples: two bands of ten


@look()
def beside_nearest(
    samples: np.ndarray, nearest: np.ndarray, distances: np.ndarray, ids: Sequence[str], limit: float
) -> Figure:
    """Each of N samples (N, C, H, W) above its nearest training sample, with the distance and the id, nearest first.

    Distances below `limit` are marked. At most 20 pairs are drawn.
    """
    order = np.argsort(distances, kind="stable")[:MOST_SHOWN]
    columns = columns_for(len(order), samples.shape[3])
    tile = tile_size(samples.shape[2:], columns)
    rows: list[AbstractRow] = []
    room = tile[1] - GAP / 2
    for start in range(0, len(order), columns):
        part = order[start : start + columns]
        labels = [f"{three_digits(float(distances[i]))}{' !' if distances[i] < limit else ''}" for i in part]
        rows += [
            PictureRow("sample", pictures(samples[part])),
            PictureRow("nearest training sample", pictures(nearest[part])),
            TextRow("distance", labels),
            TextRow("its id", [fitted(ids[int(i)], room, SMALL, keep="end") for i in part]),
        ]
    return sheet(rows, columns, tile).figure


@dataclass(frozen=True)
class EndsRow(AbstractRow):
    """Two pictures (2, H, W, C): one over the first column, one over the last."""

    title: str
    pictures: np.ndarray

    def height(self, tile: tuple[int, int]) -> int:
        return tile[0]

    def draw(self, page: Page, xs: Sequence[int], y: int, tile: tuple[int, int]) -> None:
        ends = xs[0], xs[-1]
        for x, picture in zip(ends, self.pictures, strict=True):
            draw_picture(page, picture, x, y, tile)
        page.frames([(x, y, tile[1], tile[0]) for x in ends])


@dataclass(frozen=True)
class EndsText(AbstractRow):
    """Two texts, one starting at the first column and one ending at the last; of long ones, the end is kept."""

    title: str
    texts: Sequence[str]

    def height(self, tile: tuple[int, int]) -> int:
        return LABEL

    def draw(self, page: Page, xs: Sequence[int], y: int, tile: tuple[int, int]) -> None:
        left, right = xs[0], xs[-1] + tile[1]
        first, last = (fitted(text, (right - left - GAP) / 2, SMALL, keep="end") for text in self.texts)
        page.text(first, left, y + LABEL / 2, size=SMALL, color=MUTED, ha="left")
        page.text(last, right, y + LABEL / 2, size=SMALL, color=MUTED, ha="right")


@look()
def between(ends: np.ndarray, captions: Sequence[str], frames: dict[str, np.ndarray]) -> Figure:
    """Two given images (2, C, H, W) with captions, and one row per path with the steps between their reconstructions,
    (N, C, H, W) each."""
    n = len(next(iter(frames.values())))
    shown = np.linspace(0, n - 1, min(n, MOST_COLUMNS)).round().astype(int)
    rows: list[AbstractRow] = [EndsText("", captions), EndsRow("original", pictures(ends))]
    rows += [PictureRow(path, pictures(images[shown])) for path, images in frames.items()]
    return sheet(rows, len(shown), tile_size(ends.shape[2:], len(shown))).figure


@look()
def sweeps(
    x: np.ndarray, units: Sequence[int], movement: Sequence[float], values: np.ndarray, quantiles: Sequence[float]
) -> Figure:
    """One row per unit, with pictures (U, Q, C, H, W) at quantiles of its values (U, Q); at most 12 rows."""
    columns = len(quantiles)
    rows: list[AbstractRow] = [TextRow("quantile", [f"{q:.0%}" for q in quantiles])]
    for i, unit in enumerate(units[:MOST_ROWS]):
        rows.append(PictureRow(f"unit {unit}", pictures(x[i]), note=f"change {label(movement[i])}"))
        digits = 1 - math.floor(math.log10(max(float(np.abs(values[i]).max()), 1e-12)))
        rows.append(TextRow("value", [label(round(float(value), digits) + 0.0) for value in values[i]]))
    return sheet(rows, columns, tile_size(x.shape[3:], columns)).figure


@look()
def edited(given: np.ndarray, frames: np.ndarray, strengths: Sequence[float], names: Sequence[str]) -> Figure:
    """One row per sample: its image (C, H, W) and the edited images at each strength, frames (N, S, C, H, W)."""
    columns = 1 + len(strengths)
    titles = ["original", *(f"strength {s:+g}".replace("-", "−") if s else "strength 0" for s in strengths)]
    rows: list[AbstractRow] = [TextRow("", titles)]
    for name, original, row in zip(names, given, frames, strict=True):
        rows.append(PictureRow(name, pictures(np.concatenate([original[None], row]))))
    return sheet(rows, columns, tile_size(given.shape[2:], columns)).figure


@look()
def turned(given: np.ndarray, frames: np.ndarray, classes: Sequence[str]) -> Figure:
    """One row per class: an image (K, C, H, W) of it, and that image edited to each class, frames (K, K, C, H, W)."""
    columns = 1 + len(classes)
    rows: list[AbstractRow] = [TextRow("edited to", ["original", *classes])]
    for name, original, row in zip(classes, given, frames, strict=True):
        rows.append(PictureRow(name, pictures(np.concatenate([original[None], row]))))
    return sheet(rows, columns, tile_size(given.shape[2:], columns)).figure


@look()
def side_by_side(rows: dict[str, np.ndarray]) -> Figure:
    """Rows of images (N, C, H, W) with their names, the same sample in the same column."""
    first = next(iter(rows.values()))
    drawn = [PictureRow(name, pictures(images)) for name, images in rows.items()]
    return sheet(drawn, len(first), tile_size(first.shape[2:], len(first))).figure
