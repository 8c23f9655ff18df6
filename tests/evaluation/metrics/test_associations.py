"""How columns go together, beside SciPy, NumPy and an analysis of variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f_oneway
from scipy.stats.contingency import association

from isthmus.evaluation.metrics.associations import associations, correlation_ratio, cramers_v

N = 200
RNG = np.random.default_rng(0)
A, NAMES = RNG.normal(size=N), RNG.integers(0, 4, N).astype(float)
OTHERS = np.where(RNG.random(N) < 0.6, NAMES % 3, RNG.integers(0, 3, N)).astype(float)
Y = A + NAMES


def test_cramers_v_is_scipys() -> None:
    table = np.array([[np.sum((i == NAMES) & (j == OTHERS)) for j in range(3)] for i in range(4)])
    assert cramers_v(NAMES, OTHERS) == pytest.approx(association(table, "cramer"), rel=1e-12)
    assert cramers_v(NAMES, NAMES) == pytest.approx(1)


def test_the_correlation_ratio_is_that_of_an_analysis_of_variance() -> None:
    F = f_oneway(*(Y[k == NAMES] for k in range(4))).statistic
    # eta² = F (K - 1) / (F (K - 1) + N - K)
    assert correlation_ratio(NAMES, Y) ** 2 == pytest.approx(F * 3 / (F * 3 + N - 4), rel=1e-12)


def test_each_pair_has_its_measure_and_gaps_are_left_out() -> None:
    values = np.stack([A, Y, NAMES, OTHERS, np.ones(N)], 1)
    values[:20, 0] = np.nan
    found = associations(values, [False, False, True, True, False])
    assert found[0, 1] == found[1, 0] == pytest.approx(np.corrcoef(A[20:], Y[20:])[0, 1])
    assert found[2, 0] == pytest.approx(correlation_ratio(NAMES[20:], A[20:]))
    assert found[2, 3] == pytest.approx(cramers_v(NAMES, OTHERS))
    assert np.isnan(found[4, :4]).all()  # which never changes
    np.testing.assert_array_equal(np.diag(found), 1)
