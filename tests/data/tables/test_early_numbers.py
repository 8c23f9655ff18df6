"""Columns that are read as numbers or as categories at once give what they give as texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.samples import Samples
from isthmus.data.schema import TableColumn
from isthmus.data.tables import gathered_cells, mixed_tables, text
from isthmus.data.tables.early_numbers import as_numbers, early_numbers
from isthmus.data.tables.reading import read_table
from isthmus.errors import DataError

N = 400
PIECE = 3_000  # bytes of the file that are read at once: here about 100 rows


def cells(**more: str) -> pl.DataFrame:
    """Columns of texts: numbers with and without gaps, digits alone, names; `more` are last cells."""
    rng = np.random.default_rng(0)
    columns: dict[str, list[str]] = {
        "size": [f"{value:.2f}" for value in rng.normal(0, 40, N)],
        "gappy": ["" if i % 7 == 0 else f"{value:.1f}" for i, value in enumerate(rng.normal(0, 9, N))],
        "digits": [str(value) for value in rng.integers(0, 90, N)],
        "below": [str(value) for value in rng.integers(-90, 90, N)],
        "name": rng.choice(["tea", "coffee"], N).tolist(),
    }
    for name, cell in more.items():
        columns[name][-1] = cell
    return pl.DataFrame(columns)


def read_both(monkeypatch: pytest.MonkeyPatch, path: Path, **options: Any) -> tuple[Any, Any]:
    """What reading gives piece by piece, by types at once and with all cells as texts: samples, or the error."""
    monkeypatch.setitem(text.chunks_of_lines.__kwdefaults__, "size", PIECE)
    found = [_read(path, **options)]
    monkeypatch.setattr(gathered_cells, "early_numbers", lambda *_: ({}, []))
    monkeypatch.setattr(gathered_cells, "come_again", lambda _: False)
    return (*found, _read(path, **options))  # type: ignore[return-value]


def _read(path: Path, **options: Any) -> Samples | str:
    try:
        return read_table(path, DataConfig(**options))
    except DataError as error:
        return str(error)


def test_digits_alone_and_names_are_left_as_texts() -> None:
    assert list(early_numbers(cells(), {})[0]) == ["size", "gappy", "below"]
    known = {"digits": TableColumn("digits", "count"), "size": TableColumn("size", "text")}
    assert list(early_numbers(cells(), known)[0]) == ["gappy", "digits", "below"]


@pytest.mark.parametrize("cell", ["inf", "nan", "1e39", "hello", "1e400", "5,5"])
def test_a_cell_that_is_neither_number_nor_gap_is_left_to_the_texts(cell: str) -> None:
    known = {"size": TableColumn("size", "number")}
    found = as_numbers(cells(size=cell), known)
    assert (found is None) == (cell != "nan")  # which is a gap
    assert as_numbers(cells(digits="5.5"), {"digits": TableColumn("digits", "count")}) is None


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({}, {}),
        ({"size": "NA"}, {}),
        ({"size": " 4.5 ", "gappy": "?"}, {}),
        ({"size": "hello"}, {}),
        ({"size": "hello"}, {"skip_bad_rows": True}),
        ({"size": "inf", "below": "0.25"}, {}),
        ({"gappy": "nan"}, {"missing": "error"}),
        ({"gappy": "nan"}, {"missing": "median"}),
        ({"digits": "007"}, {}),
        ({}, {"kinds": ("below=category",)}),
        ({}, {"label": "below"}),
        ({"name": "cocoa"}, {}),
        ({"name": "  tea "}, {}),
        ({"name": ""}, {}),
        ({"name": "n/a"}, {"missing": "drop"}),
        ({"name": 'hot "tea", sweet'}, {}),
        ({"name": "two\nlines"}, {}),
        ({"name": "5", "size": "hello"}, {}),
        ({}, {"label": "name"}),
        ({}, {"kinds": ("name=yes-no",)}),
        ({"name": "cocoa"}, {"null_values": ("cocoa",)}),
    ],
)
def test_pieces_give_what_texts_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], options: dict[str, Any]
) -> None:
    cells(**more).write_csv(tmp_path / "table.csv", quote_style="necessary")
    found, expected = read_both(monkeypatch, tmp_path / "table.csv", **options)
    if isinstance(expected, str):
        assert found == expected
        return
    np.testing.assert_array_equal(found.x, expected.x)
    assert (found.schema, found.notes, found.classes) == (expected.schema, expected.notes, expected.classes)
    assert found.x.flags.c_contiguous


def test_numbers_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells().write_csv(tmp_path / "table.csv")
    seen: list[list[str]] = []
    real = mixed_tables.columns_of
    monkeypatch.setattr(
        mixed_tables, "columns_of", lambda found: seen.append([str(t) for t in found.dtypes]) or real(found)
    )
    monkeypatch.setitem(text.chunks_of_lines.__kwdefaults__, "size", PIECE)
    x = read_table(tmp_path / "table.csv", DataConfig()).x
    names = "Categorical" if hasattr(pl, "Categories") else "String"  # an older polars
    assert seen == [["Float64", "Float64", "String", "Float64", names]]
    np.testing.assert_array_equal(x[:, 0], cells()["size"].cast(pl.Float64))


def test_a_label_that_the_model_takes_as_well_stays_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells().write_csv(tmp_path / "table.csv")
    monkeypatch.setitem(text.chunks_of_lines.__kwdefaults__, "size", PIECE)
    known = read_table(tmp_path / "table.csv", DataConfig())
    again = read_table(tmp_path / "table.csv", DataConfig(label="name"), expected=known.schema)
    np.testing.assert_array_equal(again.x, known.x)
    assert again.classes == ("coffee", "tea")


def test_a_short_row_among_categories_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    cells().write_csv(path)
    lines = path.read_text().splitlines()
    lines[300] = lines[300].rpartition(",")[0]
    path.write_text("\n".join(lines) + "\n")
    found, expected = read_both(monkeypatch, path)
    assert found == expected
    assert "row 301" in found
