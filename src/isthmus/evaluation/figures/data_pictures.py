"""Pictures of data without a model: samples of each class, and values of any scale converted for display.

Nothing here needs PyTorch, so that `isthmus check` starts quickly.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from isthmus.data.labels import evenly
from isthmus.data.ranges import is_scaled_by_use, used_range
from isthmus.data.samples import Samples
from isthmus.evaluation.figures import figures
from isthmus.system.naming import safe_name
from isthmus.system.outputs import claimed, free_path

if TYPE_CHECKING:
    from isthmus.data.batching.preprocess import Preprocess

CHECKS = Path("runs") / "checks"  # not in the data folder, where pictures would be read as data
FIELDS, LIGHT = 8, 0.86  # of the checkerboard: fields along the shorter side, and the darker of its two grays
PER_CLASS = 12  # samples that are read of each class; the picture shows at most ten


def class_samples(samples: Samples) -> Figure:
    """The picture of samples per class, with all classes even if the data is sorted by them."""
    rows = np.arange(len(samples))
    if samples.labels is not None:
        rows = np.sort(evenly(rows, samples.labels, PER_CLASS * max(len(samples.classes), 1)))
    rows = rows[: PER_CLASS * max(len(samples.classes), 10)]
    labels = None if samples.labels is None else samples.labels[rows]
    ends = None
    if is_scaled_by_use(samples.x):
        used = used_range([samples.x], samples.x.size)
        ends = used.black, used.white
    return figures.samples_per_class(shown(samples.x[rows], ends, samples.alpha), labels, samples.classes)


def draw_data(samples: Samples, path: Path | None = None) -> Path:
    """Saves the picture of samples per class at `path`, or at runs/checks/NAME.png, without replacing other files."""
    figure = class_samples(samples)
    if path is not None:
        return figures.save(figure, path)
    path = free_path(CHECKS / f"{'-'.join(safe_name(samples.name).parts)}.png")
    with claimed(path.parent, [path]):
        return figures.save(figure, path)


def shown(raw: np.ndarray, ends: tuple[float, float] | None, alpha: bool = False) -> np.ndarray:
    """Raw images (N, C, H, W) for display, scaled so that `ends` are black and white, if they are given. `alpha`: the
    last channel is transparency, which is drawn on a checkerboard.
    """
    values = raw if raw.dtype.kind == "u" else as_pictures(raw)
    values = values if ends is None else drawn_between(raw, ends)
    return laid_on_board(values) if alpha else values


def drawn_between(raw: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Raw values as floats in [0, 1] between black and white, clipped."""
    black, white = ends
    return ((raw.astype(np.float32) - np.float32(black)) / np.float32(max(white - black, 1e-12))).clip(0, 1)


def as_pictures(x: ArrayLike, data: ArrayLike | None = None, *, of: Preprocess | None = None) -> np.ndarray:
    """Values (N, C, H, W) for display: clipped to [0, 1], the range of the run's preprocessing `of`; values of an
    unknown scale are scaled by their own extremes. Transparency, according to `of`, is drawn on a checkerboard.

    Arrays, or tensors on the CPU. If x was computed from other data, as a reconstruction is, `data` determines the
    scale.
    """
    values = np.asarray(x, np.float32)
    scale = values if data is None else np.asarray(data)
    low, high = float(scale.min(initial=0)), float(scale.max(initial=0))
    is_told = of is not None and of.range == (0.0, 1.0)
    if not is_told and (low < -0.01 or high > 1.01):
        values = (values - np.float32(low)) / np.float32(max(high - low, 1e-12))
    values = values.clip(0, 1)
    return laid_on_board(values) if of is not None and of.alpha else values


def laid_on_board(images: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W), uint8, uint16 or floats in [0, 1], whose last channel is transparency, as floats
    (N, C - 1, H, W) on a checkerboard of two light grays.
    """
    full = np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1.0
    values = images.astype(np.float32) / np.float32(full)
    H, W = values.shape[2:]
    field = max(1, min(H, W) // FIELDS)
    board = LIGHT + (1 - LIGHT) * ((np.indices((H, W)) // field).sum(0) % 2)
    opacity = values[:, -1:]
    return values[:, :-1] * opacity + board.astype(np.float32) * (1 - opacity)


def one_of_each(samples: Samples, n: int) -> list[int]:
    """Rows of `n` samples, taken evenly from the classes, so that a picture shows all digits; without classes, evenly
    from the images that patches were cut from.
    """
    if samples.labels is None:
        return _of_every_source(samples, n)
    rows = evenly(np.arange(len(samples)), samples.labels, n)
    return [int(row) for row in rows[np.argsort(samples.labels[rows], kind="stable")]]


def _of_every_source(samples: Samples, n: int) -> list[int]:
    """The first n samples; if they are patches, the same number from every image."""
    return np.sort(evenly(np.arange(len(samples)), samples.groups, n)).tolist()
