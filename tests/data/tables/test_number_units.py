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
from isthmus.data.tables.number_units import numbers_with, template_of
from isthmus.errors import DataError


def test_what_was_written_around_numbers_is_taken_away() -> None:
    values = np.random.default_rng(0).normal(0, 9_000, 200).round(2)
    ways = {
        "$#": (PLAIN, lambda v: f"{'-' if v < 0 else ''}${abs(v):,.2f}"),
        "£#": (PLAIN, lambda v: f"£{v:.2f}"),
        "EUR#": (PLAIN, lambda v: f"EUR {v:,.2f}"),
        "#%": (PLAIN, lambda v: f"{v:.2f} %"),
        "# kg": (PLAIN, lambda v: f"{v:.2f}kg"),
        "# m/s²": (PLAIN, lambda v: f"{v:.2f} m/s²"),
        "#": (PLAIN, lambda v: f"({-v:.2f})" if v < 0 else f"{v:.2f}"),
        "US$#": (PLAIN, lambda v: f"(US${-v:.2f})" if v < 0 else f"US${v:.2f}"),
        "#€": (Style(","), lambda v: f"{v:,.2f} €".translate(str.maketrans(",.", ".,"))),
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
    assert any('written as "$12"; given back as plain numbers' in note for note in found.notes)


def test_fault_21_another_currency_than_in_training_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"price": [f"${v:.2f}" for v in rng.normal(50, 9, 80)], "tree": ["oak", "elm"] * 40})
    run = isthmus.train(frame, out=tmp_path / "run", kinds=["price=number"], steps=5, threads=1)
    plain = frame.with_columns(pl.col("price").str.strip_chars("$"))
    assert run.encode(plain).to_numpy().tolist() == run.encode(frame).to_numpy().tolist()
    assert run.sample(3)["price"].dtype == pl.Float64
    with pytest.raises(DataError, match=r'row 1, column "price": "€5.00" is not a number such as "\$12"'):
        run.encode(frame.head(3).with_columns(price=pl.Series(["€5.00", "$5.00", "$6.00"])))
