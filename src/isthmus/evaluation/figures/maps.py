"""Maps of codes in a plane: small pictures or points, colored by label or by number.

Points are (N, 2); `groups` (N,) are indices into `names`, -1 for samples without one; `values` (N,) are numbers; `note`
is a text under the map that says how it was computed.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from isthmus.evaluation.figures.canvas import (
    BODY,
    HAIRLINE,
    INK,
    MARGIN,
    MUTED,
    PAPER,
    SMALL,
    Page,
    fitted,
    look,
    text_width,
)
from isthmus.evaluation.figures.contact_sheets import color_bar, pictures
from isthmus.evaluation.figures.fonts import drawable_name

SIDE = 1_060  # pixels of the map's longer side: with the legend about 1,250 wide, which suits a README
FLATTEST = 0.5  # smallest ratio of a map's sides: a flatter one gets room above and below
THUMBNAILS = ((500, 44), (2_500, 32), (math.inf, 26))  # (most samples, side of a small picture in pixels)
DOTS = ((300, 90), (1_500, 40), (5_000, 16), (math.inf, 7))  # (most samples, area of a point in square points)
KEY_MOST, NAMED_MOST = 30, 60  # groups in the legend, and groups with names in the map: more would overlap
NAMED_FROM = 15  # points of a group: a name would hide a smaller group, for which the legend is enough
LONGEST = 170  # pixels of a name
DARK = 0.1  # median border value up to which gray pictures count as drawings on a dark background, like digits
ROUNDS = 3  # styles of points, so that thirty classes can be distinguished
# The colors of the report and the app (report/templates/style.css, light): a class has the same color everywhere.
TEN = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3a9bd9", "#7a4fbf", "#a33b20", "#5b7f1d", "#6b7280")


@look()
def thumbnails(
    points: np.ndarray, images: np.ndarray, groups: np.ndarray | None = None, names: Sequence[str] = (), note: str = ""
) -> Figure:
    """A map of small pictures (N, C, H, W) that do not overlap: each tile shows the sample nearest to its center.

    Gray images on a dark background, such as digits, are drawn in the color of their group; others get a frame.
    """
    side = next(side for most, side in THUMBNAILS if len(points) <= most)
    places, (width, height) = _placed(points, side // 2 + 2)
    fields, rows = one_a_field(places, side)
    shown = pictures(images[rows])
    colors = _colors(groups[rows] if groups is not None else None, len(names), len(rows))
    sheet = np.ones((height, width, 3), np.float32)
    as_ink = shown.shape[-1] == 1 and float(np.median(_border(shown))) <= DARK
    for field, picture, color in zip(fields, shown, colors, strict=True):
        y, x = field[1] * side, field[0] * side
        tile = _tile(picture, side - 2, color, as_ink=as_ink, framed=groups is not None)
        box = sheet[y : y + tile.shape[0], x : x + tile.shape[1]]
        box[:] = tile[: box.shape[0], : box.shape[1]]
    page = _page(width, height, names if groups is not None else ())
    page.image(sheet, MARGIN, MARGIN, width, height, interpolation="nearest")
    few = f"{len(rows):,} of {len(points):,} samples, one per tile" if len(rows) < len(points) else ""
    _key(page, width, height, groups, names, " · ".join(filter(None, [note, few])))
    return page.figure


@look()
def dots(
    points: np.ndarray, groups: np.ndarray | None = None, names: Sequence[str] = (), note: str = "",
    none: str = "no label",
) -> Figure:  # fmt: skip
    """A map of points in the colors of their groups, which are named in the legend and, if large, in the map.

    If there are more than ten groups, the colors are repeated with other styles of points, as in the report and app.
    """
    places, (width, height) = _placed(points, 8)
    page = _page(width, height, names if groups is not None else ())
    order = np.random.default_rng(0).permutation(len(points))  # so that no group covers all others
    shown = np.full(len(points), -1) if groups is None else groups[order]
    inks = np.tile(to_rgb(INK), (len(points), 1)) if groups is None else _ten(shown)
    for turn in range(ROUNDS):
        mine = np.maximum(shown, 0) // len(TEN) % ROUNDS == turn
        _scatter(page, places[order][mine], **_drawn(inks[mine], turn))
    if groups is not None and len(names) <= NAMED_MOST:
        sizes = np.bincount(groups[groups >= 0], minlength=len(names))
        fewest = NAMED_FROM if np.count_nonzero(sizes) <= KEY_MOST else 1  # else the legend does not list all groups
        for k, name in enumerate(names):
            if sizes[k] >= fewest:
                x, y = np.median(places[groups == k], axis=0)
                _name(page, drawable_name(name, k), x + MARGIN, y + MARGIN)
    _key(page, width, height, groups, names, note, none, rounds=True)
    return page.figure


@look()
def gradient(
    points: np.ndarray, values: np.ndarray, name: str, note: str = "", written: Callable[[float], str] | None = None
) -> Figure:
    """A map of points colored by a number, with a color bar, whose ends are formatted by `written`; the lowest and the
    highest 1 % have the colors of the ends.
    """
    places, (width, height) = _placed(points, 8)
    page = Page(width + 2 * MARGIN + LONGEST, height + 2 * MARGIN + SMALL)
    low, high = np.nanquantile(values, [0.01, 0.99]) if np.isfinite(values).any() else (0.0, 1.0)
    colors = {"cmap": "viridis", "vmin": float(low), "vmax": float(high if high > low else low + 1)}
    order = np.random.default_rng(0).permutation(len(points))
    _scatter(page, places[order], c=np.asarray(values, float)[order], plotnonfinite=False, **colors)
    x = MARGIN + width + 2 * MARGIN
    page.text(fitted(name, LONGEST - MARGIN), x, MARGIN + BODY, ha="left")
    ends = None if written is None else (written(colors["vmin"]), written(colors["vmax"]))
    color_bar(page, x, MARGIN + 2 * BODY, min(200, height - 3 * BODY), colors, names=ends, digits=3)
    _key(page, width, height, None, (), note)
    return page.figure


def one_a_field(places: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Tiles (F, 2) of `side` pixels that contain points, as (column, row), and the point (F,) nearest each center."""
    fields = (places // side).astype(np.int64)
    off = np.square(places - (fields + 0.5) * side).sum(1)
    order = np.lexsort((off, fields[:, 0], fields[:, 1]))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(fields[order], axis=0) != 0).any(1)
    return fields[order][first], order[first]


