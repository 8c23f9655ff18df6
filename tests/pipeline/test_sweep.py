"""Which value is large enough, for curves with a known answer; and a small sweep from beginning to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.decomposition import PCA

import tiny
from isthmus.api import Run
from isthmus.errors import DivergedError, UsageError
from isthmus.pipeline import sweep
from isthmus.settings import nest

SETTINGS = tiny.SMALL | {"batch_size": 32, "epochs": 2}


def point(value: str, error: float) -> sweep.Point:
    return sweep.Point(value, (value,), error, error, 1.0, error + 0.1, 10, 1.0)


def test_the_smallest_size_after_which_a_doubling_gains_under_a_hundredth() -> None:
    errors = {"2": 0.5, "4": 0.3, "8": 0.2, "16": 0.195, "32": 0.194}
    choice, reason = sweep.choose("z_size", [point(*pair) for pair in errors.items()])
    assert choice == "8"
    assert "is large enough. Beyond it, each doubling explains 0.5% more of the variance" in reason


def test_a_step_of_a_factor_of_four_counts_as_two_doublings() -> None:
    choice, _ = sweep.choose("z_size", [point("2", 0.5), point("8", 0.481), point("32", 0.48)])
    assert choice == "2"  # 0.019 in two doublings is under 0.01 each
    choice, _ = sweep.choose("z_size", [point("2", 0.5), point("8", 0.479), point("32", 0.478)])
    assert choice == "8"


def test_a_value_that_is_written_in_two_ways_is_one_value() -> None:
    choice, reason = sweep.choose("lr", [point("1e-3", 0.5), point("0.001", 0.5), point("2e-3", 0.3)])
    assert choice is None
    assert "from 0.001 on, each doubling explains 20.0% more" in reason


def test_where_it_never_stops_nothing_is_chosen_and_words_are_not_ordered() -> None:
    choice, reason = sweep.choose("z_size", [point("2", 0.5), point("4", 0.3)])
    assert choice is None
    assert reason.startswith("z_size 4 is not large enough yet: from 2 on, each doubling explains 20.0%")
    assert sweep.choose("activation", [point("relu", 0.5), point("silu", 0.3)]) == (None, "")


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (["z_size"], "'z_size' does not list at least two values"),
        (["z_size=3"], "does not list at least two values"),
        (["z_size=3,3"], "does not list at least two values"),
        ([], "no setting is given"),
    ],
)
def test_a_grid_without_values_is_refused(grid: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep.parse_grid(grid)
    with pytest.raises(UsageError, match="z_sise"):
        sweep.parse_grid(["z_sise=2,4"])


def test_a_setting_may_be_named_like_its_option() -> None:
    names, values = sweep.parse_grid(["loss=bce,mse", "--z-size=2,4"])
    assert (names, values) == (("likelihood", "z_size"), [["bce", "mse"], ["2", "4"]])


def test_values_that_make_the_same_folder_name_are_runs_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def carry_out(folder: Path, jobs: Any, *_: Any) -> Any:
        asked.extend((job.name, job.settings["model"]["noise"]) for job in jobs)
        return {job.name: DivergedError("TRAIN-DIVERGED", "the cost was not finite.") for job in jobs}

    monkeypatch.setattr(sweep.run_batches, "carry_out", carry_out)
    both, one = "gaussian:0.1+masking:0.5", "gaussian:0.1|masking:0.5"
    found = sweep.sweep([f"noise={both},{one}"], out=tmp_path / "out", show=False)
    assert asked == [("noise-gaussian-0.1-masking-0.5", both), ("noise-gaussian-0.1-masking-0.5-2", one)]
    assert len(found.failed) == 2


def test_fault_189_a_setting_is_swept_once() -> None:
    with pytest.raises(UsageError, match=r"the setting model\.z_size is named twice") as caught:
        sweep.parse_grid(["z_size=2,4", "lr=1e-3,1e-2", "model.z_size=8,16"])
    assert caught.value.fix == "list all its values once: model.z_size=…,…"


def test_a_sweep_leaves_runs_a_table_and_a_picture(tmp_path: Path) -> None:
    data = tmp_path / "table.csv"
    pl.DataFrame(tiny.table(80), schema=list("abcdef")).write_csv(data)
    found = sweep.sweep(["z_size=1,2,4"], str(data), out=tmp_path / "out", settings=nest(SETTINGS), show=False)
    assert [p.values for p in found.points] == [("1",), ("2",), ("4",)]
    run = Run(tmp_path / "out" / "z_size-2")
    assert run.metrics["test"]["mse"] == found.points[1].test_mse
    splits, to_x = run.prepared.splits, run.prepared.x
    pca = PCA(2).fit(to_x(splits.train).numpy())
    x = to_x(splits.test).numpy()
    expected = np.square(pca.inverse_transform(pca.transform(x)) - x).mean()
    assert found.points[1].pca_mse == pytest.approx(expected, rel=1e-4)
    table = pl.read_csv(tmp_path / "out" / "sweep.csv")
    assert table["z_size"].to_list() == [1, 2, 4]
    with Image.open(tmp_path / "out" / "sweep.png") as picture:
        assert picture.size == (1_150, 560)
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["settings"] == ["z_size"]


def test_a_grid_of_two_settings_has_a_run_for_each_pair(tmp_path: Path) -> None:
    data = tmp_path / "table.csv"
    pl.DataFrame(tiny.table(80), schema=list("abcdef")).write_csv(data)
    grid = ["z_size=1,2", "hidden=4x3,5"]
    found = sweep.sweep(grid, str(data), out=tmp_path / "out", settings=nest(SETTINGS), show=False)
    hidden = [Run(tmp_path / "out" / p.name).config.model.hidden for p in found.points]
    assert hidden == [(4, 3), (5,), (4, 3), (5,)]
    assert found.choice is None
