"""Cross-conformal p-values: what they are by their definition, how far they are sure, and what a run keeps of folds."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import tiny
from isthmus.api import Run
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.runs.artifacts import Artifact
from isthmus.tools.anomaly.conformal import p_values
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.anomaly.evidence import Evidence
from isthmus.tools.anomaly.fold_detectors import FOLDS, PART, FoldDetectors, as_part, cross_p_values, guarantee

RNG = np.random.default_rng(0)


def test_folds_that_judge_alike_give_the_p_values_of_all_rows_together() -> None:
    known, scores = RNG.normal(size=47), RNG.normal(size=200)
    pairs = [(part, scores) for part in np.array_split(known, 5)]
    np.testing.assert_allclose(cross_p_values(pairs), p_values(known, scores), rtol=1e-12)


@pytest.mark.parametrize(("n", "folds"), [(40, 2), (225, 5), (30, 10)])
def test_a_p_value_below_the_rate_means_that_twice_the_mean_of_valid_ones_is_below_the_guarantee(
    n: int, folds: int
) -> None:
    """Twice a weighted mean of p-values is one, so that this bounds the share of false alarms."""
    pairs = [(RNG.normal(size=len(part)), RNG.normal(2, 2, size=3_000)) for part in np.array_split(np.arange(n), folds)]
    sizes = np.array([len(known) + 1 for known, _ in pairs])
    mean = sum(size * p_values(*pair) for size, pair in zip(sizes, pairs, strict=True)) / sizes.sum()
    p = cross_p_values(pairs)
    for rate in (0.05, 0.1, 0.5):
        assert (np.minimum(2 * mean[p <= rate], 1) <= guarantee(rate, n, folds) + 1e-12).all()
        assert (p <= rate).any()


def test_of_one_fold_the_guarantee_is_twice_the_rate_and_of_many_at_most_one() -> None:
    assert guarantee(0.01, 1_000, 1) == 0.02
    assert guarantee(0.3, 20, 10) == 1.0


@pytest.fixture(scope="module")
def fold(table_run: Run) -> tuple[Artifact, Detector]:
    """The model of a run in the place of a fold's, with what it did not see."""
    splits = table_run.prepared.splits
    evidence = Evidence.of_parts(table_run.model, splits.train, splits.validation, splits.test)
    return as_part(table_run.model, evidence), Detector(table_run.model, evidence, None)


def test_a_fold_comes_back_from_the_run_folder_as_it_was(table_run: Run, fold: tuple[Artifact, Detector]) -> None:
    part, known = fold
    for k in range(FOLDS):
        table_run.artifacts.put(PART.format(k), *part)
    whole = Detector.of_run(table_run)
    found = FoldDetectors.of_run(Run(table_run.path), whole)
    assert found is not None
    assert found.n == FOLDS * len(known.calibration)
    x = tiny.table(60, seed=7)
    scores = found.scores(x)
    np.testing.assert_array_equal(scores.score, whole.scores(x).score)
    every = cross_p_values([(known.calibration, known.scores(x).score)] * FOLDS)
    np.testing.assert_array_equal(scores.p_value, every)


@pytest.mark.parametrize("broken", ["weights", "shape", "preprocess", "evidence"])
def test_a_fold_that_is_damaged_is_named_with_what_makes_it_anew(
    table_run: Run, fold: tuple[Artifact, Detector], broken: str
) -> None:
    about, arrays = dict(fold[0].about), dict(fold[0].arrays)
    name = next(name for name in arrays if name.startswith("weights."))
    match broken:
        case "weights":
            del arrays[name]
        case "shape":
            arrays[name] = arrays[name][:1]
        case "preprocess":
            about["preprocess"] = about["preprocess"] | {"shape": [-3]}
        case _:
            arrays["spread"] = arrays["spread"][:2]
    for k in range(FOLDS):
        table_run.artifacts.put(PART.format(k), about, arrays)
    with pytest.raises(ModelFileError) as caught:
        FoldDetectors.of_run(table_run, Detector.of_run(table_run))
    assert str(caught.value.fix).startswith(f"remove it with `rm -r {table_run.path}/latent/folds/0`; `isthmus score")
    shutil.rmtree(table_run.path / "latent" / "folds")  # other tests use the run, too


def test_groups_calibrate_by_the_strangest_of_each(table_run: Run) -> None:
    model, splits = table_run.model, table_run.prepared.splits
    held = Samples(splits.test.x[:40], "t", groups=np.repeat(np.arange(10), 4))
    found = Detector(model, Evidence.of_parts(model, splits.train, splits.validation, held), None)
    each = Detector(model, Evidence.of_parts(model, splits.train, splits.validation, Samples(held.x, "t")), None)
    np.testing.assert_array_equal(found.calibration, each.calibration.reshape(10, 4).max(1))
