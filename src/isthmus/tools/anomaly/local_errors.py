"""`LocalErrors`: where an image is reconstructed badly, so that a defect of a few pixels is not averaged away."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.special import log_ndtr
from torch import Tensor

from isthmus.runs.error_signals import LEAST_ERROR

# Standard deviations in pixels. For scratches and stains added to five textures, in gray windows of 32 pixels, 1 to 3
# detect stains equally well by the smoothed errors, and 1 to 2.5 by their squares: docs/experiments.md.
SMOOTHED, SQUARES = 2.0, 1.5
FINE = 1.0  # standard deviation of the local mean that is subtracted to keep only fine structure
LEAST_FINE = 1.3e-6  # mean square of rounding to 256 levels in [0, 1]: no image is flatter
PEAK = 10  # pixels averaged: a single one is often chance, and a scratch is hardly smaller
MAPS = 4  # the errors, the smoothed errors, the local mean of the squares, and the lack of fine structure
GROUPED = 8  # values per group, of which only the largest is compared first; 4 and 16 take a third longer
AT_ONCE = 2**17  # values: their results fit in the processor's cache, which halves the time
REACH = 4.0  # a Gaussian window ends after this many standard deviations, as in SciPy


class LocalErrors:
    """Maps of errors e (B, C, H, W) relative to the usual error at each pixel: 1 is the root mean square there.

    The maps are e itself, e smoothed with its sign, which finds stains, and e squared and smoothed, which finds rough
    areas. `spread` and `smoothed` (C, H, W) are the usual squares of e and of the smoothed e. A model leaves the grain
    of a texture in the error, so an error without grain shows a missing part: `level` and `deviation` (H, W) are the
    mean and standard deviation of the usual `fineness`.
    """

    def __init__(
        self, spread: Float[Tensor, "C H W"], smoothed: Float[Tensor, "C H W"], level: Float[Tensor, "H W"],
        deviation: Float[Tensor, "H W"],
    ) -> None:  # fmt: skip
        self._spread, self._smoothed, self._level, self._deviation = (
            usual.float() for usual in (spread, smoothed, level, deviation)
        )

    def maps(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 3 H W"]:
        """The first three maps, with the channels combined by root mean square."""
        return self._squares(errors.float()).sqrt()

    def _squares(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 3 H W"]:
        plain = _over_channels(errors.square().div_(self._spread))
        smoothed = _over_channels(blurred(errors, SMOOTHED).square_().div_(self._smoothed))
        return torch.stack([plain, smoothed, blurred(plain, SQUARES).clamp_(min=0)], 1)

    def flatness(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W"]:
        """By how many standard deviations the fineness is below its usual level."""
        return (self._level - fineness(errors.float())) / self._deviation

    def heat(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
        """The root mean square of the maps, or the flatness if that is larger."""
        rough = self.maps(errors).square().mean(1, keepdim=True).sqrt()
        return torch.maximum(rough, self.flatness(errors)[:, None])

    def peaks(self, errors: Float[Tensor, "B C H W"]) -> np.ndarray:
        """The log of the mean of the ten largest values of each map, and the mean for the flatness, (B, 4)."""
        n = max(1, AT_ONCE // max(1, errors[:1].numel()))
        return torch.cat([self._peaks(part.float()) for part in errors.split(n)]).double().numpy()

    def _peaks(self, errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 4"]:
        rough = _largest(self._squares(errors)).sqrt().mean(2)
        return torch.cat([(rough + LEAST_ERROR).log(), _largest(self.flatness(errors)[:, None]).mean(2)], 1)


def _over_channels(values: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W"]:
    """The mean over channels; a single channel is not copied."""
    return values[:, 0] if values.shape[1] == 1 else values.mean(1)


def _largest(maps: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K P"]:
    """The PEAK largest values of each map, unsorted.

    They are in the PEAK groups with the largest maximum, so few values are compared. This takes 0.4 times as long as
    NumPy's partition of all values, which takes half as long as PyTorch's topk.
    """
    values = maps.flatten(2)
    if values.shape[2] <= PEAK * GROUPED:
        return torch.from_numpy(_partitioned(values.numpy()))
    if lacking := -values.shape[2] % GROUPED:
        values = torch.nn.functional.pad(values, (0, lacking), value=-torch.inf)
    groups = values.unflatten(2, (GROUPED, -1))
    largest = _places_of_largest(groups.amax(2))
    found = groups.gather(3, largest[:, :, None].expand(-1, -1, GROUPED, -1))
    return torch.from_numpy(_partitioned(found.flatten(2).numpy()))


def _places_of_largest(values: Float[Tensor, "B K G"]) -> Int64[Tensor, "B K P"]:
    """The indices of the PEAK largest values, unsorted; NaN counts as largest.

    Value and index are one whole number, because NumPy sorts whole numbers in half the time of `argpartition`. The bits
    of a float, read as a whole number, are in its order; for negative ones in reverse order.
    """
    bits = values.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf).numpy().view(np.int32)
    ordered = (bits ^ ((bits >> 31) & 0x7FFF_FFFF)).astype(np.int64)
    keys = ordered << 32 | np.arange(values.shape[2])
    return torch.from_numpy(np.partition(keys, -PEAK, axis=2)[..., -PEAK:] & 0xFFFF_FFFF)


def _partitioned(values: np.ndarray) -> np.ndarray:
    n = min(PEAK, values.shape[2])
    return np.partition(values, -n, axis=2)[..., -n:]


def fineness(errors: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W"]:
    """The log of the local mean square of the errors minus their smooth part."""
    fine = _over_channels((errors - blurred(errors, FINE)).square_())
    return blurred(fine, SQUARES).clamp_(min=0).add_(LEAST_FINE).log_()


def local_nats(peaks: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """-log P(the most extreme of K usual peaks is as extreme), (N,), for `peaks` (N, K) compared with `usual` (W, K).

    Each peak is assumed normal with the mean and deviation of the usual ones, and independent of the others, so that
    P = 1 - (1 - p)^K for the most extreme.
    """
    width = np.where(np.ptp(usual, axis=0) > 0, usual.std(0), 1.0)
    log_p = log_ndtr((usual.mean(0) - peaks) / width).min(1, initial=0.0)
    p, K = np.exp(log_p), usual.shape[1]
    return -log_p - np.log(sum((1 - p) ** k for k in range(K)))  # 1 - (1 - p)^K = p (1 + (1 - p) + …)


def blurred(values: Float[Tensor, "*B H W"], deviation: float) -> Float[Tensor, "*B H W"]:
    """Gaussian means over rows and columns; the border is mirrored, with its last pixel repeated."""
    H, W = values.shape[-2:]
    rows, columns = (_window(side, deviation).to(values) for side in (H, W))
    return rows @ values @ columns.T


@cache
def _window(side: int, deviation: float) -> Tensor:
    """(side, side) float64: each row has the weights of all pixels in the mean around one pixel."""
    reach = int(REACH * deviation + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets.double() / deviation) ** 2)
    around = (torch.arange(side)[:, None] + offsets) % (2 * side)
    around = torch.where(around < side, around, 2 * side - 1 - around)
    window = torch.zeros(side, side, dtype=torch.float64)
    return window.scatter_add_(1, around, (weights / weights.sum()).expand(side, -1).contiguous())


__all__ = ["LocalErrors", "blurred", "fineness", "local_nats"]
