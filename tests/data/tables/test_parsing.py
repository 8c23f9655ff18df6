"""Chunks of text tables: the fast way, the careful way, and that both agree."""

import numpy as np
import pytest

from isthmus.config import DataConfig
from isthmus.data.tables.cells import PLAIN, Style
from isthmus.data.tables.columns import Plan
from isthmus.data.tables.dialects import Dialect
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.parsing import Parser
from isthmus.data.tables.text import Lines

NAMES = ["a", "b", "kind"]


def parser(
    n: int = 3,
    *,
    label: int | None = 2,
    delimiter: str = ",",
    style: Style = PLAIN,
    careful: bool = False,
    **options: object,
) -> Parser:
    features = tuple(i for i in range(n) if i != label)
    config = DataConfig(**options)  # type: ignore[arg-type]
    found = Findings("t", NAMES[:n], config, counting="", style=style)
    made = Parser(Dialect(delimiter, style, None, n, 0, None, ()), Plan(features, label, False), found, config)
    made.careful |= careful
    return made


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2,x\n3,4,y\n", [[1, 2], [3, 4]]),
        ("1,2,x\r\n3,4,y\r\n", [[1, 2], [3, 4]]),
        ("1,2,x\n3,4,y", [[1, 2], [3, 4]]),
        ('"1","2","x"\n3,"4","y, ""z"""\n', [[1, 2], [3, 4]]),
        ("1,2,x\n\n3,4,y\n\n", [[1, 2], [3, 4]]),
        (" 1,2 ,x\n3,\t4,y\n", [[1, 2], [3, 4]]),
        ("1.5,-2e3,x\n.5,+4.,y\n", [[1.5, -2000], [0.5, 4]]),
        ("300,2,x\n3,-4,y\n", [[300, 2], [3, -4]]),
    ],
)
def test_both_ways_give_the_same_numbers(text: str, values: list[list[float]], careful: bool) -> None:
    made = parser(careful=careful)
    part = made.parse(Lines(text.encode(), 2))
    np.testing.assert_array_equal(part.values, values)
    assert (made.findings.ragged, made.findings.n_bad.total(), made.findings.n_missing.total()) == ([], 0, 0)
    assert part.labels is not None
    assert part.labels.to_list()[0] == "x"
    assert part.kept.tolist() == [0, 1]


def test_bytes_until_something_else_comes() -> None:
    made = parser()
    assert made.parse(Lines(b"1,255,x\n", 2)).values.dtype == np.uint8
    assert made.parse(Lines(b"1,256,x\n", 3)).values.dtype == np.float64
    assert made.parse(Lines(b"1,255,x\n", 4)).values.dtype == np.float64


def test_fault_11_row_too_long_and_fault_12_too_short() -> None:
    made = parser()
    part = made.parse(Lines(b"1,2,x\n3,4,5,y\n6,7\n8,9,z\n", 2))
    np.testing.assert_array_equal(part.values, [[1, 2], [8, 9]])
    assert part.kept.tolist() == [0, 3]
    assert made.findings.ragged == [
        (3, 'row 3: expected 3 fields, found 4: "3,4,5,y"'),
        (4, 'row 4: expected 3 fields, found 2: "6,7"'),
    ]


def test_fault_12_short_row_is_not_taken_for_a_gap() -> None:
    made = parser(label=None, missing="median")
    made.parse(Lines(b"1,2,3\n4,5\n6,7,\n", 2))
    assert [row for row, _ in made.findings.ragged] == [3]
    assert made.findings.n_missing == {2: 1}


def test_fault_13_every_bad_cell_with_its_row() -> None:
    made = parser()
    part = made.parse(Lines(b"1,2,x\nhello,4,y\n6,7,z\n8,world,z\n", 10))
    np.testing.assert_array_equal(part.values, [[1, 2], [6, 7]])
    assert made.findings.bad == {0: [(11, "hello")], 1: [(13, "world")]}
    assert (made.findings.n_rows, made.findings.n_rows_bad) == (4, 2)


