"""Checks whether a photograph needs denoising at all, and whether structure was removed with the noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from isthmus.data.numeric import value_range
from isthmus.evaluation.metrics.photo_noise import noise_in_flat_parts
from isthmus.evaluation.metrics.removed import Removed, look_at_removed
from isthmus.evaluation.verdicts.removed_check import AT_DETAIL
from isthmus.models.piecewise import WholeImageModel

SIDE, MOST = 192, 12  # side in pixels and number of windows: one second, whatever the size of the photograph
# A share of the picture's range. Clean photographs, shrunk by two or more, have a median of 0.0035; fine texture takes
# a tenth of them above 0.0064. With noise of 1 of 255, which is hardly visible, the median is 0.0050; with noise of 2,
# nine in ten have 0.0068 or more (`python benchmarks/photo_weights.py levels`).
HARDLY_ANY = 0.005
# JPEG smooths flat parts more than the rest, so less noise is found there than the picture has. Strips of JPEG
# files with 0.002 to 0.003, held out for validation, gain 0.3 dB by denoising, and none loses.
HARDLY_ANY_IN_JPEG = 0.002


class Judgment(NamedTuple):
    """The noise in flat parts, as a share of the picture's range, and what was removed. `is_lossy`: the file has lossy
    compression.
    """

    noise: float
    removed: Removed
    is_lossy: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether there is hardly any noise."""
        return self.noise < (HARDLY_ANY_IN_JPEG if self.is_lossy else HARDLY_ANY)

    @property
    def took_structure(self) -> bool:
        """Whether more was removed where the picture has detail, so that detail was lost too."""
        return self.removed.at_detail >= AT_DETAIL


def judge_photograph(model: WholeImageModel, pixels: np.ndarray) -> Judgment:
    """Denoises a few windows of pixels (C, H, W), spread over the picture, and judges what is removed."""
    before = seen_of(pixels)
    return _judged(before, model.denoise(before.windows))


class Seen(NamedTuple):
    """What is kept of a picture before it is overwritten: some windows, and the values of black and white."""

    windows: np.ndarray
    ends: tuple[float, float]


def seen_of(pixels: np.ndarray) -> Seen:
    """The windows and the range of pixels (C, H, W)."""
    return Seen(windows_of(pixels), (0.0, 255.0) if pixels.dtype == np.uint8 else value_range(pixels))


def judge_cleaned(before: Seen, cleaned: np.ndarray) -> Judgment:
    """The judgment for a picture (C, H, W) that has been denoised at full strength."""
    return _judged(before, windows_of(cleaned))


def _judged(before: Seen, clean: np.ndarray) -> Judgment:
    x, x_hat = (_unit(values, before.ends) for values in (before.windows, clean))
    removed = look_at_removed(torch.from_numpy(x), torch.from_numpy(x_hat))
    return Judgment(noise_in_flat_parts(x, x_hat), removed)


def windows_of(pixels: np.ndarray) -> np.ndarray:
    """At most twelve windows (n, C, S, S) of an image (C, H, W), spread evenly over it."""
    _, H, W = pixels.shape
    S = min(SIDE, H, W)
    rows, columns = (np.linspace(0, side - S, min(-(-side // S), 4)).round().astype(int) for side in (H, W))
    places = [(int(top), int(left)) for top in rows for left in columns]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(MOST, len(places))).round().astype(int))
    return np.stack([pixels[:, top : top + S, left : left + S] for top, left in (places[k] for k in chosen)])


def _unit(values: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """The values relative to the picture's range: 255 for bytes, otherwise from its lowest to its highest value."""
    low, high = ends
    return (values.astype(np.float32) - np.float32(low)) / np.float32(max(high - low, 1e-12))


__all__ = ["Judgment", "Seen", "judge_cleaned", "judge_photograph", "seen_of", "windows_of"]
