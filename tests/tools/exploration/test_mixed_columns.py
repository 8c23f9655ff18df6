"""What looks at codes, on a table whose columns are of several kinds: names, truths, counts and times with gaps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

import isthmus
import tiny
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.errors import DataError
from isthmus.tools.editing.feature_learning import list_features
from isthmus.tools.exploration.code_map import map_codes
from isthmus.tools.exploration.encoded_samples import all_parts, one_set
from isthmus.tools.exploration.lookup import look_up
from isthmus.tools.exploration.probing import probe_run

N = 120
A = np.random.default_rng(0).normal(size=N)
DRINK = np.array(["tea", "rum", "=milk"])[np.arange(N) % 3]


class Trained(NamedTuple):
    run: isthmus.Run
    path: Path
    table: pl.DataFrame


@pytest.fixture(scope="module")
def drinks(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The name of a drink hangs together with nothing else."""
    folder = tmp_path_factory.mktemp("drinks")
    days = [f"{1 + i % 28:02}.{1 + i // 28:02}.2024" for i in range(N)]
    table = pl.DataFrame({"drink": DRINK, "size": A.round(2), "twice": (2 * A).round(1), "day": days,
                          "paid": np.where(A > 0, "yes", "no")})  # fmt: skip
    table = table.with_columns(size=pl.when(pl.int_range(N) % 11 == 5).then(None).otherwise(pl.col("size")))
    table.write_csv(folder / "drinks.csv")
    settings: dict[str, Any] = tiny.FAST | {"epochs": 30}
    run = isthmus.train(folder / "drinks.csv", out=folder / "run", **settings)
    return Trained(isthmus.Run(run.path), folder / "drinks.csv", table)


def command(*words: object) -> int:
    return run_guarded(build_app(), [str(word) for word in words])


def texts_of(figure: Any) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [t.get_text() for t in figure.texts]


def test_what_was_said_of_the_runs_own_data_is_not_said_again(drinks: Trained) -> None:
    assert one_set(drinks.run, None).notes == ()
    assert all(samples.notes == () for samples in all_parts(drinks.run, None).values())
    assert any("missing" in note for note in one_set(drinks.run, str(drinks.path)).notes)


def test_names_color_a_map_by_their_names(drinks: Trained) -> None:
    found = map_codes(drinks.run, str(drinks.path), method="pca", color="drink")
    assert found.columns()["drink"] == DRINK.tolist()
    assert {"tea", "rum", "=milk"} <= set(texts_of(found.draw()))
    truths = map_codes(drinks.run, str(drinks.path), method="pca", color="paid")
    assert {"yes", "no"} <= set(texts_of(truths.draw()))


def test_times_color_a_map_as_they_are_written(drinks: Trained) -> None:
    found = map_codes(drinks.run, str(drinks.path), method="pca", color="day")
    assert found.columns()["day"] == drinks.table["day"].to_list()
    assert "02.01.2024" in texts_of(found.draw())  # the first hundredth has the color of the end
    size = map_codes(drinks.run, str(drinks.path), method="pca", color="size")
    assert size.columns()["size"] == drinks.table["size"].to_list()
    json.dumps(size.as_dict())


def test_labels_that_the_model_takes_are_hidden_from_it(drinks: Trained) -> None:
    found = probe_run(drinks.run, str(drinks.path), settings={"label": "drink"})
    assert found["said"] == ['the column "drink" is hidden from the model, because it is the label']
    # of three names that hang together with nothing a third is guessed; seen, all would be
    assert all(found[space][way] < 0.7 for space in ("codes", "pca", "raw") for way in ("knn", "linear"))
    known = probe_run(drinks.run, str(drinks.path), settings={"label": "paid"})
    assert known["raw"]["linear"] > 0.85  # which the size tells


def test_without_labels_a_column_of_names_is_offered(drinks: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="no labels") as told:
        probe_run(drinks.run)
    assert told.value.fix == f"name a column: `isthmus probe {drinks.run.path} {drinks.path} --label drink`"
    assert run_guarded(build_app(), str(told.value.fix).split("`")[1].split()[1:]) == 0
    assert "3 classes" in capsys.readouterr().out


def test_neighbors_are_told_with_their_values(drinks: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    found = look_up(drinks.run, f"{drinks.path}:5", k=2)
    columns = found.columns()
    rows = [int(name) for name in columns["id"]]
    assert columns["drink"] == [DRINK[row] for row in rows]
    assert columns["day"] == [drinks.table["day"][row] for row in rows]
    about = found.as_dict()
    assert about["queries"][0] == {"drink": "=milk", "size": None, "twice": about["queries"][0]["twice"],
                                   "day": "06.01.2024", "paid": about["queries"][0]["paid"]}  # fmt: skip
    assert run_guarded(build_app(), ["neighbors", str(drinks.run.path), f"{drinks.path}:5", "-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.split()[:3] == ["5", "=milk", "–"])


def test_all_that_can_be_added_is_listed(drinks: Trained) -> None:
    listed = [row["name"] for row in list_features(drinks.run)]
    assert listed == drinks.run.features()
    assert "drink=rum" in listed
    assert "drink" not in listed


def test_steps_of_times_are_told_in_days(drinks: Trained, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert (
        run_guarded(build_app(), ["edit", str(drinks.run.path), f"{drinks.path}:0-3", "--add", "day", "-o", str(out)])
        == 0
    )
    seconds = drinks.table["day"].str.to_date("%d.%m.%Y").dt.epoch("s").to_numpy()[:N]
    said = capsys.readouterr()
    told = next(line for line in (said.out + said.err).splitlines() if "one standard deviation of day" in line)
    days = float(told.rpartition(", ")[2].split()[0])
    assert days == pytest.approx(seconds.std() / 86_400, rel=0.15)  # of the training rows alone
