"""What goes in as one kind, type, layout and order of columns comes back as the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import DataError

GRAY = Preprocess((1, 4, 6), "uint8", range=(0.0, 1.0))
COLOR = Preprocess((3, 4, 6), "uint8", range=(0.0, 1.0))
TABLE = Preprocess((3,), "float32", (1.0, 2.0, 3.0), (0.5, 0.5, 0.5), columns=("a", "b", "c"), label_column="y")

LAYOUTS = {
    "NCHW": (COLOR, (5, 3, 4, 6)),
    "NHWC": (COLOR, (5, 4, 6, 3)),
    "one CHW": (COLOR, (3, 4, 6)),
    "one HWC": (COLOR, (4, 6, 3)),
    "rows of color pixels": (COLOR, (5, 72)),
    "N1HW": (GRAY, (5, 1, 4, 6)),
    "NHW1": (GRAY, (5, 4, 6, 1)),
    "NHW": (GRAY, (5, 4, 6)),
    "one HW": (GRAY, (4, 6)),
    "rows of pixels": (GRAY, (5, 24)),
    "one row of pixels": (GRAY, (24,)),
    "table": (TABLE, (5, 3)),
    "one row": (TABLE, (3,)),
}


def values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if dtype.startswith("float"):
        return rng.random(shape).astype(dtype)
    return rng.integers(0, 256 if dtype != "uint16" else 65_536, shape).astype(dtype)


def through(given: Any, preprocess: Preprocess) -> Any:
    carrier = Carrier(given, preprocess)
    assert tuple(carrier.raw.shape[1:]) == preprocess.shape
    return carrier.back(preprocess.to_x(carrier.raw))


def assert_same(back: Any, given: Any) -> None:
    """Kind, type, shape and values, up to the rounding of float32."""
    assert type(back) is type(given)
    assert back.dtype == given.dtype
    assert back.shape == given.shape
    assert np.asarray(back) == pytest.approx(np.asarray(given), abs=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32", "float64", "float16"])
def test_arrays_and_tensors_come_back_as_they_came(dtype: str, layout: str) -> None:
    preprocess, shape = LAYOUTS[layout]
    if preprocess is TABLE and not dtype.startswith("float"):
        dtype = "float32"  # a column of whole numbers is reconstructed as fractions
    array = values(shape, dtype)
    kept = array.copy()
    assert_same(through(array, preprocess), array)
    assert_same(through(torch.from_numpy(array), preprocess), torch.from_numpy(array))
    assert np.array_equal(array, kept)


def test_layouts_are_read_right() -> None:
    nhwc = values((5, 4, 6, 3), "uint8")
    assert np.array_equal(Carrier(nhwc, COLOR).raw.numpy(), nhwc.transpose(0, 3, 1, 2))
    rows = values((5, 72), "uint8")
    assert np.array_equal(Carrier(rows, COLOR).raw.numpy(), rows.reshape(5, 3, 4, 6))


@pytest.mark.parametrize(
    "given",
    [
        [[0, 1, 2], [3, 4, 5]],
        [np.array([0.0, 1, 2]), np.array([3.0, 4, 5])],
        np.array([[0, 1, 2], [3, 4, 5]], np.uint64),
        np.array([[0.0, 1, 2], [3, 4, 5]])[:, ::1].T.copy().T,
        np.broadcast_to(np.array([[0.0, 1, 2]]), (2, 3)),
    ],
)
def test_lists_and_unusual_arrays_are_understood(given: Any) -> None:
    back = through(given, TABLE)
    assert isinstance(back, np.ndarray)
    assert back == pytest.approx(np.asarray(given, float), abs=1e-6)


def test_truths_are_black_and_white() -> None:
    mask = np.zeros((2, 4, 6), bool)
    mask[0, 1, 2] = True
    for given in (mask, torch.from_numpy(mask)):
        raw = Carrier(given, GRAY).raw
        assert (int(raw[0, 0, 1, 2]), int(raw.sum())) == (255, 255)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_frames_are_matched_by_name_and_come_back_in_the_order_of_training(make: Any) -> None:
    frame = make({"c": [3.0, 30], "y": ["p", "q"], "a": [1.0, 10], "b": [2.0, 20]})
    carrier = Carrier(frame, TABLE)
    assert carrier.raw.tolist() == [[1, 2, 3], [10, 20, 30]]
    back = carrier.back(TABLE.to_x(carrier.raw))
    assert type(back) is type(frame)
    assert list(back.columns) == ["a", "b", "c"]
    assert back.to_numpy().tolist() == [[1, 2, 3], [10, 20, 30]]


def test_a_pandas_frame_keeps_its_index() -> None:
    frame = pd.DataFrame({"a": [1.0, 10], "b": [2.0, 20], "c": [3.0, 30]}, index=["p", "q"])
    carrier = Carrier(frame, TABLE)
    assert list(carrier.back(TABLE.to_x(carrier.raw)).index) == ["p", "q"]
    assert list(carrier.in_kind(torch.zeros(2, 4), "wxyz").index) == ["p", "q"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_other_values_come_in_the_kind_that_was_given(make: Any) -> None:
    frame = make({"a": [1.0, 10], "b": [2.0, 20], "c": [3.0, 30]})
    codes = Carrier(frame, TABLE).in_kind(torch.tensor([[1.0, 2], [3, 4]]), ["z0", "z1"])
    assert type(codes) is type(frame)
    assert list(codes.columns) == ["z0", "z1"]
    assert codes.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert isinstance(Carrier(np.zeros((2, 3)), TABLE).in_kind(torch.zeros(2, 4), "wxyz"), np.ndarray)
    assert isinstance(Carrier(torch.zeros(2, 3), TABLE).in_kind(torch.zeros(2, 4), "wxyz"), torch.Tensor)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_fault_24_missing_columns_are_listed(make: Any) -> None:
    with pytest.raises(DataError, match="c"):
        Carrier(make({"a": [1.0], "b": [2.0]}), TABLE)


@pytest.mark.parametrize(
    ("given", "preprocess", "message"),
    [
        (np.zeros((5, 7)), TABLE, r"the input has shape \(5, 7\); the model takes \(N, 3\)"),
        (np.zeros((5, 8, 6), np.uint8), GRAY, r"shape \(5, 8, 6\); the model takes \(N, 1, 4, 6\) or \(N, 4, 6\)"),
        (np.zeros((5, 1, 4, 6), np.uint8), COLOR, r"takes \(N, 3, 4, 6\) or \(N, 4, 6, 3\)"),
        (np.zeros((4, 6)) + 7.5, GRAY, "float images have values from 7.5 to 7.5; 0 to 1 are allowed"),
        (np.zeros((4, 6)) - 0.1, GRAY, "float images have values from -0.1 to -0.1"),
        (np.full((4, 6), 300), GRAY, "integer images have values from 300 to 300; 0 to 255 are allowed"),
        (np.full((4, 6), -1), GRAY, "integer images have values from -1 to -1"),
        (np.full((4, 6), np.nan), GRAY, "the input holds NaN or infinite values"),
        (np.full((2, 3), np.inf), TABLE, "the input holds NaN or infinite values"),
        (np.array([["a", "b", "c"]]), TABLE, "the input holds strings, not numbers"),
        (np.zeros((2, 3), complex), TABLE, "the input holds complex128 values, not numbers"),
        ([[1, 2, 3], [4, 5]], TABLE, "a list of samples of different lengths"),
        (None, TABLE, "the input holds object values, not numbers"),
        (torch.zeros(2, 3, dtype=torch.complex64), TABLE, "complex64"),
    ],
)
def test_what_the_model_cannot_take_is_refused(given: Any, preprocess: Preprocess, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Carrier(given, preprocess)


def test_no_samples_come_back_as_no_samples() -> None:
    assert through(np.zeros((0, 4, 6), np.uint8), GRAY).shape == (0, 4, 6)
    assert through(np.zeros((0, 3)), TABLE).shape == (0, 3)


def test_a_model_with_medians_takes_gaps() -> None:
    p = replace(TABLE, fill=(5.0,) * TABLE.size)
    raw = np.full((2, TABLE.size), np.nan)
    raw[0] = 1
    np.testing.assert_array_equal(
        p.to_x(Carrier(raw, p).raw), p.to_x(torch.tensor([[1.0], [5.0]]).expand(2, TABLE.size))
    )
    with pytest.raises(DataError, match="NaN or infinite values"):
        Carrier(np.where(np.isnan(raw), np.inf, raw), p)
    with pytest.raises(DataError, match="NaN or infinite values") as e:
        Carrier(raw, TABLE)
    assert "trained again fills gaps with medians" in str(e.value.fix)


@pytest.mark.parametrize(
    ("given", "message", "fix"),
    [
        (pl.DataFrame({"a": [1.0], "b": ["x"], "c": [2.0]}), 'row 1, column "b": "x" is not a number', "put numbers"),
        (pl.DataFrame({"a": [1.0], "b": [None], "c": [2.0]}), 'column "b": 1 missing value.* in row 1', "remove those"),
        (pd.DataFrame({"a": [1.0], "b": [np.inf], "c": [2.0]}), 'row 1, column "b": "inf"', "put numbers"),
        (pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0], "d": [4.0]}), "1 unknown", "remove the columns"),
        (pd.DataFrame({"a": [1.0], "c": [3.0], "bb": [4.0]}), "1 missing and 1 unknown", 'rename "bb" to "b"'),
        (pl.DataFrame({"a": [1.0], "b": [[2.0]], "c": [3.0]}), "hold no numbers", "turn these columns into numbers"),
        (pd.Series([1.0, 2.0, 3.0], index=["a", "b", "cc"]), "1 missing and 1 unknown", 'rename "cc" to "c"'),
    ],
)
def test_fault_88_faults_of_a_frame_are_told_by_row_and_column(given: Any, message: str, fix: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Carrier(given, TABLE)
    assert fix in str(caught.value.fix)
    assert "--" not in str(caught.value.fix)  # which a call in Python does not have


def test_fault_88_a_named_row_is_matched_by_name_and_comes_back_as_one() -> None:
    carrier = Carrier(pd.Series([3.0, 1.0, 2.0], index=["c", "a", "b"], name="p"), TABLE)
    assert carrier.raw.tolist() == [[1, 2, 3]]
    back = carrier.back(TABLE.to_x(carrier.raw))
    assert isinstance(back, pd.Series)
    assert back.to_dict() == {"a": 1, "b": 2, "c": 3}
    assert Carrier(pd.Series([3.0, 1.0, 2.0]), TABLE).raw.tolist() == [[3, 1, 2]]  # no names: as an array


def test_fault_88_truths_in_a_table_are_one_and_zero() -> None:
    truths = np.array([[True, False, True]])
    for given in (truths, torch.from_numpy(truths), pl.DataFrame(truths, schema=list("abc")), truths.tolist()):
        assert Carrier(given, TABLE).raw.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize(
    "given",
    [
        np.ma.masked_array([[1.0, 99.0, 3.0]], mask=[[False, True, False]]),
        np.ma.masked_array([[1, 99, 3]], mask=[[False, True, False]]),
        [[1.0, None, 3.0]],
        np.array([[1, None, 3]], dtype=object),
        pl.DataFrame({"c": [3], "b": [None], "a": [1]}),
        pd.DataFrame({"c": [3], "b": [None], "a": [1]}),
        pd.DataFrame({"a": [1], "b": [pd.NA], "c": [3]}, dtype="Int64"),
    ],
)
def test_fault_89_a_gap_of_any_kind_is_a_gap(given: Any) -> None:
    p = replace(TABLE, fill=(7.0, 8.0, 9.0))
    assert p.to_x(Carrier(given, p).raw).tolist() == p.to_x(torch.tensor([[1.0, 8.0, 3.0]])).tolist()
    with pytest.raises(DataError, match=r"NaN or infinite|missing value"):
        Carrier(given, TABLE)


@pytest.mark.parametrize("dtype", ["uint32", "uint64", "longdouble"])
def test_wide_numbers_keep_their_values(dtype: str) -> None:
    large = 2**64 - 2**40 if dtype != "uint32" else 2**32 - 1
    given = np.array([[1, 2], [large, 4]]).astype(dtype)
    preprocess = Preprocess((2,), "float64", columns=("a", "b"))
    assert Carrier(given, preprocess).raw.double().numpy() == pytest.approx(given.astype(float))


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f4", ">f8", "<f4"])
def test_fault_197_numbers_in_another_byte_order_keep_their_values(dtype: str) -> None:
    preprocess, given = (GRAY, values((4, 6), "uint16")) if dtype == ">u2" else (TABLE, values((5, 3), "float32") * 9)
    given = given.astype(dtype)
    assert np.array_equal(Carrier(given, preprocess).raw.numpy().reshape(given.shape), given)
