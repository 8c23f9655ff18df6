"""How close a reconstruction is to its original: costs, image quality, and remaining noise.

Every measure is computed per sample, (N,) in float64 on the CPU, so that the mean, the standard error and the ten
worst samples come from the same numbers; `mse`, `bce` and `bce_floor` are the means that people read.
All measures process the samples in pieces: 60,000 images need no more extra memory than a few hundred.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from isthmus.errors import DataError

PIECE = 2**20  # values per piece: 4 MB in float32, so that a piece and its square stay in the cache
LOG_FLOOR = -100.0  # PyTorch's binary cross-entropy uses this for log 0, so that one wrong pixel is not infinite
WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03  # the constants of Wang et al. 2004, which make SSIM values comparable


def mse(x: Float[Tensor, "N ..."], x_hat: Float[Tensor, "N ..."]) -> float:
    """Mean squared error per value, the mean of `squared_errors`; not finite if the reconstruction is not."""
    return float(squared_errors(x, x_hat).mean())


def bce(x: Float[Tensor, "N ..."], x_hat: Float[Tensor, "N ..."]) -> float:
    """Binary cross-entropy in nats per value, the mean of `cross_entropies`."""
    return float(cross_entropies(x, x_hat).mean())


def bce_floor(x: Float[Tensor, "N ..."]) -> float:
    """The lowest possible `bce` of any reconstruction: the entropy of the gray values, 0.0581 on MNIST's test set."""
    return float(entropies(x).mean())


def squared_errors(x: Float[Tensor, "N ..."], x_hat: Float[Tensor, "N ..."]) -> Float[Tensor, " N"]:
    """Squared error of each sample per value, mean((x - x_hat)^2)."""
    return _per_sample(lambda a, b: (a - b).square(), x, x_hat)


def cross_entropies(x: Float[Tensor, "N ..."], x_hat: Float[Tensor, "N ..."]) -> Float[Tensor, " N"]:
    """Binary cross-entropy of each sample in nats per value, mean(-x log x_hat - (1 - x) log(1 - x_hat)).

    `x_hat` are probabilities, which are clipped to [0, 1]; logarithms are clipped at -100, as in PyTorch.
    """

    def cost(a: Tensor, p: Tensor) -> Tensor:
        p = p.clamp(0.0, 1.0)
        return -(a * p.log().clamp(min=LOG_FLOOR) + (1 - a) * torch.log1p(-p).clamp(min=LOG_FLOOR))

    return _per_sample(cost, x, x_hat)


def entropies(x: Float[Tensor, "N ..."]) -> Float[Tensor, " N"]:
    """Entropy of each sample's gray values in nats per value, mean(-x log x - (1 - x) log(1 - x)).

    A cross-entropy is lowest at x_hat = x (Gibbs' inequality), where it is zero only if x is 0 or 1.
    """
    return _per_sample(lambda a, _: -(torch.special.xlogy(a, a) + torch.special.xlogy(1 - a, 1 - a)), x, x)


def psnr_db(x: Float[Tensor, "N ..."], x_hat: Float[Tensor, "N ..."]) -> Float[Tensor, " N"]:
    """Peak signal-to-noise ratio of each image in decibels, 10 log10(1 / mse) for a data range of 1.

    It is infinite for identical images; `finite_mean` returns None for a mean that contains one.
    """
    return decibels(squared_errors(x, x_hat))


