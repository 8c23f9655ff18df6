"""What a column is, found from its cells."""

from __future__ import annotations

import re
import shlex

import numpy as np
import polars as pl
import pytest

from isthmus.data.schema import TableColumn, asked_kinds
from isthmus.data.tables.cells import PLAIN, Style
from isthmus.data.tables.kind_finding import find_schema
from isthmus.errors import UsageError

RNG = np.random.default_rng(0)


def column(values: object, asked: str | None = None, *, name: str = "c", style: Style = PLAIN) -> TableColumn:
    cells = values if isinstance(values, pl.Series) else pl.Series([str(v) for v in values])  # type: ignore[union-attr]
    return find_schema(cells.alias(name).to_frame(), style, {} if asked is None else {name: asked}).columns[0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RNG.normal(size=50).round(3), "number"),
        ([-3, 4, 5, -3] * 8, "number"),
        ([1, 0, 12, 3] * 8, "count"),
        ([*RNG.normal(size=97), "x", "y", "z"], "number"),  # 97 % are numbers
        (["yes", "no", "No"] * 9, "yes-no"),
        (["T", "F"] * 9, "yes-no"),
        ([0, 1, 1] * 9, "yes-no"),
        (["True", "False"] * 9, "yes-no"),
        (["ja", "nein"] * 9, "yes-no"),
        (["tea", "coffee", "tea"] * 9, "category"),
        (["=SUM(A1)", "-x", "@y"] * 9, "category"),
        (["007", "012", "100"] * 9, "category"),  # codes: their zeros are no quantity's
        (["2024-01-02", "2024-03-01"] * 9, "time"),
        ([f"A{1000 + i}" for i in range(40)], "id"),
        (range(40), "id"),
        (RNG.permutation(40), "id"),
        ([f"{word} is what {word[::-1]} said" for word in map(str, RNG.integers(0, 10**9, 40))], "text"),
        (["x"] * 20, "constant"),
        ([""] * 20, "constant"),
        ([5, 5, 5], "constant"),
        (["1,234", "5,678", "12"] * 9, "number"),  # another style: an error with its fix, and no category
        (["12 %", "13 %"] * 9, "number"),
    ],
)
def test_kinds(values: object, kind: str) -> None:
    assert column(values).kind == kind


def test_incomes_are_no_identifiers() -> None:
    incomes = np.sort(RNG.lognormal(10, 1, 60).round())
    assert column(incomes.astype(int)).kind == "count"
    assert column(incomes.astype(int), name="customer_id").kind == "id"


def test_numbers_keep_their_digits_and_words_their_spelling() -> None:
    assert column(["1.25", "3.5", "4"] * 9).decimals == 2
    assert column(["1,25", "3,5"] * 9, style=Style(",")).decimals == 2
    assert column(["Yes", "Yes", "no"] * 9).levels == ("no", "Yes")
    assert column(["b", "a", "a"] * 9).levels == ("a", "b")  # the most frequent first


def test_rare_levels_are_pooled() -> None:
    found = column(["a"] * 50 + ["b"] * 50 + ["c"])
    assert (found.levels, found.pooled) == (("a", "b"), True)


def test_kinds_that_are_asked_for_are_taken() -> None:
    assert column([1, 2, 3] * 9, "category").levels == ("1", "2", "3")
    assert column(["a", "b"] * 9, "skip").kind == "skip"
    assert column(["01/02/2024"] * 9, "time:%m/%d/%Y").format == "%m/%d/%Y"
    assert asked_kinds(["a=b=count", "day=time:%d=%m"]) == {"a=b": "count", "day": "time:%d=%m"}
    with pytest.raises(UsageError, match="did you mean 'category'"):
        asked_kinds(["a=categry"])
    with pytest.raises(UsageError, match="does not name a kind"):
        asked_kinds(["product"])


def test_names_beyond_those_that_are_told_apart_are_counted() -> None:
    found = column([f"name {i % 90}" for i in range(900)])
    assert (found.kind, found.pooled, found.why) == (
        "category",
        True,
        "90 categories; the 64 most frequent are kept, the others merged",
    )


def test_fault_146_names_of_several_lines_are_names() -> None:
    assert column([f"line\none {i % 3}" for i in range(60)]).levels == ("line\none 0", "line\none 1", "line\none 2")


def test_codes_that_may_be_numbers_say_how() -> None:
    codes = [f"{i % 12:03d}" for i in range(60)]
    assert column(codes).why == "12 categories; digits with leading zeros; if they are numbers, pass --column c=number"
    assert column(codes, "number").kind == "number"


def test_options_in_reasons_work_as_typed() -> None:
    times = pl.DataFrame({"paid on": [f"0{1 + i % 9}/0{1 + i % 7}/2021 10:3{i % 10}" for i in range(63)]})
    few = pl.DataFrame({"paid on": [i % 4 for i in range(60)]})
    codes = pl.DataFrame({"paid on": [f"{i % 12:03d}" for i in range(60)]})
    for cells in (times, few, codes):
        found = find_schema(cells, PLAIN, {}).columns[0]
        typed = re.search(r"--column (.+?)(;|$)", found.why)
        assert typed is not None
        (option,) = shlex.split(typed[1])
        again = find_schema(cells, PLAIN, asked_kinds([option])).columns[0]
        assert (again.kind, again.format) != (found.kind, found.format)
