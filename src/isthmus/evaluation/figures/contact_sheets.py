"""Contact sheets: rows of pictures, codes and numbers, one column per sample, with a title to the left of each row."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection

from isthmus.errors import UsageError
from isthmus.evaluation.figures.canvas import BODY, INK, MARGIN, MUTED, PAPER, SMALL, Page, fitted, text_width
from isthmus.wording import label

WIDTH = 1_150  # pixels for the pictures of a row: 1,000 to 1,350 with titles and margins, which suits a README
WIDEST = 192  # pixels of one picture if there are few of them
COLUMNS = 10
GAP = 8
LABEL = 26  # height of a row of numbers
LOWEST = 42  # smallest height of a row of codes
BAR = 76  # width of a color bar with its numbers


def pictures(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) uint8, uint16 or float images -> (N, H, W, 1 or 3) float32 in [0, 1], for display.

    Values outside [0, 1] are clipped; NaN stays in gray images and is 0 in color images. Images with other numbers of
    channels than 1 and 3 are averaged, because the meaning of their channels is unknown (for transparency, see
    `data_pictures.as_pictures`). Raises: UsageError for another number of dimensions.
    """
    images = np.asarray(images)
    if images.ndim != 4 or 0 in images.shape[1:]:
        message = f"only images (N, C, H, W) can be drawn; got an array of shape {images.shape}."
        fix = "if the rows of a table are images, give their shape with --shape HxW"
        raise UsageError("USAGE-FIGURE", message, fix=fix)
    full = np.iinfo(images.dtype).max if images.dtype.kind in "ui" else 1.0
    x = np.clip(images.astype(np.float32) / np.float32(full), 0.0, 1.0).transpose(0, 2, 3, 1)
    if x.shape[-1] not in (1, 3):
        x = x.mean(axis=-1, keepdims=True)
    return x if x.shape[-1] == 1 else np.nan_to_num(x)


def columns_for(n: int, width: int) -> int:
    """The number of columns for `n` images that are `width` pixels wide; fewer for large ones, to show their detail."""
    return min(n, COLUMNS if width <= 48 else 8 if width <= 96 else 6)


def tile_size(size: tuple[int, ...], columns: int, *, room: float = WIDTH) -> tuple[int, int]:
    """(height, width) in pixels so that `columns` images of `size` (height, width) fit into `room`.

    Small images are enlarged by whole factors, so that all of their pixels are squares of the same size. If this
    wastes over a quarter of the room, they are enlarged smoothly instead.
    """
    height, width = size
    target = max(8, min(WIDEST, int(room / columns) - GAP))
    factor = target // width
    w = factor * width if factor >= 2 and factor * width > 0.72 * target else target
    h = round(w * height / width)
    return max(8, min(h, 3 * w)), w  # a strip of 1 x 784 stays visible, and a tall one stays on the page


def draw_picture(page: Page, picture: np.ndarray, x: float, y: float, tile: tuple[int, int], **colors: Any) -> None:
    """One (H, W, C) picture."""
    h, w = tile
    gray = picture[..., 0] if picture.shape[-1] == 1 else picture
    page.image(gray, x, y, w, h, **({"cmap": "gray", "vmin": 0, "vmax": 1} | colors))


class AbstractRow:
    """One row of a sheet."""

    title: str
    note: str = ""
    top: int = GAP  # room above
    bar: bool = False  # whether there is a color bar at the right

    @abstractmethod
    def height(self, tile: tuple[int, int]) -> int: ...

    @abstractmethod
    def draw(self, page: Page, xs: Sequence[int], y: int, tile: tuple[int, int]) -> None: ...


@dataclass(frozen=True)
class PictureRow(AbstractRow):
    """(N, H, W, C) pictures as `pictures` returns them; `colors` (cmap, vmin, vmax) if they map a number."""

    title: str
    pictures: np.ndarray
    note: str = ""
    colors: dict[str, Any] = field(default_factory=dict)
    bar: bool = False

    def height(self, tile: tuple[int, int]) -> int:
        return max(tile[0], BODY + 4)

    def draw(self, page: Page, xs: Sequence[int], y: int, tile: tuple[int, int]) -> None:
        y += (self.height(tile) - tile[0]) // 2
        for x, picture in zip(xs, self.pictures, strict=False):
            draw_picture(page, picture, x, y, tile, **self.colors)
        page.frames([(x, y, tile[1], tile[0]) for x in xs[: len(self.pictures)]])
        if self.bar:
            color_bar(page, xs[-1] + tile[1] + 2 * GAP, y, tile[0], self.colors)


