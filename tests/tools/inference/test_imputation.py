"""A mixed table with gaps from training to its odd rows, its filled gaps and its reconstruction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus.errors import UsageError
from isthmus.runs.fill_errors import fill_errors
from isthmus.tools.anomaly.score_table import score
from isthmus.tools.inference.apply import reconstruct
from isthmus.tools.inference.imputation import impute

N = 240
PRICES = {"tea": 2.0, "=milk": 5.0, "rum": 9.0}


def write(path: Path) -> Path:
    """Orders whose price follows from drink and count; every ninth price and every eleventh drink is missing."""
    rng = np.random.default_rng(0)
    drinks, counts = rng.choice([*PRICES], N), rng.integers(1, 6, N)
    lines = ["id,drink,count,price,paid"]
    for i, (drink, count) in enumerate(zip(drinks, counts, strict=True)):
        price = f"{PRICES[drink] * count + rng.normal(0, 0.1):.2f}" if i % 9 else ""
        lines.append(f"R{i:04d},{drink if i % 11 else ''},{count},{price},{rng.choice(['yes', 'no'])}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[isthmus.Run, Path]:
    folder = tmp_path_factory.mktemp("mixed")
    table = write(folder / "orders.csv")
    return isthmus.train(table, out=folder / "run", show=False, seed=0, epochs=150, threads=1), table


def test_gaps_are_filled_and_all_other_cells_stay(trained: tuple[isthmus.Run, Path], tmp_path: Path) -> None:
    run, table = trained
    found = impute(run, table, tmp_path / "full.csv")
    before, after = (pl.read_csv(path, infer_schema=False) for path in (table, tmp_path / "full.csv"))
    assert found.columns == {"drink": 22, "price": 27}
    assert not after.null_count().sum_horizontal().item()
    for name in before.columns:
        there = before[name].is_not_null()
        plain = after[name].str.strip_prefix("'")  # in front of =milk, for a spreadsheet
        assert plain.filter(there).to_list() == before[name].filter(there).to_list()
    assert set(after["drink"].unique()) == {"tea", "'=milk", "rum"}
    assert any('27 cells of column "price" filled: off by' in sentence for sentence in found.said)


def test_hidden_cells_are_told_better_than_by_a_constant(trained: tuple[isthmus.Run, Path]) -> None:
    run, _ = trained
    errors = fill_errors(run.path, run.model.weights_sha256)
    assert errors["price"].error < 0.5 * errors["price"].constant
    assert errors["drink"].error < errors["drink"].constant
    assert set(errors) == {"drink", "count", "price", "paid"}


def test_odd_cells_are_found_and_blamed_by_their_own_column(trained: tuple[isthmus.Run, Path], tmp_path: Path) -> None:
    run, table = trained
    frame = pl.read_csv(table, infer_schema=False)
    price = frame["price"].to_list()
    odd = [i for i in range(N) if i % 9 and i % 11 and frame["drink"][i] == "tea"][:6]
    for i in odd:
        price[i] = f"{float(price[i]) + 15:.2f}"
    frame.with_columns(price=pl.Series(price)).write_csv(tmp_path / "odd.csv")
    score(run, tmp_path / "odd.csv", tmp_path / "scores.csv")
    scores = pl.read_csv(tmp_path / "scores.csv")
    strangest = scores["score"].arg_sort(descending=True)[:8].to_list()
    assert len({*odd} & {*strangest}) >= 5
    blamed = scores[odd].select("blame1", "blame2").rows()
    assert sum("price" in row for row in blamed) >= 5
    assert set(scores["blame1"].drop_nulls()) <= {"", "drink", "count", "price", "paid"}


def test_reconstructions_are_written_as_the_table_was(trained: tuple[isthmus.Run, Path], tmp_path: Path) -> None:
    run, table = trained
    reconstruct(run, table, tmp_path / "again.csv")
    again = pl.read_csv(tmp_path / "again.csv", infer_schema=False)
    assert again.columns == ["drink", "count", "price", "paid"]
    assert set(again["paid"].unique()) == {"yes", "no"}
    assert again["count"].str.contains(r"^\d+$").all()
    assert (run.path / "report.html").is_file()


def test_a_frame_comes_back_as_a_frame_and_scores_as_the_file_does(trained: tuple[isthmus.Run, Path]) -> None:
    run, table = trained
    frame = pl.read_csv(table)
    again = run.reconstruct(frame)
    assert again.columns == ["drink", "count", "price", "paid"]
    assert set(again["drink"].unique()) <= {*PRICES}
    codes = run.encode(frame)
    assert codes.shape == (N, run.model.z_size)
    loaded = isthmus.load(run.path)
    assert loaded.encode(frame).equals(codes)


def test_runs_without_kinds_refuse(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    pl.DataFrame(rows, schema=["a", "b", "c"]).write_csv(tmp_path / "t.csv")
    run = isthmus.train(tmp_path / "t.csv", out=tmp_path / "run", show=False, epochs=1, threads=1, z_size=2)
    with pytest.raises(UsageError, match="was not trained to fill gaps"):
        impute(run, tmp_path / "t.csv", tmp_path / "full.csv")
