"""A photograph before and after denoising: the whole with a divider, and a detail of it beside what was taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import BODY, INK, MARGIN, MUTED, PAPER, SMALL, Page, look
from isthmus.evaluation.figures.contact_sheets import draw_picture, pictures

WIDTH = 1200  # pixels: as wide as a page of a browser shows it
DETAIL = 192  # pixels a side of the detail, which is enlarged twice
GAP = 12
MOST_ENLARGED = 50  # times: at a 50th of its range even a difference of one in 255 is seen


Unit = Callable[[np.ndarray], np.ndarray]  # parts of a picture, on the scale that `pictures` takes
Place = tuple[slice, slice]  # rows and columns


def as_it_is(part: np.ndarray) -> np.ndarray:
    """Parts that need no other scale."""
    return part


class Shown(NamedTuple):
    """What is drawn of a picture, (h, w, 1 or 3) in [0, 1]: all of it, reduced, and its detail, pixels as they are."""

    whole: np.ndarray
    detail: np.ndarray


def shown_of(image: np.ndarray, place: Place, unit: Unit = as_it_is) -> Shown:
    """Of an image (C, H, W), with the detail at `place`; so a large one need not be kept to be drawn later."""
    return Shown(reduced(image, 2 * WIDTH, unit), pictures(unit(image[None, :, place[0], place[1]]))[0])


@look()
def before_after(before: Shown, after: Shown, name: str) -> Figure:
    """Both halves of the whole with a line between, and below it the detail and what was taken away."""
    x, y = before.whole, after.whole
    H, W = x.shape[:2]
    height = round(WIDTH * H / W)
    side = (WIDTH - 2 * GAP) // 3
    page = Page(WIDTH + 2 * MARGIN, height + side + 2 * MARGIN + 5 * BODY)
    page.text(f"{name}: before at the left, after at the right of the line", MARGIN, MARGIN + BODY * 0.4, ha="left")
    top, middle = MARGIN + 2 * BODY, W // 2
    draw_picture(page, np.concatenate([x[:, :middle], y[:, middle:]], 1), MARGIN, top, (height, WIDTH))
    line = MARGIN + WIDTH * middle / W
    page.axes.plot([line, line], [top, top + height], color=PAPER, linewidth=2)
    page.axes.plot([line, line], [top, top + height], color=INK, linewidth=0.6)
    _details(page, _difference(before.detail, after.detail), top + height + GAP, side)
    return page.figure


class Detail(NamedTuple):
    """A part of a picture (h, w, 1 or 3) in [0, 1], and what was taken away around middle gray, `times` as strong."""

    before: np.ndarray
    after: np.ndarray
    removed: np.ndarray
    times: float


def detail_of(before: np.ndarray, after: np.ndarray) -> Detail:
    """Of images (C, H, W), where the second has most detail; pixels as they are."""
    rows, columns = place_of_detail(after)
    a, b = (pictures(image[None, :, rows, columns])[0] for image in (before, after))
    return _difference(a, b)


def place_of_detail(image: np.ndarray, unit: Unit = as_it_is) -> Place:
    """Rows and columns of the square in which an image (C, H, W) has most detail."""
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
    """An image (C, H, W) as `pictures` gives it, (h, w, 1 or 3): means of k x k pixels, k so that w is not far above
    `most`. Row by row, so that a large one is never there as floats.
    """
    k = max(1, min(image.shape[2] // most, image.shape[1]))
    if k == 1:
        return pictures(unit(image[None]))[0]
    _, H, W = image.shape
    h, w = H // k, W // k
    rows = (pictures(unit(image[None, :, k * i : k * i + k, : k * w]))[0] for i in range(h))
    return np.stack([row.mean(0).reshape(w, k, -1).mean(1) for row in rows])


def _details(page: Page, found: Detail, top: int, side: int) -> None:
    titles = ("a detail before", "after", f"what was taken away, {found.times:.0f} times as strong")
    for i, (title, picture) in enumerate(zip(titles, found[:3], strict=True)):
        left = MARGIN + i * (side + GAP)
        draw_picture(page, picture, left, top, (side, side), interpolation="nearest")
        page.text(title, left + side / 2, top + side + BODY, size=SMALL, color=MUTED)


def richest(gray: np.ndarray, side: int) -> tuple[slice, slice]:
    """Where in a picture (H, W) the square of that side lies which has most detail: the greatest mean gradient."""
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
