from __future__ import annotations

import numpy as np
import pytest

from isthmus.tools.anomaly.neighbor_distance import NEIGHBORS, SHARE, NeighborDistance, log_scales, rows_kept

RNG = np.random.default_rng(0)


def rows(n: int, error: float) -> tuple[np.ndarray, np.ndarray]:
    return RNG.normal(size=(n, 2)), error * RNG.normal(size=(n, 4))


def test_the_error_is_weighed_so_that_it_varies_a_share_as_much_as_the_code() -> None:
    watched = rows(4_000, 0.01)
    found = NeighborDistance.build(rows(50, 0.01), watched)
    assert found is not None
    code, error = watched[0].var(0).sum(), np.square(found.weight * watched[1]).sum(1).mean()
    assert error == pytest.approx(SHARE**2 * code, rel=1e-6)


def test_it_never_counts_less_than_itself() -> None:
    found = NeighborDistance.build(rows(50, 3.0), rows(200, 3.0))
    assert found is not None
    assert found.weight == 1.0


def test_at_weight_1_of_an_orthogonal_projection_it_is_the_distance_in_the_table() -> None:
    x, new = RNG.normal(size=(60, 5)), RNG.normal(size=(9, 5))
    basis = np.linalg.qr(RNG.normal(size=(5, 2)))[0]
    train, others = ((part @ basis, part @ basis @ basis.T - part) for part in (x, new))
    found = NeighborDistance(np.concatenate(train, 1), 1.0, 1.0, np.zeros(60)).measured(*others)[:, 0]
    expected = np.sort(np.linalg.norm(new[:, None] - x[None], axis=2), 1)[:, :NEIGHBORS].mean(1)
    np.testing.assert_allclose(found, np.log(expected + 1e-3), rtol=1e-7)


def test_each_row_is_set_beside_how_far_its_neighbors_lie_from_theirs() -> None:
    """All distances written out: d over the geometric mean of the neighbors' own, to the power 0.5 * 150 / 200."""
    train, new = rows(150, 0.5), rows(9, 0.5)
    known = NeighborDistance.build(train, rows(40, 0.5))
    assert known is not None
    reference, points = (np.concatenate([z, known.weight * errors], 1) for z, errors in (train, new))
    within = np.linalg.norm(reference[:, None] - reference[None], axis=2)
    own = np.sort(within, 1)[:, 1:6].mean(1) / known.unit
    assert own.min() > 0.1  # none is held from below here
    distances = np.linalg.norm(points[:, None] - reference[None], axis=2)
    nearest = np.argsort(distances, 1)[:, :5]
    d = np.take_along_axis(distances, nearest, 1).mean(1) / known.unit
    around = np.prod(own[nearest], 1) ** (1 / 5)
    np.testing.assert_allclose(
        known.measured(*new)[:, 0], np.log(d + 1e-3) - 0.375 * np.log(around), rtol=1e-4, atol=1e-5
    )


def test_of_groups_alike_but_for_their_width_half_the_log_of_it_is_left() -> None:
    """One group is the other, four times as wide: so are its distances, and what they are divided by is its root."""
    dense, new, nothing = RNG.uniform(size=(500, 2)), RNG.uniform(size=(40, 2)), np.zeros((1_000, 1))
    known = NeighborDistance.build(
        (np.concatenate([dense, 100 + 4 * dense]), nothing), (dense[:30] + 0.01, nothing[:30])
    )
    assert known is not None
    narrow, wide = (known.measured(part, nothing[:40])[:, 0] for part in (new, 100 + 4 * new))
    power = 0.5 * 1_000 / 1_050
    np.testing.assert_allclose(wide - narrow, (1 - power) * np.log(4), atol=0.01)  # 0.001 is added to each distance


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
