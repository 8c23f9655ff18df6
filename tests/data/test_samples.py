from __future__ import annotations

import numpy as np

from isthmus.data.samples import Samples


def test_taken_samples_keep_their_labels_and_the_number_of_their_row() -> None:
    samples = Samples(np.arange(12.0).reshape(4, 3), "t", labels=np.array([0, 1, 1, 0]), classes=("a", "b"))
    taken = samples.take(np.array([3, 1]))
    assert taken.x.tolist() == [[9, 10, 11], [3, 4, 5]]
    assert taken.labels is not None
    assert taken.labels.tolist() == [0, 1]
    assert taken.ids == ("3", "1")
    assert taken.take(np.array([1])).ids == ("1",)  # still the row of the original
    assert (len(taken), taken.shape, taken.is_image) == (2, (3,), False)


def test_file_names_stay_ids() -> None:
    samples = Samples(np.zeros((3, 1, 2, 2), np.uint8), "f", ids=("a.png", "b.png", "c.png"))
    assert samples.take(np.array([2, 0])).ids == ("c.png", "a.png")
    assert samples.id_of(1) == "b.png"
    assert samples.is_image
    assert Samples(np.zeros((3, 2)), "t").id_of(1) == "1"


def test_all_ids_and_labels_are_those_of_each_sample() -> None:
    x = np.zeros((4, 2), np.float32)
    labeled = Samples(x, "t", labels=np.array([1, -1, 0, 1]), classes=("a", "b"))
    assert labeled.all_ids() == [labeled.id_of(i) for i in range(4)] == ["0", "1", "2", "3"]
    assert labeled.all_labels() == ["b", "", "a", "b"]
    taken = labeled.take(np.array([2, 0]))
    assert taken.all_ids() == ["2", "0"]
    assert taken.take(np.array([1])).all_ids() == ["0"]
