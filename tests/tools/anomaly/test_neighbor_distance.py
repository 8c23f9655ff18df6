from __future__ import annotations

import numpy as np
import pytest

from isthmus.tools.anomaly.neighbor_distance import NEIGHBORS, SHARE, NeighborDistance, rows_kept

RNG = np.random.default_rng(0)


def rows(n: int, error: float) -> tuple[np.ndarray, np.ndarray]:
    return RNG.normal(size=(n, 2)), error * RNG.normal(size=(n, 4))


def test_the_error_is_weighed_so_that_it_varies_half_as_much_as_the_code() -> None:
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
    found = NeighborDistance(np.concatenate(train, 1), 1.0, 1.0).measured(*others)[:, 0]
    expected = np.sort(np.linalg.norm(new[:, None] - x[None], axis=2), 1)[:, :NEIGHBORS].mean(1)
    np.testing.assert_allclose(found, np.log(expected + 1e-3), rtol=1e-7)


def test_no_more_rows_are_kept_than_can_be_compared_in_seconds() -> None:
    assert len(np.arange(54_000)[rows_kept(54_000, 20)]) <= 10_000
    assert len(np.arange(500)[rows_kept(500, 20)]) == 500
    assert 6 <= len(np.arange(300)[rows_kept(300, 2**22)]) <= 100


@pytest.mark.parametrize(("train", "watched"), [(NEIGHBORS, 20), (50, 0)])
def test_too_few_rows_have_no_neighbors(train: int, watched: int) -> None:
    assert NeighborDistance.build(rows(train, 1.0), rows(watched, 1.0)) is None
