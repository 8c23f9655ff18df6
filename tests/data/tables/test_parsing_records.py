"""Rows of text with their lines, against csv on the whole text."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from isthmus.data.tables.parsing import records
from isthmus.data.tables.text import Lines

CELLS = st.text(alphabet='a1,"\n é', max_size=6)


@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=8), first=st.integers(1, 1000))
def test_cells_and_lines_of_any_table(rows: list[list[str]], first: int) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    found = [record for record in records(Lines(stream.getvalue().encode(), first), ",") if not record.is_blank]
    assert [record.n_fields for record in found] == [len(row) for row in rows]
    assert [record.cells or record.text.split(",") for record in found] == rows
    row = first
    for record, cells in zip(found, rows, strict=True):
        assert (record.row, record.spans) == (row, 1 + sum(cell.count("\n") for cell in cells))
        row += record.spans


def test_nonsense_between_quotes_goes_on_after_it() -> None:
    found = list(records(Lines(b'1,"2"x,3\n\n4,"5",6\n\n', 7), ","))
    assert [(record.row, record.n_fields) for record in found] == [(7, 3), (8, 1), (9, 3)]
    assert found[1].is_blank