def decibels(errors: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Squared errors as PSNR, 10 log10(1 / mse)."""
    return -10.0 * torch.log10(errors)


def ssim(x: Float[Tensor, "N C H W"], x_hat: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
    """Structural similarity of each image, in [-1, 1], 1 for identical ones; the mean over its channels.

    Within a Gaussian window around every pixel, with data range 1, C1 = 0.01^2 and C2 = 0.03^2:

        SSIM = (2 mu_x mu_y + C1) (2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (s_x^2 + s_y^2 + C2))

    averaged over the positions at which the window is completely inside the image. The window is 11 x 11, sigma 1.5;
    if a side of the image is shorter than 11, it is the largest odd number of pixels that fits, with the same sigma.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, https://doi.org/10.1109/TIP.2003.819861, equation 13.
    """
    _check(x, x_hat)
    if x.ndim != 4:
        raise DataError("DATA-SHAPE", f"SSIM needs images (N, C, H, W), but got {tuple(x.shape)}.", fix="use mse")
    fits = min(WINDOW, *x.shape[2:])
    window = _gaussian(fits if fits % 2 else fits - 1).to(x.device)
    pieces = _pieces(x, x_hat, PIECE // 8)  # there are five arrays of this size, each read 22 times from the cache
    return torch.cat([_ssim_map(a, b, window).mean((1, 2, 3)).double().cpu() for a, b in pieces])


def noise_sd(x: Float[Tensor, "N C H W"]) -> Float[Tensor, " N"]:
    """Estimated standard deviation of each image's noise, from the image alone; the mean over its channels.

    The difference of two Laplacians, [[1, -2, 1], [-2, 4, -2], [1, -2, 1]], is zero for flat areas, slopes and
    straight edges along the grid; for white noise, its mean absolute value is 6 sd sqrt(2 / pi), so

        sd = sqrt(pi / 2) / 6 * mean |x * kernel|

    Fine detail also counts as noise: compare the value with those of clean images of the same kind.
    Source: Immerkaer 1996, Fast noise variance estimation, https://doi.org/10.1006/cviu.1996.0060.
    """
    _check(x, x)
    if x.ndim != 4:
        message = f"the noise estimate needs images (N, C, H, W), but got {tuple(x.shape)}."
        raise DataError("DATA-SHAPE", message, fix="pass images")
    if min(x.shape[2:]) < 3:  # too small for the kernel: pixels are repeated at the edges, for a rough estimate
        x = F.pad(x.float(), (1, 1, 1, 1), mode="replicate")
    slope = torch.tensor([1.0, -2.0, 1.0], device=x.device)
    pieces = [_filter(a, slope).abs().mean((1, 2, 3)).double().cpu() for a, _ in _pieces(x, x)]
    return torch.cat(pieces) * math.sqrt(math.pi / 2) / 6


def image_quality(
    x: Float[Tensor, "N C H W"], x_hat: Float[Tensor, "N C H W"], share: Float[Tensor, " N"] | None = None
) -> dict[str, float | None]:
    """`{"psnr_db", "ssim"}`, means of the per-image values; None if a mean is not a finite number.

    `share` is the share of the values of each image that are compared, if the others were made equal.
    """
    errors = squared_errors(x, x_hat) if share is None else squared_errors(x, x_hat) / share
    return {"psnr_db": finite_mean(decibels(errors)), "ssim": finite_mean(ssim(x, x_hat))}


def finite_mean(values: Tensor) -> float | None:
    """The mean, or None if it is undefined or infinite, because JSON has neither."""
    mean = float(values.double().mean()) if values.numel() else math.nan
    return mean if math.isfinite(mean) else None


def standard_error(values: Tensor) -> float | None:
    """The standard error of the mean, sd / sqrt(N); None for fewer than two values or if it is not finite."""
    if values.numel() < 2:
        return None
    error = float(values.double().std() / math.sqrt(values.numel()))
    return error if math.isfinite(error) else None


def _check(x: Tensor, x_hat: Tensor) -> None:
    if x.shape != x_hat.shape:
        message = f"the original has the shape {tuple(x.shape)}, but the reconstruction {tuple(x_hat.shape)}."
        raise DataError("DATA-SHAPE", message, fix="pass both in the same shape")
    if x.ndim < 2 or not x.numel():
        message = f"samples of shape {tuple(x.shape)} cannot be measured."
        raise DataError("DATA-SHAPE", message, fix="pass at least one sample, as (N, C, H, W) or (N, D)")
    if not (x.is_floating_point() and x_hat.is_floating_point()):
        message = f"the samples are {x.dtype} and {x_hat.dtype}, but floats in data units are needed."
        raise DataError("DATA-TYPE", message, fix="scale the images to [0, 1] first")


def _pieces(x: Tensor, x_hat: Tensor, most: int = PIECE) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of about `most` values in at least float32: bfloat16 has too few digits for means."""
    rows = max(1, most // x[0].numel())
    for a, b in zip(x.detach().split(rows), x_hat.detach().split(rows), strict=True):
        yield (a, b) if a.dtype == b.dtype == torch.float64 else (a.float(), b.float())


def _per_sample(cost: Callable[[Tensor, Tensor], Tensor], x: Tensor, x_hat: Tensor) -> Tensor:
    _check(x, x_hat)
    # Summed in float64 (except on Apple's GPUs, which do not have it): float32 sums lose digits in large images.
    sums = [cost(a, b).flatten(1).mean(1, dtype=_sum_dtype(a)).double().cpu() for a, b in _pieces(x, x_hat)]
    return torch.cat(sums)


def _sum_dtype(x: Tensor) -> torch.dtype:
    return torch.float32 if x.device.type == "mps" else torch.float64


def _gaussian(size: int) -> Tensor:
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    return (weights / weights.sum()).float()


def _filter(x: Tensor, window: Tensor) -> Tensor:
    """x (N, C, H, W) filtered with window along both axes, only at positions where the window fits."""
    for axis in (2, 3):  # sums of shifted copies: ten times as fast as a convolution of one channel, same result
        length = x.shape[axis] - len(window) + 1
        first, *others = (x.narrow(axis, i, length) for i in range(len(window)))
        weights = window.tolist()
        x = first * weights[0]
        for shifted, weight in zip(others, weights[1:], strict=True):
            x.add_(shifted, alpha=weight)
    return x


def _ssim_map(x: Tensor, y: Tensor, window: Tensor) -> Tensor:
    # Subtracting 0.5 does not change variances, but makes the squares smaller, and so the rounding errors of float32.
    x, y = x - 0.5, y - 0.5
    mu_x, mu_y, xx, yy, xy = _filter(torch.cat([x, y, x * x, y * y, x * y]), window).chunk(5)
    variances, covariance = xx - mu_x.square() + yy - mu_y.square(), xy - mu_x * mu_y
    mu_x, mu_y = mu_x + 0.5, mu_y + 0.5
    luminance = (2 * mu_x * mu_y + K1**2) / (mu_x.square() + mu_y.square() + K1**2)
    return luminance * (2 * covariance + K2**2) / (variances + K2**2)
