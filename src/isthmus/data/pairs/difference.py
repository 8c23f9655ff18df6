"""How noisy samples differ from their clean ones: noise level, noise correlation, and a shift between the two."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.samples import Samples
from isthmus.wording import counted, number

MOST = 100  # pairs that are measured: one image of 100 x 100 pixels gives the level to a percent
WINDOW = 512  # pixels per side of the center of an image that is measured: a transform of it takes 20 ms
# Between neighbors. For white noise in one image of 64 x 64 pixels, the estimate has a standard deviation of 0.016.
CORRELATED = 0.1
# The peak of the phase correlation divided by its expected value by chance. It was at most 1.9 for 600 pairs of
# different images; for photographs of 160 x 160 pixels it is 20 and more, and 4 to 8 with noise of 0.2.
CERTAIN = 2.5
SWAPPED = 1.1  # ratio of fine detail in the target to that in the data: above it, the two are probably swapped


@dataclass(frozen=True)
class Difference:
    """Measurements on `n` pairs: noise `sd` and `mean` on the scale of network input, `sd_255` for images with white at
    255, `sd_raw` in raw units. `beside`, `below` and `channels`: the noise correlation of neighbors in a row, of
    neighbors in a column, and of the channels of a pixel; None if there are none. `shift`: the most common shift (down,
    right) in pixels from the noisy image to its target, among the `n_told` pairs for which it can be measured;
    `n_shifted` of them are not aligned. `fine`: mean fine detail of the noisy and the clean samples. `ranges`: lowest
    and highest raw value of the noisy and the clean samples.
    """

    n: int
    sd: float
    sd_255: float | None
    sd_raw: float
    mean: float
    beside: float | None
    below: float | None
    channels: float | None
    shift: tuple[int, int] | None
    n_shifted: int
    n_told: int
    fine: tuple[float, float] | None
    ranges: tuple[tuple[float, float], tuple[float, float]]

    @property
    def is_correlated(self) -> bool:
        """Whether neighboring pixels share their noise."""
        return max(abs(self.beside or 0.0), abs(self.below or 0.0)) > CORRELATED

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"correlated": self.is_correlated}

    def rows(self) -> list[tuple[str, str]]:
        """Titles and texts for a printed table."""
        level = f"standard deviation {number(self.sd)}"
        level += f", {number(self.sd_255)} of 255" if self.sd_255 is not None else ""
        rows = [("noise", f"{level}, {number(self.sd_raw)} in raw units; mean {number(self.mean)}")]
        if self.beside is not None and self.below is not None:
            told = f"horizontal {self.beside:.2f}, vertical {self.below:.2f}"
            told += f", between channels {self.channels:.2f}" if self.channels is not None else ""
            rows.append(
                ("noise correlation", f"{'correlated' if self.is_correlated else 'nearly independent'}: {told}")
            )
            rows.append(("shift", self._shift()))
        for name, (low, high) in zip(("noisy values", "clean values"), self.ranges, strict=True):
            rows.append((name, f"from {low:g} to {high:g}"))
        return rows

    def warnings(self) -> list[str]:
        """Sentences about problems that would spoil training on these pairs."""
        found = []
        if self.n_shifted and self.shift is not None:
            found.append(
                f"noisy and clean images are not aligned in {self.n_shifted:,} of {counted(self.n_told, 'pair')} "
                f"({self._shift()}); "
                "a model trained on them blurs. Align the images first."
            )
        if self.fine is not None and self.fine[1] > SWAPPED * self.fine[0]:
            found.append(
                f"the clean images have more fine detail than the noisy ones ({number(self.fine[1])} against "
                f"{number(self.fine[0])}): is --target the noisy data?"
            )
        if self.sd == 0:
            found.append("noisy and clean samples are equal; there is no noise to learn from.")
        return found

    def _shift(self) -> str:
        if self.shift is None:
            return "unknown: the noise hides too much of the images"
        if not self.n_shifted:
            return f"none in {counted(self.n_told, 'pair')}"
        down, right = self.shift
        return f"mostly {down:+d} pixels down, {right:+d} to the right"


def difference_of(pairs: Samples, preprocess: Preprocess) -> Difference:
    """The difference of at most 100 pairs, evenly spaced; of large images, the center of 512 x 512 pixels is used."""
    sums = _Sums()
    for clean, noisy in _looked_at(pairs):
        sums.add(_as_x(clean, preprocess), _as_x(noisy, preprocess), clean, noisy)
    return sums.difference(pairs)


class _Sums:
    """Sums over pairs; every sample has the same weight."""

    def __init__(self) -> None:
        self.n = 0
        self.moments = np.zeros(7)  # mean, variance, raw variance; beside, below, channels; how many had channels
        self.shifts: list[tuple[int, int]] = []
        self.fine = np.zeros(2)
        self.ranges = np.array([[math.inf, -math.inf]] * 2)

    def add(self, x: np.ndarray, x_in: np.ndarray, clean: np.ndarray, noisy: np.ndarray) -> None:
        noise = (x_in - x).astype(np.float64)
        raw = noisy.astype(np.float64) - clean
        found = [noise.mean(), np.square(noise).mean(), np.square(raw).mean(), 0.0, 0.0, 0.0, 0.0]
        if noise.ndim == 3:  # only for images; in a table, an offset of a whole row is also noise
            found[1:3] = noise.var(), raw.var()
            found[3:] = _products(noise)
            self.fine += fine_detail(x_in), fine_detail(x)
            if (shift := shift_between(x_in.mean(0), x.mean(0))) is not None:
                self.shifts.append(shift)
        self.n += 1
        self.moments += found
        for row, values in enumerate((noisy, clean)):
            self.ranges[row] = min(self.ranges[row, 0], values.min()), max(self.ranges[row, 1], values.max())

    def difference(self, pairs: Samples) -> Difference:
        mean, variance, raw, beside, below, channels, colored = self.moments / max(self.n, 1)
        image = pairs.is_image
        scale = 1 / variance if variance > 0 else 0.0
        usual = max(set(self.shifts), key=self.shifts.count) if self.shifts else None
        low, high = ((float(a), float(b)) for a, b in self.ranges)
        return Difference(
            n=self.n,
            sd=math.sqrt(variance),
            sd_255=255 * math.sqrt(variance) if image else None,
            sd_raw=math.sqrt(raw),
            mean=float(mean),
            beside=float(beside * scale) if image else None,
            below=float(below * scale) if image else None,
            channels=float(channels * scale) if colored else None,
            shift=usual,
            n_shifted=sum(shift != (0, 0) for shift in self.shifts),
            n_told=len(self.shifts),
            fine=(float(self.fine[0] / self.n), float(self.fine[1] / self.n)) if image and self.n else None,
            ranges=(low, high),
        )


def _products(noise: np.ndarray) -> list[float]:
    """Mean products of neighbors in a row, of neighbors in a column, of the channels of a pixel; and whether there are
    several channels.
    """
    C = len(noise)
    noise = noise - noise.mean((1, 2), keepdims=True)
    beside, below = noise[..., 1:] * noise[..., :-1], noise[:, 1:] * noise[:, :-1]
    shared = 0.0
    if C > 1:
        between = np.einsum("ahw,bhw->ab", noise, noise) / noise[0].size
        shared = (between.sum() - between.trace()) / (C * (C - 1))
    return [float(beside.mean()) if beside.size else 0.0, float(below.mean()) if below.size else 0.0, shared, C > 1]


def fine_detail(x: np.ndarray) -> float:
    """Mean |x * kernel| sqrt(pi / 2) / 6 of images (C, H, W): the standard deviation of white noise in a flat image.

    The kernel [[1, -2, 1], [-2, 4, -2], [1, -2, 1]] is zero on linear gradients.
    Source: Immerkaer 1996, https://doi.org/10.1006/cviu.1996.0060.
    """
    if min(x.shape[1:]) < 3:
        return 0.0
    rows = x[:, 2:] - 2 * x[:, 1:-1] + x[:, :-2]
    return float(np.abs(rows[..., 2:] - 2 * rows[..., 1:-1] + rows[..., :-2]).mean() * math.sqrt(math.pi / 2) / 6)


def shift_between(reference: np.ndarray, moved: np.ndarray) -> tuple[int, int] | None:
    """(down, right): the shift of `moved` (H, W) from `reference` in whole pixels, by phase correlation; None if its
    peak is no larger than by chance. The edges are faded out, because they would otherwise indicate no shift.

    Source: Kuglin and Hines 1975, The phase correlation image alignment method; Proc. Int. Conf. Cybernetics.
    """
    surface = phase_correlation(_faded(reference), _faded(moved))
    H, W = surface.shape
    place = int(surface.argmax())
    chance = math.sqrt(2 * math.log(max(surface.size, 2)) / surface.size)
    if surface.flat[place] < CERTAIN * chance:
        return None
    down, right = divmod(place, W)
    return down - H * (down > H // 2), right - W * (right > W // 2)


def phase_correlation(reference: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(H, W) with its maximum at the shift of `moved` from `reference`: F^-1 of F(moved) F(reference)* over its
    modulus.
    """
    spectrum = np.fft.fft2(moved) * np.fft.fft2(reference).conj()
    return np.fft.ifft2(spectrum / np.maximum(np.abs(spectrum), 100 * np.finfo(np.float64).eps)).real


def _faded(image: np.ndarray) -> np.ndarray:
    H, W = image.shape
    return (image - image.mean()) * np.outer(np.hanning(H), np.hanning(W))


def _looked_at(pairs: Samples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The measured pairs (clean, noisy) of raw values, (C, H, W) or (D,)."""
    n = len(pairs) if pairs.whole is None else len(pairs.whole)
    for i in np.unique(np.linspace(0, n - 1, min(n, MOST)).round().astype(int)) if n else ():
        both = (
            pairs.whole.image(int(i)) if pairs.whole is not None else pairs.changed(lambda x, i=i: x[i : i + 1]).both[0]
        )
        C = len(both) // 2
        if both.ndim == 3:
            top, left = (max(0, (side - WINDOW) // 2) for side in both.shape[1:])
            both = both[:, top : top + WINDOW, left : left + WINDOW]
        yield both[:C], both[C:]


def _as_x(raw: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    return preprocess.to_x(torch.from_numpy(np.ascontiguousarray(raw)[None])).numpy()[0]


__all__ = ["Difference", "difference_of", "fine_detail", "phase_correlation", "shift_between"]
