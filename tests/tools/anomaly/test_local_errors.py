"""Errors of single places: against SciPy's filters and closed forms, and with faults planted."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest, norm
from sklearn.metrics import roc_auc_score

from isthmus.api import Run
from isthmus.errors import ModelFileError
from isthmus.runs.artifacts import Artifact, Artifacts
from isthmus.runs.error_signals import EVIDENCE
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.anomaly.evidence import Evidence
from isthmus.tools.anomaly.local_errors import (
    FINE,
    LEAST_FINE,
    PEAK,
    SMOOTHED,
    SQUARES,
    LocalErrors,
    blurred,
    fineness,
    local_nats,
)


@pytest.mark.parametrize("sides", [(1, 3), (8, 8), (32, 21)])
@pytest.mark.parametrize("deviation", [SMOOTHED, SQUARES])
def test_blurred_images_are_those_of_scipy(sides: tuple[int, int], deviation: float) -> None:
    """Mirrored at the border as often as a window reaches beyond it."""
    values = np.random.default_rng(0).normal(size=(2, 3, *sides))
    expected = gaussian_filter(values, (0, 0, deviation, deviation), mode="reflect")
    np.testing.assert_allclose(blurred(torch.from_numpy(values), deviation).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("sides", [(3, 2), (9, 7), (32, 21)])
def test_the_maps_are_errors_over_the_usual_ones(sides: tuple[int, int]) -> None:
    """And the peaks are the largest of all values, found in groups where there are many."""
    rng = np.random.default_rng(1)
    errors, spread, smoothed = rng.normal(size=(4, 2, *sides)), *rng.uniform(1, 2, (2, 2, *sides))
    level, deviation = rng.normal(size=sides), rng.uniform(1, 2, sides)
    local = LocalErrors(*map(torch.from_numpy, (spread, smoothed, level, deviation)))
    squares = (errors**2 / spread).mean(1)
    coarse = gaussian_filter(errors, (0, 0, SMOOTHED, SMOOTHED), mode="reflect") ** 2 / smoothed
    around = gaussian_filter(squares, (0, SQUARES, SQUARES), mode="reflect")
    expected = np.sqrt(np.stack([squares, coarse.mean(1), around], 1))
    close = {"rtol": 1e-5, "atol": 1e-5}  # they are computed in float32
    np.testing.assert_allclose(local.maps(torch.from_numpy(errors)).numpy(), expected, **close)
    fine = ((errors - gaussian_filter(errors, (0, 0, FINE, FINE), mode="reflect")) ** 2).mean(1)
    flat = (level - np.log(gaussian_filter(fine, (0, SQUARES, SQUARES), mode="reflect") + LEAST_FINE)) / deviation
    np.testing.assert_allclose(local.flatness(torch.from_numpy(errors)).numpy(), flat, **close)
    heat = local.heat(torch.from_numpy(errors)).numpy()
    np.testing.assert_allclose(heat[:, 0], np.maximum(np.sqrt((expected**2).mean(1)), flat), **close)
    largest = [np.sort(part.reshape(4, -1))[:, -PEAK:].mean(1) for part in (*expected.swapaxes(0, 1), flat)]
    peaks = local.peaks(torch.from_numpy(errors))
    np.testing.assert_allclose(peaks, np.stack([*np.log(largest[:3]), largest[3]], 1), **close)


@pytest.mark.parametrize("sides", [(9, 7), (32, 21)])
def test_the_largest_values_below_zero_are_found_and_not_a_number_is_not_hidden(sides: tuple[int, int]) -> None:
    usual = torch.ones(1, *sides)
    local = LocalErrors(usual, usual, torch.full(sides, -40.0), torch.linspace(1, 2, usual.numel()).view(sides))
    errors = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 1, *sides)))
    flat = local.flatness(errors).flatten(1).sort().values
    assert float(flat.max()) < 0
    np.testing.assert_allclose(local.peaks(errors)[:, 3], flat[:, -PEAK:].mean(1), rtol=1e-6)
    errors[1, 0, 4, 4] = torch.nan
    errors[2, 0, 0, 0] = -torch.tensor(torch.nan)  # the sign bit is set, as in 0 / 0 on most processors
    peaks = local.peaks(errors)
    assert np.isfinite(peaks[[0, 3]]).all()
    assert np.isnan(peaks[[1, 2]]).all()


def test_the_nats_of_usual_peaks_are_those_of_a_chance() -> None:
    """exp(-nats) is uniform for peaks like the usual ones: the strangest of four is not taken for one alone."""
    rng = np.random.default_rng(2)
    usual, peaks = rng.normal(3, 2, (20_000, 4)), rng.normal(3, 2, (20_000, 4))
    assert kstest(np.exp(-local_nats(peaks, usual)), "uniform").statistic < 0.02  # 20,000 draws: 0.0115 at 1 in 100
    far = np.array([[0.0, 0.0, 43.0, 0.0]])
    expected = -(norm.logsf((43 - usual[:, 2].mean()) / usual[:, 2].std()) + math.log(4))
    np.testing.assert_allclose(local_nats(far, usual), expected)
    assert local_nats(peaks[:5], np.ones((4, 4))).shape == (5,)  # equal ones tell no deviation
    assert local_nats(np.zeros((0, 4)), usual).shape == (0,)


def _noise(n: int, seed: int) -> np.ndarray:
    """Errors (n, 1, 32, 32) of deviation 1 that neighbors share, by a tenth stronger or weaker from image to image."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=(n, 1, 32, 32)), (0, 0, 1, 1), mode="wrap")
    return noise / noise.std() * np.exp(0.1 * rng.normal(size=(n, 1, 1, 1)))


