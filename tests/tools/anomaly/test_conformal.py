"""P-values by split-conformal calibration: their promise is tested by drawing, their steps by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

import tiny
from isthmus.data.batching.split import held_apart
from isthmus.data.samples import Samples
from isthmus.errors import UsageError
from isthmus.tools.anomaly.conformal import largest, outliers, p_values, settled_rate, threshold


def flagged(n: int, rate: float, draws: int, *, ties: bool = False) -> int:
    """How many of `draws` normal samples are called outliers, each by its own n calibration scores."""
    rng = np.random.default_rng(0)
    scores = rng.standard_t(3, size=(draws, n + 1))
    if ties:
        scores = scores.round()
    return sum(int(outliers(p_values(row[:-1], row[-1:]), rate)[0]) for row in scores)


@pytest.mark.parametrize(("n", "rate"), [(99, 0.01), (100, 0.01), (99, 0.05), (40, 0.1), (19, 0.05)])
def test_fault_85_false_alarms_come_as_often_as_stated(n: int, rate: float) -> None:
    """Of continuous scores the rate is floor(rate (n + 1)) / (n + 1) exactly; the bounds miss once in 100,000 draws."""
    draws = 20_000
    exact = math.floor(rate * (n + 1) + 1e-9) / (n + 1)
    assert exact <= rate
    low, high = binom.ppf([5e-6, 1 - 5e-6], draws, exact)
    assert low <= flagged(n, rate, draws) <= high


def test_ties_make_false_alarms_fewer_and_never_more() -> None:
    assert flagged(99, 0.05, 20_000, ties=True) <= binom.ppf(1 - 5e-6, 20_000, 0.05)


def test_p_values_by_hand() -> None:
    calibration = np.array([3.0, 1.0, 2.0, 2.0])
    found = p_values(calibration, np.array([0.0, 2.0, 2.5, 3.0, 4.0]))
    np.testing.assert_allclose(found, np.array([5, 4, 2, 2, 1]) / 5)
    np.testing.assert_array_equal(p_values(np.zeros(0), np.array([7.0])), [1.0])


@pytest.mark.parametrize(("n", "rate"), [(99, 0.01), (100, 0.01), (57, 0.1), (3, 0.25), (3, 0.2), (0, 0.5)])
def test_outliers_are_those_above_the_threshold(n: int, rate: float) -> None:
    rng = np.random.default_rng(1)
    calibration, scores = rng.normal(size=n).round(1), rng.normal(size=400).round(1) * 2
    expected = scores > threshold(calibration, rate)
    np.testing.assert_array_equal(outliers(p_values(calibration, scores), rate), expected)


def test_a_rate_that_too_few_can_hold_is_refused_with_what_is_possible() -> None:
    assert settled_rate(0.01, 99) == 0.01
    assert settled_rate(None, 5_000) == 0.01
    assert settled_rate(None, 49) == 0.02
    with pytest.raises(UsageError, match=r"0\.01 needs 99 normal samples for calibration; this run has 98") as caught:
        settled_rate(0.01, 98)
    assert str(caught.value.fix).startswith("pass --false-alarms 0.0102,")
    assert settled_rate(0.0102, 98) == 0.0102
    assert settled_rate(None, 4.0) == 0.2
    assert settled_rate(None, 2.8) == 1 / 3.8  # so many independent scores
    with pytest.raises(UsageError, match="must be between 0 and 1; it is 1"):
        settled_rate(1.0, 98)


@pytest.mark.parametrize(
    ("n", "share", "apart"), [(200, 0.5, 100), (21, 0.5, 10), (17, 0.5, 0), (90, 0.1, 9), (90, 0, 0)]
)
def test_a_share_is_held_apart(n: int, share: float, apart: int) -> None:
    samples = Samples(tiny.table(n), "rows")
    watched, held = held_apart(samples, share, seed=3)
    assert (len(watched), len(held)) == (n - apart, apart)
    rows = sorted(int(watched.id_of(i)) for i in range(len(watched))) + [int(held.id_of(i)) for i in range(len(held))]
    assert sorted(rows) == list(range(n))
    np.testing.assert_array_equal(held_apart(samples, share, seed=3)[1].x, held.x)


def test_without_calibration_nothing_is_an_outlier() -> None:
    p = p_values(np.zeros(0), np.array([1.0, 1e9]))
    np.testing.assert_array_equal(p, [1.0, 1.0])
    assert not outliers(p, settled_rate(None, 0)).any()
    assert threshold(np.zeros(0), settled_rate(None, 0)) == np.inf


def alarmed(rule: str, draws: int) -> list[tuple[float, float]]:
    """Of groups of 20 that share most of their score: at a rate of 0.1, the share of samples that are called outliers
    and of groups with one, calibrated by half of 80 groups as a detector does, in `draws` draws.
    """
    rng, found = np.random.default_rng(0), []
    for draw in range(draws):
        scores = rng.normal(size=(180, 1)) + 0.3 * rng.normal(size=(180, 20))
        x, groups = scores[:80].reshape(-1, 1), np.repeat(np.arange(80), 20)
        _, held = held_apart(Samples(x, "groups", groups=groups), 0.5, draw, rule=rule)
        assert held.groups is not None
        calibration = held.x[:, 0] if rule == "shuffled" else largest(held.x[:, 0], held.groups)
        alarms = outliers(p_values(calibration, scores[80:].ravel()), 0.1).reshape(100, 20)
        found.append((float(alarms.mean()), float(alarms.any(1).mean())))
    return found


def test_fault_91_of_normal_groups_no_more_than_stated_have_a_false_alarm() -> None:
    """40 groups calibrate, so exactly floor(0.1 * 41) / 41 of normal groups have a sample as strange as that."""
    found, exact = np.array(alarmed("stratified", 400)), 4 / 41
    # Of 400 draws of 100 groups: the share above a threshold is Beta(4, 37) distributed, deviation 0.046, and 100 more
    # groups add 0.03; a twentieth of that is the mean's error, and five of those are 0.014.
    assert abs(found[:, 1].mean() - exact) < 0.014
    assert found[:, 0].mean() < exact  # of samples fewer
    before = np.array(alarmed("shuffled", 400))
    assert before[:, 1].mean() > 2 * 0.1  # what was: each sample by itself, and of groups more than twice the rate


@pytest.mark.parametrize(("n_groups", "expected"), [(17, 0), (18, 9), (41, 20)])
def test_fault_91_half_of_the_groups_calibrate_and_none_is_divided(n_groups: int, expected: int) -> None:
    groups = np.repeat(np.arange(n_groups), 1 + np.arange(n_groups) % 5)
    samples = Samples(np.arange(len(groups), dtype=np.float32)[:, None], "t", groups=groups)
    watched, held = held_apart(samples, 0.5, 0)
    assert watched.groups is not None
    assert held.groups is not None
    assert len(set(held.groups.tolist())) == expected  # of fewer than 9 no p-value is below 0.1
    assert set(watched.groups.tolist()).isdisjoint(held.groups.tolist())
    assert len(watched) + len(held) == len(samples)


def test_fault_91_too_few_groups_are_said_as_groups() -> None:
    with pytest.raises(UsageError, match=r"0\.01 needs 99 normal groups for calibration; this run has 20"):
        settled_rate(0.01, 20, "group")
    with pytest.raises(UsageError, match=r"0\.5 needs 1 normal group for calibration; this run has 0\."):
        settled_rate(0.5, 0, "group")
