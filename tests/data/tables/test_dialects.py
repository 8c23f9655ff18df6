"""Delimiter, decimal mark and header of text tables."""

import itertools

import pytest

from isthmus.config import DataConfig
from isthmus.data.tables.cells import Style
from isthmus.data.tables.dialects import Dialect, find_dialect
from isthmus.data.tables.text import Lines
from isthmus.errors import DataError, UsageError


def dialect(text: str, **options: object) -> Dialect:
    return find_dialect(Lines(text.encode(), 1), DataConfig(**options), name="t.csv")  # type: ignore[arg-type]


READINGS = [r for r in itertools.product(",;\t| ", ".,", (True, False)) if r[0] != r[1]]


@pytest.mark.parametrize(("delimiter", "decimal", "header"), READINGS)
def test_fault_16_delimiter_and_decimal_mark_are_found(delimiter: str, decimal: str, header: bool) -> None:
    rows = [["height", "weight", "kind"]] * header + [
        [f"{i}{decimal}25", f"{i * 7}{decimal}5", "cat"] for i in range(9)
    ]
    text = "\n".join(delimiter.join(row) for row in rows) + "\n"
    found = dialect(text, header="auto" if header else "no")
    assert (found.delimiter, found.style) == (delimiter, Style(decimal))
    assert found.names == (("height", "weight", "kind") if header else None)
    assert found.n_columns == 3
    assert bool(found.notes) == (delimiter != ",")


@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_fault_16_commas_that_group_thousands_divide_no_cells(delimiter: str) -> None:
    rows = [["amount", "rate", "kind"], *[[f"{2 + i % 7},455,885.00", f"{i}.5", "cat"] for i in range(20)]]
    text = "\n".join(delimiter.join(row) for row in rows) + "\n"
    found = dialect(text)
    assert (found.delimiter, found.names) == (delimiter, ("amount", "rate", "kind"))


def test_fault_16_the_reading_is_said() -> None:
    assert dialect("a;b\n1,5;2\n").notes == (
        "t.csv: read with semicolons between cells and numbers with decimal commas; --delimiter sets another.",
    )


def test_options_are_obeyed() -> None:
    assert dialect("a:b\n1:2\n", delimiter=":").names == ("a", "b")
    assert dialect("a\tb\n1\t2\n", delimiter="tab").delimiter == "\t"
    assert dialect("a;b\n1,5;2\n", decimal=".").style == Style(".")
    with pytest.raises(UsageError, match="--delimiter '::' is not a delimiter"):
        dialect("a::b\n", delimiter="::")
    with pytest.raises(UsageError, match="--thousands '5' cannot be combined"):
        dialect("a,b\n", thousands="5")


def test_thousands_or_decimals() -> None:
    with pytest.raises(DataError, match=r"t\.csv: 1,500 may mean 1\.500 or 1500") as e:
        dialect("a;b\n1,500;2\n2,125;3\n")
    assert e.value.fix == 'pass --decimal "," for the first, or --thousands "," for the second'
    assert dialect("a;b\n0,125;2\n").style == Style(",")
    assert dialect("a;b\n1,500;2\n", thousands=",").style == Style(".", ",")
    assert dialect("a;b\n1.500,5;2\n", thousands=".").style == Style(",", ".")


def test_fault_196_one_decimal_comma_in_each_row_divides_no_cells() -> None:
    found = dialect("order;day;price\n" + "".join(f"A{i};2024-01-{i};{i},25\n" for i in range(10, 30)))
    assert (found.delimiter, found.style, found.n_columns) == (";", Style(","), 3)


def test_prose_is_not_divided_by_blanks() -> None:
    assert dialect("text\nsome words here\nother words there\n").n_columns == 1


def test_quoted_delimiters_do_not_count() -> None:
    assert dialect('a;b\n"x,y,z";1\n"u,v,w";2\n').delimiter == ";"


def test_fault_193_a_quoted_name_keeps_its_line_break() -> None:
    found = dialect('"day\nof sale",price\r\n2,3\r\n4,5\r\n')
    assert found.names == ("day\nof sale", "price")
    assert found.header_lines == 2


@pytest.mark.parametrize("first", ["1,2,3", "5.1,NA,7", "-1,2e5,.5"])
def test_fault_18_no_header(first: str) -> None:
    text = f"{first}\n4,5,6\n7,8,9\n"
    with pytest.raises(DataError, match="first row looks like data, not like column names") as e:
        dialect(text)
    assert "pass --no-header" in str(e.value.fix)
    assert dialect(text, header="no").header_lines == 0
    assert dialect(text, header="yes").header_lines == 1


def test_fault_18_words_in_the_label_only() -> None:
    with pytest.raises(DataError, match="first row looks like data"):
        dialect("5.1,3.5,setosa\n4.9,3.0,setosa\n")


@pytest.mark.parametrize("first", ["a,2020,2021", "0,1,2,3,4,5,6,7", ",0,1,2,3,4,5,6,7", "1,2,3,4,5,6,7,8"])
def test_headers_with_numbers_in_them(first: str) -> None:
    row = ",".join("3" * len(first.split(",")))
    assert dialect(f"{first}\n{row}\n{row}\n").names == tuple(first.split(","))


def test_header_that_does_not_fit_the_rows() -> None:
    with pytest.raises(DataError, match="names 2 columns, but the rows have 3, the first one without a name, as R"):
        dialect("a,b\nx,1,2\ny,3,4\n")


def test_blank_lines_before_the_header() -> None:
    assert dialect("\n\na,b\n1,2\n").header_lines == 3


def test_label_beside_pixels_without_header() -> None:
    rows = [[i % 10, *((i * 7 + j) % 256 for j in range(64))] for i in range(30)]
    text = "\n".join(",".join(map(str, row)) for row in rows)
    assert dialect(text, header="no").label == "column_1"
    turned = "\n".join(",".join(map(str, [*row[1:], row[0]])) for row in rows)
    assert dialect(turned, header="no").label == "column_65"
    assert dialect(text.replace("255", "300"), header="no").label is None


def test_a_column_that_r_writes_with_row_names_is_told_from_thousands_with_spaces() -> None:
    with pytest.raises(DataError, match="as R writes row names"):
        dialect('"x"\n' + "".join(f'"{i}" {i / 7:.3f}\n' for i in range(1, 30)))
    assert dialect("x\n" + "".join(f"{i} 250\n" for i in range(1, 30))).n_columns == 1
