"""Counts beyond a calibration: against the closed form, sums of binomials, and draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isthmus.evaluation.metrics.exceedance import excess, mostly_beyond


def test_all_beyond_the_largest_of_n_has_the_probability_of_an_order_of_n_plus_m() -> None:
    """The largest m of n + m exchangeable values are the new ones in one of (n + m over m) cases."""
    found = excess(np.arange(50.0), np.full(4, 99.0), 0.01)
    assert found.seen == 4
    assert found.expected == pytest.approx(4 / 51)
    assert found.tail == pytest.approx(1 / math.comb(54, 4), rel=1e-9)  # gamma functions, in float64
    assert found.share == 1.0


def test_the_tail_is_how_often_it_comes_by_chance() -> None:
    rng, alarm = np.random.default_rng(0), 0.05
    drawn = [excess(rng.normal(size=60), rng.normal(size=20), 0.1).tail < alarm for _ in range(2_000)]
    assert np.mean(drawn) < alarm + 3 * math.sqrt(alarm * (1 - alarm) / 2_000)  # three standard errors


def test_ties_count_as_usual() -> None:
    assert excess(np.zeros(99), np.zeros(10), 0.5).seen == 0


def test_few_strange_ones_are_no_strange_set() -> None:
    calibration = np.random.default_rng(0).normal(size=200)
    some, most = np.repeat([9.0, -9.0], [40, 60]), np.repeat([9.0, -9.0], [60, 40])
    assert excess(calibration, some, 0.01).tail < 1e-9
    assert not mostly_beyond(calibration, some, 0.01, 1e-3)
    assert mostly_beyond(calibration, most, 0.01, 1e-3)
    assert not mostly_beyond(np.zeros(0), most, 0.01, 1e-3)
