from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from isthmus.errors import DataError, ModelFileError
from isthmus.randomness import generator_for
from isthmus.runs.artifacts import Artifact
from isthmus.runs.density import MOST_COMPONENTS, Density, fit_by_class, fit_gaussian, fit_mixture, most_components

MEANS = np.array([[-6.0, 0, 1], [6, 0, 1], [0, 8, 1], [0, -8, 1]])
COVARIANCE = np.array([[1.0, 0.5, 0], [0.5, 1, 0], [0, 0, 0.25]])


def four_clouds(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = rng.integers(4, size=n)
    return (MEANS[groups] + rng.multivariate_normal(np.zeros(3), COVARIANCE, n)).astype(np.float32), groups


def nearest_means(found: Density) -> np.ndarray:
    """The found means in the order of the true ones."""
    return found.means[[int(np.square(found.means - mean).sum(1).argmin()) for mean in MEANS]]


def test_four_clouds_are_found_by_their_validation_likelihood() -> None:
    codes, _ = four_clouds(2_000)
    found = fit_mixture(codes, seed=0)
    assert len(found.weights) == 4
    assert found.n == 2_000
    assert set(found.tried) == {1, 2, 4, 8}
    # 500 codes a cloud: the standard error of a mean is 0.045; the ridge is 1 % of the whole variance
    np.testing.assert_allclose(nearest_means(found), MEANS, atol=0.2)
    np.testing.assert_allclose(found.covariances.mean(0), COVARIANCE, atol=0.4)


def test_the_likelihood_is_that_of_scikit_learn() -> None:
    codes, _ = four_clouds(400)
    reference = GaussianMixture(4, random_state=0).fit(codes.astype(np.float64))
    found = (np.asarray(value) for value in (reference.weights_, reference.means_, reference.covariances_))
    density = Density(*found, groups=np.full(4, -1), n=400)
    np.testing.assert_allclose(density.log_density(codes), reference.score_samples(codes.astype(np.float64)), rtol=1e-9)


def test_on_codes_not_seen_the_mixture_is_as_likely_as_scikit_learns() -> None:
    codes, _ = four_clouds(2_000)
    unseen, _ = four_clouds(1_000, seed=1)
    reference = GaussianMixture(4, random_state=0, n_init=5).fit(codes)
    assert fit_mixture(codes, seed=0).log_density(unseen).mean() == pytest.approx(reference.score(unseen), abs=0.1)


def test_draws_have_the_moments_of_the_density() -> None:
    truth = Density(np.array([0.25, 0.75]), MEANS[:2], np.stack([COVARIANCE, 2 * COVARIANCE]), np.array([-1, -1]), 9)
    drawn = truth.draw(40_000, generator_for(0, "test")).double().numpy()
    mean = 0.25 * MEANS[0] + 0.75 * MEANS[1]
    inner = 0.25 * COVARIANCE + 0.75 * 2 * COVARIANCE
    outer = 0.25 * 0.75 * np.outer(MEANS[0] - MEANS[1], MEANS[0] - MEANS[1])
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.1)  # standard error 0.03
    np.testing.assert_allclose(np.cov(drawn.T), inner + outer, atol=0.5)  # of the largest, 28, 0.2
    still = truth.draw(50, generator_for(0, "test"), temperature=0.0)
    assert {tuple(z) for z in still.tolist()} == {tuple(mean) for mean in MEANS[:2].tolist()}
    half = truth.of_group(-1, 9).draw(40_000, generator_for(1, "test"), temperature=0.5).double().numpy()
    np.testing.assert_allclose(np.cov(half[:, 2]), 0.25 * (inner[2, 2]), rtol=0.05)


def test_the_same_generator_draws_the_same() -> None:
    density = fit_gaussian(four_clouds(100)[0])
    first, again = (density.draw(5, generator_for(7, "x")) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, density.draw(5, generator_for(8, "x")))


