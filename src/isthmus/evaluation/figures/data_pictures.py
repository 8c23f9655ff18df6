"""Pictures of data alone: samples of each class, and values of any scale as something that can be seen.

Nothing here needs PyTorch, so that `isthmus check` answers soon.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from isthmus.data.labels import evenly
from isthmus.data.ranges import is_scaled_by_use, used_range
from isthmus.data.samples import Samples
from isthmus.evaluation.figures import figures
from isthmus.system.naming import safe_name
from isthmus.system.outputs import claimed, free_path

CHECKS = Path("runs") / "checks"  # beside the runs: a folder of data is no place for pictures that show it
PER_CLASS = 12  # samples that are looked up of each class; the picture shows ten at most


def class_samples(samples: Samples) -> Figure:
    """The picture of samples per class; of all classes, also where the data is sorted by them."""
    rows = np.arange(len(samples))
    if samples.labels is not None:
        rows = np.sort(evenly(rows, samples.labels, PER_CLASS * max(len(samples.classes), 1)))
    rows = rows[: PER_CLASS * max(len(samples.classes), 10)]
    labels = None if samples.labels is None else samples.labels[rows]
    ends = None
    if is_scaled_by_use(samples.x):
        used = used_range([samples.x], samples.x.size)
        ends = used.black, used.white
    return figures.samples_per_class(shown(samples.x[rows], ends), labels, samples.classes)


def draw_data(samples: Samples, path: Path | None = None) -> Path:
    """The picture of samples per class at `path`, or at runs/checks/NAME.png, where it replaces only its like."""
    figure = class_samples(samples)
    if path is not None:
        return figures.save(figure, path)
    path = free_path(CHECKS / f"{'-'.join(safe_name(samples.name).parts)}.png")
    with claimed(path.parent, [path]):
        return figures.save(figure, path)


def shown(raw: np.ndarray, ends: tuple[float, float] | None) -> np.ndarray:
    """Raw images for a picture: between `ends`, black and white, where the data tells them, else as they are."""
    if ends is not None:
        black, white = ends
        return ((raw.astype(np.float32) - np.float32(black)) / np.float32(max(white - black, 1e-12))).clip(0, 1)
    return raw if raw.dtype.kind == "u" else as_pictures(raw)


def as_pictures(x: ArrayLike, data: ArrayLike | None = None) -> np.ndarray:
    """Values for a picture: cut to [0, 1]; data on another scale is brought there by its own extremes.

    Arrays or tensors on the processor. Where x was made of other data, such as a reconstruction, that `data` says which
    scale it is.
    """
    values = np.asarray(x, np.float32)
    scale = values if data is None else np.asarray(data)
    low, high = float(scale.min()), float(scale.max())
    if low < -0.01 or high > 1.01:
        values = (values - np.float32(low)) / np.float32(max(high - low, 1e-12))
    return values.clip(0, 1)


def one_of_each(samples: Samples, n: int) -> list[int]:
    """Rows of `n` samples, going round the classes, so that a picture shows all digits."""
    if samples.labels is None:
        return list(range(min(n, len(samples))))
    rows = evenly(np.arange(len(samples)), samples.labels, n)
    return [int(row) for row in rows[np.argsort(samples.labels[rows], kind="stable")]]