def _placed(points: np.ndarray, edge: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Points in pixels from the top left corner, and the (width, height) that they need; both axes have one scale."""
    low, high = points.min(0).astype(float), points.max(0).astype(float)
    span = np.maximum(high - low, 1e-12)
    scale = (SIDE - 2 * edge) / span.max()
    size = np.maximum(span * scale, FLATTEST * (SIDE - 2 * edge))
    places = (points - (low + high) / 2) * (scale, -scale) + size / 2 + edge  # up is up
    return places, (round(size[0]) + 2 * edge, round(size[1]) + 2 * edge)


def _scatter(page: Page, places: np.ndarray, **colors: Any) -> None:
    area = next(area for most, area in DOTS if len(places) <= most)
    style: dict[str, Any] = {"s": area, "alpha": 0.75, "linewidths": 0.3, "edgecolors": PAPER}
    page.axes.scatter(places[:, 0] + MARGIN, places[:, 1] + MARGIN, **(style | colors))


def _page(width: int, height: int, names: Sequence[str]) -> Page:
    lines = min(len(names), KEY_MOST) + 2
    return Page(width + 2 * MARGIN + (LONGEST if names else 0), max(height, lines * 24) + 2 * MARGIN + SMALL)


def _key(
    page: Page, width: int, height: int, groups: np.ndarray | None, names: Sequence[str], note: str,
    none: str = "no label", *, rounds: bool = False,
) -> None:  # fmt: skip
    """The legend at the right, with the colors and sizes of the groups, and the note under the map."""
    page.text(note, MARGIN, height + 1.5 * MARGIN, size=SMALL, color=MUTED, ha="left")
    if groups is None:
        return
    x, y = MARGIN + width + MARGIN, MARGIN + 12
    listed = [k for k in range(len(names)) if (groups == k).any()]
    entries = [(drawable_name(names[k], k), k) for k in listed[:KEY_MOST]]
    entries += [(none, -1)] if (groups < 0).any() else []
    for text, k in entries:
        count = f"{np.count_nonzero(groups == k):,}"
        one = np.array([k])
        point: dict[str, Any] = {"s": 70, "linewidths": 0}
        if rounds:
            point |= _drawn(_ten(one), max(k, 0) // len(TEN) % ROUNDS)
        else:
            point["color"] = _colors(one, len(names), 1)
        page.axes.scatter([x + 6], [y], **point)
        room = LONGEST - 30 - text_width(count, SMALL) - 8
        shown = fitted(text, room)
        page.text(shown, x + 22, y, ha="left")
        page.text(count, x + 22 + text_width(shown) + 8, y, size=SMALL, color=MUTED, ha="left")
        y += 24
    if len(listed) > KEY_MOST:
        page.text(f"… and {len(listed) - KEY_MOST:,} more", x, y, size=SMALL, color=MUTED, ha="left")


def _name(page: Page, text: str, x: float, y: float) -> None:
    """A name in the map, with a white outline."""
    written = page.axes.text(x, y, fitted(text, LONGEST), size=BODY * 0.6, ha="center", va="center", color=INK)
    written.set_path_effects([patheffects.withStroke(linewidth=3, foreground=PAPER)])


def _ten(groups: np.ndarray) -> np.ndarray:
    """(n, 3) RGB, one of ten colors per sample; gray for -1."""
    palette = np.array([to_rgb(c) for c in TEN])
    return np.where(groups[:, None] < 0, to_rgb(HAIRLINE), palette[groups % len(TEN)])


def _drawn(colors: np.ndarray, turn: int) -> dict[str, Any]:
    """The style of points for the first ten groups (turn 0), the second and the third ten: filled, rings, outlined."""
    if turn == 1:
        return {"facecolors": "none", "edgecolors": colors, "linewidths": 1.4}
    return {"color": colors} if turn == 0 else {"facecolors": colors, "edgecolors": INK, "linewidths": 0.9}


def _colors(groups: np.ndarray | None, n_groups: int, n: int) -> np.ndarray:
    """(n, 3) RGB, one color per sample: that of its group, gray for none, dark if there are no groups."""
    if groups is None:
        return np.tile(to_rgb(INK), (n, 1))
    if n_groups <= len(TEN):
        return _ten(groups)
    return np.array([*(_hue(k) for k in range(n_groups)), to_rgb(HAIRLINE)])[groups]  # -1 is the last


def _hue(k: int) -> tuple[float, float, float]:
    """Hues by the golden angle, so that consecutive ones differ clearly, in three lightnesses."""
    return colorsys.hls_to_rgb((k * 0.61803398875) % 1.0, (0.42, 0.3, 0.55)[k % 3], 0.75)


def _border(shown: np.ndarray) -> np.ndarray:
    return np.concatenate([shown[:, 0].ravel(), shown[:, -1].ravel(), shown[:, :, 0].ravel(), shown[:, :, -1].ravel()])


def _tile(picture: np.ndarray, side: int, color: np.ndarray, *, as_ink: bool, framed: bool) -> np.ndarray:
    """One (H, W, 1, 3 or 4) picture as RGB, at most `side` pixels wide and high."""
    H, W = picture.shape[:2]
    frame = 2 if framed and not as_ink else 0
    factor = (side - 2 * frame) / max(H, W)
    size = max(1, round(W * factor)), max(1, round(H * factor))
    how = Image.Resampling.BOX if factor < 1 else Image.Resampling.BILINEAR
    channels = np.ascontiguousarray(np.nan_to_num(picture).transpose(2, 0, 1))
    planes = [Image.fromarray(channel).resize(size, how) for channel in channels]
    small = np.stack([np.asarray(p) for p in planes], axis=-1)
    if as_ink:
        return 1 - small * (1 - np.asarray(color, np.float32))
    if small.shape[-1] == 4:
        small = small[..., :3] * small[..., 3:] + 1 - small[..., 3:]
    tile = np.ones((size[1] + 2 * frame, size[0] + 2 * frame, 3), np.float32) * np.asarray(color, np.float32)
    tile[frame : frame + size[1], frame : frame + size[0]] = small
    return tile


__all__ = ["dots", "gradient", "one_a_field", "thumbnails"]
