"""The correlation time against that of an autoregression, and false alarms against the rate that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from isthmus.tools.anomaly.conformal import p_values
from isthmus.tools.anomaly.dependent_scores import dependent_p_values, dependent_threshold, independent_scores


def autoregression(phi: float, n: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=n + 500)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise))[500:]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_the_correlation_time_is_that_of_an_autoregression(phi: float) -> None:
    n = 40_000
    wanted = n * (1 - phi) / (1 + phi)  # the sum of phi^k
    found = independent_scores([autoregression(phi, n, 1)])
    assert 0.85 * wanted < found < 1.02 * wanted  # a standard error of about a tenth is taken off


def test_independent_scores_in_many_stretches_count_nearly_all() -> None:
    parts = list(np.random.default_rng(0).normal(size=(400, 50)))
    assert 0.9 * 20_000 < independent_scores(parts) <= 20_000
    assert independent_scores([np.zeros(30)]) == 1.0
    assert independent_scores([]) == 0.0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("n", [60, 400])
def test_false_alarms_come_no_oftener_than_asked_for(phi: float, n: int) -> None:
    rates = []
    for seed in range(150):
        scores = autoregression(phi, n + 2_500, seed)
        m = independent_scores([scores[:n]])
        asked = max(0.05, 1 / (m + 1))
        rates.append(float((dependent_p_values(scores[:n], m, scores[-2_000:]) <= asked + 1e-9).mean()) / asked)
    assert np.mean(rates) < 1 + 3 * np.std(rates) / np.sqrt(150)


def test_as_many_as_there_are_give_split_conformal_p_values() -> None:
    rng = np.random.default_rng(3)
    calibration, scores = rng.normal(size=99), rng.normal(size=50)
    np.testing.assert_allclose(dependent_p_values(calibration, 99.0, scores), p_values(calibration, scores))


@pytest.mark.parametrize("m", [25.0, 60.5, 99.0])
def test_scores_above_the_threshold_are_those_of_small_p(m: float) -> None:
    rng = np.random.default_rng(4)
    calibration, scores = rng.normal(size=99), rng.normal(size=2_000)
    limit = dependent_threshold(calibration, m, 0.05)
    np.testing.assert_array_equal(scores > limit, dependent_p_values(calibration, m, scores) <= 0.05 + 1e-12)
    assert dependent_threshold(calibration, 10.0, 0.05) == np.inf
    assert (dependent_p_values(np.zeros(0), 0.0, scores) == 1).all()