@dataclass(frozen=True)
class CodeRow(AbstractRow):
    """(N, z_size) codes as blocks of colored cells, about half as high as the pictures are wide, read line by line.

    `clipped`: some codes are beyond the color scale.
    """

    title: str
    z: np.ndarray
    colors: dict[str, Any]
    note: str = ""
    bar: bool = True
    clipped: bool = False

    def height(self, tile: tuple[int, int]) -> int:
        return max(LOWEST, min(tile[1] // 2, tile[0]))

    def draw(self, page: Page, xs: Sequence[int], y: int, tile: tuple[int, int]) -> None:
        w, h = tile[1], self.height(tile)
        for x, z in zip(xs, self.z, strict=False):
            cells = blocks(z)
            page.image(cells, x, y, w, h, **self.colors)
            self._lines(page, cells.shape, x, y, w, h)
        page.frames([(x, y, w, h) for x in xs[: len(self.z)]])
        color_bar(page, xs[-1] + w + 2 * GAP, y, h, self.colors, clipped=self.clipped)

    @staticmethod
    def _lines(page: Page, shape: tuple[int, ...], x: float, y: float, w: int, h: int) -> None:
        rows, columns = shape
        if min(w / columns, h / rows) < 8:  # lines between smaller cells would hide the colors
            return
        across = [[(x, y + h * r / rows), (x + w, y + h * r / rows)] for r in range(1, rows)]
        down = [[(x + w * c / columns, y), (x + w * c / columns, y + h)] for c in range(1, columns)]
        page.axes.add_collection(LineCollection(across + down, colors=PAPER, linewidths=0.6))


@dataclass(frozen=True)
class TextRow(AbstractRow):
    """A short text per column, under its picture; one that would run into the next column ends in "…"."""

    title: str
    texts: Sequence[str]
    note: str = ""
    color: str = MUTED
    top: int = 0

    def height(self, tile: tuple[int, int]) -> int:
        return LABEL

    def draw(self, page: Page, xs: Sequence[int], y: int, tile: tuple[int, int]) -> None:
        for x, text in zip(xs, self.texts, strict=False):
            line = fitted(text, tile[1] + GAP / 2, SMALL)
            page.text(line, x + tile[1] / 2, y + LABEL / 2, size=SMALL, color=self.color)


def blocks(z: np.ndarray) -> np.ndarray:
    """A code (z_size,) as a block (rows, columns) about twice as wide as high, filled up with NaN."""
    n = len(z)
    candidates = range(max(1, math.isqrt(n)), math.isqrt(4 * n) + 1)
    columns = min(candidates, key=lambda c: (-n % c, abs(c - math.sqrt(2 * n))))
    return np.append(z, np.full(-n % columns, np.nan)).reshape(-1, columns)


def color_bar(
    page: Page, x: float, y: float, height: float, colors: dict[str, Any], *, clipped: bool = False,
    names: tuple[str, str] | None = None, digits: int = 2,
) -> None:  # fmt: skip
    """A narrow vertical color bar with numbers at its ends and, if there is room, at zero; `names` (lower, upper)
    replace the numbers."""
    low, high = colors["vmin"], colors["vmax"]
    least = 2 * SMALL + 6  # so that the two numbers do not touch in a very flat row
    y, height = y - max(0, least - height) / 2, max(height, least)
    page.image(np.linspace(high, low, 256)[:, None], x, y, 10, height, **(colors | {"interpolation": "bilinear"}))
    page.frames([(x, y, 10, height)])
    lower, upper = names or ("≤ " * (clipped and low < 0) + label(low, digits), "≥ " * clipped + label(high, digits))
    ends = [(upper, SMALL / 2), (lower, height - SMALL / 2)]
    zero = height * high / (high - low) if low < 0 < high and names is None else 0.0
    middle = [("0", zero)] if 2 * SMALL < zero < height - 2 * SMALL else []  # else it would touch a number at an end
    for text, where in ends + middle:
        page.text(text, x + 17, y + where, size=SMALL, color=MUTED, ha="left")


def sheet(rows: Sequence[AbstractRow], columns: int, tile: tuple[int, int]) -> Page:
    """The page: titles at the left, `columns` tiles per row, color bars at the right."""
    left = MARGIN + max(text_width(row.title) for row in rows) + 2 * GAP
    left = math.ceil(max(left, MARGIN + max(text_width(row.note, SMALL) for row in rows) + 2 * GAP))
    xs = [left + i * (tile[1] + GAP) for i in range(columns)]
    right = MARGIN + (BAR if any(row.bar for row in rows) else 0)
    height = sum(row.height(tile) + row.top for row in rows) - rows[0].top + 2 * MARGIN
    page = Page(xs[-1] + tile[1] + right, height)
    y = MARGIN - rows[0].top
    for row in rows:
        y += row.top
        row.draw(page, xs, y, tile)
        _title(page, row, left - 2 * GAP, y + row.height(tile) / 2)
        y += row.height(tile)
    return page


def _title(page: Page, row: AbstractRow, x: float, y: float) -> None:
    lift = SMALL * 0.7 if row.note else 0
    small = isinstance(row, TextRow)
    page.text(row.title, x, y - lift, size=SMALL if small else BODY, color=MUTED if small else INK, ha="right")
    if row.note:
        page.text(row.note, x, y + BODY * 0.7, size=SMALL, color=MUTED, ha="right")