def _usual(errors: torch.Tensor) -> LocalErrors:
    squares = (part.square().mean(0) for part in (errors, blurred(errors, SMOOTHED)))
    fine = fineness(errors)
    return LocalErrors(*squares, fine.mean(0), fine.std(0))


def test_a_missing_part_is_found_by_what_it_lacks() -> None:
    """A square where the error is smooth: smaller than usual, so that no error could tell it."""
    usual, rng = torch.from_numpy(_noise(300, 0)), np.random.default_rng(4)
    local, x, fault = _usual(usual), _noise(400, 2), np.zeros((400, 1, 32, 32), bool)
    for mask in fault[200:, 0]:
        top, left = rng.integers(0, 24, 2)
        mask[top : top + 8, left : left + 8] = True
    lacking = torch.from_numpy(np.where(fault, 0.0, x))
    truth, nats = np.repeat([0, 1], 200), local_nats(local.peaks(lacking), local.peaks(usual))
    assert roc_auc_score(truth, nats) > 0.95
    assert roc_auc_score(truth, lacking.square().mean((1, 2, 3)).numpy()) < 0.5
    heat = local.heat(lacking).numpy()[200:]
    assert np.median(heat[fault[200:]]) > 2 * np.median(heat[~fault[200:]])


@pytest.mark.parametrize(("shape", "by"), [((2, 10), 3.5), ((4, 4), 3.5), ((8, 8), 2.0)])
def test_a_small_fault_is_found_and_the_heat_lies_on_it(shape: tuple[int, int], by: float) -> None:
    """A rectangle by which errors are moved: hardly seen in their mean, well in the strangest place."""
    usual, rng = torch.from_numpy(_noise(300, 0)), np.random.default_rng(3)
    local = _usual(usual)
    x, fault = _noise(400, 1), np.zeros((400, 1, 32, 32), bool)
    for mask in fault[200:, 0]:
        top, left = (rng.integers(0, 32 - side) for side in shape)
        mask[top : top + shape[0], left : left + shape[1]] = True
    moved = x + by * fault
    truth, usual_peaks = np.repeat([0, 1], 200), local.peaks(usual)
    nats = local_nats(local.peaks(torch.from_numpy(moved)), usual_peaks)
    by_place, by_mean = (roc_auc_score(truth, found) for found in (nats, (moved**2).mean((1, 2, 3))))
    assert by_place > 0.9
    assert by_place > by_mean + 0.05
    heat = local.heat(torch.from_numpy(moved)).numpy()[200:]
    assert roc_auc_score(fault[200:].ravel(), heat.ravel()) > 0.9


def test_usual_images_have_usual_places(digit_run: Run) -> None:
    """Of samples that calibrate, about one in ten has a place of which that is the chance."""
    evidence = Detector.of_run(digit_run).evidence
    assert evidence.watched.peaks is not None
    assert evidence.calibration.peaks is not None
    nats = local_nats(evidence.calibration.peaks, evidence.watched.peaks)
    n = len(nats)
    assert abs((nats > -math.log(0.1)).mean() - 0.1) < 4 * math.sqrt(0.09 / n) + 0.02  # peaks are not quite normal


def _without_peaks(part: Artifact) -> Artifact:
    arrays = {k: v for k, v in part.arrays.items() if k not in {"smoothed", "fine", "peaks", "held_peaks"}}
    return Artifact(part.about, arrays)


def test_a_run_from_before_scores_as_it_did(digit_run: Run, tmp_path: Path) -> None:
    old = Run(Path(shutil.copytree(digit_run.path, tmp_path / "old")))
    Artifacts(old.path).keep(EVIDENCE, *_without_peaks(Artifacts(old.path).get(EVIDENCE)))
    x = digit_run.prepared.splits.test.x[:30]
    before, now = Detector.of_run(old), Detector.of_run(digit_run)
    assert not before.has_local
    np.testing.assert_array_equal(before.scores(x).score, now.scores(x).error + now.scores(x).code)
    x_hat, heat = before.heat(x)
    errors = x_hat - x / 255.0
    spread = before.measure.arrays()["spread"].reshape(x.shape[1:])
    np.testing.assert_allclose(heat, np.abs(errors) / np.sqrt(spread), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["smoothed", "fine", "peaks", "held_peaks"])
def test_a_part_of_another_size_is_named(digit_run: Run, name: str) -> None:
    part = Artifacts(digit_run.path).get(EVIDENCE)
    for arrays in (part.arrays | {name: part.arrays[name][:-1]}, {k: v for k, v in part.arrays.items() if k != name}):
        with pytest.raises(ModelFileError, match="local errors"):
            Evidence.from_part(Artifact(part.about, arrays), digit_run.model)
