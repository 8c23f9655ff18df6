"""What a model must beat: the mean image and PCA as codes, and four classical filters as denoisers.

All results are plain numbers for `metrics.json`. The filters are tuned on validation images only; the test images
are seen once, with the settings that won.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from scipy.sparse.linalg import ArpackError, eigsh
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from isthmus.errors import DataError
from isthmus.metrics import PIECE, image_quality, psnr_db

try:  # the extra `baselines`
    from skimage import restoration
except ImportError:
    restoration = None

Filter = Callable[..., np.ndarray]  # (noisy (N, C, H, W), **settings) -> the same shape
Grid = list[dict[str, Any]]
Range = tuple[float, float] | None

SIDE = 4096  # the largest covariance that is decomposed: 128 MB in float64, a few seconds on two cores
WORK = 2e12  # multiplications for the covariance, about 20 s on two cores; beyond it PCA is randomized
EXACT_WORK = (
    2e10  # up to here, about a second, covariances are multiplied in float64; beyond it in float32, twice as fast
)
SMALL = 1024  # up to here all eigenvectors take under a second; above it only the wanted ones are computed
TEST_IMAGES, TEST_VALUES, TEST_LEAST = 1000, 4_000_000, 20  # 1,000 digits; 61 images of 256 x 256; never under 20
TUNING_IMAGES, TUNING_VALUES, TUNING_LEAST = 100, 400_000, 5  # a tenth: each setting of each grid is tried on these
PATCH_SIDE, WAVELET_SIDE = 7, 14  # pixels: the largest patch, and one step of sym4 without reaching over the edge
SURE_DB = 100.0  # an image given back exactly has infinite PSNR; while tuning it counts as this many decibels


def mean_image(train: Float[Tensor, "N ..."], test: Float[Tensor, "M ..."]) -> dict[str, float]:
    """`{"mse"}` of answering every test sample with the mean of the training samples."""
    rows, mean = _both(train, test)
    return {"mse": _error(rows, mean, torch.zeros(len(mean), 0, device=rows.device), None)}


def pca(
    train: Float[Tensor, "N ..."], test: Float[Tensor, "M ..."], n_components: int, *, value_range: Range = None
) -> dict[str, float | int]:
    """`{"mse", "n_components"}` of coding test samples by the largest principal components of the training samples.

    `n_components` is cut to what the training samples can have, min(N - 1, D). `value_range`, (0, 1) for images,
    cuts the reconstructions, since the truth is known to lie there. The components are exact (eigenvectors of the
    covariance, or of the samples' inner products where there are fewer samples than values), except for data with
    both more than 4,096 samples and values, or where that takes over 2e12 multiplications: then they are randomized.

    Source: Pearson 1901; for the randomized ones Halko, Martinsson, Tropp 2011, https://arxiv.org/abs/0909.4061.
    """
    rows, mean = _both(train, test)
    components = _components(train.flatten(1), mean, n_components)
    k = min(n_components, len(train) - 1, rows.shape[1])
    return {"mse": _error(rows, mean, components.to(rows.device).float(), value_range), "n_components": k}


def principal(train: Float[Tensor, "N ..."], n_components: int) -> tuple[Tensor, Tensor]:
    """The mean (D) of the training samples and their largest principal components (D, k), as `pca` takes them."""
    mean = _both(train, train)[1]
    return mean, _components(train.flatten(1), mean, n_components).float()


def _components(data: Tensor, mean: Tensor, n_components: int) -> Tensor:
    k = min(n_components, len(data) - 1, data.shape[1])
    if k < 1:
        return torch.zeros(data.shape[1], 0)
    if min(data.shape) <= SIDE and 2.0 * data.numel() * min(data.shape) <= WORK:
        return _exact(data, mean, k)
    centred = (data.float() - mean.to(data.device)).cpu().numpy()
    right = randomized_svd(centred, k, random_state=0)[2]  # a fixed seed: the same number in every report
    return torch.from_numpy(right.T.copy())


def _both(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """The test samples as rows, and the mean row of the training samples."""
    if train.shape[1:] != test.shape[1:] or not len(train) or not len(test):
        message = f"training samples are {tuple(train.shape)} and test samples {tuple(test.shape)}."
        raise DataError("DATA-SHAPE", message, fix="give at least one of each, in the same shape")
    total = sum(
        (piece.sum(0).cpu().double() for piece in _rows(train.flatten(1))), torch.zeros(train[0].numel()).double()
    )
    return test.flatten(1), (total / len(train)).float().to(test.device)


def _rows(data: Tensor) -> Iterator[Tensor]:
    """Pieces of rows in float32; larger than in `metrics`, because matrix products gain from it."""
    return (piece.float() for piece in data.split(max(1, 4 * PIECE // data.shape[1])))


def _exact(data: Tensor, mean: Tensor, k: int) -> Tensor:
    """The k largest principal components, (D, k) with orthonormal columns; fewer where the data has a lower rank."""
    N, D = data.shape
    mean = mean.to(data.device)
    if D <= N:
        # Sums are in float64 always. Products in float32 lose the order of directions below 1e-6 of the largest,
        # which changes MNIST's error at 32 components by less than 1e-6 of itself.
        digits = torch.float64 if 2.0 * N * D * D <= EXACT_WORK else torch.float32
        covariance = sum((_product(piece - mean, digits) for piece in _rows(data)), torch.zeros(D, D).double())
        return _largest(covariance, k)[1].float()
    centred = (data.float() - mean).cpu().double()
    values, vectors = _largest(centred @ centred.T, k)
    kept = values > values[0] * 1e-12  # below that, float64 holds no direction any more
    return (centred.T @ (vectors[:, kept] / values[kept].sqrt())).float()


def _product(piece: Tensor, digits: torch.dtype) -> Tensor:
    piece = piece.cpu().to(digits) if digits == torch.float64 else piece
    return (piece.T @ piece).cpu().double()


def _largest(matrix: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues of a symmetric matrix, descending, and their eigenvectors as columns."""
    S = len(matrix)
    if S > SMALL and k <= S // 10:
        try:
            start = np.random.default_rng(0).standard_normal(S)  # ARPACK would draw its own
            values, vectors = (torch.from_numpy(part.copy()) for part in eigsh(matrix.numpy(), k, v0=start))
            order = values.argsort(descending=True)
            return values[order], vectors[:, order]
        except ArpackError:  # fewer than k directions in the data: the full decomposition has no trouble with that
            pass
    values, vectors = torch.linalg.eigh(matrix)
    return values[-k:].flip(0), vectors[:, -k:].flip(1)


def _error(rows: Tensor, mean: Tensor, components: Tensor, value_range: Range) -> float:
    """Mean squared error of rows projected onto mean + components."""
    total = 0.0
    for piece in _rows(rows):
        x_hat = (piece - mean) @ components @ components.T + mean
        x_hat = x_hat.clamp(*value_range) if value_range else x_hat
        total += float((piece - x_hat).square().mean(1).sum())
    return total / len(rows)


def denoising_baselines(
    noisy_validation: Float[Tensor, "V C H W"],
    clean_validation: Float[Tensor, "V C H W"],
    noisy_test: Float[Tensor, "T C H W"],
    clean_test: Float[Tensor, "T C H W"],
) -> dict[str, Any]:
    """How well classical filters clean the first `compared(clean_test)` test images, in [0, 1].

    `{"median": {"psnr_db", "ssim", "settings"}, "nlm": …, "tv": …, "wavelet": …, "n": …}`; without scikit-image only
    the median, without PyWavelets no wavelet; tiny images have fewer too. Every filter's settings are those with the
    best mean PSNR on the first validation images (at most 100), out of the grid in `filters`. 1,000 digits take about
    7 s on one core.
    """
    tuned_on = _fitting(clean_validation, TUNING_IMAGES, TUNING_VALUES, TUNING_LEAST)
    n = compared(clean_test)
    noisy, clean = noisy_validation[:tuned_on], clean_validation[:tuned_on]
    results: dict[str, Any] = {}
    for name, (clean_up, grid) in filters(_noise(noisy, clean), min(clean.shape[2:])).items():
        settings = max(grid, key=lambda chosen: _sure_psnr(clean, _applied(clean_up, noisy, chosen)))
        quality = image_quality(clean_test[:n].cpu(), _applied(clean_up, noisy_test[:n], settings))
        results[name] = {**quality, "settings": settings}
    return {**results, "n": n}


def compared(images: Float[Tensor, "N C H W"]) -> int:
    """How many of the first test images denoisers are compared on: at most 1,000, fewer where they are large.

    4,000,000 values and at least 20 images: non-local means takes 1 to 2 microseconds a value.
    """
    return _fitting(images, TEST_IMAGES, TEST_VALUES, TEST_LEAST)


def filters(sd: float, side: int) -> dict[str, tuple[Filter, Grid]]:
    """The classical filters at hand and the settings to try, for noise of standard deviation `sd`.

    `side` is the shorter side of the images: non-local means and total variation need 7 pixels, wavelets 14.
    Strengths are given in units of sd. Each method's usual value is 0.8 to 1; noise that is cut to [0, 1], as on
    digits, wants a half to a fifth of that, so the grids reach further down than up.

    Sources: non-local means: Buades, Coll, Morel 2005, https://doi.org/10.1109/CVPR.2005.38; total variation:
    Chambolle 2004, https://doi.org/10.1023/B:JMIV.0000011325.36760.1e; wavelet thresholds: Donoho, Johnstone 1994,
    https://doi.org/10.1093/biomet/81.3.425 (VisuShrink), Chang, Yu, Vetterli 2000,
    https://doi.org/10.1109/83.862633 (BayesShrink).
    """
    found: dict[str, tuple[Filter, Grid]] = {"median": (median_filter, [{"size": size} for size in (3, 5, 7)])}
    if restoration is None or side < PATCH_SIDE:
        return found
    sd = max(sd, 1e-3)  # a quarter of a grey level; strength 0 divides by zero in non-local means
    strengths = {factor: round(factor * sd, 4) for factor in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.4)}
    nlm = [  # a search over 11 x 11 places: 19 x 19 gains 0.1 dB on digits and takes four times as long
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
    """Each pixel of (N, C, H, W) images as the median of the size x size pixels around it; edges are mirrored."""
    return ndimage.median_filter(noisy, size=(1, 1, size, size))


def _each(denoise: Filter, noisy: np.ndarray, **settings: Any) -> np.ndarray:
    """One of scikit-image's filters on every image, one after the other: threads gain nothing, Python holds them up."""

    def one(image: np.ndarray) -> np.ndarray:
        # As (1, H, W) with a channel axis, non-local means gives the image back transposed (scikit-image 0.26).
        return denoise(image, channel_axis=0, **settings) if len(image) > 1 else denoise(image[0], **settings)[None]

    return np.stack([one(image) for image in noisy])


def _applied(clean_up: Filter, noisy: Tensor, settings: dict[str, Any]) -> Tensor:
    cleaned = clean_up(noisy.detach().cpu().float().numpy(), **settings)
    return torch.from_numpy(cleaned.astype(np.float32)).clamp(0.0, 1.0)


def _sure_psnr(clean: Tensor, cleaned: Tensor) -> float:
    return float(psnr_db(clean.cpu(), cleaned).clamp(max=SURE_DB).mean())


def _noise(noisy: Tensor, clean: Tensor) -> float:
    if noisy.shape != clean.shape or noisy.ndim != 4 or not len(noisy):
        message = f"noisy images are {tuple(noisy.shape)} and clean ones {tuple(clean.shape)}."
        raise DataError("DATA-SHAPE", message, fix="give at least one of each, as (N, C, H, W) in [0, 1]")
    return float((noisy - clean).float().std(correction=0))


def _fitting(images: Tensor, most: int, values: int, least: int) -> int:
    per_image = max(1, images[:1].numel())
    return min(len(images), most, max(least, values // per_image))
