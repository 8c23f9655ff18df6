"""The pictures of a run folder, drawn from plain arrays: samples per class, sanity check, denoising, worst cases.

Images are (N, C, H, W), uint8 or floats in [0, 1]; gray, RGB or RGBA. This module does not use models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.figures.canvas import (
    BODY,
    MARGIN,
    MUTED,
    SMALL,
    Page,
    fitted,
    look,
    png,
    save,
    text_width,
)
from isthmus.evaluation.figures.contact_sheets import (
    COLUMNS,
    GAP,
    LABEL,
    WIDTH,
    AbstractRow,
    CodeRow,
    PictureRow,
    TextRow,
    columns_for,
    draw_picture,
    pictures,
    sheet,
    tile_size,
)
from isthmus.evaluation.figures.cost_curves import cost_curves, live_curve
from isthmus.evaluation.figures.fonts import drawable_name
from isthmus.sparkline import sparkline
from isthmus.wording import cost

__all__ = [
    "cost_curves",
    "denoising",
    "grid",
    "live_curve",
    "png",
    "samples_per_class",
    "sanity",
    "save",
    "sparkline",
    "strip",
    "worst",
]

WORST = 10
FILLED, MOST_TIMES = 0.15, 20.0  # standard deviation (white is 1) to which a difference is amplified; at most 20 times
MOST_CLASSES = 120  # if there are more classes (a thousand in ImageNet), only the first are shown
ERRORS = {"cmap": "Oranges", "vmin": 0.0}  # white: no error


@look()
def samples_per_class(images: np.ndarray, labels: np.ndarray | None, classes: Sequence[str]) -> Figure:
    """One row per class with its first samples, in several columns if there are many; a plain grid without labels.

    `labels` are indices into `classes`.
    """
    if labels is None or not len(classes):
        return grid(images[:60], 10)
    labels = np.asarray(labels)
    shown = min(len(classes), MOST_CLASSES)
    blocks, samples, longest = next(rest for most, *rest in ARRANGEMENTS if shown <= most)
    most = int(np.bincount(labels[(labels >= 0) & (labels < shown)], minlength=1).max())
    samples = max(1, min(samples, most))
    size = BODY if blocks <= 2 else SMALL
    names = [fitted(drawable_name(name, k), longest, size) for k, name in enumerate(classes[:shown])]
    left = math.ceil(max(text_width(name, size) for name in names)) + 2 * GAP
    tile = tile_size(images.shape[2:], blocks * samples, room=WIDTH + 50 - blocks * (left + 3 * GAP))
    width, height = left + samples * (tile[1] + GAP) + 3 * GAP, max(tile[0], BODY + 4) + GAP
    per_block = math.ceil(shown / blocks)
    blocks = math.ceil(shown / per_block)
    note = f"the first {shown} of {len(classes):,} classes" if shown < len(classes) else ""
    page = Page(2 * MARGIN + blocks * width - 4 * GAP, 2 * MARGIN + per_block * height - GAP + (LABEL if note else 0))
    for k, name in enumerate(names):
        x, y = MARGIN + k // per_block * width + left, MARGIN + k % per_block * height
        rows = np.flatnonzero(labels == k)[:samples]
        page.text(name, x - GAP * 1.5, y + (height - GAP) / 2, size=size, ha="right")
        if len(rows):
            _class_row(page, pictures(images[rows]), x, y + (height - GAP - tile[0]) // 2, tile)
        else:
            page.text("none", x, y + (height - GAP) / 2, color=MUTED, ha="left")
    page.text(note, MARGIN, MARGIN + per_block * height + LABEL / 2, size=SMALL, color=MUTED, ha="left")
    return page.figure


# (most classes, columns of classes, samples per class, pixels of the longest name): about 1,200 pixels wide
ARRANGEMENTS = ((12, 1, 10, 180), (30, 2, 6, 150), (66, 4, 4, 110), (MOST_CLASSES, 5, 3, 95))


def _class_row(page: Page, row: np.ndarray, x: float, y: float, tile: tuple[int, int]) -> None:
    places = [x + i * (tile[1] + GAP) for i in range(len(row))]
    for place, picture in zip(places, row, strict=True):
        draw_picture(page, picture, place, y, tile)
    page.frames([(place, y, tile[1], tile[0]) for place in places])


@look()
def grid(images: np.ndarray, columns: int = 10) -> Figure:
    """A contact sheet with `columns` images per row."""
    x = pictures(images)
    columns = min(columns, len(x))
    tile = tile_size(x.shape[1:3], columns)
    rows = math.ceil(len(x) / columns)
    page = Page(2 * MARGIN + columns * (tile[1] + GAP) - GAP, 2 * MARGIN + rows * (tile[0] + GAP) - GAP)
    for r in range(rows):
        _class_row(page, x[r * columns : (r + 1) * columns], MARGIN, MARGIN + r * (tile[0] + GAP), tile)
    return page.figure


def strip(images: np.ndarray) -> Figure:
    """All images side by side in one row."""
    return grid(images, len(images))


@look()
def sanity(
    original: np.ndarray,
    z: np.ndarray | None,
    x_hat: np.ndarray,
    *,
    labels: Sequence[Any] | None = None,
    signed: bool | None = None,
) -> Figure:
    """Three rows: original, code, reconstruction, with each image's mean squared error.

    `z` is (N, z_size), or None for a network without a code. `signed`: whether its values can be negative; by default,
    this is determined from the values. `labels` are written above the originals. If there are many samples, only the
    first are shown.
    """
    rows: list[AbstractRow] = [] if labels is None else [TextRow("label", [str(label) for label in labels])]
    rows += [
        PictureRow("original", pictures(original)),
        *_codes(z, signed),
        PictureRow("reconstruction", pictures(x_hat)),
        TextRow("MSE", [cost(e, 2) for e in _mse(original, x_hat)]),
    ]
    return _compare(rows, original)


@look()
def denoising(
    noisy: np.ndarray, z: np.ndarray | None, denoised: np.ndarray, clean: np.ndarray, *, signed: bool | None = None
) -> Figure:
    """Four rows: noisy, code, denoised, clean, with the PSNR of the noisy and the denoised images.

    `z` and `signed` are as for `sanity`.
    """
    rows: list[AbstractRow] = [
        PictureRow("noisy", pictures(noisy)),
        TextRow("PSNR", _decibels(noisy, clean)),
        *_codes(z, signed),
        PictureRow("denoised", pictures(denoised)),
        TextRow("PSNR", _decibels(denoised, clean)),
        PictureRow("clean", pictures(clean)),
    ]
    return _compare(rows, clean)


@look()
def removed(noisy: np.ndarray, denoised: np.ndarray) -> Figure:
    """Three rows for data without clean images: noisy, denoised, and what was removed, amplified around gray."""
    difference, times = enlarged(noisy, denoised)
    rows: list[AbstractRow] = [
        PictureRow("noisy", pictures(noisy)),
        PictureRow("denoised", pictures(denoised)),
        PictureRow(f"removed, × {times:.2g}", pictures(difference)),
    ]
    return _compare(rows, noisy)


def enlarged(noisy: np.ndarray, denoised: np.ndarray) -> tuple[np.ndarray, float]:
    """What was removed, as pictures around middle gray, and the factor by which it was amplified."""
    difference = np.asarray(noisy, float) - np.asarray(denoised, float)
    times = FILLED / max(float(difference.std()), FILLED / MOST_TIMES)
    return (0.5 + times * difference).clip(0, 1).astype(np.float32), times


@look()
def worst(original: np.ndarray, x_hat: np.ndarray, errors: np.ndarray, ids: Sequence[str]) -> Figure:
    """The ten images with the largest `errors`, worst first: original, reconstruction, absolute error, id and error."""
    order = np.argsort(-np.nan_to_num(np.asarray(errors, float), nan=np.inf), kind="stable")[:WORST]
    x, y = pictures(np.asarray(original)[order]), pictures(np.asarray(x_hat)[order])
    difference = np.abs(x - y).mean(axis=-1, keepdims=True)
    colors = ERRORS | {"vmax": float(np.nanmax(difference, initial=1e-6))}
    columns = columns_for(len(x), x.shape[2])
    tile = tile_size(x.shape[1:3], columns)
    rows = [
        TextRow("id", [fitted(str(ids[i]), tile[1] - GAP / 2, SMALL, keep="end") for i in order]),
        PictureRow("original", x),
        PictureRow("reconstruction", y),
        PictureRow("absolute error", difference, colors=colors, bar=True),
        TextRow("error", [cost(float(errors[i]), 2) for i in order]),
    ]
    return sheet(rows, columns, tile).figure


def _compare(rows: Sequence[AbstractRow], images: np.ndarray) -> Figure:
    columns = columns_for(len(images), images.shape[3])
    return sheet(rows, columns, tile_size(images.shape[2:], columns)).figure


def _codes(z: np.ndarray | None, signed: bool | None) -> list[CodeRow]:
    """The row of codes, if there are any: from red through white to blue if signed, else from white to blue."""
    if z is None or not np.size(z):
        return []
    z = np.asarray(z, dtype=float).reshape(len(z), -1)
    known = np.sort(z[:COLUMNS][np.isfinite(z[:COLUMNS])], axis=None)
    low, high = (known[0], known[-1]) if known.size else (0.0, 0.0)
    if not signed and low >= 0 and high <= 1:
        colors, clipped = {"cmap": "Blues", "vmin": 0.0, "vmax": 1.0}, False
    else:
        size = np.sort(np.abs(known))
        end, most = (size[int(0.99 * (size.size - 1))], size[-1]) if size.size else (1.0, 1.0)
        clipped = bool(most > 2 * end > 0)  # a few extreme codes would leave all others without color
        reach = float(end if clipped else most) or 1.0
        two_sided = low < 0 if signed is None else signed
        colors = {"cmap": "RdBu" if two_sided else "Blues", "vmin": -reach if two_sided else 0.0, "vmax": reach}
    return [CodeRow("code", z, colors, note=f"z_size {z.shape[1]:,}", clipped=clipped)]


def _mse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean squared error of each image, data in [0, 1]."""
    return np.square(_unit(x) - _unit(y)).reshape(len(x), -1).mean(axis=1)


def _unit(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(float) / (np.iinfo(x.dtype).max if x.dtype.kind in "ui" else 1.0)


def _decibels(x: np.ndarray, clean: np.ndarray) -> list[str]:
    """PSNR of each image, 10 log10(1 / mse), as text."""
    return ["identical" if e == 0 else f"{-10 * math.log10(e):.1f} dB" if e > 0 else "–" for e in _mse(x, clean)]
