"""`LocalErrors`: where an image comes out wrong, so that a fault of a few pixels is not averaged away."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import log_ndtr
from torch import Tensor

from isthmus.runs.error_signals import LEAST_ERROR

# Deviations in pixels. On scratches and stains planted in five textures, gray windows of 32 pixels, 1 to 3 found stains
# alike by the smoothed errors, and 1 to 2.5 by their squares: docs/experiments.md.
SMOOTHED, SQUARES = 2.0, 1.5
FINE = 1.0  # deviation of the mean that is taken off, so that what is left is fine
LEAST_FINE = 1.3e-6  # mean square that rounding to 256 steps leaves in values of [0, 1]: nothing is flatter than that
PEAK = 10  # pixels that are averaged: one alone is often chance, and a scratch is hardly smaller
MAPS = 4  # the errors themselves, the smoothed ones, the mean of the squares around, how little is fine
GROUPED = 8  # values that are looked at as one, by the largest; 4 and 16 take a third longer
AT_ONCE = 2**17  # values: what is made of them then stays in the processor's cache, in half the time
REACH = 4.0  # deviations after which a Gaussian window ends, as in SciPy


class LocalErrors:
    """Maps of errors e (B, C, H, W) in units of what is usual at each pixel: 1 is the root mean square there.

    Of e itself, of e smoothed with its sign, which finds stains, and of e squared and smoothed, which finds what is
    rough. `spread` and `smoothed` (C, H, W) are the usual squares of e and of the smoothed e. A model leaves the grain
    of a texture in the error, so a missing part is where little of that is left: `level` and `deviation` (H, W) are
    those of the usual `fineness`.
    """

    def __init__(
        self, spread: Float[Tensor, "C H W"], smoothed: Float[Tensor, "C H W"], level: Float[Tensor, "H W"],
        deviation: Float[Tensor, "H W"],
    ) -> None:  # fmt: skip
        self._spread, self._smoothed, self._level, self._deviation = (
            usual.float() for usual in (spread, smoothed, level, deviation)
        )

    def maps(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 3 H W"]:
        """The first three maps, channels together, by the root of the mean of their squares."""
        return self._squares(errors.float()).sqrt()

    def _squares(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 3 H W"]:
        plain = _over_channels(errors.square().div_(self._spread))
        smoothed = _over_channels(blurred(errors, SMOOTHED).square_().div_(self._smoothed))
        return torch.stack([plain, smoothed, blurred(plain, SQUARES).clamp_(min=0)], 1)

    def flatness(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W"]:
        """By how many deviations the fineness is below its usual level."""
        return (self._level - fineness(errors.float())) / self._deviation

    def heat(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
        """The root of the mean of the maps' squares, or the flatness where that is more."""
        rough = self.maps(errors).square().mean(1, keepdim=True).sqrt()
        return torch.maximum(rough, self.flatness(errors)[:, None])

    def peaks(self, errors: Float[Tensor, "B C H W"]) -> np.ndarray:
        """Of the ten largest values of each map the log of the mean, and of the flatness the mean, (B, 4)."""
        n = max(1, AT_ONCE // max(1, errors[:1].numel()))
        return torch.cat([self._peaks(part.float()) for part in errors.split(n)]).double().numpy()

    def _peaks(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 4"]:
        rough = _largest(self._squares(errors)).sqrt().mean(2)
        return torch.cat([(rough + LEAST_ERROR).log(), _largest(self.flatness(errors)[:, None]).mean(2)], 1)


def _over_channels(values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W"]:
    """The mean, for which one channel need not be copied."""
    return values[:, 0] if values.shape[1] == 1 else values.mean(1)


def _largest(maps: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K P"]:
    """The PEAK largest values of each map, in no order.

    They are in the PEAK groups of values whose largest values are the largest, so that few are looked at: 0.4 times the
    time of NumPy's partition of all values, which takes half of the time of PyTorch's topk.
    """
    values = maps.flatten(2)
    if values.shape[2] <= PEAK * GROUPED:
        return torch.from_numpy(_partitioned(values.numpy()))
    if lacking := -values.shape[2] % GROUPED:
        values = torch.nn.functional.pad(values, (0, lacking), value=-torch.inf)
    groups = values.unflatten(2, (GROUPED, -1))
    largest = np.argpartition(groups.amax(2).numpy(), -PEAK, axis=2)[..., -PEAK:]
    found = np.take_along_axis(groups.numpy(), largest[:, :, None], 3)
    return torch.from_numpy(_partitioned(found.reshape(*found.shape[:2], PEAK * GROUPED)))


def _partitioned(values: np.ndarray) -> np.ndarray:
    n = min(PEAK, values.shape[2])
    return np.partition(values, -n, axis=2)[..., -n:]


def fineness(errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W"]:
    """The log of the mean square, around a pixel, of what the errors are beside their smooth part."""
    fine = _over_channels((errors - blurred(errors, FINE)).square_())
    return blurred(fine, SQUARES).clamp_(min=0).add_(LEAST_FINE).log_()


def local_nats(peaks: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """-log P(the strangest of K usual peaks is as strange), (N,), of `peaks` (N, K) beside those of `usual` (W, K).

    Each is normal with the mean and the deviation of the usual ones; they are taken for independent, so that of the
    strangest P = 1 - (1 - p)^K.
    """
    width = np.where(np.ptp(usual, axis=0) > 0, usual.std(0), 1.0)
    log_p = log_ndtr((usual.mean(0) - peaks) / width).min(1, initial=0.0)
    p, K = np.exp(log_p), usual.shape[1]
    return -log_p - np.log(sum((1 - p) ** k for k in range(K)))  # 1 - (1 - p)^K = p (1 + (1 - p) + …)


def blurred(values: Float[Tensor, "*B H W"], deviation: float) -> Float[Tensor, "*B H W"]:
    """Gaussian means over rows and columns; beyond the border the image goes on mirrored, its last pixel repeated."""
    H, W = values.shape[-2:]
    rows, columns = (_window(side, deviation).to(values) for side in (H, W))
    return rows @ values @ columns.T


@cache
def _window(side: int, deviation: float) -> Tensor:
    """(side, side) float64: a row holds the weight of each pixel in the mean around one."""
    reach = int(REACH * deviation + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets.double() / deviation) ** 2)
    around = (torch.arange(side)[:, None] + offsets) % (2 * side)
    around = torch.where(around < side, around, 2 * side - 1 - around)
    window = torch.zeros(side, side, dtype=torch.float64)
    return window.scatter_add_(1, around, (weights / weights.sum()).expand(side, -1).contiguous())


__all__ = ["LocalErrors", "blurred", "fineness", "local_nats"]