def test_one_gaussian_of_many_codes_is_theirs() -> None:
    codes = np.random.default_rng(0).multivariate_normal([5, -3, 0], COVARIANCE, 20_000)
    found = fit_gaussian(codes)
    np.testing.assert_allclose(found.means[0], codes.mean(0), atol=1e-9)
    np.testing.assert_allclose(found.covariances[0], np.cov(codes.T), atol=0.01)  # shrunk a little
    expected = multivariate_normal(found.means[0], found.covariances[0]).logpdf(codes[:9])
    np.testing.assert_allclose(found.log_density(codes[:9]), expected, rtol=1e-9)


def test_fewer_codes_than_numbers_still_give_a_density() -> None:
    codes = np.random.default_rng(0).normal(size=(5, 20)).astype(np.float32)
    found = fit_mixture(codes, seed=0)
    assert np.linalg.eigvalsh(found.covariances[0]).min() > 0.05  # of codes with deviation 1
    assert np.isfinite(found.log_density(codes)).all()


def test_a_dead_unit_stays_where_it_is() -> None:
    codes, _ = four_clouds(300)
    codes[:, 2] = 7.5
    drawn = fit_mixture(codes, seed=0).draw(100, generator_for(0, "test"))
    np.testing.assert_allclose(drawn[:, 2], 7.5, atol=1e-4)


def test_classes_have_their_own_components_and_shares() -> None:
    codes, groups = four_clouds(1_000)
    groups[groups == 3] = -1  # no class
    found = fit_by_class(codes, groups, seed=0)
    assert set(found.groups.tolist()) == {-1, 0, 1, 2}
    for group in (-1, 0, 1, 2):
        share = found.weights[found.groups == group].sum()
        assert share == pytest.approx(np.mean(groups == group))
        alone = found.of_group(group, 1)
        assert alone.weights.sum() == pytest.approx(1)
        drawn = alone.draw(200, generator_for(0, "test")).numpy()
        own = np.square(drawn[:, None] - MEANS).sum(2).argmin(1)
        assert set(own.tolist()) == {group % 4}


def test_codes_that_belong_together_are_held_out_together() -> None:
    def of_patients(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        levels = rng.normal(size=(n, 1, 3)) + 0.05 * rng.normal(size=(n, 40, 3))
        return levels.reshape(-1, 3), np.repeat(np.arange(n), 40)

    codes, patients = of_patients(16, 0)
    together, apart = fit_mixture(codes, 0, groups=patients), fit_mixture(codes, 0)
    assert len(together.weights) < len(apart.weights)
    new, _ = of_patients(200, 1)
    assert together.log_density(new).mean() > apart.log_density(new).mean() + 1  # in nats
    assert len(fit_mixture(codes[:40], 0, groups=patients[:40]).weights) == 1  # one patient: nothing can be held out


def test_a_class_of_one_has_no_density() -> None:
    codes, groups = four_clouds(100)
    groups[0] = 9
    found = fit_by_class(codes, groups, seed=0)
    with pytest.raises(DataError, match="cannot be fitted to 1 code; at least two are needed"):
        found.of_group(9, 1)
    with pytest.raises(DataError, match="cannot be fitted to 1 code;"):
        fit_gaussian(codes[:1])


def test_long_codes_get_fewer_components() -> None:
    assert most_components(32) == MOST_COMPONENTS
    assert most_components(2_048) == 8
    assert most_components(65_536) == 1
    codes = np.random.default_rng(0).normal(size=(400, 2_048)).astype(np.float32)
    assert len(fit_by_class(codes[:, :3], np.arange(400) // 2, seed=0).groups) >= 1  # 200 groups share one mixture


def test_what_is_kept_comes_back_and_what_does_not_fit_is_refused() -> None:
    found = fit_mixture(four_clouds(200)[0], seed=0)
    about, arrays = found.as_part()
    again = Density.from_part(Artifact(about, arrays), 3)
    np.testing.assert_array_equal(again.covariances, found.covariances)
    assert (again.tried, again.n) == (found.tried, 200)
    with pytest.raises(ModelFileError, match="shapes of its arrays"):
        Density.from_part(Artifact(about, arrays), 4)
    broken = replace(found, covariances=-found.covariances).as_part()
    with pytest.raises(ModelFileError, match="density in the run folder cannot be used"):
        Density.from_part(broken, 3)
