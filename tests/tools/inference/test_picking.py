from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.api import Run
from isthmus.data.samples import Samples
from isthmus.errors import DataError, UsageError
from isthmus.tools.inference.picking import parted, pick, pick_one, rows_of
from tiny import Digits

SAMPLES = Samples(np.zeros((40, 3), np.float32), "t", labels=np.arange(40) % 3, classes=("a", "b b", "c:1", "none"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mnist-2k", ("mnist-2k", None)),
        ("mnist-2k:12", ("mnist-2k", "12")),
        ("emnist/letters:0-9,30", ("emnist/letters", "0-9,30")),
        ("photos/: 3", ("photos/", "3")),
        ("t.csv:label=c:1", ("t.csv", "label=c:1")),
        ("t.csv:row=12", ("t.csv", "row=12")),
        ("C:\\data\\t.csv", ("C:\\data\\t.csv", None)),
        ("C:\\data\\t.csv:4", ("C:\\data\\t.csv", "4")),
        ("photo.png", ("photo.png", None)),
        (":12", (":12", None)),
        ("mnist-2k:-1", ("mnist-2k", "-1")),
        ("mnist-2k:last", ("mnist-2k", "last")),
        ("mnist-2k:", ("mnist-2k", "")),
        ("gone.csv:-1", ("gone.csv", "-1")),
        ("a:b", ("a:b", None)),
        ("", ("", None)),
    ],
)
def test_the_source_is_parted_from_the_choice(text: str, parts: tuple[str, str | None]) -> None:
    assert parted(text) == parts


def test_a_path_that_exists_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parted("photo:12") == ("photo", "12")
    Path("photo:12").touch()
    assert parted("photo:12") == ("photo:12", None)
    assert parted("photo:12:3") == ("photo:12", "3")
    Path("t:label=x.csv").touch()
    assert parted("t:label=x.csv:label=a:b") == ("t:label=x.csv", "label=a:b")
    assert parted(Path("t:label=x.csv")) == ("t:label=x.csv", None)


@pytest.mark.parametrize(
    ("choice", "rows"),
    [
        ("0", [0]),
        ("39", [39]),
        ("3-5", [3, 4, 5]),
        ("row=3-5", [3, 4, 5]),
        ("row= 7", [7]),
        ("7,0-2, 7", [7, 0, 1, 2, 7]),
        ("label=b b", [*range(1, 40, 3)]),
    ],
)
def test_rows_come_in_the_order_named(choice: str, rows: list[int]) -> None:
    assert rows_of(choice, SAMPLES).tolist() == rows


@pytest.mark.parametrize("choice", ["40", "0-40", "99999999999"])
def test_rows_that_are_not_there(choice: str) -> None:
    with pytest.raises(DataError, match=r"t has 40 samples, counted from 0") as caught:
        rows_of(choice, SAMPLES)
    assert caught.value.fix == "choose rows from 0 to 39"


def test_a_range_that_ends_before_it_begins_is_told_the_other_way_round() -> None:
    with pytest.raises(DataError, match="the range 5-3 of t ends before it begins") as caught:
        rows_of("0,5-3", SAMPLES)
    assert caught.value.fix == "write the smaller number first: 3-5"


@pytest.mark.parametrize("choice", ["1,,2", "1-2-3", "1 2", "1-", "9" * 13, "", "last"])
def test_choices_that_cannot_be_read(choice: str) -> None:
    with pytest.raises(UsageError, match="does not select rows"):
        rows_of(choice, SAMPLES)


@pytest.mark.parametrize("choice", ["-1", "-3,5", "-1-4"])
def test_rows_are_not_counted_from_the_back(choice: str) -> None:
    with pytest.raises(DataError, match=r"t has no row -.*: rows are counted from 0") as caught:
        rows_of(choice, SAMPLES)
    assert caught.value.fix == "choose rows from 0 to 39"


def test_classes_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="unknown class 'd'"):
        rows_of("label=d", SAMPLES)
    with pytest.raises(DataError, match="no samples of class 'none'"):
        rows_of("label=none", SAMPLES)
    with pytest.raises(DataError, match="has no labels"):
        rows_of("label=a", Samples(SAMPLES.x, "t"))


def test_the_shipped_digits_by_row_and_by_class(digit_run: Run, digits: Digits) -> None:
    np.testing.assert_array_equal(pick_one(digit_run, "mnist-2k:12").x[0], digits.x[12])
    picked = pick(digit_run, "mnist-2k:0-9,30")
    np.testing.assert_array_equal(picked.x, digits.x[[*range(10), 30]])
    assert picked.ids is not None
    assert picked.ids[-1] == "30"
    sevens = pick(digit_run, "mnist-2k:label=7")
    assert sevens.labels is not None
    assert {sevens.classes[k] for k in sevens.labels} == {"7"}
    with pytest.raises(UsageError, match="selects 2,000 samples; exactly one is needed") as caught:
        pick_one(digit_run, "mnist-2k")
    assert caught.value.fix == "select one row, such as mnist-2k:row=0"
    one = pick_one(digit_run, "mnist-2k:label=7")
    np.testing.assert_array_equal(one.x, sevens.x[:1])
    assert (
        one.notes[-1] == f"mnist-2k:label=7: row {sevens.id_of(0)}, the first of {len(sevens)} samples of this class."
    )
