"""A photograph before and after denoising: the whole picture with a divider, a detail, and what was removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import BODY, INK, MARGIN, MUTED, PAPER, SMALL, Page, look
from isthmus.evaluation.figures.contact_sheets import draw_picture, pictures

WIDTH = 1200  # pixels: the width of a page in a browser
DETAIL = 192  # pixels per side of the detail, which is enlarged to about twice its size
GAP = 12
MOST_ENLARGED = 50  # times: enough to see a difference of 1 in 255


Unit = Callable[[np.ndarray], np.ndarray]  # converts parts of a picture to the scale that `pictures` needs
Place = tuple[slice, slice]  # rows and columns


def as_it_is(part: np.ndarray) -> np.ndarray:
    """Parts that already have this scale."""
    return part


class Shown(NamedTuple):
    """What is drawn of a picture, (h, w, 1 or 3) in [0, 1]: the whole picture, reduced, and a detail, not reduced."""

    whole: np.ndarray
    detail: np.ndarray


def shown_of(image: np.ndarray, place: Place, unit: Unit = as_it_is) -> Shown:
    """What is drawn of an image (C, H, W), with the detail at `place`, so that the image itself need not be kept."""
    return Shown(reduced(image, 2 * WIDTH, unit), pictures(unit(image[None, :, place[0], place[1]]))[0])


@look()
def before_after(before: Shown, after: Shown, name: str) -> Figure:
    """The left half before and the right half after, with a line between, and below them the detail and the noise."""
    x, y = before.whole, after.whole
    H, W = x.shape[:2]
    height = round(WIDTH * H / W)
    side = (WIDTH - 2 * GAP) // 3
    page = Page(WIDTH + 2 * MARGIN, height + side + 2 * MARGIN + 5 * BODY)
    page.text(f"{name}: before (left of the line) and after (right)", MARGIN, MARGIN + BODY * 0.4, ha="left")
    top, middle = MARGIN + 2 * BODY, W // 2
    draw_picture(page, np.concatenate([x[:, :middle], y[:, middle:]], 1), MARGIN, top, (height, WIDTH))
    line = MARGIN + WIDTH * middle / W
    page.axes.plot([line, line], [top, top + height], color=PAPER, linewidth=2)
    page.axes.plot([line, line], [top, top + height], color=INK, linewidth=0.6)
    _details(page, _difference(before.detail, after.detail), top + height + GAP, side)
    return page.figure


class Detail(NamedTuple):
    """A part of a picture (h, w, 1 or 3) in [0, 1], and what was removed, amplified `times` around middle gray."""

    before: np.ndarray
    after: np.ndarray
    removed: np.ndarray
    times: float


def detail_of(before: np.ndarray, after: np.ndarray) -> Detail:
    """The detail of images (C, H, W) where the second one has the most structure, not reduced."""
    rows, columns = place_of_detail(after)
    a, b = (pictures(image[None, :, rows, columns])[0] for image in (before, after))
    return _difference(a, b)


def place_of_detail(image: np.ndarray, unit: Unit = as_it_is) -> Place:
    """Rows and columns of the square with the most structure in an image (C, H, W)."""
    small = reduced(image, 2 * WIDTH, unit).mean(-1)
    k = image.shape[2] // small.shape[1]
    rows, columns = richest(small, max(2, min(DETAIL // k, *small.shape)))
    side = min(DETAIL, *image.shape[1:])
    top, left = (min(k * part.start, end - side) for part, end in zip((rows, columns), image.shape[1:], strict=True))
    return slice(top, top + side), slice(left, left + side)


def _difference(before: np.ndarray, after: np.ndarray) -> Detail:
    removed = before - after
    times = min(MOST_ENLARGED, 0.5 / max(float(np.quantile(np.abs(removed), 0.999)), 1e-6))
    return Detail(before, after, (0.5 + times * removed).clip(0, 1), times)


def reduced(image: np.ndarray, most: int, unit: Unit = as_it_is) -> np.ndarray:
    """An image (C, H, W) as `pictures` returns it, (h, w, 1 or 3), reduced by means of k x k pixels so that w is not
    far above `most`. It works row by row, so that a large image is never in memory as floats.
    """
    k = max(1, min(image.shape[2] // most, image.shape[1]))
    if k == 1:
        return pictures(unit(image[None]))[0]
    _, H, W = image.shape
    h, w = H // k, W // k
    rows = (pictures(unit(image[None, :, k * i : k * i + k, : k * w]))[0] for i in range(h))
    return np.stack([row.mean(0).reshape(w, k, -1).mean(1) for row in rows])


def _details(page: Page, found: Detail, top: int, side: int) -> None:
    titles = ("detail before", "detail after", f"what was removed, amplified {found.times:.0f} times")
    for i, (title, picture) in enumerate(zip(titles, found[:3], strict=True)):
        left = MARGIN + i * (side + GAP)
        draw_picture(page, picture, left, top, (side, side), interpolation="nearest")
        page.text(title, left + side / 2, top + side + BODY, size=SMALL, color=MUTED)


def richest(gray: np.ndarray, side: int) -> tuple[slice, slice]:
    """The square of that side with the most structure in a picture (H, W): the largest mean gradient."""
    H, W = gray.shape
    steps = np.abs(np.diff(gray, axis=0))[:, : W - 1] + np.abs(np.diff(gray, axis=1))[: H - 1]
    sums = np.pad(steps, ((1, 1), (1, 1))).cumsum(0).cumsum(1)
    rows, columns = (np.arange(0, max(1, n - side), max(1, side // 4)) for n in (H, W))
    best = max(
        ((int(top), int(left)) for top in rows for left in columns),
        key=lambda at: _within(sums, at[0], at[1], min(side, H - 1), min(side, W - 1)),
    )
    return slice(best[0], best[0] + side), slice(best[1], best[1] + side)


def _within(sums: np.ndarray, top: int, left: int, height: int, width: int) -> float:
    bottom, right = min(top + height, sums.shape[0] - 1), min(left + width, sums.shape[1] - 1)
    return float(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])


__all__ = ["Detail", "Shown", "before_after", "detail_of", "place_of_detail", "reduced", "shown_of"]
