"""Expected values come from closed forms, from torch.nn.functional and from scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isthmus.errors import DataError
from isthmus.evaluation.metrics import metrics

SHAPES = [(5, 1, 28, 28), (3, 3, 20, 33), (7, 12)]


def random_pair(shape: tuple[int, ...], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


@pytest.mark.parametrize("shape", SHAPES)
def test_mse_and_bce_equal_those_of_pytorch(shape: tuple[int, ...]) -> None:
    x, x_hat = random_pair(shape)
    assert metrics.mse(x, x_hat) == pytest.approx(float(F.mse_loss(x_hat, x)), rel=1e-6)  # float32 in PyTorch
    assert metrics.bce(x, x_hat) == pytest.approx(float(F.binary_cross_entropy(x_hat, x)), rel=1e-6)


def test_mse_of_a_known_difference_is_per_sample() -> None:
    x = torch.zeros(3, 1, 4, 4)
    x_hat = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand_as(x)
    assert metrics.squared_errors(x, x_hat).tolist() == [0.0, 0.25, 1.0]
    assert metrics.mse(x, x_hat) == pytest.approx(1.25 / 3, rel=1e-12)


def test_bce_of_a_certain_mistake_is_one_hundred_as_in_pytorch() -> None:
    x = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    assert metrics.bce(x, 1 - x) == 100.0
    assert metrics.bce(x, x) == 0.0
    assert metrics.bce(x, torch.tensor([[1.5, -0.5, 1.0, 0.0]])) == 0.0  # cut to [0, 1] before the logarithm


def test_bce_floor_is_the_entropy_and_nothing_goes_below_it() -> None:
    half, quarter = torch.full((1, 6), 0.5), torch.full((1, 6), 0.25)
    assert metrics.bce_floor(half) == pytest.approx(math.log(2), rel=1e-7)
    assert metrics.bce_floor(quarter) == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-7)
    assert metrics.bce_floor(torch.tensor([[0.0, 1.0]])) == 0.0
    x, x_hat = random_pair((50, 1, 8, 8))
    assert metrics.bce(x, x) == pytest.approx(metrics.bce_floor(x), rel=1e-6)  # reached by the original itself
    assert bool((metrics.cross_entropies(x, x_hat) > metrics.entropies(x)).all())


def test_psnr_equals_scikit_image_and_is_infinite_for_identical_images() -> None:
    reference = pytest.importorskip("skimage.metrics")
    x, x_hat = random_pair((4, 3, 9, 11))
    expected = [
        reference.peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(x.numpy(), x_hat.numpy(), strict=True)
    ]
    assert metrics.psnr_db(x, x_hat).tolist() == pytest.approx(expected, rel=1e-6)
    same = metrics.psnr_db(x, x)
    assert same.tolist() == [math.inf] * 4
    assert metrics.finite_mean(same) is None
    assert metrics.image_quality(x, x) == {"psnr_db": None, "ssim": pytest.approx(1.0, abs=1e-6)}


def test_a_tenth_off_everywhere_is_twenty_decibels() -> None:
    x = torch.full((2, 1, 5, 5), 0.5, dtype=torch.float64)
    assert metrics.psnr_db(x, x + 0.1).tolist() == pytest.approx([20.0, 20.0], rel=1e-12)


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 11, 40), (2, 1, 64, 13)])
@pytest.mark.parametrize("make", ["noise", "smooth", "bright"])
def test_ssim_equals_scikit_image(shape: tuple[int, ...], make: str) -> None:
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    x, noise = random_pair(shape)
    if make == "smooth":
        x = F.avg_pool2d(x, 5, 1, 2)
    if make == "bright":  # nearly flat and white: the hardest case for float32, variances are tiny differences
        x = 0.99 + 0.01 * x
    x_hat = (x + 0.1 * (noise - 0.5)).clamp(0, 1)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    pairs = zip(x.double().numpy(), x_hat.double().numpy(), strict=True)
    expected = [structural_similarity(a, b, channel_axis=0, **options) for a, b in pairs]
    assert metrics.ssim(x, x_hat).numpy() == pytest.approx(np.array(expected), abs=1e-4)


def test_ssim_of_images_smaller_than_the_window_follows_the_formula() -> None:
    x, x_hat = random_pair((2, 1, 4, 3))
    weights = torch.exp(-torch.tensor([1.0, 0.0, 1.0]).double() / (2 * 1.5**2))  # the window is 3: the largest odd
    window = (weights[:, None] * weights) / weights.sum() ** 2
    expected = []
    for a, b in zip(x[:, 0].double(), x_hat[:, 0].double(), strict=True):
        places = []
        for row in range(2):
            p, q = a[row : row + 3], b[row : row + 3]
            mu_p, mu_q = (window * p).sum(), (window * q).sum()
            covariance = (window * (p - mu_p) * (q - mu_q)).sum()
            variances = (window * (p - mu_p) ** 2).sum() + (window * (q - mu_q) ** 2).sum()
            top = (2 * mu_p * mu_q + 0.01**2) * (2 * covariance + 0.03**2)
            places.append(float(top / ((mu_p**2 + mu_q**2 + 0.01**2) * (variances + 0.03**2))))
        expected.append(sum(places) / 2)
    assert metrics.ssim(x, x_hat).tolist() == pytest.approx(expected, abs=1e-5)  # float32 inside


def test_ssim_is_symmetric_one_for_identical_and_below_zero_for_inverted_images() -> None:
    x, x_hat = random_pair((3, 1, 16, 16))
    assert metrics.ssim(x, x).tolist() == pytest.approx([1.0] * 3, abs=1e-6)
    assert metrics.ssim(x, x_hat).tolist() == pytest.approx(metrics.ssim(x_hat, x).tolist(), abs=1e-6)
    assert float(metrics.ssim(x, 1 - x).max()) < 0


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, x_hat = random_pair((13, 1, 12, 12))
    measures = (metrics.squared_errors, metrics.cross_entropies, metrics.psnr_db, metrics.ssim)
    whole = [measure(x, x_hat) for measure in measures]
    monkeypatch.setattr(metrics, "PIECE", 3 * 144)  # 13 = 4 pieces of 3 and one of 1
    for measure, expected in zip(measures, whole, strict=True):
        assert measure(x, x_hat).shape == (13,)
        assert measure(x, x_hat).tolist() == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize("sd", [0.05, 0.2, 0.5])
def test_noise_sd_finds_white_noise_on_a_slope(sd: float) -> None:
    generator = torch.Generator().manual_seed(1)
    slope = torch.linspace(0, 1, 64).expand(8, 2, 64, 64)
    noisy = slope + sd * torch.randn(slope.shape, generator=generator)
    # 8 x 7,688 neighboring places that overlap ninefold: the mean's own error is under 1 %, three of them 3 %.
    assert float(metrics.noise_sd(noisy).mean()) == pytest.approx(sd, rel=0.03)


def test_noise_sd_is_zero_on_flat_sloped_and_striped_images() -> None:
    ramp = torch.arange(10.0, dtype=torch.float64)
    stripes = (ramp % 2).expand(10, 10)
    images = torch.stack([torch.full((10, 10), 0.7).double(), ramp.expand(10, 10), ramp[:, None] + ramp, stripes])
    assert metrics.noise_sd(images[:, None]).tolist() == pytest.approx([0.0] * 4, abs=1e-6)  # 32-bit kernel and sums


def test_noise_sd_of_images_under_three_pixels_is_rough_and_no_error() -> None:
    assert metrics.noise_sd(torch.full((2, 1, 1, 1), 0.3)).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert float(metrics.noise_sd(torch.rand(2, 3, 2, 9)).min()) > 0


def test_finite_mean_is_none_for_what_json_cannot_say() -> None:
    assert metrics.finite_mean(torch.tensor([1.0, 2.0])) == 1.5
    for values in ([math.inf, 1.0], [math.nan, 1.0], []):
        assert metrics.finite_mean(torch.tensor(values)) is None


def test_standard_error_is_the_textbook_value() -> None:
    assert metrics.standard_error(torch.tensor([1.0, 2.0, 3.0, 4.0])) == pytest.approx(math.sqrt(5 / 3) / 2, rel=1e-12)
    assert metrics.standard_error(torch.tensor([1.0])) is None
    assert metrics.standard_error(torch.tensor([1.0, math.inf])) is None


def test_a_reconstruction_that_is_not_a_number_shows_as_null() -> None:
    x = torch.rand(2, 1, 11, 11)
    broken = x.clone()
    broken[0, 0, 0, 0] = math.nan
    assert metrics.finite_mean(metrics.squared_errors(x, broken)) is None
    assert metrics.finite_mean(metrics.cross_entropies(x, broken)) is None
    assert metrics.image_quality(x, broken) == {"psnr_db": None, "ssim": None}


def test_half_precision_is_measured_in_full() -> None:
    x, x_hat = random_pair((4, 1, 30, 30))
    half = x_hat.bfloat16()
    assert metrics.mse(x, half) == pytest.approx(float(F.mse_loss(half.float(), x)), rel=1e-6)


def test_wrong_input_is_an_error_that_says_why() -> None:
    x = torch.rand(2, 1, 8, 8)
    with pytest.raises(DataError, match=r"\(2, 1, 8, 8\), but the reconstruction \(2, 64\)"):
        metrics.mse(x, x.flatten(1))
    with pytest.raises(DataError, match=r"torch.uint8 and torch.uint8, but floats"):
        metrics.bce_floor((255 * x).byte())
    with pytest.raises(DataError, match=r"samples of shape \(0, 1, 8, 8\) cannot be measured"):
        metrics.ssim(x[:0], x[:0])
    with pytest.raises(DataError, match=r"SSIM needs images \(N, C, H, W\), but got \(2, 64\)"):
        metrics.ssim(x.flatten(1), x.flatten(1))
    with pytest.raises(DataError, match=r"noise estimate needs images \(N, C, H, W\), but got \(2, 64\)"):
        metrics.noise_sd(x.flatten(1))
