"""Amounts of money, percentages and quantities: what stands around their numbers is found, and taken away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus.config import DataConfig
from isthmus.data.read import read
from isthmus.data.tables.cells import PLAIN, Style
from isthmus.data.tables.number_units import example_of, numbers_with, template_of, written_with
from isthmus.errors import DataError
from isthmus.tools.inference.imputation import impute


def test_what_was_written_around_numbers_is_taken_away() -> None:
    values = np.random.default_rng(0).normal(0, 9_000, 200).round(2)
    ways = {
        "$#": (PLAIN, lambda v: f"{'-' if v < 0 else ''}${abs(v):,.2f}"),
        "£#": (PLAIN, lambda v: f"£{v:.2f}"),
        "EUR #": (PLAIN, lambda v: f"EUR {v:,.2f}"),
        "# %": (PLAIN, lambda v: f"{v:.2f} %"),
        "#kg": (PLAIN, lambda v: f"{v:.2f}kg"),
        "# m/s²": (PLAIN, lambda v: f"{v:.2f} m/s²"),
        "#": (PLAIN, lambda v: f"({-v:.2f})" if v < 0 else f"{v:.2f}"),
        "US$#": (PLAIN, lambda v: f"(US${-v:.2f})" if v < 0 else f"US${v:.2f}"),
        "#,# €": (PLAIN, lambda v: f"{v:,.2f} €".translate(str.maketrans(",.", ".,"))),
        "#,# kg": (PLAIN, lambda v: f"{v:.2f} kg".replace(".", ",")),
        "# €": (Style(","), lambda v: f"{v:,.2f} €".translate(str.maketrans(",.", ".,"))),
    }
    for template, (style, written) in ways.items():
        cells = [written(float(value)) for value in values]
        assert template_of(cells[:100], style) == template
        assert numbers_with(pl.Series(cells), template, style).tolist() == values.tolist()


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "2.5"],
        ["12A", "13A"],  # names of seats
        ["A12", "A13"],
        ["€5", "$6"],  # two currencies are no unit
        ["12:30", "12:45"],
        ["2026-01-02", "2026-01-03"],
        ["oak", "elm"],
        ["1.5 kg", "200 g"],
        ["1.5e5", "2.5e5"],  # the e5 is of the number
        ["1.5E-05", "0.1"],
        ["1.234 €", "12.500 €"],  # thousands, or three digits after the mark
        [],
    ],
)
def test_texts_without_one_unit_are_left(cells: list[str]) -> None:
    assert template_of(cells, PLAIN) is None


def test_cells_that_are_written_otherwise_are_no_numbers() -> None:
    cells = pl.Series(["$5", "5", "-$5", "$-5", "($5)", "€5", "$5%", "($5", "-($5)", "--5", "$", "", "$1,23"])
    found = numbers_with(cells, "$#", PLAIN)
    assert found[:5].tolist() == [5, 5, -5, -5, -5]
    assert np.isnan(found[5:]).all()


def test_fault_21_the_fix_reads_money_and_percentages(tmp_path: Path) -> None:
    rows = [f"{'oak' if i % 2 else 'elm'},${i}.50,{i} %,{i}.5 kg" for i in range(40)]
    path = tmp_path / "shop.csv"
    path.write_text("\n".join(["tree,price,share,weight", *rows]) + "\n")
    with pytest.raises(DataError, match="which is an amount of money") as error:
        read(path)
    assert error.value.fix == "pass --column price=number --column share=number"
    asked = DataConfig(kinds=("price=number", "share=number", "weight=number"))
    found = read(path, asked).train
    assert found.columns == ("tree", "price", "share", "weight")
    expected = [[i + 0.5, i, i + 0.5] for i in range(40)]
    assert found.x[:, 1:].tolist() == expected
    assert any('written as "$12"; returned as plain numbers' in note for note in found.notes)


def test_fault_21_another_currency_than_in_training_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"price": [f"${v:.2f}" for v in rng.normal(50, 9, 80)], "tree": ["oak", "elm"] * 40})
    run = isthmus.train(frame, out=tmp_path / "run", kinds=["price=number"], steps=5, threads=1)
    plain = frame.with_columns(pl.col("price").str.strip_chars("$"))
    assert run.encode(plain).to_numpy().tolist() == run.encode(frame).to_numpy().tolist()
    assert run.sample(3)["price"].dtype == pl.Float64
    with pytest.raises(DataError, match=r'row 1, column "price": "€5.00" is not a number such as "\$12"'):
        run.encode(frame.head(3).with_columns(price=pl.Series(["€5.00", "$5.00", "$6.00"])))


def test_fault_21_exponents_are_no_units(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text("\n".join(["size,tree", *(f"{i}.5e-05,{'oak' if i % 2 else 'elm'}" for i in range(1, 41))]) + "\n")
    found = read(path, DataConfig(kinds=("size=number",))).train
    np.testing.assert_array_equal(found.x[:, 0], [float(f"{i}.5e-05") for i in range(1, 41)])


@pytest.mark.parametrize(("ending", "shown"), [("K", "12K"), (" %", "12 %"), (" Mio", "12 Mio")])
def test_fault_21_numbers_at_two_scales_are_told(tmp_path: Path, ending: str, shown: str) -> None:
    """1.5K beside 900: whether the 900 are thousands too, nobody can say; 0 is 0 at any scale."""
    path = tmp_path / "sales.csv"
    rows = [f"{'oak' if i % 2 else 'elm'},{i}.5{ending}" for i in range(120)]
    path.write_text("\n".join(["tree,sold", *rows, "oak,0", "elm,900"]) + "\n")
    asked = DataConfig(kinds=("sold=number",))
    with pytest.raises(DataError, match=f'row 123, column "sold": "900" is not a number such as "{shown}"'):
        read(path, asked)
    path.write_text("\n".join(["tree,sold", *rows, "oak,0"]) + "\n")
    assert read(path, asked).train.x[:, 1].tolist() == [*(i + 0.5 for i in range(120)), 0]


def test_fault_21_gaps_are_filled_as_the_column_is_written(tmp_path: Path) -> None:
    """A plain 51.2 beside percentages would be 5,120 % for a spreadsheet."""
    rng = np.random.default_rng(0)
    shares = ["" if i % 9 == 0 else f"{v:.1f} %" for i, v in enumerate(rng.normal(50, 9, 90))]
    table = pl.DataFrame({"share": shares, "size": rng.normal(size=90).round(2)})
    table.write_csv(tmp_path / "shop.csv")
    run = isthmus.train(tmp_path / "shop.csv", out=tmp_path / "run", kinds=["share=number"], steps=5, threads=1)
    impute(run, tmp_path / "shop.csv", tmp_path / "filled.csv")
    pandas = pytest.importorskip("pandas")
    frames = table, pandas.DataFrame(table.to_dict(as_series=False))
    cells = [run.impute(frame)["share"].to_list() for frame in frames]
    for found in (pl.read_csv(tmp_path / "filled.csv")["share"].to_list(), *cells):
        assert [cell for cell, given in zip(found, shares, strict=True) if given] == [cell for cell in shares if cell]
        assert all(cell.endswith("%") and 0 < float(cell.rstrip(" %")) < 100 for cell in found)
    assert np.isfinite(run.score(run.impute(table)).score).all()


def test_a_decimal_comma_of_one_column_is_kept_with_the_model() -> None:
    cells = pl.Series(["8,93 €", "1.234,50 €", "-3,00 €", "7 €", "8.93", "8.93 €"])
    found = numbers_with(cells, "#,#€", PLAIN)
    assert found[:5].tolist() == [8.93, 1234.5, -3, 7, 8.93]  # plain numbers are written as the table writes them
    assert np.isnan(found[5])
    assert [example_of(template) for template in ("#,#€", "$#", "#.# kg")] == ["12,50€", "$12", "12.50 kg"]


def test_a_number_is_written_as_its_column_writes_them() -> None:
    ways = {"$#": "-$12.5", "#%": "-12.5%", "# kg": "-12.5 kg", "#": "(12.5)", "#,#€": "-12,5€", "": "-12.5"}
    assert {template: written_with("-12.5", template) for template in ways} == ways
    assert written_with("12.5", "#") == "12.5"
    assert written_with("", "$#") == ""
