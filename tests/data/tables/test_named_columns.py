"""A dict of columns and a structured array are read as the frame that polars makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from isthmus.data.objects import read_object
from isthmus.data.tables.named_columns import from_columns
from isthmus.errors import DataError

RNG = np.random.default_rng(0)
X = {"a": RNG.normal(size=30), "b": RNG.integers(0, 9, 30), "c": RNG.normal(size=30)}


def structured(columns: dict[str, Any]) -> np.ndarray:
    array = np.zeros(30, dtype=[(name, np.asarray(values).dtype) for name, values in columns.items()])
    for name, values in columns.items():
        array[name] = values
    return array


@pytest.mark.parametrize(
    "given",
    [
        X,
        {name: list(values) for name, values in X.items()},
        structured(X),
        structured(X).view(np.recarray),
        structured(X).astype([("a", ">f8"), ("b", ">i4"), ("c", ">f8")]),
    ],
    ids=["arrays", "lists", "structured", "record array", "big-endian"],
)
def test_fault_102_columns_by_name_are_a_frame(given: Any) -> None:
    found, expected = read_object(given).train, read_object(pl.DataFrame(X)).train
    assert found.columns == expected.columns == ("a", "b", "c")
    assert np.array_equal(found.x, expected.x)


def test_fault_102_texts_are_labels_and_gaps_are_gaps() -> None:
    kinds = ["oak", "elm", "ash"] * 10
    for texts in (kinds, np.array(kinds, dtype="S3")):
        found = read_object(X | {"label": texts}).train
        assert found.columns == ("a", "b", "c")
        assert [found.classes[k] for k in found.labels] == kinds
    masked = np.ma.masked_array(X["a"], mask=np.arange(30) == 7)
    frame = from_columns({"a": masked, "b": [None, *range(29)]})
    assert frame is not None
    assert frame.null_count().rows() == [(1, 1)]


def test_fault_102_columns_that_make_no_rows_are_named() -> None:
    with pytest.raises(DataError, match=r"the columns of data differ in length \(a: 30, b: 29\)"):
        read_object({"a": X["a"], "b": X["b"][:29]})
    with pytest.raises(DataError, match=r'data: column "a" has shape \(30, 2\)'):
        read_object({"a": np.zeros((30, 2))})


def test_other_objects_are_no_columns() -> None:
    assert [from_columns(given) for given in (np.zeros((3, 2)), [1, 2], "a", pl.DataFrame(X), {}, {"a": 1})] == [
        None
    ] * 6
