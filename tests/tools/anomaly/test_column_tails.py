from __future__ import annotations

import numpy as np
import pytest

from isthmus.tools.anomaly.column_tails import ColumnTails

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("n", "columns"), [(300, 1), (300, 4), (1_000, 9)])
def test_nats_are_those_of_the_ranks_written_out(n: int, columns: int) -> None:
    x, new = RNG.normal(size=(n, columns)).astype(np.float32), 2 * RNG.normal(size=(50, columns)).astype(np.float32)
    below = (x[None] <= new[:, None]).sum(1) + 1
    above = (x[None] >= new[:, None]).sum(1) + 1
    p = 2 * np.minimum(below, above).min(1) / (n + 1)
    found = ColumnTails.build(x).nats(new, np.zeros(50))
    np.testing.assert_allclose(found, np.maximum(-np.log(columns * p), 0), rtol=1e-12)
    assert found.max() > 0


def test_a_row_of_its_own_is_not_counted() -> None:
    x = RNG.normal(size=(200, 2)).astype(np.float32)
    extreme = int(x[:, 0].argmax())
    rest = ColumnTails.build(np.delete(x, extreme, 0))
    row = x[extreme : extreme + 1]
    np.testing.assert_allclose(ColumnTails.build(x).nats(row, np.ones(1)), rest.nats(row, np.zeros(1)))


def test_fault_175_a_training_row_rounded_beyond_the_end_has_a_finite_score() -> None:
    """As from a file with fewer digits: it is one of the rows, and no other is as extreme, as for the exact row."""
    x = RNG.normal(size=(200, 2)).astype(np.float32)
    row = x[x[:, 0].argmax()][None]
    known = ColumnTails.build(x)
    rounded = known.nats(np.nextafter(row, np.inf), np.ones(1))
    np.testing.assert_allclose(rounded, known.nats(row, np.ones(1)))
    np.testing.assert_allclose(rounded, np.log(200 / 4))


def test_few_of_the_usual_rows_have_any() -> None:
    """P(D p <= a) <= a by Bonferroni, for a below 1: at least half of normal rows have less than log 2."""
    x, new = RNG.normal(size=(500, 20)), RNG.normal(size=(2_000, 20))
    assert (ColumnTails.build(x).nats(new, np.zeros(2_000)) >= np.log(20)).mean() <= 0.05 + 0.02


def test_values_that_many_rows_have_are_not_extreme() -> None:
    x = np.where(RNG.random((400, 3)) < 0.6, 0.0, 1.0)
    assert not ColumnTails.build(x).nats(x, np.ones(400)).any()
    assert ColumnTails.build(x).nats(np.array([[0.0, 1.0, 7.0]]), np.zeros(1)) == pytest.approx(np.log(401 / 6))


def test_of_few_rows_and_many_columns_nothing_is_extreme() -> None:
    x = RNG.normal(size=(20, 30))
    assert not ColumnTails.build(x).nats(x + 100, np.zeros(20)).any()
