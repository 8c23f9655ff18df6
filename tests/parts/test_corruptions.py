"""Noise has the moments of its definition; tolerances are five standard errors of N values."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

from contract import drawn, seeded
from isthmus.errors import UsageError
from isthmus.parts.corruptions import corruption
from isthmus.parts.noise_level import Level

N = 200_000
SHARE = 5 * 0.5 / math.sqrt(N)  # five standard errors of a share, at most


def noised(text: str, x: torch.Tensor, range: tuple[float, float] | None = (0.0, 1.0)) -> torch.Tensor:
    return corruption(text, range)(x, seeded(0)).x_in.double()


def flat(value: float) -> torch.Tensor:
    return torch.full((2, N // 2), value)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0])
def test_gaussian_noise_is_normal_with_deviation_sigma(sigma: float) -> None:
    noise = (noised(f"gaussian:{sigma},clip=false", flat(0.3)) - 0.3).flatten()
    assert float(noise.mean()) == pytest.approx(0, abs=5 * sigma / math.sqrt(N))
    assert float(noise.std()) == pytest.approx(sigma, rel=5 / math.sqrt(2 * N))
    assert stats.kstest(noise.numpy() / sigma, "norm").pvalue > 1e-3


def test_gaussian_noise_is_cut_to_the_range_of_the_data() -> None:
    noisy = noised("gaussian:0.5", flat(0.25))
    below, above = stats.norm.cdf(-0.5), stats.norm.sf(1.5)  # (0 - 0.25) / 0.5 and (1 - 0.25) / 0.5
    assert float((noisy == 0).double().mean()) == pytest.approx(below, abs=SHARE)
    assert float((noisy == 1).double().mean()) == pytest.approx(above, abs=SHARE)
    inner = stats.norm.expect(lambda x: x, loc=0.25, scale=0.5, lb=0, ub=1)
    assert float(noisy.mean()) == pytest.approx(inner + above, abs=SHARE)
    assert float(noised("gaussian:0.5", flat(0.25), None).min()) < 0  # tables have no range


def test_salt_and_pepper_sets_half_of_its_share_to_each_end() -> None:
    noisy = noised("salt-and-pepper:0.3", flat(0.4))
    assert float((noisy == 0).double().mean()) == pytest.approx(0.15, abs=SHARE)
    assert float((noisy == 1).double().mean()) == pytest.approx(0.15, abs=SHARE)
    assert noisy.unique().tolist() == pytest.approx([0, 0.4, 1])
    assert noised("salt-and-pepper:0.5", flat(0.0), None).unique().tolist() == [-3, 0, 3]  # deviations, in a table


def test_speckle_grows_with_the_value() -> None:
    for value in (0.2, 0.8):
        noise = noised("speckle:0.5,clip=false", flat(value)) - value
        assert float(noise.std()) == pytest.approx(0.5 * value, rel=5 / math.sqrt(2 * N))
        assert float(noise.mean()) == pytest.approx(0, abs=5 * 0.5 * value / math.sqrt(N))
    assert bool((noised("speckle:0.5", flat(0.0)) == 0).all())
    assert float(noised("speckle:2", flat(0.8)).max()) == 1


@pytest.mark.parametrize("peak", [4, 30])
def test_poisson_noise_counts_photons(peak: int) -> None:
    value = 0.5
    noisy = noised(f"poisson:{peak},clip=false", flat(value))
    sd = math.sqrt(value / peak)  # Var(Poisson(x peak) / peak) = x / peak
    assert float(noisy.mean()) == pytest.approx(value, abs=5 * sd / math.sqrt(N))
    kurtosis = 1 / (value * peak)  # of a Poisson count, which widens the error of its variance
    assert float(noisy.var()) == pytest.approx(sd**2, rel=5 * math.sqrt((2 + kurtosis) / N))
    counts = noisy * peak
    assert float((counts - counts.round()).abs().max()) < 1e-4  # float32
    assert bool((noised(f"poisson:{peak}", flat(0.0)) == 0).all())
    assert float(noised(f"poisson:{peak}", flat(1.0)).max()) == 1


def test_masking_sets_its_share_to_zero_and_leaves_the_rest() -> None:
    x = drawn(4, N // 4) + 0.1
    noisy = noised("masking:0.7", x)
    masked = noisy == 0
    assert float(masked.double().mean()) == pytest.approx(0.7, abs=SHARE)
    assert torch.equal(noisy[~masked], x.double()[~masked])


def test_patches_are_masked_whole_in_all_channels_and_cut_at_the_edges() -> None:
    x = torch.ones(300, 3, 10, 9)
    gone = corruption("masking:0.3,patch=4", (0.0, 1.0), (3, 10, 9))(x, seeded(0)).x_in == 0
    assert torch.equal(gone[:, 0], gone[:, 1])
    assert torch.equal(gone[:, 0], gone[:, 2])
    rows, columns = ([0, 4, 8, 10], [0, 4, 8, 9])
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            patch = gone[:, 0, top:bottom, left:right].flatten(1)
            assert torch.equal(patch.all(1), patch.any(1))
    assert float(gone.double().mean()) == pytest.approx(0.3, abs=0.03)  # of 2,700 patches a share errs by 0.009
    assert not torch.equal(gone[0], gone[1])


@pytest.mark.parametrize(("shape", "patch"), [((1, 28, 28), 4), ((3, 64, 48), 7), ((1, 5, 5), 1), ((6,), 1)])
def test_the_usual_patch_is_a_seventh_of_the_side_and_a_value_in_a_table(shape: tuple[int, ...], patch: int) -> None:
    part = corruption("masking:0.6,patch=auto", None, shape)
    x = drawn(2, *shape) + 0.1
    assert torch.equal(
        part(x, seeded(0)).x_in, corruption(f"masking:0.6,patch={patch}", None, shape)(x, seeded(0)).x_in
    )


@pytest.mark.parametrize("options", ["", ",patch=3"])
def test_where_only_masked_values_count_a_sample_counts_as_much_as_before(options: str) -> None:
    x = drawn(40, 2, 7, 8) + 0.1
    pair = corruption(f"masking:0.05-0.9,count=masked{options}", (0.0, 2.0), (2, 7, 8))(x, seeded(0))
    assert pair.weight is not None
    assert torch.equal(pair.weight > 0, pair.x_in == 0)
    totals = pair.weight.flatten(1).sum(1)
    some = (pair.x_in == 0).flatten(1).any(1)
    assert totals[some].tolist() == pytest.approx([112.0] * int(some.sum()), rel=1e-5)
    assert bool((totals[~some] == 0).all())
    assert torch.equal(pair.target, x)


def test_no_noise_is_the_input_itself() -> None:
    x = drawn(3, 1, 4, 4)
    pair = corruption("none", (0.0, 1.0))(x, None)
    assert pair.x_in is pair.target is x
    assert pair.weight is None


def test_a_range_of_levels_is_drawn_anew_for_every_sample_evenly() -> None:
    noisy = corruption("gaussian:0.2-0.8,clip=false", None)(torch.zeros(800, 4_000), seeded(0)).x_in
    levels = noisy.std(1).numpy()
    # A deviation measured on 4,000 values errs by 1.1 %, far less than the spread of the levels.
    assert stats.kstest(levels, stats.uniform(0.2, 0.6).cdf).pvalue > 1e-3
    shares = (corruption("masking:0-1", None)(torch.ones(800, 4_000), seeded(0)).x_in == 0).float().mean(1)
    assert stats.kstest(shares.numpy(), "uniform").pvalue > 1e-3


def test_values_of_a_sample_are_noised_apart_from_each_other() -> None:
    noise = noised("gaussian:1,clip=false", torch.zeros(20_000, 3, 2, 2)).flatten(1).numpy()
    correlations = np.corrcoef(noise.T) - np.eye(12)
    assert np.abs(correlations).max() < 5 / math.sqrt(20_000)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("0.5", (0.5, 0.5)),
        (0.5, (0.5, 0.5)),
        ("0.1-0.8", (0.1, 0.8)),
        (1e-5, (1e-5, 1e-5)),
        ("2e-3", (2e-3, 2e-3)),
        (0, (0, 0)),
    ],
)
def test_levels_are_numbers_or_ranges(text: str | float, bounds: tuple[float, float]) -> None:
    assert Level(text).bounds == bounds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gaussian", "noise 'gaussian' needs a level"),
        ("gaussian:loud", "the level 'loud' is neither a number nor LOW-HIGH"),
        ("gaussian:", "the level '' is neither a number nor LOW-HIGH"),
        ("gaussian:-0.5", "the level -0.5 is out of bounds; allowed are finite numbers of 0 or more"),
        ("gaussian:0.8-0.1", "the level '0.8-0.1' goes from high to low; did you mean 0.1-0.8?\n"),
        ("gaussian:nan", "the level nan is out of bounds"),
        ("gaussian:inf", "the level inf is out of bounds; allowed are finite numbers of 0 or more"),
        ("gaussian:0.1-0.2-0.3", "the level '0.1-0.2-0.3' is neither a number nor LOW-HIGH"),
        ("masking:1.5", "the level 1.5 is out of bounds; allowed are 0 to 1"),
        ("masking:0.5,patch=0", "patch must be a number of pixels or auto, not 0"),
        ("masking:0.5,patch=half", "patch must be a number of pixels or auto, not .half."),
        ("masking:0.5,count=none", "count is 'none', but must be 'all' or 'masked'"),
        ("salt-and-pepper:50", "the level 50 is out of bounds; allowed are 0 to 1"),
        ("poisson:0", "the level 0 is out of bounds; allowed are 0.001 to 10,000,000"),
        ("poisson:1e308", "the level 1e.308 is out of bounds; allowed are 0.001 to 10,000,000"),
        ("grain:0.1,width=9", "the width 9 is out of bounds; allowed are 0.01 to 1.5"),
        ("grain:0.1,shared=2", "the correlation 2 is out of bounds; allowed are 0 to 1"),
        ("gausian:0.5", "unknown noise 'gausian'"),
        ("none:0.5", "noise 'none' takes no level"),
    ],
)
def test_levels_that_cannot_be_meant_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(").replace("?", r"\?")):
        corruption(text, (0.0, 1.0))


@pytest.mark.parametrize("shape", [(6,), (1, 3, 9)])
def test_patches_larger_than_the_image_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="patches of 4 pixels are larger than samples of shape"):
        corruption("masking:0.5,patch=4", None, shape)


def test_poisson_noise_wants_data_that_cannot_be_negative() -> None:
    for range in (None, (-1.0, 1.0)):
        with pytest.raises(UsageError, match="poisson noise needs data without negative values") as caught:
            corruption("poisson:30", range)
        assert caught.value.fix == "choose another noise, such as gaussian:0.1"
    assert corruption("poisson:30", (0.0, 1.0))(drawn(2, 3), seeded(0)).x_in.shape == (2, 3)


def test_grain_has_the_deviation_and_the_correlations_that_it_states() -> None:
    noise = corruption("grain:0.2,clip=false", None, (3, 96, 96))(torch.zeros(20, 3, 96, 96), seeded(0)).x_in
    assert float(noise.std()) == pytest.approx(0.2, rel=0.01)

    def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
        return float(np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1])

    for axis in (2, 3):
        n = noise.shape[axis]
        for lag, expected in ((1, 0.58), (2, 0.129), (6, 0.0), (9, 0.0)):
            found = correlation(noise.narrow(axis, 0, n - lag), noise.narrow(axis, lag, n - lag))
            assert found == pytest.approx(expected, abs=0.012)
    assert correlation(noise[:, 0], noise[:, 2]) == pytest.approx(0.55, abs=0.02)
    assert correlation(noise[:-1], noise[1:]) == pytest.approx(0.0, abs=0.01)


def test_added_noise_is_one_kind_after_the_other() -> None:
    x = torch.zeros(8, 1, 64, 64)
    both = corruption("gaussian:0.3+grain:0.4", None, (1, 64, 64))(x, seeded(0))
    assert float(both.x_in.std()) == pytest.approx(0.5, rel=0.03)  # variances add up
    assert torch.equal(both.target, x)
    with pytest.raises(UsageError, match="masking, pairs and unknown noise cannot be combined"):
        corruption("gaussian:0.3+masking:0.4", None, (1, 64, 64))


def test_one_of_several_kinds_of_noise_is_drawn_for_each_sample() -> None:
    x = torch.zeros(3000, 1, 4, 4)
    noisy = corruption("gaussian:0.1,clip=false|gaussian:1,clip=false|none", (0.0, 1.0)).corrupt(x, seeded(0))
    spread = noisy.flatten(1).std(1)
    shares = [float(part.float().mean()) for part in (spread == 0, (spread > 0) & (spread < 0.3), spread > 0.3)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.035)  # four standard errors of a share of 3,000


def test_levels_may_be_given_in_units_of_the_raw_data() -> None:
    x = torch.zeros(200, 1, 40, 40)
    noisy = corruption("gaussian:200counts", (0.0, 1.0), clips=False, unit=1 / 4000)(x, seeded(0)).x_in
    assert float(noisy.std()) == pytest.approx(200 / 4000, rel=0.01)  # of 320,000 values
    assert Level("50-200 counts", unit=1 / 4000).bounds == pytest.approx((0.0125, 0.05))
    with pytest.raises(UsageError, match="the level '200counts' is in counts, but this noise or this data has none"):
        corruption("gaussian:200counts", (0.0, 1.0))
    with pytest.raises(UsageError, match=r"goes from high to low; did you mean 200-500counts\?"):
        corruption("gaussian:500-200counts", (0.0, 1.0), unit=1 / 4000)


def test_noise_is_not_cut_where_the_data_tells_black_and_white() -> None:
    x = torch.full((50, 1, 20, 20), 0.5)
    kinds = ("gaussian:1", "speckle:2", "grain:1", "poisson:2")
    ends = [
        [float(v) for v in corruption(k, (0.0, 1.0), clips=clips)(x, seeded(0)).x_in.aminmax()]
        for k in kinds
        for clips in (True, False)
    ]
    assert all(low >= 0 and high <= 1 for low, high in ends[::2])
    assert all(high > 1 for _, high in ends[1::2])


def test_sums_stand_within_alternatives() -> None:
    x = torch.zeros(2000, 1, 4, 4)
    both = corruption("gaussian:3,clip=false+gaussian:4,clip=false|gaussian:5,clip=false", (0.0, 1.0))
    assert float(both.corrupt(x, seeded(0)).std()) == pytest.approx(5.0, rel=0.02)  # 3 and 4 make 5


def test_grain_of_other_widths_and_colors_is_drawn_for_each_sample() -> None:
    noise = corruption("grain:0.2,width=1,shared=0.9,clip=false", None, (3, 96, 96))(
        torch.zeros(40, 3, 96, 96), seeded(0)
    ).x_in
    beside = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
    across = (noise[:, 0] * noise[:, 1]).mean() / noise.square().mean()
    taps = torch.exp(-torch.arange(-3.0, 4.0).square() / 2)
    expected = (taps[1:] * taps[:-1]).sum() / taps.square().sum()  # a Gaussian filter's correlation at a lag of 1
    assert float(beside) == pytest.approx(float(expected), abs=0.01)
    assert float(across) == pytest.approx(0.9, abs=0.01)
    assert float(noise.std()) == pytest.approx(0.2, rel=0.02)
    several = corruption("grain:0.2,width=0.3-1,clip=false", None, (1, 64, 64))(torch.zeros(60, 1, 64, 64), seeded(0))
    lags = (several.x_in[..., 1:] * several.x_in[..., :-1]).flatten(1).mean(1) / several.x_in.square().flatten(1).mean(
        1
    )
    assert lags.min() < 0.1  # with 0.3 pixels, neighbors share nothing
    assert lags.max() > 0.7
