"""Names of a table's columns as features: product=tea."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus.errors import UsageError
from isthmus.tools.editing.edits import edit, edit_of

PRICES = {"tea": 2.0, "rum": 5.0, "a=b": 9.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> isthmus.Run:
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("levels")
    drinks = rng.choice([*PRICES], 240)
    price = [PRICES[drink] + rng.normal(0, 0.2) for drink in drinks]
    frame = pl.DataFrame({"drink": drinks, "price": np.round(price, 2), "paid": rng.choice(["yes", "no"], 240)})
    frame.write_csv(folder / "drinks.csv")
    return isthmus.train(folder / "drinks.csv", out=folder / "run", show=False, seed=0, epochs=60, threads=1)


def test_a_name_is_added_and_what_goes_with_it_changes(run: isthmus.Run, tmp_path: Path) -> None:
    source = Path(str(run.config.data.source))
    made = edit(run, str(source), tmp_path / "tea.csv", edit_of(run, ["drink=tea"]))
    after, before = pl.read_csv(tmp_path / "tea.csv"), pl.read_csv(source)
    assert (after["drink"] == "tea").to_numpy().mean() > 0.9
    assert abs(float(after["price"].median() or 0) - PRICES["tea"]) < 0.5  # type: ignore[arg-type]
    n, turned = int((before["drink"] == "tea").sum()), int((after["drink"] == "tea").sum())
    said = next(line for line in made.said if line.startswith("drink=tea: "))
    assert said.endswith(f"of 240 rows before, {turned} after")
    assert abs(int(said.split()[1]) - n) <= 12


def test_names_with_a_sign_of_equality_and_yes_no_are_known(run: isthmus.Run) -> None:
    assert {"drink=a=b", "drink=rum", "paid=yes", "paid=no", "price"} <= {*run.features()}
    assert "drink" not in run.features()
    assert edit_of(run, [], ["paid=yes"]).words.startswith("- paid=yes")


@pytest.mark.parametrize("name", ["drink", "paid"])
def test_fault_135_a_column_of_names_cannot_grow_by_a_number(run: isthmus.Run, name: str) -> None:
    with pytest.raises(UsageError, match=f"column '{name}' holds no numbers but ") as e:
        edit_of(run, [name])
    fix = str(e.value.fix).removeprefix("add or remove one of its values instead, such as ")
    assert edit_of(run, [fix]).words  # the fix works


def test_a_value_takes_only_known_methods(run: isthmus.Run) -> None:
    assert edit_of(run, ["drink=tea"], method="means").words == (
        "+ drink=tea (the full step from other values of drink to drink=tea)"
    )
    with pytest.raises(UsageError, match="unknown method 'mean'"):
        edit_of(run, ["drink=tea"], method="mean")


def test_unknown_names_are_told_with_the_nearest(run: isthmus.Run) -> None:
    with pytest.raises(UsageError, match="drink=gin"):
        edit_of(run, ["drink=gin"])
