"""How strange a sample is, and where: against closed forms, and with faults planted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.batching.split import held_apart
from isthmus.data.samples import Samples
from isthmus.errors import ModelFileError
from isthmus.runs.artifacts import Artifacts
from isthmus.runs.density import Density, fit_gaussian
from isthmus.runs.error_signals import EVIDENCE as PART
from isthmus.tools.anomaly.detector import Detector, left_out
from isthmus.tools.anomaly.evidence import Evidence
from isthmus.tools.anomaly.measures import PlainErrors, RowDistances
from isthmus.tools.anomaly.neighbor_distance import EncodedRows


def without_neighbors(run: Run) -> Evidence:
    """What a run from before neighbors were asked kept."""
    known = Evidence.from_part(Artifacts(run.path).get(PART), run.model)
    watched, calibration = (part._replace(near=None) for part in (known.watched, known.calibration))
    assert isinstance(known.measure, RowDistances)
    return replace(known, measure=PlainErrors(known.measure.spread), watched=watched, calibration=calibration)


def test_the_score_is_the_sum_of_two_surprises_in_nats(table_run: Run) -> None:
    """With one Gaussian the code's part is half the squared Mahalanobis distance and a constant, by scipy."""
    x, model = tiny.table(50, seed=4), Run(table_run.path).model
    evidence = without_neighbors(table_run)
    density = fit_gaussian(table_run.latent.codes)
    found = Detector(model, evidence, density).scores(x)
    expected = -multivariate_normal(density.means[0], density.covariances[0]).logpdf(model.encode(x))
    np.testing.assert_allclose(found.code, expected, rtol=1e-9)
    scaled = [model.preprocess.to_x(torch.from_numpy(np.array(part))) for part in (x, model.reconstruct(x))]
    logs = np.log((scaled[0] - scaled[1]).double().square().mean(1).numpy())
    watched = evidence.watched.log_error
    # a float32 reconstruction goes to raw units and back, which costs a few of its seven digits
    surprise = -norm.logsf(logs, watched.mean(), watched.std())
    np.testing.assert_allclose(found.error, surprise, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(found.score, found.error + found.code)


def test_farther_codes_are_stranger_in_the_order_of_their_mahalanobis_distance(table_run: Run) -> None:
    model, evidence = table_run.model, without_neighbors(table_run)
    density = Density(np.ones(1), np.zeros((1, 3)), np.diag([1.0, 4.0, 9.0])[None], np.array([-1]), 10)
    x = tiny.table(80, seed=5)
    z = model.encode(x).astype(float)
    distance = (z**2 / np.array([1.0, 4.0, 9.0])).sum(1)
    np.testing.assert_array_equal(np.argsort(Detector(model, evidence, density).scores(x).code), np.argsort(distance))


def test_scores_are_the_same_again_and_in_any_order(table_run: Run) -> None:
    x = tiny.table(90, seed=6)
    order = np.random.default_rng(0).permutation(90)
    first, again = Detector.of_run(table_run).scores(x), Detector.of_run(Run(table_run.path)).scores(x)
    np.testing.assert_array_equal(first.score, again.score)
    # float32 products round by their place in a batch
    np.testing.assert_allclose(
        Detector.of_run(table_run).scores(x[order]).score, first.score[order], rtol=1e-4, atol=1e-4
    )


def test_the_calibration_part_is_the_share_that_the_monitor_left_out(table_run: Run) -> None:
    training = table_run.config.training
    _, held = held_apart(table_run.prepared.splits.validation, training.calibration, training.seed)
    detector = Detector.of_run(table_run)
    assert len(held) == len(detector.calibration) == 50
    again = detector.measure.signals(
        table_run.model, table_run.model.preprocess.to_x(torch.from_numpy(held.x)), among=True
    )
    np.testing.assert_allclose(again.near, detector.evidence.calibration.near, rtol=1e-5, atol=1e-5)
    assert left_out(table_run)
    assert table_run.metrics["data"]["n_validation"] == 100


def test_no_choice_sees_the_samples_that_calibrate(tmp_path: Path) -> None:
    """Whatever stands in their place, every cost of the history and every weight stays."""
    validation = tiny.table(60, seed=1)
    samples = Samples(validation, "v")
    _, held = held_apart(samples, 0.5, seed=0)
    other = validation.copy()
    other[[int(held.id_of(i)) for i in range(len(held))]] += 100
    runs = []
    for name, rows in (("a", validation), ("b", other)):
        np.save(tmp_path / f"{name}.npy", rows)
        run = isthmus.train(tiny.table(90), validation=str(tmp_path / f"{name}.npy"), out=tmp_path / name, **tiny.FAST)
        runs.append(run)
    assert tiny.costs_of(runs[0]) == tiny.costs_of(runs[1])
    tiny.assert_same_weights(*runs)
    assert Detector.of_run(runs[0]).calibration.max() < Detector.of_run(runs[1]).calibration.min()


def test_normal_rows_of_a_trained_run_are_called_outliers_as_often_as_stated(table_run: Run) -> None:
    """Fresh rows of the same law, against 50 that calibrate: a share of Beta(5, 46), of which 0.27 is never passed."""
    p = Detector.of_run(table_run).scores(_fresh(3_000)).p_value
    share = float((p <= 0.1).mean())
    assert 0.005 < share < 0.27  # Beta(5, 46) lies within but for one in 100,000 of draws


def _fresh(n: int) -> np.ndarray:
    """More rows of the law of `tiny.table(1_000)`: its factors' weights, other draws."""
    rng = np.random.default_rng(0)
    rng.normal(size=(1_000, 3))
    weights = rng.normal(size=(3, 6))
    other = np.random.default_rng(99)
    return (other.normal(size=(n, 3)) @ weights + 0.1 * other.normal(size=(n, 6))).astype(np.float32)


@pytest.mark.parametrize("column", range(6))
def test_blame_names_the_column_that_was_broken(table_run: Run, column: int) -> None:
    x = _fresh(20)
    x[:, column] += 3 * x[:, column].std() * np.where(np.arange(20) % 2, 1, -1)
    blame = Detector.of_run(table_run).blame(x)
    assert blame.shape == (20, 6)
    assert (blame >= 0).all()
    assert (blame.argmax(1) == column).mean() >= 0.8
    assert blame.sum(0).argmax() == column


def test_heat_glows_where_pixels_were_broken(digit_run: Run) -> None:
    x = digit_run.prepared.splits.test.x[:20].copy()
    x[:, :, 2:7, 20:25] = 255
    x_hat, heat = Detector.of_run(digit_run).heat(x)
    assert x_hat.shape == heat.shape == x.shape
    inside = np.zeros((28, 28), bool)
    inside[2:7, 20:25] = True
    assert (heat[:, 0, inside].mean(1) > 3 * heat[:, 0, ~inside].mean(1)).all()


def test_a_broken_image_is_stranger_than_itself_unbroken(digit_run: Run) -> None:
    x = digit_run.prepared.splits.test.x[:40]
    broken = x.copy()
    broken[:, :, 2:7, 20:25] = 255
    detector = Detector.of_run(digit_run)
    assert (detector.scores(broken).score > detector.scores(x).score).mean() > 0.9


def test_a_moved_run_scores_without_its_data(table_run: Run, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(table_run.path, tmp_path / "moved"))
    text = (moved / "config.toml").read_text().replace("rows.csv", "gone.csv")
    (moved / "config.toml").write_text(text)
    x = tiny.table(10, seed=8)
    np.testing.assert_array_equal(Detector.of_run(Run(moved)).scores(x), Detector.of_run(table_run).scores(x))


def test_fault_178_rows_of_groups_calibrate_beside_the_training_rows_alone(table_run: Run) -> None:
    """Others of the group are closer than new rows are; so also by the rule of older runs, which ignores groups."""
    splits, config = table_run.prepared.splits, table_run.prepared.config
    groups = replace(splits.validation, groups=np.arange(len(splits.validation)) // 2)
    for rule, validation, beside in (
        ("stratified", splits.validation, splits.drawn),
        ("stratified", groups, ()),
        ("shuffled", groups, ()),
    ):
        prepared = replace(
            table_run.prepared,
            config=replace(config, data=replace(config.data, split=rule)),
            splits=replace(splits, validation=validation),
        )
        measure = Evidence.build(prepared, table_run.model).measure
        assert isinstance(measure, RowDistances)
        assert len(measure.neighbors.reference) == sum(map(len, (splits.train, *beside)))


def test_a_run_from_before_is_known_by_its_record(table_run: Run, tmp_path: Path) -> None:
    old = tiny.unscored(table_run, tmp_path / "old")
    detector = Detector.of_run(Run(old))
    assert not detector.evidence.untouched
    assert len(detector.calibration) == 50
    assert Artifacts(old).has(PART)  # made of the data once, and kept


def test_rows_of_numbers_are_scored_by_their_distance_from_training_rows(table_run: Run) -> None:
    """Against all distances written out: nats of the log of the mean of the five least, code and error parts, and a
    fifth of the nats of the most extreme value.
    """
    detector, x = Detector.of_run(table_run), tiny.table(30, seed=7)
    assert isinstance(detector.measure, RowDistances)
    near = detector.measure.neighbors
    model = table_run.model
    inputs = model.preprocess.to_x(torch.from_numpy(x))
    with torch.no_grad():
        errors = (model.x_hat(inputs) - inputs).double().numpy()
    points = np.concatenate([model.encode(x).astype(float), near.weight * errors], 1)
    distances = np.linalg.norm(points[:, None] - near.reference[None], axis=2)
    nearest = np.argsort(distances, 1)[:, :5]
    logs = np.log(np.take_along_axis(distances, nearest, 1).mean(1) / near.unit + 1e-3)
    logs -= near.log_scale[nearest].mean(1)
    watched = detector.measure.log_of(detector.evidence.watched)
    found = detector.scores(x)
    assert near.tails is not None
    tails = near.tails.nats(inputs.numpy(), np.zeros(30))
    assert tails.max() > 0
    expected = -norm.logsf(logs, watched.mean(), watched.std()) + 0.2 * tails
    np.testing.assert_allclose(found.score, expected, rtol=1e-3)
    np.testing.assert_allclose(found.error + found.code, found.score, rtol=1e-12)
    assert (found.error > 0).all()
    assert (found.code > 0).all()


def test_a_column_off_the_plane_is_blamed_on_the_error_and_a_far_row_on_the_code(table_run: Run) -> None:
    x = _fresh(40)
    far, off = 4 * x, x.copy()
    off[:, 0] += 2 * x[:, 0].std()
    detector = Detector.of_run(table_run)
    broken, distant = detector.scores(off), detector.scores(far)
    assert np.median(broken.error / broken.score) > np.median(distant.error / distant.score)


@pytest.mark.parametrize("name", ["reference", "near", "scale", "held_near", "ends"])
def test_evidence_that_lacks_what_measures_neighbors_is_refused(table_run: Run, name: str) -> None:
    part = Artifacts(table_run.path).get(PART)
    del part.arrays[name]
    with pytest.raises(ModelFileError, match="neighbors"):
        Evidence.from_part(part, table_run.model)


def test_a_run_from_before_neighbors_had_scales_and_tails_is_scored_by_the_distance_alone(table_run: Run) -> None:
    part = Artifacts(table_run.path).get(PART)
    before = Evidence.from_part(part, table_run.model).measure
    for name in ("log_scale", "ends", "ends_of"):
        del part.arrays[name]
    part.arrays.update({name: part.arrays[name][:, :2] for name in ("near", "held_near")})
    after = Evidence.from_part(part, table_run.model).measure
    assert isinstance(before, RowDistances)
    assert isinstance(after, RowDistances)
    zeros = EncodedRows(np.zeros((3, table_run.model.z_size)), *np.zeros((2, 3, len(before.spread))))
    distance, scaled = (each.neighbors.measured(zeros)[0, 0] for each in (after, before))
    reference = before.neighbors.reference
    nearest = np.argsort(np.linalg.norm(reference, axis=1))[:5]
    assert scaled == pytest.approx(distance - before.neighbors.log_scale[nearest].mean(), rel=1e-6)


def test_evidence_of_another_model_is_refused(table_run: Run) -> None:
    part = Artifacts(table_run.path).get(PART)
    del part.arrays["spread"]
    with pytest.raises(ModelFileError, match="latent/anomaly in the run folder cannot be used"):
        Evidence.from_part(part, table_run.model)


def test_few_samples_calibrate_nothing_and_nothing_is_called_an_outlier(tmp_path: Path) -> None:
    run = isthmus.train(tiny.table(60), out=tmp_path / "run", **tiny.FAST)
    found = Detector.of_run(run).scores(tiny.table(5) * 100)
    np.testing.assert_array_equal(found.p_value, np.ones(5))
    assert np.isfinite(found.score).all()
    assert Detector.of_run(run).scores(tiny.table(5)[:0]).score.shape == (0,)
