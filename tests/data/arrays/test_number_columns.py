"""Arrays of numbers with gaps, which a model sees, as tables whose columns are known by their kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isthmus.config import DataConfig
from isthmus.data.arrays.array_files import read_npy
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.schema import Schema, TableColumn
from isthmus.errors import DataError, UsageError

RNG = np.random.default_rng(0)
X = np.c_[RNG.normal(size=(40, 2)), RNG.poisson(3, 40), np.ones(40), np.arange(40)].astype(np.float64)
X[RNG.random(X.shape) < 0.1] = np.nan


def schema_of(x: np.ndarray, **options: object) -> Schema:
    found = samples_from_array(x, name="x", options=DataConfig(**options)).schema  # type: ignore[arg-type]
    assert found is not None
    return found


def test_fault_14_gaps_of_an_array_are_told_and_every_column_stays_a_number(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    found = read_npy(tmp_path / "x.npy", DataConfig())
    np.testing.assert_array_equal(found.x, X)
    assert found.columns == ("0", "1", "2", "3", "4")
    assert {column.kind for column in schema_of(X).columns} == {"number"}
    n = int(np.isnan(X).sum())
    assert any(f"{n} missing values in 5 columns; the model sees them as missing" in note for note in found.notes)


def test_whole_numbers_come_back_whole() -> None:
    assert [column.decimals for column in schema_of(X).columns] == [None, None, 0, 0, 0]
    assert schema_of(X, kinds=("2=count",)).columns[2].kind == "count"


def test_arrays_without_gaps_and_other_choices_are_read_as_before() -> None:
    whole = np.nan_to_num(X)
    assert samples_from_array(whole, name="x", options=DataConfig()).schema is None
    assert samples_from_array(X, name="x", options=DataConfig(missing="median")).schema is None
    assert len(samples_from_array(X, name="x", options=DataConfig(missing="drop"))) == int((~np.isnan(X).any(1)).sum())


def test_kinds_that_an_array_cannot_have_and_columns_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="cannot be of kind category, only number or count"):
        schema_of(X, kinds=("2=category",))
    with pytest.raises(DataError, match='no column "7" for --column') as e:
        schema_of(X, kinds=("7=count",))
    assert '"4"' in str(e.value.fix)


def test_infinite_values_are_errors_counted_as_numpy_does() -> None:
    x = X.copy()
    x[3, 1] = np.inf
    with pytest.raises(DataError, match=r'x, row 3, column "1": "inf" is infinite'):
        samples_from_array(x, name="x", options=DataConfig())


def test_at_use_the_columns_of_the_run_count() -> None:
    schema, row = schema_of(X), np.array([[0.5, np.nan, 2, 1, 7]])
    found = samples_from_array(row, name="x", options=DataConfig(), expected=schema)
    np.testing.assert_array_equal(found.x, row)
    filled = samples_from_array(row, name="x", options=DataConfig(), expected=("a", "b", "c", "d", "e"))
    assert filled.schema is None  # a run of numbers has medians for gaps


def test_fault_134_an_array_for_a_run_with_names_is_refused() -> None:
    schema, row = schema_of(X), np.array([[0.5, np.nan, 2, 1, 7]])
    worded = Schema((TableColumn("drink", "category", levels=("tea", "rum")), *schema.columns[1:]))
    with pytest.raises(DataError, match='column "drink" is of kind category'):
        samples_from_array(row, name="x", options=DataConfig(), expected=worded)
