from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import geometric_slerp

from isthmus.data.samples import Samples
from isthmus.errors import UsageError
from isthmus.tools.sampling.interpolation import PATHS, blend
from isthmus.tools.sampling.interpolation_files import _caption


@pytest.mark.parametrize("path", PATHS)
@given(seed=st.integers(0, 10_000), steps=st.integers(2, 20))
def test_the_way_begins_and_ends_at_its_ends(path: str, seed: int, steps: int) -> None:
    a, b, center = np.random.default_rng(seed).normal(size=(3, 5))
    way = blend(a, b, steps, path, center)
    assert way.shape == (steps, 5)
    np.testing.assert_allclose(way[[0, -1]], [a, b], atol=1e-5)  # float32


def test_the_straight_way_is_even() -> None:
    way = blend(np.array([0.0, 2]), np.array([4.0, 0]), 5)
    np.testing.assert_allclose(way, [[0, 2], [1, 1.5], [2, 1], [3, 0.5], [4, 0]])


def test_the_spherical_way_is_that_of_scipy_and_keeps_the_length() -> None:
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 6)))
    way = blend(3 * a, 3 * b, 9, "spherical")
    np.testing.assert_allclose(way, 3 * geometric_slerp(a, b, np.linspace(0, 1, 9)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 3, rtol=1e-6)


@given(st.integers(0, 10_000))
def test_around_a_center_length_and_angle_change_evenly(seed: int) -> None:
    a, b, center = np.random.default_rng(seed).normal(size=(3, 4))
    way = blend(a, b, 7, "spherical", center).astype(np.float64) - center
    lengths = np.linalg.norm(way, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(lengths[0], lengths[-1], 7), rtol=1e-4)  # float32
    unit = way / lengths[:, None]
    angles = np.arccos(np.clip((unit[1:] * unit[:-1]).sum(1), -1, 1))
    np.testing.assert_allclose(angles, angles.mean(), atol=2e-3)  # arccos doubles the loss of digits


@pytest.mark.parametrize(("a", "b"), [([1, 0], [2, 0]), ([1, 0], [-1, 0]), ([0, 0], [3, 4]), ([1, 1], [1, 1])])
def test_on_one_line_with_the_center_the_way_is_straight(a: list[float], b: list[float]) -> None:
    ends = np.array(a, float), np.array(b, float)
    np.testing.assert_array_equal(blend(*ends, 4, "spherical"), blend(*ends, 4))


def test_what_cannot_be_meant() -> None:
    ends = np.zeros(2), np.ones(2)
    with pytest.raises(UsageError, match="unknown path 'curved'"):
        blend(*ends, 4, "curved")
    with pytest.raises(UsageError, match="needs at least 2 steps; --steps is 1"):
        blend(*ends, 1)


@pytest.mark.parametrize(
    ("id", "kind", "caption"),
    [
        ("3", "9", "row 3, class 9"),
        ("3", "", "row 3"),
        ("cat/tom.png", "cat", "cat/tom.png"),
        ("cat/a-long-walk-in-the-rain-3.png", "cat", "cat/a-long-w…-rain-3.png"),  # the class does not push it out
        ("tom.png", "cat", "tom.png, class cat"),
    ],
)
def test_the_ends_are_named_by_id_and_class_once(id: str, kind: str, caption: str) -> None:
    x, classes = np.zeros((1, 1, 4, 4), np.uint8), (kind,) if kind else ()
    assert _caption(Samples(x, "x", ids=(id,), classes=classes, labels=np.zeros(1, np.int64))) == caption
