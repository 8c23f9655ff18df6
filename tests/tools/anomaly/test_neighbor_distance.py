from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isthmus.tools.anomaly.column_tails import ColumnTails
from isthmus.tools.anomaly.neighbor_distance import (
    FEW,
    NEIGHBORS,
    SHARE,
    EncodedRows,
    NeighborDistance,
    log_scales,
    rows_kept,
)

RNG = np.random.default_rng(0)


def rows(n: int, error: float) -> EncodedRows:
    return EncodedRows(RNG.normal(size=(n, 2)), error * RNG.normal(size=(n, 4)), RNG.normal(size=(n, 4)))


def without_tails(*parts: np.ndarray) -> EncodedRows:
    return EncodedRows(*parts, np.zeros_like(parts[1]))


def test_the_error_is_weighed_so_that_it_varies_a_share_as_much_as_the_code() -> None:
    watched = rows(4_000, 0.01)
    found = NeighborDistance.build(rows(50, 0.01), watched)
    assert found is not None
    code, error = watched.z.var(0).sum(), np.square(found.weight * watched.errors).sum(1).mean()
    assert error == pytest.approx(SHARE**2 * code, rel=1e-6)


def test_it_never_counts_less_than_itself() -> None:
    found = NeighborDistance.build(rows(50, 3.0), rows(200, 3.0))
    assert found is not None
    assert found.weight == 1.0


def test_at_weight_1_of_an_orthogonal_projection_it_is_the_distance_in_the_table() -> None:
    x, new = RNG.normal(size=(60, 5)), RNG.normal(size=(9, 5))
    basis = np.linalg.qr(RNG.normal(size=(5, 2)))[0]
    train, others = ((part @ basis, part @ basis @ basis.T - part) for part in (x, new))
    found = NeighborDistance(np.concatenate(train, 1), 1.0, 1.0, np.zeros(60)).measured(without_tails(*others))[:, 0]
    expected = np.sort(np.linalg.norm(new[:, None] - x[None], axis=2), 1)[:, :NEIGHBORS].mean(1)
    np.testing.assert_allclose(found, np.log(expected + 1e-3), rtol=1e-7)


def test_each_row_is_set_beside_how_far_its_neighbors_lie_from_theirs() -> None:
    """All distances written out: d over the geometric mean of the neighbors' own, to the power 0.5 * 150 / 200."""
    train, new = rows(150, 0.5), rows(9, 0.5)
    known = NeighborDistance.build(train, rows(40, 0.5))
    assert known is not None
    reference, points = (np.concatenate([z, known.weight * errors], 1) for z, errors, _ in (train, new))
    within = np.linalg.norm(reference[:, None] - reference[None], axis=2)
    own = np.sort(within, 1)[:, 1:6].mean(1) / known.unit
    assert own.min() > 0.1  # none is held from below here
    distances = np.linalg.norm(points[:, None] - reference[None], axis=2)
    nearest = np.argsort(distances, 1)[:, :5]
    d = np.take_along_axis(distances, nearest, 1).mean(1) / known.unit
    around = np.prod(own[nearest], 1) ** (1 / 5)
    np.testing.assert_allclose(
        known.measured(new)[:, 0], np.log(d + 1e-3) - 0.375 * np.log(around), rtol=1e-4, atol=1e-5
    )


def test_of_groups_alike_but_for_their_width_half_the_log_of_it_is_left() -> None:
    """One group is the other, four times as wide: so are its distances, and what they are divided by is its root."""
    dense, new, nothing = RNG.uniform(size=(500, 2)), RNG.uniform(size=(40, 2)), np.zeros((1_000, 1))
    known = NeighborDistance.build(
        without_tails(np.concatenate([dense, 100 + 4 * dense]), nothing),
        without_tails(dense[:30] + 0.01, nothing[:30]),
    )
    assert known is not None
    narrow, wide = (known.measured(without_tails(part, nothing[:40]))[:, 0] for part in (new, 100 + 4 * new))
    power = 0.5 * 1_000 / 1_050
    np.testing.assert_allclose(wide - narrow, (1 - power) * np.log(4), atol=0.01)  # 0.001 is added to each distance


def without(known: NeighborDistance, x: np.ndarray, i: int) -> NeighborDistance:
    """The same but for row i, as if it had never been there."""
    rest = np.delete(known.reference, i, 0)
    n, m = len(x), len(rest)
    scales = log_scales(rest, known.unit) * (n / (n + FEW)) / (m / (m + FEW))  # one row more hardly changes the power
    return replace(known, reference=rest, log_scale=scales, tails=ColumnTails.build(np.delete(x, i, 0)))


@pytest.mark.parametrize("i", range(0, 80, 4))
def test_fault_178_rows_that_calibrate_are_measured_as_new_rows(i: int) -> None:
    """As if they were not among the rows that are kept, which hold some rows twice."""
    some = rows(60, 0.5)
    normal = EncodedRows(*(np.concatenate([part, part[:20]]) for part in some))
    known = NeighborDistance.build(normal, EncodedRows(*(part[60:] for part in normal)))
    assert known is not None
    row = EncodedRows(*(part[i : i + 1] for part in normal))
    expected = without(known, normal.x, i).measured(row)
    np.testing.assert_allclose(known.measured(row, among=True), expected, rtol=1e-6, atol=1e-9)


def test_a_new_row_that_equals_a_kept_one_is_taken_for_it() -> None:
    normal = rows(80, 0.5)
    known = NeighborDistance.build(normal, EncodedRows(*(part[60:] for part in normal)))
    assert known is not None
    row = EncodedRows(*(part[7:8] for part in normal))
    rest = replace(without(known, normal.x, 7), log_scale=np.delete(known.log_scale, 7))
    np.testing.assert_allclose(known.measured(row), rest.measured(row), rtol=1e-6)


def test_new_rows_and_rows_that_calibrate_are_alike() -> None:
    """Ranks of new normal rows among those that calibrate, kept beside the others, are spread evenly."""
    normal, new = rows(900, 0.5), rows(3_000, 0.5)
    held = EncodedRows(*(part[600:] for part in normal))
    known = NeighborDistance.build(normal, held)
    assert known is not None
    for signal in (0, 2):
        calibration, found = known.measured(held, among=True)[:, signal], known.measured(new)[:, signal]
        p = (1 + (calibration[None] >= found[:, None]).sum(1)) / 301
        assert (p <= 0.1).mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 300))


def test_equal_rows_make_no_place_endlessly_dense() -> None:
    equal = log_scales(np.zeros((50, 3)), 1.0)
    np.testing.assert_allclose(equal, 0.25 * np.log(0.1))  # 50 rows: half of the power


def test_no_more_rows_are_kept_than_can_be_compared_in_seconds() -> None:
    assert len(np.arange(54_000)[rows_kept(54_000, 20)]) <= 10_000
    assert len(np.arange(500)[rows_kept(500, 20)]) == 500
    assert 6 <= len(np.arange(300)[rows_kept(300, 2**22)]) <= 100


@pytest.mark.parametrize(("train", "watched"), [(NEIGHBORS, 20), (50, 0)])
def test_too_few_rows_have_no_neighbors(train: int, watched: int) -> None:
    assert NeighborDistance.build(rows(train, 1.0), rows(watched, 1.0)) is None
