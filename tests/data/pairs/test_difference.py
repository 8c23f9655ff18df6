"""What is told of pairs: level and correlation of the noise by its definition, the shift as scikit-image finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from isthmus.config import DataConfig
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.check import check
from isthmus.data.pairs.difference import Difference, difference_of, fine_detail, phase_correlation, shift_between
from isthmus.data.samples import Samples

SIGMA = 0.1


def scenes(n: int = 8, C: int = 1, side: int = 64, seed: int = 0) -> np.ndarray:
    """Pictures (n, C, side, side) in 0.2 to 0.8: large shapes with some detail, and no noise of their own."""
    white = np.random.default_rng(seed).standard_normal((n, C, side, side))
    x = ndimage.gaussian_filter(white, (0, 0, 4, 4)) + 0.1 * ndimage.gaussian_filter(white, (0, 0, 0.8, 0.8))
    x -= x.min()
    return (0.2 + 0.6 * x / x.max()).astype(np.float32)


def noise(shape: tuple[int, ...], blur: float = 0.0, seed: int = 1) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal(shape)
    white = ndimage.gaussian_filter(white, (0, 0, blur, 0)) if blur else white
    return (SIGMA * white / white.std()).astype(np.float32)


def found_in(clean: np.ndarray, noisy: np.ndarray) -> Difference:
    pairs = Samples(clean, "pairs", x_in=noisy)
    return difference_of(pairs, fit_preprocess(pairs, "auto"))


def test_white_noise_is_told_with_its_level() -> None:
    x = scenes(C=3)
    found = found_in(x, x + noise(x.shape))
    assert found.sd == pytest.approx(SIGMA, rel=0.01)  # of 98,304 values: 0.2 %
    assert found.sd_255 == pytest.approx(25.5, rel=0.01)
    assert not found.is_correlated
    assert [found.beside, found.below, found.channels] == pytest.approx([0, 0, 0], abs=0.02)
    assert found.warnings() == []


def test_correlation_is_that_of_numpy_and_along_its_own_axis() -> None:
    x = scenes()
    added = noise(x.shape, blur=0.7)
    found = found_in(x, x + added)
    expected = np.corrcoef(added[:, :, 1:].ravel(), added[:, :, :-1].ravel())[0, 1]
    assert found.below == pytest.approx(expected, abs=0.01)  # each picture's mean is taken off
    assert found.beside == pytest.approx(0, abs=0.02)
    assert found.is_correlated


def test_noise_that_channels_share_is_told() -> None:
    x = scenes(C=3)
    shared = noise((8, 1, 64, 64))
    assert found_in(x, x + shared).channels == pytest.approx(1, abs=1e-3)  # x + noise is rounded to float32


def test_raw_units_are_those_of_the_files() -> None:
    x = (scenes() * 4000).astype(np.uint16)
    noisy = (x + np.random.default_rng(0).normal(0, 200, x.shape)).round().clip(0, 65535).astype(np.uint16)
    found = found_in(x, noisy)
    assert found.sd_raw == pytest.approx(np.std(noisy.astype(float) - x), rel=1e-3)
    assert found.ranges == ((noisy.min(), noisy.max()), (x.min(), x.max()))


@pytest.mark.parametrize("moved", [(0, 0), (3, 0), (-2, 5), (0, -7)])
def test_the_shift_is_the_one_that_scikit_image_finds(moved: tuple[int, int]) -> None:
    picture = scenes(1, side=96)[0, 0].astype(np.float64)
    rolled = np.roll(picture, moved, (0, 1))
    register = phase_cross_correlation(picture, rolled, normalization="phase")[0]  # what brings it back
    surface = phase_correlation(picture, rolled)
    H, W = surface.shape
    down, right = divmod(int(surface.argmax()), W)
    assert (down - H * (down > H // 2), right - W * (right > W // 2)) == tuple(-register) == moved
    a, b = picture[16:80, 16:80], rolled[16:80, 16:80] + 0.01 * np.random.default_rng(0).standard_normal((64, 64))
    assert shift_between(a, b) == moved


def test_nothing_is_told_of_a_shift_where_nothing_is_alike() -> None:
    rng = np.random.default_rng(0)
    told = [shift_between(rng.standard_normal((64, 64)), rng.standard_normal((64, 64))) for _ in range(50)]
    assert told == [None] * 50


def test_fault_124_pairs_that_are_shifted_are_told() -> None:
    x = scenes(side=96)
    found = found_in(x[:, :, 16:80, 16:80], x[:, :, 14:78, 19:83] + noise((8, 1, 64, 64)) / 10)
    assert found.shift == (-2, 3)  # the target's scene lies 2 pixels higher and 3 to the right
    assert found.n_shifted == found.n_told > 4
    assert "are not aligned in 8 of 8 pairs (mostly -2 pixels down, +3 to the right)" in found.warnings()[0]


def test_fault_125_data_and_target_exchanged_are_told() -> None:
    x = scenes()
    assert "is --target the noisy data?" in found_in(x + noise(x.shape), x).warnings()[0]
    assert "are equal" in found_in(x, x).warnings()[0]


def test_fine_detail_of_white_noise_is_its_deviation() -> None:
    assert fine_detail(noise((3, 1, 400, 400))[:, 0]) == pytest.approx(SIGMA, rel=0.01)


def test_tables_have_a_level_and_no_neighbors() -> None:
    x = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    found = found_in(x, x + 0.5 * np.random.default_rng(1).standard_normal(x.shape).astype(np.float32))
    assert found.sd_raw == pytest.approx(0.5, rel=0.1)  # of 100 rows: 3.5 %
    assert found.beside is found.shift is found.fine is None
    assert [title for title, _ in found.rows()] == ["noise", "noisy values", "clean values"]


def test_check_tells_it_and_lists_what_has_no_clean_one(tmp_path: Path) -> None:
    x = scenes()
    np.save(tmp_path / "clean.npy", x)
    np.save(tmp_path / "noisy.npy", x + noise(x.shape) / 10)
    found = check(tmp_path / "noisy.npy", DataConfig(target=str(tmp_path / "clean.npy")))
    assert found.ok
    assert found.as_dict()["pairs"]["sd"] == pytest.approx(SIGMA / 10, rel=0.02)
    assert ("shift", "none in 8 pairs") in found.rows()
    np.save(tmp_path / "clean.npy", x[:7])
    found = check(tmp_path / "noisy.npy", DataConfig(target=str(tmp_path / "clean.npy")))
    assert [problem.code for problem in found.problems] == ["DATA-PAIRS"]
    assert found.pairs is None


def test_the_level_of_255_is_that_of_the_range_in_use() -> None:
    """Of floats up to 65,535, and of 12 bits in 16."""
    for white, dtype in ((65535.0, np.float32), (4095.0, np.uint16)):
        x = scenes() * white
        noisy = x + 0.3 * noise(x.shape) * white
        found = found_in(x.astype(dtype), noisy.astype(dtype))
        assert found.sd_255 == pytest.approx(255 * found.sd)
        assert found.sd_raw == pytest.approx(0.3 * SIGMA * white, rel=0.01)
        assert found.sd == pytest.approx(0.3 * SIGMA * white / np.ptp(x), rel=0.02)  # rounding to whole numbers
