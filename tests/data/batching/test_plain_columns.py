from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from isthmus.data.batching.plain_columns import PlainColumns, plain_columns
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.numeric import BLOCK
from isthmus.data.samples import Samples
from isthmus.data.tables.given_columns import numbers_like


def written(digits: int, n: int = 3_000, seed: int = 0) -> list[str]:
    """Numbers from -50 to 50 as texts of so many digits after the point."""
    values = np.random.default_rng(seed).uniform(-50, 50, n)
    return [f"{value:.{digits}f}" for value in values]


def most_digits(texts: list[str]) -> int:
    """The digits after the point that the numbers have, by Python's own decimals."""
    exponents = [Decimal(text).normalize().as_tuple().exponent for text in texts]
    return max(0, *(-int(exponent) for exponent in exponents))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("digits", [0, 1, 2, 4])
def test_digits_are_those_of_the_texts(dtype: type, digits: int) -> None:
    texts = written(digits)
    found = plain_columns(np.array(texts, dtype)[:, None])
    assert found.decimals == (most_digits(texts),)


def test_digits_of_a_computation_are_all_kept() -> None:
    x = np.random.default_rng(0).normal(size=(500, 2)) / 3
    found = plain_columns(x)
    assert found.decimals == (None, None)
    np.testing.assert_array_equal(found.rounded(x), x)


def test_one_value_in_many_is_enough_for_another_digit() -> None:
    x = np.zeros((BLOCK // 4 + 10, 2), np.float32)
    x[-1] = 0.25, np.nan
    assert plain_columns(x).decimals == (2, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_value_of_the_data_comes_back_as_it_was(dtype: type) -> None:
    x = np.array([written(0), written(1, seed=1), written(3, seed=2)], dtype).T
    x = np.concatenate([x, np.full((1, 3), np.nan, dtype), np.full((1, 3), dtype(2**30))])
    np.testing.assert_array_equal(plain_columns(x).rounded(x), x)


def test_whole_numbers_stay_within_what_they_count() -> None:
    x = np.array([[0, 5, -2, 0.0], [1, 9, 3, 0.5]], np.float32)
    made = np.array([[-0.7, -1.6, -4.4, -0.4], [1.8, 20.4, 7.6, 1.26]], np.float32)
    columns = plain_columns(x).columns(made, "abcd")
    assert {name: values.tolist() for name, values in columns.items()} == {
        "a": [0, 1],
        "b": [0, 20],
        "c": [-4, 8],
        "d": pytest.approx([-0.4, 1.3]),
    }
    assert [values.dtype.kind for values in columns.values()] == ["i", "i", "i", "f"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32])
def test_arrays_of_any_type_and_without_rows_are_taken(dtype: type) -> None:
    x = np.array([[0, 3], [1, 200]], dtype)
    assert plain_columns(x) == PlainColumns((0, 0), (0.0, 0.0), (1.0, None))
    assert plain_columns(x[:0]).decimals == (0, 0)


def test_a_model_keeps_them_and_one_of_before_goes_without() -> None:
    p = fit_preprocess(Samples(np.array([[1, 0.5], [2, 1.5], [4, 0.5]], np.float32), "t"), "auto")
    assert p.plain == PlainColumns((0, 1), (0.0, None), (None, None))
    assert Preprocess.from_dict(p.as_dict()) == p
    old = Preprocess.from_dict({k: v for k, v in p.as_dict().items() if k != "plain"})
    made = np.array([[1.4, 0.77]], np.float32)
    assert next(iter(p.cells(made).values())).tolist() == [1]
    assert [values[0] for values in old.cells(made).values()] == made[0].tolist()


def test_a_gap_that_a_median_fills_adds_no_digit() -> None:
    p = fit_preprocess(Samples(np.array([[1, 2], [4, np.nan], [2, 3]], np.float32), "t"), "auto", missing="median")
    assert (p.fill, p.plain and p.plain.decimals) == ((2, 2.5), (0, 0))


@pytest.mark.parametrize(
    "change", [{"decimals": [0]}, {"decimals": [0, -1]}, {"decimals": [0, True]}, {"least": [0, 3]}, {"most": 5}]
)
def test_what_no_data_gives_is_refused(change: dict[str, object]) -> None:
    kept = fit_preprocess(Samples(np.array([[1, 0.5], [2, 1.5]], np.float32), "t"), "auto").as_dict()
    with pytest.raises((ValueError, TypeError)):
        Preprocess.from_dict(kept | {"plain": kept["plain"] | change})


def test_columns_take_the_types_of_a_frame_that_hold_them() -> None:
    columns = {"a": np.array([3, 200]), "b": np.array([1.5, 2.0]), "c": np.array([0, 1]), "d": np.array([1.5, 2.0])}
    frame = pl.DataFrame({"a": [1], "b": [1], "c": [True], "d": [1]})
    frame = frame.cast({"a": pl.UInt8, "b": pl.Int64, "d": pl.Float32})
    types = [pl.Series(values).dtype for values in numbers_like(columns, frame).values()]
    assert types == [pl.UInt8, pl.Float64, pl.Int64, pl.Float32]
    pandas = pytest.importorskip("pandas")
    given = pandas.DataFrame(frame.to_dict(as_series=False)).astype({"a": "Int64", "d": "float32"})
    made = pandas.DataFrame(numbers_like(columns, given), index=[7, 8])
    assert list(map(str, made.dtypes)) == ["int64", "float64", "bool", "float32"]
    assert made["a"].tolist() == [3, 200]


def test_a_narrow_type_that_cannot_hold_a_value_is_left() -> None:
    pandas = pytest.importorskip("pandas")
    for frame in (pl.DataFrame({"a": [1]}, schema={"a": pl.Int8}), pandas.DataFrame({"a": [1]}, dtype="int8")):
        assert list(numbers_like({"a": np.array([3, 300])}, frame)["a"]) == [3, 300]
