"""Features from classes, numbers and the codes alone, against closed forms and scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from isthmus.api import Run
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.samples import Samples
from isthmus.errors import DataError, UsageError
from isthmus.evaluation.metrics.strokes import MEASURES
from isthmus.runs.latent import Latent
from isthmus.tools.editing import directions

Z = 3


def latent(codes: np.ndarray, labels: np.ndarray | None = None, classes: tuple[str, ...] = ()) -> Latent:
    K = len(classes)
    return Latent(
        n=len(codes), mean=codes.mean(0), covariance=np.cov(codes.T), codes=codes.astype(np.float32),
        rows=np.arange(len(codes)), ids=tuple(map(str, range(len(codes)))), labels=labels, classes=classes,
        class_means=np.zeros((K, Z)), class_covariance=None, class_counts=np.zeros(K),
    )  # fmt: skip


def three_classes() -> Latent:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 200)
    centers = np.array([[0, 0, 0], [5, 0, 0], [0, 7, 1]])
    return latent(centers[labels] + rng.normal(size=(600, Z)), labels, ("a", "b", "c"))


def test_a_pair_of_classes_and_one_class_against_the_others() -> None:
    known = three_classes()
    pair = directions.of_classes(known, "b", "a", "means")
    z = known.codes.astype(np.float64)
    np.testing.assert_allclose(pair.shift, z[200:400].mean(0) - z[:200].mean(0), atol=1e-6)
    alone = directions.of_classes(known, "b", None, "means")
    np.testing.assert_allclose(alone.shift, z[200:400].mean(0) - np.r_[z[:200], z[400:]].mean(0), atol=1e-6)
    away = directions.of_classes(known, None, "b", "means")
    np.testing.assert_allclose(away.shift, -alone.shift, atol=1e-6)
    assert pair.unit == "the full step from a to b"


def test_unknown_and_contradicting_classes_are_refused() -> None:
    known = three_classes()
    with pytest.raises(UsageError, match="unknown class 'd'"):
        directions.of_classes(known, "d", "a")
    with pytest.raises(UsageError, match="b is both added and removed"):
        directions.of_classes(known, "b", "b")
    with pytest.raises(UsageError, match="unknown method 'mean'"):
        directions.of_classes(known, "b", "a", "mean")


def test_classes_that_cannot_be_told_from_others_are_not_offered() -> None:
    known = three_classes()
    assert directions.tellable(known) == ["a", "b", "c"]
    assert directions.tellable(latent(known.codes)) == []
    alone = replace(known, labels=np.where(np.arange(600) < 599, 0, 2))  # 599 of a, none of b, 1 of c
    assert directions.tellable(alone) == []  # a has one other beside it, c one of its own
    assert directions.tellable(replace(known, labels=np.where(np.arange(600) < 300, -1, 1))) == []
    one = replace(known, labels=np.full(600, 1))
    with pytest.raises(UsageError, match="all samples of this run are in class b, so there is nothing to compare"):
        directions.of_classes(one, "b", None)
    with pytest.raises(UsageError, match="all samples of this run are in class b"):
        directions.of_classes(one, None, "b")
    with pytest.raises(DataError, match="in each group; a: 0 samples"):
        directions.of_classes(one, "b", "a")
    with pytest.raises(UsageError, match="no class 'b': the data of this run has no labels"):
        directions.of_classes(latent(known.codes), "b", None)


def test_a_number_moves_codes_by_the_slope_and_is_read_by_regression() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(3.0, 2.0, size=20_000)
    direction = np.array([1.0, -2.0, 0.5])
    z = y[:, None] * direction + rng.normal(size=(20_000, Z)) * [1.0, 0.3, 2.0]
    y[:5] = np.nan  # left out
    feature = directions.of_numbers("size", z, y)
    np.testing.assert_allclose(feature.shift, 2.0 * direction, atol=0.06)  # one standard deviation, sampled
    expected = LinearRegression().fit(z[5:], y[5:]).coef_
    np.testing.assert_allclose(feature.readout, expected, atol=2e-3)  # a little shrinkage
    assert feature.evidence["n"] == 19_995


def test_numbers_that_tell_nothing_are_refused() -> None:
    z = np.random.default_rng(0).normal(size=(5, Z))
    with pytest.raises(DataError, match="flat has 5 numbers, all equal"):
        directions.of_numbers("flat", z, np.ones(5))
    with pytest.raises(DataError, match="few has 2 numbers"):
        directions.of_numbers("few", z, np.array([1.0, 2.0, np.nan, np.nan, np.nan]))


def test_principal_directions_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    known = latent(rng.normal(size=(500, Z)) * [3, 2, 1] + [1, 2, 3])
    found = directions.discovered(known, 2)
    reference = PCA(2).fit(known.codes.astype(np.float64))
    for feature, axis, variance in zip(found, reference.components_, reference.explained_variance_, strict=True):
        np.testing.assert_allclose(np.abs(feature.shift), np.abs(axis) * np.sqrt(variance), atol=1e-6)
        read = (known.codes - known.mean) @ feature.readout
        assert read.std(ddof=1) == pytest.approx(1.0, rel=1e-5)
    assert [f.name for f in found] == ["principal-1", "principal-2"]


def test_independent_directions_find_the_sources() -> None:
    rng = np.random.default_rng(3)
    sources = rng.exponential(size=(4_000, Z)) - 1.0
    mixing = np.array([[2.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.3, 0.0, 0.8]])
    found = directions.discovered(latent(sources @ mixing), Z, "independent")
    for row in mixing:  # each source's step is found once, with its sign: exponential sources are skewed upwards
        fits = [np.allclose(feature.shift, row, atol=0.15) for feature in found]
        assert sum(fits) == 1


def test_names_stand_for_classes_measures_and_learned_features(digit_run: Run) -> None:
    learned = replace(directions.feature_of(digit_run, "7"), name="sevenish")
    directions.keep(digit_run, learned)
    again = directions.feature_of(digit_run, "sevenish")
    np.testing.assert_array_equal(again.shift, learned.shift)
    assert directions.feature_of(digit_run, "slant").unit.startswith("one standard deviation of slant, 0.")
    assert "sevenish" in [f.name for f in directions.learned(digit_run)]
    with pytest.raises(UsageError, match=r"unknown feature 'slnat'") as caught:
        directions.feature_of(digit_run, "slnat")
    assert "did you mean 'slant'" in str(caught.value.fix)
    with pytest.raises(UsageError, match="'7' is a class"):
        directions.keep(digit_run, replace(learned, name="7"))


def test_only_small_gray_pictures_have_strokes_to_measure() -> None:
    shapes = {(1, 28, 28): 4, (1, 64, 64): 4, (3, 28, 28): 0, (1, 128, 96): 0, (4, 32, 32): 0}
    found = {shape: len(directions.measures_of(SimpleNamespace(shape=shape))) for shape in shapes}  # type: ignore[arg-type]
    assert found == shapes


@pytest.mark.parametrize("name", ["thickness", "slant", "width", "height"])
def test_fault_172_a_measure_is_the_same_whatever_value_is_black(name: str) -> None:
    """A shape of 0 to 1, and the same as CT values from -1,000 to 700 and as counts of 16 bits from 200 on."""
    shape = np.zeros((2, 1, 20, 20), np.float32)
    shape[0, 0, 4:15, 7:10], shape[1, 0, 6:12, 3:15] = 1, 0.75
    shape[0, 0, 14, 10:13] = 1
    expected = MEASURES[name](shape)
    for raw in (shape * 1700 - 1000, (shape * 4000 + 200).astype(np.uint16)):
        samples = Samples(raw, "x")
        found = directions.numbers(name, samples, fit_preprocess(samples, "auto"))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
