from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

import isthmus
from isthmus.api import Run
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.samples import Samples
from isthmus.errors import UsageError
from isthmus.tools.exploration import encoded_samples
from isthmus.tools.exploration.encoded_samples import Coded
from tiny import Digits, table


def test_distances_of_images_are_told_in_fractions(digits: Digits) -> None:
    data = Coded(digits.samples, np.zeros((400, 2)), fit_preprocess(digits.samples, "auto"))
    assert data.x.dtype == np.uint8
    x = digits.x.reshape(400, -1) / 255
    found = data.rms(float(np.linalg.norm(data.x[0].astype(float) - data.x[1])))
    assert found == pytest.approx(np.sqrt(np.mean((x[0] - x[1]) ** 2)))


def test_distances_of_rows_are_told_in_standard_deviations() -> None:
    samples = Samples(table() * np.float32(1e3), "t")
    data = Coded(samples, np.zeros((120, 2)), fit_preprocess(samples, "auto"))
    scaled = (samples.x - samples.x.mean(0)) / samples.x.std(0)
    np.testing.assert_allclose(data.x, scaled, rtol=1e-4, atol=1e-4)  # float32
    found = data.rms(float(np.linalg.norm(data.x[3] - data.x[4])))
    assert found == pytest.approx(np.sqrt(np.mean((scaled[3] - scaled[4]) ** 2)), rel=1e-4)


def test_codes_are_those_of_encode(digit_run: Run, digits: Digits) -> None:
    data = encoded_samples.coded(digit_run, digits.samples)
    np.testing.assert_array_equal(data.z, digit_run.model.encode(digits.x))
    assert len(data) == 400
    assert data.label(7) == str(digits.labels[7])


def test_the_runs_own_parts_are_all_of_its_data(digit_run: Run) -> None:
    parts = encoded_samples.all_parts(digit_run, None)
    assert {name: len(samples) for name, samples in parts.items()} == {"train": 1600, "validation": 200, "test": 200}
    whole = encoded_samples.joined(list(parts.values()))
    everything = isthmus.read("mnist-2k").train
    assert everything.labels is not None
    assert whole.labels is not None
    rows = np.array(list(map(int, whole.ids or ())))
    assert sorted(rows) == list(range(2_000))
    assert np.array_equal(whole.x, everything.x[rows])
    assert np.array_equal(whole.labels, everything.labels[rows])
    assert np.array_equal(encoded_samples.one_set(digit_run, None, part="train").x, parts["train"].x)
    assert len(encoded_samples.one_set(digit_run, "mnist-2k")) == 2_000
    chosen = encoded_samples.all_parts(digit_run, "mnist-2k:5,7-8")
    assert {name: samples.ids for name, samples in chosen.items()} == {"train": ("5", "7", "8")}


def test_sets_are_joined_in_the_classes_of_the_first() -> None:
    a = Samples(np.zeros((2, 3)), "a", labels=np.array([0, 1]), classes=("x", "y"), ids=("p", "q"))
    b = Samples(np.ones((3, 3)), "b", labels=np.array([0, 1, -1]), classes=("y", "z"))
    both = encoded_samples.joined([a, b])
    assert both.labels is not None
    assert both.labels.tolist() == [0, 1, 1, -1, -1]
    assert both.ids == ("p", "q", "0", "1", "2")
    assert encoded_samples.joined([a, Samples(np.ones((1, 3)), "c")]).labels is None


def test_a_set_is_thinned_evenly_and_says_so(digits: Digits) -> None:
    few = encoded_samples.thinned(digits.samples, 100, 0, "map")
    assert few.labels is not None
    assert np.bincount(few.labels, minlength=10).tolist() == [10] * 10
    assert few.notes == ("100 of 400 samples are used (--limit raises the number)",)
    assert few.ids is not None
    assert np.array_equal(few.x, digits.x[[int(i) for i in few.ids]])
    whole = digits.samples
    assert encoded_samples.thinned(whole, 400, 0, "map") is whole


def test_a_title_names_the_class_once() -> None:
    ids = ("oak/1.png", "2.png", "oaks/3.png", "4.png")
    samples = Samples(np.zeros((4, 1)), "t", labels=np.array([0, 0, 0, -1]), classes=("oak",), ids=ids)
    assert [encoded_samples.title(samples, i) for i in range(4)] == [
        "oak/1.png",
        "oak · 2.png",
        "oak · oaks/3.png",
        "4.png",
    ]


class Result:
    def draw(self) -> Figure:
        return Figure((1, 1))

    def columns(self) -> dict[str, Any]:
        return {"id": ["a"], "x": [1.5]}


def test_results_are_written_by_suffix(tmp_path: Path) -> None:
    assert encoded_samples.write_result(Result(), tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert encoded_samples.write_result(Result(), tmp_path / "a.csv").read_text() == "id,x\na,1.5\n"
    assert pl.read_parquet(encoded_samples.write_result(Result(), tmp_path / "a.parquet")).rows() == [("a", 1.5)]


@pytest.mark.parametrize("name", ["a.jpg", "folder", "a.npy"])
def test_other_suffixes_are_refused(digit_run: Run, name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written as"):
        encoded_samples.refuse_out(digit_run, tmp_path / name, None)


def test_an_input_is_not_written_over(digit_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n")
    with pytest.raises(UsageError, match="is the input itself"):
        encoded_samples.refuse_out(digit_run, path, str(path))
    encoded_samples.refuse_out(digit_run, tmp_path / "b.csv", str(path), None)
    assert path.read_text() == "x\n1\n"


def test_rows_of_a_table_have_no_picture() -> None:
    with pytest.raises(UsageError, match="t has rows of a table"):
        encoded_samples.picture_of(Samples(table(), "t"), [0], Preprocess((3,), "float32"))
    fractions = Samples(np.full((2, 1, 3, 3), 0.25, np.float32), "f")
    assert (
        encoded_samples.picture_of(fractions, [1], Preprocess((1, 3, 3), "float32")).tolist()
        == np.full((1, 1, 3, 3), 0.25).tolist()
    )
