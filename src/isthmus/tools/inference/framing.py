"""Fits any picture to the size that a model takes: the way MNIST's digits were, or by cropping and scaling."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from isthmus.errors import DataError, UsageError, unknown
from isthmus.evaluation.figures.contact_sheets import pictures

WAYS = ("auto", "digit", "cover", "exact")
BOX = 20 / 28  # in MNIST, the longer side of a digit takes 20 of 28 pixels
INK = 0.2  # of the brightest pixel: anything fainter is the grain of a photograph, not a stroke
PAPER = 0.5  # a brighter border means dark ink on paper


def frame(image: np.ndarray, shape: tuple[int, ...], way: str = "auto", *, dark_border: bool = False) -> np.ndarray:
    """Converts a picture (C, h, w), bytes or floats in [0, 1], to floats of `shape` (C', H, W) in [0, 1].

    "digit": the ink is cut out, scaled into a box of 20 of 28 pixels, and centered by its center of mass (LeCun et al.
    1998, section III.A). "cover": the largest central part with the right proportions, scaled. "exact": the picture
    must already have the right size. "auto": exact if the size is right, else digit for small gray models of light on
    dark, else cover. `dark_border`: the model's pictures are light on dark, so dark ink on paper is inverted.

    Raises: DataError for "exact" with another size, or "digit" without ink; UsageError for another way, or "digit"
    for a color model.
    """
    if way not in WAYS:
        raise unknown("way to frame", way, WAYS)
    C, H, W = shape
    seen = np.asarray(pictures(np.asarray(image)[None])[0], np.float32)  # (h, w, 1 or 3), floats
    fits = seen.shape[:2] == (H, W)
    if way == "digit" and C != 1:
        message = f'"digit" is only for gray models; this one takes {C} channels.'
        raise UsageError("USAGE-FIT", message, fix='send fit="cover"')
    if way == "exact" and not fits:
        message = f"the image has {seen.shape[0]}x{seen.shape[1]} pixels; the model takes {H}x{W}."
        raise DataError("DATA-SIZE", message, fix=f'resize it to {H}x{W}, or send fit="auto"')
    if way == "auto":
        way = "exact" if fits else "digit" if C == 1 and max(H, W) <= 32 and dark_border else "cover"
    seen = _in_channels(seen, C)
    if dark_border and C == 1 and _border(seen) > PAPER:
        seen = 1.0 - seen
    if way == "digit":
        seen = _digit(seen[..., 0], H, W)[..., None]
    elif not fits:
        seen = _cover(seen, H, W)
    return np.ascontiguousarray(seen.transpose(2, 0, 1)).clip(0, 1)


def _digit(ink: np.ndarray, H: int, W: int) -> np.ndarray:
    ink = ink - ink.min()
    ink = np.where(ink > INK * max(float(ink.max()), INK), ink, 0.0)
    rows, columns = np.flatnonzero(ink.max(1)), np.flatnonzero(ink.max(0))
    if not len(rows):
        raise DataError("DATA-EMPTY", "nothing is drawn.", fix="draw something")
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX * min(H, W) / max(cut.shape)
    size = max(1, round(cut.shape[0] * scale)), max(1, round(cut.shape[1] * scale))
    small = _resized(cut / cut.max(), *size)
    large = np.zeros((H, W), np.float32)
    top, left = (H - size[0]) // 2, (W - size[1]) // 2
    large[top : top + size[0], left : left + size[1]] = small
    # MNIST measures from pixel corners: the mean center of mass of its digits is at pixel 13.95, not at 13.5.
    by = [side / 2 - float(at) for side, at in zip((H, W), ndimage.center_of_mass(large), strict=True)]
    return np.roll(large, [_within(by[0], top, H - top - size[0]), _within(by[1], left, W - left - size[1])], (0, 1))


def _within(shift: float, before: int, after: int) -> int:
    """The shift in whole pixels, so that nothing is blurred, limited so that no ink leaves the picture."""
    return int(np.clip(np.floor(shift + 0.5), -before, after))


def _cover(seen: np.ndarray, H: int, W: int) -> np.ndarray:
    h, w = seen.shape[:2]
    scale = min(h / H, w / W)
    part_h, part_w = max(1, round(H * scale)), max(1, round(W * scale))
    top, left = (h - part_h) // 2, (w - part_w) // 2
    part = seen[top : top + part_h, left : left + part_w]
    return np.stack([_resized(part[..., c], H, W) for c in range(part.shape[2])], axis=-1)


def _resized(plane: np.ndarray, H: int, W: int) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(picture.resize((W, H), Image.Resampling.BOX if plane.shape[0] > H else Image.Resampling.BILINEAR))


def _in_channels(seen: np.ndarray, C: int) -> np.ndarray:
    if C == 1 and seen.shape[2] == 3:
        return (seen @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]  # like Pillow's gray (ITU-R 601)
    return np.repeat(seen, 3, axis=2) if C == 3 and seen.shape[2] == 1 else seen


def _border(seen: np.ndarray) -> float:
    edges = np.concatenate([seen[0].ravel(), seen[-1].ravel(), seen[:, 0].ravel(), seen[:, -1].ravel()])
    return float(np.median(edges))


__all__ = ["frame"]