def test_fault_14_missing_values_by_column() -> None:
    cells = b"1,,x\nNA,4,y\n6,-,\n8,nan,z\n"
    made = parser()
    made.parse(Lines(cells, 2))
    assert made.findings.n_missing == {0: 1, 1: 3, 2: 1}
    assert made.findings.first_missing == {0: (3, "NA"), 1: (2, ""), 2: (4, "")}
    dropped = parser(missing="drop").parse(Lines(b"1,2,x\n" + cells, 2))
    np.testing.assert_array_equal(dropped.values, [[1, 2]])
    kept = parser(missing="median").parse(Lines(cells, 2))
    np.testing.assert_array_equal(np.isnan(kept.values), [[0, 1], [1, 0], [0, 1], [0, 1]])


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e308", "-4e38"])
def test_fault_15_infinite_and_huge(cell: str) -> None:
    made = parser()
    made.parse(Lines(f"1,2,x\n3,{cell},y\n".encode(), 2))
    assert made.findings.bad == {1: [(3, cell)]}


def test_fault_16_decimal_comma() -> None:
    made = parser(delimiter=";", style=Style(","))
    np.testing.assert_array_equal(made.parse(Lines(b"1,5;2;x\n2,5;3;y\n", 2)).values, [[1.5, 2], [2.5, 3]])
    made.parse(Lines(b"1.234;2;x\n", 4))
    assert made.findings.bad == {0: [(4, "1.234")]}


def test_fault_20_quotes_that_swallow_rows_are_found() -> None:
    made = parser()
    part = made.parse(Lines(b'1,2,x\n3,"4,y\n5,6,x\n7",x\n9,1,y\n', 2))
    np.testing.assert_array_equal(part.values, [[1, 2], [9, 1]])
    assert made.findings.bad == {1: [(3, "4,y\n5,6,x\n7")]}
    assert part.kept.tolist() == [0, 2]
    made.parse(Lines(b'1,2,x\n3,"4,y\n5,6",8,x\n9,1,y\n', 6))
    opened = 'row 7: expected 3 fields, found 4, in quotes opened here and closed 1 rows below: "3,"4,y"'
    assert made.findings.ragged == [(7, opened)]


def test_row_of_nonsense_quotes() -> None:
    made = parser()
    made.parse(Lines(b'1,2,x\n3,"4" 5,6,"y\n"\n5,6,x\n', 2))
    assert made.findings.ragged[0][1].startswith("row 3: expected 3 fields, found 4, in quotes opened here")


def test_fault_21_grouped_thousands() -> None:
    made = parser(style=Style(".", ","))
    np.testing.assert_array_equal(made.parse(Lines(b'"1,234",2,x\n3,"1,234,567.5",y\n', 2)).values[:, 0], [1234, 3])


def test_runs_of_blanks() -> None:
    made = parser(delimiter=" ", label=None)
    np.testing.assert_array_equal(made.parse(Lines(b"  1 2   3\r\n4\t5 6  \n", 1)).values, [[1, 2, 3], [4, 5, 6]])


def test_single_column_and_its_blank_lines() -> None:
    made = parser(1, label=None)
    np.testing.assert_array_equal(made.parse(Lines(b"1\n2\n\n\n", 2)).values, [[1], [2]])
    made.parse(Lines(b"1\n\n2\n", 6))
    assert made.findings.first_missing == {0: (7, "")}


def test_columns_that_are_not_read_may_hold_anything() -> None:
    made = parser(3, label=None)
    made.plan = Plan((0,), None, False)
    made.features = ["0"]
    part = made.parse(Lines(b"1,,x\n2,y,z\n", 2))
    np.testing.assert_array_equal(part.values, [[1], [2]])
    assert (made.findings.ragged, made.findings.n_bad.total(), made.findings.n_missing.total()) == ([], 0, 0)


def test_digits_lost_are_marked_by_column() -> None:
    for careful in (False, True):
        made = parser(careful=careful)
        made.parse(Lines(b"16777217,16777216,x\n", 2))
        assert made.lossy.tolist() == [True, False]
