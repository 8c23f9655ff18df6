"""Baselines: the mean image and PCA as codes, and classical and learned filters as denoisers.

All results are plain numbers for `metrics.json`. The filters are tuned on validation images only; the test images
are used once, with the best settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import DataError
from isthmus.evaluation.metrics.metrics import image_quality, psnr_db
from isthmus.evaluation.metrics.pca import Range, ToWeights, error_of
from isthmus.training.principal_components import ToX, principal

try:  # the extra `baselines`
    from skimage import restoration
except ImportError:
    restoration = None

Filter = Callable[..., np.ndarray]  # (noisy (N, C, H, W), **settings) -> the same shape
Grid = list[dict[str, Any]]

TEST_IMAGES, TEST_VALUES, TEST_LEAST = 1000, 4_000_000, 20  # 1,000 digits; 61 images of 256 x 256; at least 20
TUNING_IMAGES, TUNING_VALUES, TUNING_LEAST = 100, 400_000, 5  # a tenth, because all settings of each grid are tried
PATCH_SIDE, WAVELET_SIDE = 7, 14  # pixels: the largest patch, and the smallest image for one step of sym4
SIGMAS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0)  # pixels: from hardly any blur to spots of 10
SURE_DB = 100.0  # an exact reconstruction has infinite PSNR; for tuning, it counts as this many decibels


class Rivals(NamedTuple):
    """The `mean` (D,) of the training data and its principal `components` (D, K), for a code of `n_components`.

    K is smaller than `n_components` if the data has a lower rank.
    """

    mean: Tensor
    components: Tensor
    n_components: int

    def x_hat(self, x: Float[Tensor, "N ..."], value_range: Range = None) -> Tensor:
        """PCA's reconstruction of x, clipped to the range of the data if that is known."""
        made = self.mean + (x.flatten(1) - self.mean) @ self.components @ self.components.T
        return (made.clamp(*value_range) if value_range else made).reshape(x.shape)


def fit_rivals(
    train: Float[Tensor, "N ..."], n_components: int, to_x: ToX = Tensor.float, mean: Tensor | None = None
) -> Rivals:
    """The baselines fitted to training samples; for `to_x`, `mean` and how components are computed, see `principal`."""
    k = min(n_components, len(train) - 1, train[:1].numel())
    return Rivals(*principal(train, k, to_x, mean), k)


def mean_image(
    rivals: Rivals, test: Iterable[Float[Tensor, "M ..."]], weigh: ToWeights | None = None
) -> dict[str, float]:
    """`{"mse"}` of the mean training sample as the output for every test sample; test samples come in chunks."""
    return {"mse": error_of(test, rivals.mean, rivals.components[:, :0], weigh=weigh)}


def pca(
    rivals: Rivals,
    test: Iterable[Float[Tensor, "M ..."]],
    *,
    value_range: Range = None,
    weigh: ToWeights | None = None,
) -> dict[str, float | int]:
    """`{"mse", "n_components"}` of test samples coded with the first principal components of the training samples.

    Reconstructions are clipped to `value_range`, (0, 1) for images; for `weigh`, see `error_of`.
    """
    mse = error_of(test, rivals.mean, rivals.components, value_range=value_range, weigh=weigh)
    return {"mse": mse, "n_components": rivals.n_components}


def denoising_baselines(
    noisy_validation: Float[Tensor, "V C H W"],
    clean_validation: Float[Tensor, "V C H W"],
    noisy_test: Float[Tensor, "T C H W"],
    clean_test: Float[Tensor, "T C H W"],
    learned: Mapping[str, tuple[Filter, Grid]] | None = None,
    preprocess: Preprocess | None = None,
) -> dict[str, Any]:
    """How well filters denoise the first `compared(clean_test)` test images, in [0, 1].

    `{"median": {"psnr_db", "ssim", "settings"}, "blur": …, "nlm": …, "tv": …, "wavelet": …, "n": …}`, and `learned`
    ones under their names; without scikit-image only median and blur, without PyWavelets no wavelet; fewer for tiny
    images. The settings of each filter are those of its grid with the best mean PSNR on the first validation images (at
    most 100). 1,000 digits take about 7 s on one core. Pixels that are invisible according to `preprocess` are not
    compared.
    """
    tuned_on = _fitting(clean_validation, TUNING_IMAGES, TUNING_VALUES, TUNING_LEAST)
    n = compared(clean_test)
    noisy, clean = noisy_validation[:tuned_on], clean_validation[:tuned_on]
    results: dict[str, Any] = {}
    classical = filters(_noise(noisy, clean), min(clean.shape[2:]))
    for name, (clean_up, grid) in (classical | dict(learned or {})).items():
        settings = max(grid, key=lambda chosen: _sure_psnr(clean, _applied(clean_up, noisy, chosen)))
        made, truth = _applied(clean_up, noisy_test[:n], settings), clean_test[:n].cpu()
        seen = made if preprocess is None else preprocess.known_only(truth, made)
        quality = image_quality(truth, seen, None if preprocess is None else preprocess.shares(truth))
        results[name] = {**quality, "settings": settings}
    return {**results, "n": n}


