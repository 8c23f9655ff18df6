"""Labels to indices and classes, against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.data.labels import encode_labels, evenly, same_classes
from isthmus.data.samples import Samples
from isthmus.errors import DataError


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([10, 9, 10, 1], ("1", "9", "10")),
        ([1.0, 0.0, 1.0], ("0", "1")),
        ([0.5, 1.5, 0.5], ("0.5", "1.5")),
        (["b", "a", "b"], ("a", "b")),
        ([True, False], ("False", "True")),
        (np.array([3, 1, 3], object), ("1", "3")),
        (np.array([["x"], ["y"]]), ("x", "y")),
        (np.array([b"x", b"y"]), ("x", "y")),
    ],
)
def test_classes_and_indices(values: object, classes: tuple[str, ...]) -> None:
    codes, found = encode_labels(values, name="labels")  # type: ignore[arg-type]
    assert found == classes
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(np.unique(np.ravel(np.asarray(values)), return_inverse=True)[1], codes)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.eye(3), r"the shape is \(3, 3\)"),
        (np.array([1.0, np.nan]), "sample 1 has the label nan"),
        (np.array(["a", None], object), "some labels are missing"),
        (np.zeros(3, complex), "complex128, not numbers or text"),
        (np.linspace(0, 1, 100), "100 different fractions such as 0 and 0.010101, so it is a quantity"),
        (np.arange(1000), "1,000 of its 1,000 values are different, so it is an identifier"),
    ],
)
def test_what_cannot_be_labels(values: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        encode_labels(values, name="labels")


def test_two_sets_share_their_classes_in_numeric_order() -> None:
    x = np.zeros((2, 1), np.float32)
    one = Samples(x, "one", labels=np.array([0, 1]), classes=("2", "10"))
    two = Samples(x, "two", labels=np.array([1, 0]), classes=("9", "a"))
    a, b = same_classes(one, two)
    assert a.classes == b.classes == ("2", "9", "10", "a")
    assert (a.labels.tolist(), b.labels.tolist()) == ([0, 2], [3, 1])  # type: ignore[union-attr]


def test_sets_without_labels_stay_as_they_are() -> None:
    x = np.zeros((2, 1), np.float32)
    one, two = Samples(x, "one", labels=np.array([0, 1]), classes=("a", "b")), Samples(x, "two")
    found = same_classes(one, two)
    assert found[0] is one
    assert found[1] is two


@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=60).map(np.array),
    limit=st.integers(1, 70),
    seed=st.integers(0, 3),
)
def test_evenly_takes_the_same_number_of_each_class_as_far_as_there_are_enough(
    labels: np.ndarray, limit: int, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(labels))
    taken = evenly(order, labels, limit)
    assert len(taken) == len(set(taken.tolist())) == min(limit, len(labels))
    counts, available = np.bincount(labels[taken], minlength=4), np.bincount(labels, minlength=4)
    for k in range(4):  # a class with fewer than another has none left
        assert counts[k] >= counts.max() - 1 or counts[k] == available[k]


def test_evenly_keeps_the_shuffled_order_and_without_labels_takes_the_first() -> None:
    assert evenly(np.array([5, 3, 1, 0]), None, 2).tolist() == [5, 3]
    taken = evenly(np.array([5, 3, 1, 0, 2, 4]), np.array([0, 0, 1, 1, 0, 1]), 4)
    assert taken.tolist() == [5, 3, 1, 0]  # classes 1, 1, 0, 0 of the shuffled rows 1, 1, 0, 0, 0, 1
