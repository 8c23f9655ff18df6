"""What a run that was trained on a Parquet file writes to Parquet files has the types of that file."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

import isthmus
from isthmus.tools.inference.apply import decode, encode, reconstruct
from isthmus.tools.sampling.interpolation_files import interpolate
from isthmus.tools.sampling.synthesis import sample

N = 120
TYPES: dict[str, pl.DataType] = {
    "age": pl.UInt8(),
    "price": pl.Decimal(9, 2),
    "weight": pl.Float32(),
    "change": pl.Int16(),
    "paid": pl.Boolean(),
    "flag": pl.Int8(),
    "drink": pl.Categorical(),
    "size": pl.Enum(["S", "M", "L"]),
    "city": pl.String(),
    "day": pl.Date(),
    "at": pl.Datetime("ms", "Europe/Berlin"),
    "clock": pl.Time(),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[isthmus.Run, Path]:
    folder = tmp_path_factory.mktemp("typed")
    start = datetime(2024, 1, 1)
    cells = {
        "age": [20 + i % 60 for i in range(N)],
        "price": [f"{i / 8:.2f}" for i in range(N)],
        "weight": [i / 3 for i in range(N)],
        "change": [i % 11 - 5 for i in range(N)],
        "paid": [i % 3 == 0 for i in range(N)],
        "flag": [i % 2 for i in range(N)],
        "drink": [["tea", "rum"][i % 2] for i in range(N)],
        "size": [["S", "M", "L"][i % 3] for i in range(N)],
        "city": [["Rom", "Bonn"][i % 2] for i in range(N)],
        "day": [date(2024, 1, 1) + timedelta(i) for i in range(N)],
        "at": [start + timedelta(hours=5 * i) for i in range(N)],
        "clock": [time(i % 24, 30) for i in range(N)],
    }
    path = folder / "typed.parquet"
    columns = [pl.Series(name, values) for name, values in cells.items()]
    pl.DataFrame([column.cast(TYPES[column.name]) for column in columns]).write_parquet(path)
    return isthmus.train(path, out=folder / "run", seed=0, epochs=2, threads=1, show=False), path


def test_fault_163_rows_made_from_a_parquet_file_have_its_types(
    trained: tuple[isthmus.Run, Path], tmp_path: Path
) -> None:
    run, path = trained
    given = pl.read_parquet(path)
    reconstruct(run, path, tmp_path / "rows.parquet")
    encode(run, path, tmp_path / "codes.csv")
    decode(run, tmp_path / "codes.csv", tmp_path / "decoded.parquet")
    sample(run, 20, out=tmp_path / "samples.parquet")
    interpolate(run, f"{path}:row=0", f"{path}:row=9", tmp_path / "way.parquet", steps=4)
    for name in ("rows", "decoded", "samples", "way"):
        found = pl.read_parquet(tmp_path / f"{name}.parquet").drop("path", "step", strict=False)
        assert found.schema == given.schema, name
        assert not found.null_count().sum_horizontal().item()
    reconstruct(run, path, tmp_path / "rows.csv")  # in which texts are as before
    rows, texts = pl.read_parquet(tmp_path / "rows.parquet"), pl.read_csv(tmp_path / "rows.csv", infer_schema=False)
    assert [str(day) for day in rows["day"]] == texts["day"].to_list()
    assert rows["paid"].cast(pl.String).to_list() == texts["paid"].to_list()
    assert rows["age"].cast(pl.String).to_list() == texts["age"].to_list()
    assert [str(clock) for clock in rows["clock"]] == texts["clock"].to_list()
