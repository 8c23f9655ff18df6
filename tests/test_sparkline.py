"""The curve as one line of text."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isthmus.sparkline import ASCII, BLOCKS, sparkline, worth_showing


@pytest.mark.parametrize(("ascii", "levels"), [(False, BLOCKS), (True, ASCII)])
def test_halving_goes_down_evenly(ascii, levels):
    assert sparkline([2.0**-k for k in range(8)], ascii=ascii) == levels[::-1]


def test_values_that_are_not_all_positive_are_compared_as_they_are():
    assert sparkline([-7, -6, -5, -4, -3, -2, -1, 0]) == BLOCKS


@pytest.mark.parametrize("n", [2, 5, 40, 41, 400])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_monotone_series_is_a_monotone_line(n, sign):
    values = np.sort(np.random.default_rng(n).lognormal(size=n))[::sign]
    levels = [BLOCKS.index(c) for c in sparkline(values)]
    assert levels == sorted(levels, reverse=sign < 0)
    assert len(levels) == min(n, 40)
    assert {levels[0], levels[-1]} == {0, 7}


def test_a_bad_first_epoch_does_not_flatten_the_rest():
    later = [0.12 - 0.002 * k for k in range(20)]
    assert len(set(sparkline([1e6, *later])[1:])) >= 6


def test_what_is_not_finite_is_a_blank():
    assert sparkline([4.0, math.nan, 2.0, math.inf, 1.0]) == "█ ▅ ▁"
    assert sparkline([math.nan, math.nan]) == "  "
    assert sparkline([]) == ""


def test_equal_values_are_a_flat_line():
    assert sparkline([0.5] * 5) == "▁▁▁▁▁"


def test_groups_are_averaged():
    assert sparkline([1, 3, 7, 9], width=2) == sparkline([2, 8])


def test_outliers_are_not_worth_showing_and_a_steady_fall_is():
    assert worth_showing(np.array([0.0, 1, 2, 3, 4, 5, 1_000]), 0.0) == 5
    steady = np.linspace(0, 1, 50)
    assert worth_showing(steady, 0.0) == 1.0
