"""Features as affine maps: transport of Gaussians, Fisher's direction, and what is to be kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from isthmus.errors import DataError, ModelFileError, UsageError
from isthmus.runs.artifacts import Artifact
from isthmus.tools.editing.features import METHODS, Feature, Group, discriminant, means, transport

Z = 4


def group(name: str, seed: int) -> Group:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(Z, Z))
    return Group(name, rng.normal(size=Z), root @ root.T + 0.1 * np.eye(Z), 50)


def test_transport_carries_one_gaussian_onto_the_other() -> None:
    a, b = group("a", 0), group("b", 1)
    feature = transport(a, b)
    A = np.eye(Z) + feature.spread
    np.testing.assert_allclose(A @ a.covariance @ A.T, b.covariance, atol=1e-9)
    np.testing.assert_allclose(feature.apply(a.mean[None])[0], b.mean, atol=1e-12)
    assert (np.linalg.eigvalsh(A) > 0).all()  # the gradient of a convex function: optimal by Brenier's theorem


def test_transport_costs_the_wasserstein_distance() -> None:
    a, b = group("a", 0), group("b", 1)
    root = sqrtm(a.covariance)
    bures = np.trace(a.covariance + b.covariance - 2 * np.real(sqrtm(root @ b.covariance @ root)))
    spread = transport(a, b).spread
    cost = np.square(b.mean - a.mean).sum() + np.trace(spread @ a.covariance @ spread.T)
    assert cost == pytest.approx(np.square(b.mean - a.mean).sum() + bures)


def test_transport_to_the_same_group_changes_nothing_and_strength_is_a_straight_way() -> None:
    a, b = group("a", 0), group("b", 1)
    z = np.random.default_rng(2).normal(size=(5, Z))
    np.testing.assert_allclose(transport(a, a).apply(z), z, atol=1e-9)
    feature = transport(a, b)
    np.testing.assert_array_equal(feature.apply(z, 0.0), z)
    np.testing.assert_allclose(feature.apply(z, 0.3), 0.7 * z + 0.3 * feature.apply(z, 1.0))


def test_the_discriminant_is_that_of_scikit_learn_and_spans_the_means() -> None:
    rng = np.random.default_rng(3)
    mix = rng.normal(size=(Z, Z))
    a, b = rng.normal(size=(4_000, Z)) @ mix, rng.normal(size=(4_000, Z)) @ mix + rng.normal(size=Z)
    feature = discriminant(Group.of("a", a), Group.of("b", b))
    reference = LinearDiscriminantAnalysis(solver="lsqr").fit(np.concatenate([a, b]), np.repeat([0, 1], 4_000))
    w, theirs = np.asarray(feature.readout), reference.coef_[0]
    cosine = w @ theirs / np.linalg.norm(w) / np.linalg.norm(theirs)
    assert cosine == pytest.approx(1.0, abs=1e-3)  # the covariance is shrunk a little
    assert w @ feature.shift == pytest.approx(w @ (b.mean(0) - a.mean(0)))
    np.testing.assert_allclose(np.cross(feature.shift[:3], w[:3]), 0, atol=1e-9)


def test_what_is_kept_keeps_its_measure_by_the_least_change() -> None:
    rng = np.random.default_rng(4)
    root = rng.normal(size=(Z, Z))
    S = root @ root.T + 0.1 * np.eye(Z)
    nuisances = [means(group("p", 5), group("q", 6)), means(group("r", 7), group("s", 8))]
    feature = transport(group("a", 0), group("b", 1))
    z = rng.normal(size=(6, Z))
    kept = feature.keeping(nuisances, S)
    for other in nuisances:
        np.testing.assert_allclose(kept.step(z) @ other.readout, 0, atol=1e-9)
    change = kept.shift - feature.shift  # orthogonal, in the metric S^-1, to every direction that keeps the measures
    W = np.stack([other.readout for other in nuisances], axis=1)
    free = np.linalg.svd(W.T)[2][2:]
    np.testing.assert_allclose(free @ np.linalg.solve(S, change), 0, atol=1e-8)


def test_nothing_left_and_no_measure_are_errors() -> None:
    a, b = group("a", 0), group("b", 1)
    feature = discriminant(a, b)
    with pytest.raises(UsageError, match="nothing of the feature 'b' is left if b must not change"):
        means(a, b).keeping([Feature("b", "x", "x", "x", a.mean, a.mean, readout=feature.readout)], _rank_one(a, b))
    with pytest.raises(UsageError, match="'blank' cannot be kept: it has no linear measure"):
        feature.keeping([Feature("blank", "x", "x", "x", a.mean, a.mean)], a.covariance)


def _rank_one(a: Group, b: Group) -> np.ndarray:
    step = b.mean - a.mean
    return np.outer(step, step)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_feature_survives_being_kept(method: str) -> None:
    feature = METHODS[method](group("a", 0), group("b", 1))
    again = Feature.from_part(feature.as_part(), Z)
    z = np.random.default_rng(2).normal(size=(5, Z))
    np.testing.assert_array_equal(again.apply(z, 0.7), feature.apply(z, 0.7))
    assert (again.unit, again.evidence["n_with"]) == ("the full step from a to b", 50)


def test_a_feature_of_another_code_and_too_few_samples_are_refused() -> None:
    part = means(group("a", 0), group("b", 1)).as_part()
    with pytest.raises(ModelFileError, match=r"shift has shape \(4,\) instead of \(3,\)"):
        Feature.from_part(part, 3)
    with pytest.raises(ModelFileError, match="shift"):
        Feature.from_part(Artifact(part.about, {"origin": np.zeros(Z)}), Z)
    with pytest.raises(DataError, match="a feature needs at least two samples in each group; seven: 1 sample"):
        Group.of("seven", np.zeros((1, Z)))
