"""A series from training to the score of every row, its rows given back, and its gaps filled."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.image import imread
from sklearn.metrics import roc_auc_score

import isthmus
from isthmus.api import Run
from isthmus.errors import DataError, ModelFileError, UsageError
from isthmus.tools.anomaly.score_table import score
from isthmus.tools.anomaly.step_detector import STEPS, StepDetector
from isthmus.tools.inference.apply import denoise, encode, reconstruct
from isthmus.tools.inference.imputation import impute

N, WINDOW = 900, 12
ODD = {200: "spike", 400: "spike", 600: "other"}


def written(path: Path, *, odd: bool = False, seed: int = 0) -> Path:
    """Hours of a wave, of what follows from it, and of day or night; with three odd rows."""
    rng, t = np.random.default_rng(seed), np.arange(N)
    wave = np.sin(2 * np.pi * t / WINDOW) + rng.normal(0, 0.05, N)
    twin = 2 * wave + rng.normal(0, 0.05, N)
    for row, kind in ODD.items() if odd else ():
        (wave if kind == "spike" else twin)[row] += 3
    hours = [dt.datetime(2024, 1, 1) + dt.timedelta(hours=int(i)) for i in t]
    frame = {"time": [f"{hour:%d.%m.%Y %H:%M}" for hour in hours], "wave": np.round(wave, 3), "twin": np.round(twin, 2)}
    pl.DataFrame(frame | {"up": ["yes" if i % WINDOW < 6 else "no" for i in t], "note": ["x"] * N}).write_csv(path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    folder = tmp_path_factory.mktemp("series")
    table = written(folder / "hours.csv")
    settings = {"epochs": 40, "noise": "gaussian:0.2", "threads": 1, "show": False, "hidden": (64,)}
    return isthmus.train(table, window=WINDOW, out=folder / "run", seed=0, **settings), table


def test_odd_rows_are_found_and_blamed_by_their_own_column(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, _ = trained
    odd = written(tmp_path / "odd.csv", odd=True, seed=1)
    found = score(run, odd, tmp_path / "scores.csv", false_alarms=0.05, picture=tmp_path / "score.png")
    table = pl.read_csv(tmp_path / "scores.csv")
    assert table["id"].to_list() == list(range(N))
    assert table["time"].to_list() == pl.read_csv(odd)["time"].to_list()
    is_odd = np.isin(np.arange(N), [*ODD])
    assert roc_auc_score(is_odd, table["score"]) > 0.99
    assert table["outlier"][[*ODD]].all()
    assert table["blame1"][[*ODD]].to_list() == ["wave", "wave", "twin"]
    assert found.n_outliers == int(table["outlier"].sum())
    assert imread(tmp_path / "score.png").shape[1] == 1100
    assert any("they are correlated in time" in sentence for sentence in found.said)


def test_false_alarms_on_new_rows_hold_the_rate(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, _ = trained
    shares = []
    for seed in range(2, 6):
        score(run, written(tmp_path / f"{seed}.csv", seed=seed), tmp_path / "scores.csv", false_alarms=0.1)
        shares.append(pl.read_csv(tmp_path / "scores.csv")["outlier"].mean())
    # 39 rows calibrate: the rate that they give scatters by half of itself.
    assert np.mean(shares) < 0.2


def test_a_short_series_takes_its_least_p_value_as_the_rate_and_says_what_to_do(
    trained: tuple[Run, Path], tmp_path: Path
) -> None:
    run, _ = trained
    far = written(tmp_path / "far.csv", odd=True, seed=1)
    found = score(run, far, tmp_path / "scores.csv")
    least = float(pl.read_csv(tmp_path / "scores.csv")["p_value"].min())  # pyright: ignore
    worth = StepDetector.of_run(run).evidence.independent
    assert least == pytest.approx(1 / (worth + 1))
    assert found.rate == pytest.approx(least)
    assert found.n_outliers > 0
    told = next(sentence for sentence in found.said if "they are correlated in time" in sentence)
    assert f"the lowest possible p-value is {least:.2g}" in told
    assert f"needs about {np.ceil(99 / worth):.0f} times as many calibration rows" in told
    assert "--validation" in told
    with pytest.raises(UsageError) as caught:
        score(run, far, tmp_path / "scores.csv", false_alarms=0.01)
    lowest = float(str(caught.value.fix).split()[2].rstrip(","))
    again = score(run, far, tmp_path / "scores.csv", false_alarms=lowest)
    assert again.n_outliers == found.n_outliers


def test_frames_in_any_order_score_as_the_file_does(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, table = trained
    score(run, table, tmp_path / "scores.csv", false_alarms=0.1)
    wanted = pl.read_csv(tmp_path / "scores.csv")["score"].to_numpy()
    frame = pd.read_csv(table)
    np.testing.assert_allclose(run.score(frame.iloc[::-1]).score[::-1], wanted, rtol=1e-9)
    frame["time"] = pd.to_datetime(frame["time"], format="%d.%m.%Y %H:%M")
    np.testing.assert_allclose(run.score(frame).score, wanted, rtol=1e-9)


def test_rows_come_back_in_their_own_form(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, table = trained
    reconstruct(run, table, tmp_path / "back.csv")
    before, back = pl.read_csv(table), pl.read_csv(tmp_path / "back.csv")
    assert back.columns == before.columns
    for kept in ("time", "note"):
        assert back[kept].to_list() == before[kept].to_list()
    assert (back["up"] == before["up"]).mean() > 0.95
    wave = np.sin(2 * np.pi * np.arange(N) / WINDOW)
    noise = [float(np.square(each["wave"].to_numpy() - wave).mean()) for each in (before, back)]
    assert noise[1] < noise[0]  # the mean over twelve windows has less of it
    denoise(run, table, tmp_path / "clean.csv")
    assert pl.read_csv(tmp_path / "clean.csv").equals(back)
    assert run.reconstruct(before).equals(back.with_columns(pl.col("wave").cast(pl.Float64)))


def test_gaps_are_filled_better_than_by_the_mean_and_all_else_stays(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, table = trained
    before = pl.read_csv(table)
    gone = np.arange(7, N, 31)
    holes = pl.Series(np.isin(np.arange(N), gone))
    with_gaps = before.with_columns(wave=pl.when(holes).then(None).otherwise(pl.col("wave")))
    with_gaps.write_csv(tmp_path / "gaps.csv")
    found = impute(run, tmp_path / "gaps.csv", tmp_path / "full.csv")
    assert found.columns == {"wave": len(gone)}
    full = pl.read_csv(tmp_path / "full.csv")
    assert full.filter(~holes).equals(before.filter(~holes))
    error = float(np.square(full["wave"].to_numpy() - before["wave"].to_numpy())[gone].mean())
    assert error < 0.1 * float(before["wave"].var())  # pyright: ignore
    assert run.impute(with_gaps).equals(full)


def test_short_stretches_have_scores_too(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, table = trained
    pl.read_csv(table)[:5].write_csv(tmp_path / "five.csv")
    found = score(run, tmp_path / "five.csv", tmp_path / "scores.csv", false_alarms=0.1)
    assert np.isfinite(pl.read_csv(tmp_path / "scores.csv")["score"].to_numpy()).all()
    assert any(f"5 rows in stretches shorter than {WINDOW} rows" in sentence for sentence in found.said)
    with pytest.raises(DataError, match=f"no {WINDOW} consecutive rows"):
        encode(run, tmp_path / "five.csv", tmp_path / "codes.csv")


def test_codes_are_those_of_windows(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, table = trained
    encode(run, table, tmp_path / "codes.csv")
    codes = pl.read_csv(tmp_path / "codes.csv")
    assert codes["id"].to_list()[:2] == ["0-11", "1-12"]
    assert len(codes) == N - WINDOW + 1
    np.testing.assert_allclose(codes.drop("id").to_numpy(), run.encode(pl.read_csv(table)), atol=1e-6)


def test_what_says_nothing_of_a_series_is_refused(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, table = trained
    with pytest.raises(UsageError, match="rows of a series, but each row needs"):
        score(run, f"{table}:0-9", tmp_path / "scores.csv")
    with pytest.raises(UsageError, match="independent rows for calibration"):
        score(run, table, tmp_path / "scores.csv", false_alarms=0.0001)
    with pytest.raises(UsageError, match="--stride: only for a series"):
        isthmus.train(table, stride=2, show=False)


def test_what_a_run_keeps_is_checked_and_made_anew(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, table = trained
    before = run.score(pl.read_csv(table)).score
    part = run.artifacts.read(STEPS, lambda found: found)
    run.artifacts.keep(STEPS, part.about, part.arrays | {"usual": np.ones((2, 2))})
    with pytest.raises(ModelFileError, match="its arrays do not match the model's size"):
        Run(run.path).score(pl.read_csv(table))
    run.artifacts.keep(STEPS, part.about, part.arrays)
    np.testing.assert_array_equal(Run(run.path).score(pl.read_csv(table)).score, before)


def test_metrics_say_how_hidden_rows_are_filled(trained: tuple[Run, Path]) -> None:
    run, _ = trained
    assert run.metrics["data"]["series"]["window"] == WINDOW
    filling = {name: numbers["mse"] for name, numbers in run.metrics["filling"].items()}
    assert filling["model"] < filling["last"] < filling["mean"] * 1.5
    assert 0.5 < filling["mean"] < 2  # in the columns' own variances
