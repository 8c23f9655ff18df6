"""Texts as numbers, against Python's float."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.data.tables.cells import PLAIN, Style, reason, to_numbers


def numbers(cells: list[str | None], style: Style = PLAIN):
    return to_numbers(pl.DataFrame({"a": pl.Series(cells, dtype=pl.String)}), style)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_as_python_writes_them(values: list[float]) -> None:
    found = numbers([repr(value) for value in values])
    np.testing.assert_array_equal(found.values[:, 0], values)
    assert not found.missing.any()
    assert not found.bad.any()


@given(st.text(alphabet="0123456789.,eE+-naif ", max_size=8))
def test_whether_a_text_is_a_number_as_python_sees_it(text: str) -> None:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    usable = math.isfinite(value) and abs(value) < 3.4e38
    found = numbers([text])
    assert (not found.bad[0, 0] and not found.missing[0, 0]) == usable
    assert PLAIN.is_number(text) == (math.isfinite(value) or (math.isinf(value) and "i" not in text.lower()))


def test_missing_is_told_from_bad() -> None:
    cells = ["1", "", None, "NA", " nan ", "-", "NULL", "n/a", "inf", "x", "1e308", "-3.5e38"]
    found = numbers(cells)
    assert found.missing[:, 0].tolist() == [False] + [True] * 7 + [False] * 4
    assert found.bad[:, 0].tolist() == [False] * 8 + [True] * 4


@pytest.mark.parametrize(
    ("text", "style", "value"),
    [
        ("1,5", Style(","), 1.5),
        ("1.5", Style(","), None),
        ("1.234,5", Style(",", "."), 1234.5),
        ("1,234,567.5", Style(".", ","), 1234567.5),
        ("12,34", Style(".", ","), None),
        ("-1,234", Style(".", ","), -1234),
        ("1 234", Style(".", " "), 1234),
        ("1'234'567", Style(".", "'"), 1234567),
        ("1,5e3", Style(","), 1500),
    ],
)
def test_styles(text: str, style: Style, value: float | None) -> None:
    found = numbers([text], style)
    assert style.is_number(text) == (value is not None)
    assert bool(found.bad[0, 0]) == (value is None)
    if value is not None:
        assert found.values[0, 0] == value


def test_true_and_false_fill_a_column_or_are_no_numbers() -> None:
    assert numbers(["True", "false", "TRUE", ""]).values[:, 0].tolist()[:3] == [1, 0, 1]
    assert numbers(["true", "", "false"]).missing[:, 0].tolist() == [False, True, False]
    assert numbers(["true", "2"]).bad[:, 0].tolist() == [True, False]


@pytest.mark.parametrize(
    ("cell", "words", "fix"),
    [
        ("hello", "is not a number", None),
        ("-inf", "is infinite", None),
        ("Infinity", "is infinite", None),
        ("1e308", "is too large", None),
        ("12 %", "is a percentage", None),
        ("€5", "is an amount of money", None),
        ("5.20 $", "is an amount of money", None),
        ("1,234", "has thousands separators", '--thousands ","'),
        ("1.234.567,8", "has thousands separators", '--thousands "." --decimal ","'),
        ("1'234", "has thousands separators", '--thousands "\'"'),
        ("1,5", "has a decimal comma", '--decimal ","'),
        ("2024-05-01 10:00", "is a date", None),
        ("2\n3", "spans several rows", None),
    ],
)
def test_fault_21_the_reason_is_recognized(cell: str, words: str, fix: str | None) -> None:
    found = reason(cell)
    assert words in found.words
    assert found.fix == fix
    assert "decimal point" in reason("1.5", Style(",")).words
