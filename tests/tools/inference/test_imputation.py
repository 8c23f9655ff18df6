"""A mixed table with gaps from training to its odd rows, its filled gaps and its reconstruction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import isthmus
from isthmus.data.schema import Schema, TableColumn
from isthmus.errors import DataError, UsageError
from isthmus.runs.fill_errors import FillError, fill_errors
from isthmus.tools.anomaly.score_table import score
from isthmus.tools.inference.apply import reconstruct
from isthmus.tools.inference.imputation import impute, sentences, spreads_of

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
    # Without dropout: of a table whose prices follow but for a cent nothing is learned by heart, and it learns slower.
    settings = {"epochs": 150, "dropout": 0.0, "threads": 1, "show": False}
    return isthmus.train(table, out=folder / "run", seed=0, **settings), table


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
    assert any('27 cells of column "price" filled: RMS error' in sentence for sentence in found.said)


def test_fault_153_empty_cells_of_columns_that_are_left_out_are_told(trained, tmp_path: Path) -> None:
    run, table = trained
    text = table.read_text().replace("R0003,", ",").replace("R0007,", ",")
    (tmp_path / "some.csv").write_text(text)
    told = 'not filled: 2 empty cells in columns that the model does not use, "id"'
    assert told in impute(run, tmp_path / "some.csv", tmp_path / "full.csv").said
    assert not any("not filled" in sentence for sentence in impute(run, table, tmp_path / "full.csv").said)


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
    with pytest.raises(UsageError, match="was not trained to fill missing values"):
        impute(run, tmp_path / "t.csv", tmp_path / "full.csv")


def test_a_run_of_images_refuses(digit_run: isthmus.Run, tmp_path: Path) -> None:
    pl.DataFrame({"a": [1.0, None]}).write_csv(tmp_path / "t.csv")
    with pytest.raises(UsageError, match="but this run was trained on images"):
        impute(digit_run, tmp_path / "t.csv", tmp_path / "full.csv")


def test_frames_are_filled_and_keep_their_types(trained: tuple[isthmus.Run, Path]) -> None:
    run, table = trained
    frame = pl.read_csv(table)
    full = run.impute(frame)
    assert full.dtypes == frame.dtypes
    assert not full.null_count().sum_horizontal().item()
    for name in frame.columns:
        there = frame[name].is_not_null()
        assert full[name].filter(there).equals(frame[name].filter(there))
    pandas = pd.DataFrame({name: frame[name].to_list() for name in frame.columns}, index=range(7, 7 + N))
    again = run.impute(pandas)
    assert again["drink"].tolist() == full["drink"].to_list()
    assert again.index.tolist() == pandas.index.tolist()
    with pytest.raises(UsageError, match="has only one answer for each gap"):
        run.impute(frame, draws=3)


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(list(PRICES))])
def test_fault_153_names_in_a_type_of_their_own_and_lists_stay_what_they_are(trained, tmp_path: Path, dtype) -> None:
    run, table = trained
    frame = pl.read_csv(table).with_columns(pl.col("drink").cast(dtype), pl.col("price").cast(pl.Decimal(9, 2)))
    frame = frame.with_columns(id=pl.concat_list("count", "count"), count=pl.col("count").cast(pl.UInt8))
    frame.write_parquet(tmp_path / "gaps.parquet")
    impute(run, tmp_path / "gaps.parquet", tmp_path / "full.parquet", {"drop_columns": ("id",)})
    full = pl.read_parquet(tmp_path / "full.parquet")
    assert full.schema == frame.schema
    assert not full.null_count().sum_horizontal().item()
    for name in frame.columns:
        known = frame[name].is_not_null()
        assert full[name].filter(known).to_list() == frame[name].filter(known).to_list()
    with pytest.raises(UsageError, match='column "id" has several values in one cell') as caught:
        impute(run, tmp_path / "gaps.parquet", tmp_path / "full.csv", {"drop_columns": ("id",)})
    assert caught.value.fix == "write a .parquet file with -o"


def test_parquet_keeps_its_types_and_names(trained: tuple[isthmus.Run, Path], tmp_path: Path) -> None:
    run, table = trained
    frame = pl.read_csv(table).with_columns(paid=pl.col("paid") == "yes")
    frame.with_columns(pl.col("paid").cast(pl.String).replace({"true": "yes", "false": "no"})).write_parquet(
        tmp_path / "gaps.parquet"
    )
    impute(run, tmp_path / "gaps.parquet", tmp_path / "full.parquet")
    full = pl.read_parquet(tmp_path / "full.parquet")
    assert full.schema == pl.read_parquet(tmp_path / "gaps.parquet").schema
    assert not full.null_count().sum_horizontal().item()


def test_draws_of_a_vae_scatter_as_the_truth_does(tmp_path: Path) -> None:
    """y = x + noise of deviation 0.5: draws of a hidden y should deviate by as much, and their mean be near x."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    y = x + rng.normal(0, 0.5, 600)
    rows = np.c_[x, y]
    rows[::7, 1] = np.nan
    run = isthmus.train(rows, out=tmp_path / "run", show=False, seed=0, recipe="vae", epochs=80, z_size=2, threads=1)
    draws = np.stack(run.impute(rows, draws=40, seed=1))
    apart = draws[:, ::7, 1].std(0).mean()
    assert 0.35 < apart < 0.9  # the code is drawn as well, and is no perfect one
    assert np.corrcoef(draws[:, ::7, 1].mean(0), x[::7])[0, 1] > 0.8
    assert spreads_of(run, rows)["1"] == pytest.approx(apart, rel=0.3)
    np.testing.assert_array_equal(draws[0][1::7], rows[1::7])
    again = run.impute(rows, draws=2, seed=1)
    np.testing.assert_array_equal(again[0], draws[0])


def test_arrays_are_filled_into_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1)) @ np.array([[1.0, 2.0, -1.0]])
    x[rng.random(x.shape) < 0.1] = np.nan
    np.save(tmp_path / "x.npy", x)
    run = isthmus.train(tmp_path / "x.npy", out=tmp_path / "run", show=False, seed=0, epochs=60, threads=1)
    impute(run, tmp_path / "x.npy", tmp_path / "full.npy")
    full, known = np.load(tmp_path / "full.npy"), ~np.isnan(x)
    np.testing.assert_array_equal(full[known], x[known])
    np.testing.assert_array_equal(full, run.impute(x))
    assert not np.isnan(full).any()


def test_fault_134_numbers_in_the_place_of_names_are_refused(trained: tuple[isthmus.Run, Path]) -> None:
    run, _ = trained
    rows = np.array([[0.0, 2, 4.1, 1], [2.5, 2, 4.1, 1]])  # drink, count, price, paid
    with pytest.raises(DataError, match=r"row 1, column 'drink': 2\.5 is not allowed"):
        run.score(rows)
    with pytest.raises(DataError, match="column 'paid': 3 is not allowed"):
        run.encode(np.array([[0.0, 2, 4.1, 3]]))
    assert run.score(rows[:1]).score.shape == (1,)


def test_an_error_on_few_cells_is_told_as_such() -> None:
    schema = Schema((TableColumn("speed", "count"), TableColumn("engine", "category", levels=("a", "b"))))
    errors = {"speed": FillError(4.0, 184.0, 1), "engine": FillError(0.1, 0.5, 80)}
    speed, engine = sentences(schema, {"speed": 166, "engine": 2}, errors, {})
    assert "RMS error 4 on only 1 hidden validation cell" in speed
    assert "90% right on 80 hidden validation cells" in engine
