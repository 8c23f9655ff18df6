"""Expected values come from scikit-learn's PCA, from scipy and scikit-image called image by image, and from algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.decomposition import PCA

from isthmus.errors import DataError
from isthmus.evaluation.metrics import baselines
from isthmus.evaluation.metrics.metrics import psnr_db, ssim
from isthmus.training import principal_components


def low_rank(n: int, d: int, seed: int, rank: int = 6) -> torch.Tensor:
    """Samples that differ mostly in `rank` directions, which are the same for every seed, and lie off the origin."""
    ways = torch.randn(rank, d, generator=torch.Generator().manual_seed(99)) * torch.linspace(3, 1, rank)[:, None]
    generator = torch.Generator().manual_seed(seed)
    return 5 + torch.randn(n, rank, generator=generator) @ ways + 0.1 * torch.randn(n, d, generator=generator)


def sklearn_mse(train: torch.Tensor, test: torch.Tensor, k: int, clip: bool = False) -> float:
    rows, unseen = train.flatten(1).double().numpy(), test.flatten(1).double().numpy()
    fitted = PCA(k, svd_solver="full").fit(rows)
    x_hat = fitted.inverse_transform(fitted.transform(unseen))
    return float(((unseen - (x_hat.clip(0, 1) if clip else x_hat)) ** 2).mean())


def test_mean_image_leaves_the_variance() -> None:
    train, test = low_rank(40, 7, 1), low_rank(30, 7, 2)
    expected = float(((test - train.mean(0)) ** 2).mean())
    rivals = baselines.fit_rivals(train, 0)
    assert baselines.mean_image(rivals, [test])["mse"] == pytest.approx(expected, rel=1e-5)  # float32 inside
    variance = float(train.double().var(0, correction=0).mean())
    assert baselines.mean_image(rivals, [train])["mse"] == pytest.approx(variance, rel=1e-5)


@pytest.mark.parametrize(
    ("n", "d", "k"),
    [(200, 30, 4), (200, 30, 29), (20, 300, 5), (20, 300, 19), (1500, 1200, 10)],
    ids=["covariance", "nearly all", "inner products", "all there are", "only the wanted eigenvectors"],
)
def test_pca_equals_scikit_learn(n: int, d: int, k: int) -> None:
    train, test = low_rank(n, d, 1), low_rank(50, d, 2)
    result = baselines.pca(baselines.fit_rivals(train, k), [test])
    assert result == {"mse": pytest.approx(sklearn_mse(train, test, k), rel=1e-5), "n_components": k}


def test_pca_of_images_is_cut_to_their_range() -> None:
    generator = torch.Generator().manual_seed(0)
    train, test = (torch.rand(n, 1, 6, 6, generator=generator).round() for n in (80, 40))
    clipped = baselines.pca(baselines.fit_rivals(train, 9), [test], value_range=(0, 1))["mse"]
    assert clipped == pytest.approx(sklearn_mse(train, test, 9, clip=True), rel=1e-5)
    assert clipped < baselines.pca(baselines.fit_rivals(train, 9), [test])["mse"]


def test_pca_takes_no_more_components_than_there_are() -> None:
    few, many = low_rank(5, 8, 1), low_rank(30, 8, 1)
    assert baselines.pca(baselines.fit_rivals(few, 32), [many])["n_components"] == 4  # five points span four directions
    everything = baselines.pca(baselines.fit_rivals(many, 32), [many])
    assert everything == {"mse": pytest.approx(0.0, abs=1e-9), "n_components": 8}
    alone = baselines.pca(baselines.fit_rivals(many[:1], 3), [many])
    assert alone == {
        "mse": pytest.approx(baselines.mean_image(baselines.fit_rivals(many[:1], 0), [many])["mse"]),
        "n_components": 0,
    }


@pytest.mark.parametrize("shape", [(40, 9), (12, 60), (1300, 1200)])
def test_pca_of_repeated_samples_is_exact_though_directions_run_out(shape: tuple[int, int]) -> None:
    three = torch.rand(3, shape[1], generator=torch.Generator().manual_seed(3))
    train = three.repeat(shape[0] // 3 + 1, 1)[: shape[0]]
    assert baselines.pca(baselines.fit_rivals(train, 5), [three])["mse"] == pytest.approx(0.0, abs=1e-9)


def test_randomized_pca_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = low_rank(300, 120, 1), low_rank(60, 120, 2)
    exact = baselines.pca(baselines.fit_rivals(train, 6), [test])
    monkeypatch.setattr(principal_components, "SIDE", 50)
    randomized = baselines.pca(baselines.fit_rivals(train, 6), [test])
    assert randomized["mse"] == pytest.approx(exact["mse"], rel=1e-3)  # six clear directions, found by power steps
    assert baselines.pca(baselines.fit_rivals(train, 6), [test]) == randomized


def test_baselines_of_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"training samples have 3 values, but test samples the shape \(4, 5\)"):
        baselines.pca(baselines.fit_rivals(torch.rand(4, 3), 2), [torch.rand(4, 5)])
    images = torch.rand(4, 1, 8, 8)
    with pytest.raises(DataError, match=r"have the shape \(4, 1, 8, 8\), and clean images \(4, 64\)"):
        baselines.denoising_baselines(images, images.flatten(1), images, images)
    with pytest.raises(DataError, match="pass at least one sample"):
        baselines.mean_image(baselines.fit_rivals(torch.rand(0, 3), 0), [torch.rand(4, 3)])


def discs(n: int, sd: float, *, seed: int, channels: int = 1, clip: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy and clean pictures of bright discs on a dark ground, 20 high and 26 wide."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.arange(20.0)[:, None], torch.arange(26.0)
    at, radius = torch.rand(n, 3, 1, 1, generator=generator), 4 + 4 * torch.rand(n, 1, 1, generator=generator)
    inside = ((rows - 20 * at[:, 0]) ** 2 + (columns - 26 * at[:, 1]) ** 2).sqrt() < radius
    clean = (0.1 + 0.8 * inside)[:, None].repeat(1, channels, 1, 1)
    noisy = clean + sd * torch.randn(clean.shape, generator=generator)
    return (noisy.clamp(0, 1) if clip else noisy), clean


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("clip", [True, False])
def test_every_filter_is_that_of_its_library_on_images_that_are_not_square(channels: int, clip: bool) -> None:
    restoration = pytest.importorskip("skimage.restoration")
    validation = discs(6, 0.2, seed=1, channels=channels, clip=clip)
    noisy, clean = discs(8, 0.2, seed=2, channels=channels, clip=clip)
    found = baselines.denoising_baselines(*validation, noisy, clean)
    assert found["n"] == 8
    library = {
        "nlm": restoration.denoise_nl_means,
        "tv": restoration.denoise_tv_chambolle,
        "wavelet": restoration.denoise_wavelet,
    }
    for name in found.keys() & library.keys():
        # Channels last, where scikit-image keeps the axes as they are; the test compares what is left of them.
        settings = found[name]["settings"] | ({"channel_axis": -1} if channels > 1 else {})
        cleaned = [library[name](image.permute(1, 2, 0).squeeze(-1).numpy(), **settings) for image in noisy]
        x_hat = torch.from_numpy(np.stack(cleaned)).reshape(8, 20, 26, channels).permute(0, 3, 1, 2).clamp(0, 1).float()
        assert found[name]["psnr_db"] == pytest.approx(float(psnr_db(clean, x_hat).mean()), abs=1e-3)
        assert found[name]["ssim"] == pytest.approx(float(ssim(clean, x_hat).mean()), abs=1e-3)
        assert found[name]["psnr_db"] > float(psnr_db(clean, noisy.clamp(0, 1)).mean()) + 1


def test_median_filter_equals_scipy_image_by_image() -> None:
    noisy, _ = discs(3, 0.3, seed=3, channels=2)
    expected = [[ndimage.median_filter(plane, size=5) for plane in image] for image in noisy.numpy()]
    assert baselines.median_filter(noisy.numpy(), size=5) == pytest.approx(np.array(expected), abs=0)


def test_gaussian_blur_equals_scipy_plane_by_plane() -> None:
    noisy, _ = discs(3, 0.3, seed=3, channels=2)
    expected = [[ndimage.gaussian_filter(plane, 1.5) for plane in image] for image in noisy.numpy()]
    assert baselines.gaussian_blur(noisy.numpy(), sigma=1.5) == pytest.approx(np.array(expected), abs=1e-6)  # float32


def test_a_learned_filter_is_chosen_and_measured_like_the_others() -> None:
    validation, test = discs(6, 0.2, seed=1), discs(8, 0.2, seed=2)
    learned = {"linear": (lambda noisy, add: noisy + add, [{"add": 0.0}, {"add": 1.0}])}
    found = baselines.denoising_baselines(*validation, *test, learned)["linear"]
    assert found["settings"] == {"add": 0.0}
    assert found["psnr_db"] == pytest.approx(float(psnr_db(test[1], test[0]).mean()), abs=1e-4)  # float32


def test_settings_are_the_best_on_validation_and_test_is_only_measured() -> None:
    validation, (noisy, clean) = discs(6, 0.2, seed=1), discs(6, 0.2, seed=2)
    found = baselines.denoising_baselines(*validation, noisy, clean)
    tried = [
        float(
            psnr_db(validation[1], torch.from_numpy(baselines.median_filter(validation[0].numpy(), size=size))).mean()
        )
        for size in (3, 5, 7)
    ]
    assert found["median"]["settings"] == {"size": (3, 5, 7)[int(np.argmax(tried))]}
    worse = baselines.denoising_baselines(*validation, discs(6, 0.6, seed=2)[0], clean)
    for name in found.keys() - {"n"}:
        assert worse[name]["settings"] == found[name]["settings"]
        assert worse[name]["psnr_db"] < found[name]["psnr_db"]


def test_without_scikit_image_median_and_blur_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "restoration", None)
    validation, test = discs(3, 0.2, seed=1), discs(3, 0.2, seed=2)
    assert baselines.denoising_baselines(*validation, *test).keys() == {"median", "blur", "n"}


def test_without_pywavelets_there_is_no_wavelet(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage.restoration")
    monkeypatch.setattr(baselines, "find_spec", lambda name: None)
    assert baselines.filters(0.2, 28).keys() == {"median", "blur", "nlm", "tv"}
    monkeypatch.setattr(baselines, "find_spec", lambda name: name)
    assert baselines.filters(0.2, 28).keys() == {"median", "blur", "nlm", "tv", "wavelet"}


@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (3, 1, 4, 4), (3, 3, 8, 8), (3, 1, 14, 14), (3, 2, 5, 30)])
def test_tiny_images_are_filtered_without_a_warning(shape: tuple[int, ...]) -> None:
    clean = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    found = baselines.denoising_baselines(clean, clean, clean, clean)
    assert found["n"] == 3
    assert ("nlm" in found) <= (min(shape[2:]) >= 7)
    assert 0 < found["median"]["ssim"] <= 1


def test_images_given_back_exactly_are_null_and_still_tuned() -> None:
    black = torch.zeros(3, 1, 16, 16)
    found = baselines.denoising_baselines(black, black, black, black)
    assert found["median"] == {"psnr_db": None, "ssim": pytest.approx(1.0), "settings": {"size": 3}}


def test_at_most_a_thousand_images_and_fewer_large_ones_are_compared() -> None:
    counts = {size: baselines.compared(torch.zeros(1).expand(5000, 1, size, size)) for size in (28, 64, 256, 1024)}
    assert counts == {28: 1000, 64: 976, 256: 61, 1024: 20}  # 4,000,000 // 64^2 and // 256^2
    assert baselines.compared(torch.zeros(7, 1, 28, 28)) == 7