def compared(images: Float[Tensor, "N C H W"]) -> int:
    """The number of test images that denoisers are compared on: at most 1,000, fewer if they are large.

    4,000,000 values, but at least 20 images: non-local means takes 1 to 2 microseconds per value.
    """
    return _fitting(images, TEST_IMAGES, TEST_VALUES, TEST_LEAST)


def filters(sd: float, side: int) -> dict[str, tuple[Filter, Grid]]:
    """The available classical filters and the settings to try, for noise of standard deviation `sd`.

    `side` is the shorter side of the images: non-local means and total variation need 7 pixels, wavelets 14.
    Strengths are in units of sd. The usual value of each method is 0.8 to 1; noise that is clipped to [0, 1], as on
    digits, needs a half to a fifth of that, so the grids go further down than up.

    Sources: non-local means: Buades, Coll, Morel 2005, https://doi.org/10.1109/CVPR.2005.38; total variation:
    Chambolle 2004, https://doi.org/10.1023/B:JMIV.0000011325.36760.1e; wavelet thresholds: Donoho, Johnstone 1994,
    https://doi.org/10.1093/biomet/81.3.425 (VisuShrink), Chang, Yu, Vetterli 2000,
    https://doi.org/10.1109/83.862633 (BayesShrink).
    """
    found: dict[str, tuple[Filter, Grid]] = {
        "median": (median_filter, [{"size": size} for size in (3, 5, 7)]),
        "blur": (gaussian_blur, [{"sigma": sigma} for sigma in SIGMAS]),
    }
    if restoration is None or side < PATCH_SIDE:
        return found
    sd = max(sd, 1e-3)  # a quarter of a gray level; strength 0 divides by zero in non-local means
    strengths = {factor: round(factor * sd, 4) for factor in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.4)}
    nlm = [  # a search window of 11 x 11: 19 x 19 gains 0.1 dB on digits and takes four times as long
        {"patch_size": size, "patch_distance": 5, "h": strengths[factor], "sigma": round(sd, 4)}
        for size in (3, 5, 7)
        for factor in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
    ]
    found["nlm"] = partial(_each, partial(restoration.denoise_nl_means, fast_mode=True)), nlm
    found["tv"] = (
        partial(_each, restoration.denoise_tv_chambolle),
        [{"weight": weight} for weight in strengths.values()],
    )
    if find_spec("pywt") and side >= WAVELET_SIDE:
        wavelet = [
            {"wavelet": wavelet, "method": method, "sigma": strengths[factor]}
            for wavelet in ("haar", "db2", "sym4")
            for method in ("BayesShrink", "VisuShrink")
            for factor in (0.3, 0.4, 0.6, 0.8, 1.0)
        ]
        found["wavelet"] = partial(_each, partial(restoration.denoise_wavelet, rescale_sigma=True)), wavelet
    return found


def median_filter(noisy: np.ndarray, *, size: int) -> np.ndarray:
    """Images (N, C, H, W) with each pixel replaced by the median of size x size pixels; edges are mirrored."""
    return ndimage.median_filter(noisy, size=(1, 1, size, size))


def gaussian_blur(noisy: np.ndarray, *, sigma: float) -> np.ndarray:
    """Images (N, C, H, W) convolved with a Gaussian of `sigma` pixels; edges are mirrored."""
    return ndimage.gaussian_filter(noisy, sigma=(0, 0, sigma, sigma))


def _each(denoise: Filter, noisy: np.ndarray, **settings: Any) -> np.ndarray:
    """A filter of scikit-image applied to each image in turn; threads would not be faster because of Python's lock."""

    def one(image: np.ndarray) -> np.ndarray:
        # With a channel axis, non-local means returns a (1, H, W) image transposed (scikit-image 0.26).
        return denoise(image, channel_axis=0, **settings) if len(image) > 1 else denoise(image[0], **settings)[None]

    return np.stack([one(image) for image in noisy])


def _applied(clean_up: Filter, noisy: Tensor, settings: dict[str, Any]) -> Tensor:
    cleaned = clean_up(noisy.detach().cpu().float().numpy(), **settings)
    return torch.from_numpy(cleaned.astype(np.float32)).clamp(0.0, 1.0)


def _sure_psnr(clean: Tensor, cleaned: Tensor) -> float:
    return float(psnr_db(clean.cpu(), cleaned).clamp(max=SURE_DB).mean())


def _noise(noisy: Tensor, clean: Tensor) -> float:
    if noisy.shape != clean.shape or noisy.ndim != 4 or not len(noisy):
        message = f"noisy images have the shape {tuple(noisy.shape)}, and clean images {tuple(clean.shape)}."
        raise DataError("DATA-SHAPE", message, fix="pass at least one of each, both as (N, C, H, W) in [0, 1]")
    return float((noisy - clean).float().std(correction=0))


def _fitting(images: Tensor, most: int, values: int, least: int) -> int:
    per_image = max(1, images[:1].numel())
    return min(len(images), most, max(least, values // per_image))
