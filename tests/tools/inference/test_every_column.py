"""The contract of every kind of column: whatever a command writes of it is as the data was written, and no gap, new
name or constant breaks one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest

import isthmus
import tiny
from isthmus.errors import DataError
from isthmus.tools.anomaly.score_table import score
from isthmus.tools.editing.edits import edit, edit_of
from isthmus.tools.inference.apply import decode, encode, reconstruct
from isthmus.tools.inference.imputation import impute
from isthmus.tools.inference.intake import read_input
from isthmus.tools.sampling.interpolation_files import interpolate
from isthmus.tools.sampling.synthesis import sample

N = 120


class Kind(NamedTuple):
    """How a column is found, what its cells look like, and a cell that is none of it."""

    kind: str
    pattern: str
    foreign: str
    told: str  # of the foreign cell; "" where it is read


KINDS = {
    "size": Kind("number", r"-?\d+\.\d{1,2}", "large", "no number"),
    "heavy": Kind("number", r"-?\d+(\.\d)?", "1.2.3", "no number"),
    "visits": Kind("count", r"\d+", "-3", "visits"),
    "paid": Kind("yes-no", r"yes|no", "perhaps", "paid"),
    "flag": Kind("yes-no", r"true|false", "2", "flag"),
    "drink": Kind("category", r"tea|rum|'?=milk", "gin", ""),
    "code": Kind("category", r"[3-5]0", "90", ""),
    "day": Kind("time", r"\d{2}/\d{2}/2024", "2024-02-03", "day"),
    "at": Kind("time", r"2024-\d{2}-\d{2} \d{2}:\d{2}", "noon", "at"),
}
EVERY = pytest.mark.parametrize("name", KINDS)


def table() -> pl.DataFrame:
    """Columns of every kind as texts, some with gaps, one constant; they hang together by `a`."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=N)
    minutes = (np.arange(N) * 1_441 + rng.integers(0, 600, N)) % (60 * 24 * 300)
    when = np.datetime64("2024-01-01T00:00") + minutes.astype("timedelta64[m]")
    cells = {
        "size": [f"{v:.2f}" for v in a],
        "heavy": [f"{v:.1f}" for v in 100 * np.exp(2 * a)],
        "visits": [str(v) for v in rng.poisson(np.exp(1 + 0.5 * a))],
        "paid": ["yes" if v > 0 else "no" for v in a],
        "flag": ["true" if v else "false" for v in rng.integers(0, 2, N)],
        "drink": [("tea", "=milk", "rum")[k] for k in np.digitize(a, [-0.5, 0.5])],
        "code": [("30", "40", "50")[k] for k in rng.integers(0, 3, N)],
        "day": [f"{str(t)[8:10]}/{str(t)[5:7]}/2024" for t in when],
        "at": [str(t).replace("T", " ") for t in when],
        "firmware": ["v1"] * N,
    }
    frame = pl.DataFrame(cells)
    rows = pl.int_range(N)
    return frame.with_columns(
        pl.when(rows % 7 == k).then(None).otherwise(pl.col(name)).alias(name) for k, name in enumerate(list(KINDS)[:6])
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[isthmus.Run, Path]:
    folder = tmp_path_factory.mktemp("every")
    table().write_csv(folder / "t.csv")
    settings = tiny.FAST | {"epochs": 20, "device": "cpu", "kinds": ["code=category"]}
    return isthmus.train(folder / "t.csv", out=folder / "run", **settings), folder


def cells_of(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


@pytest.fixture(scope="module")
def written(trained: tuple[isthmus.Run, Path]) -> dict[str, pl.DataFrame]:
    """What every command that writes such a table makes of it."""
    run, folder = trained
    source = folder / "t.csv"
    encode(run, source, folder / "codes.npy")
    decode(run, folder / "codes.npy", folder / "decode.csv")
    reconstruct(run, source, folder / "reconstruct.csv")
    impute(run, source, folder / "impute.csv")
    edit(run, str(source), folder / "edit.csv", edit_of(run, ["drink=tea"]))
    sample(run, 40, folder / "sample.csv", judge=False)
    interpolate(run, f"{source}:row=1", f"{source}:row=2", folder / "interpolate.csv", steps=5)
    names = ("decode", "reconstruct", "impute", "edit", "sample", "interpolate")
    return {name: cells_of(folder / f"{name}.csv") for name in names}


@EVERY
def test_its_kind_is_found_and_its_cells_come_back_from_raw_values(
    trained: tuple[isthmus.Run, Path], name: str
) -> None:
    run, folder = trained
    schema = run.model.preprocess.schema
    assert schema is not None
    assert {column.name: column.kind for column in schema.columns}[name] == KINDS[name].kind
    raw = read_input(run, folder / "t.csv").x
    back = pl.Series([None if v is None else str(v) for v in run.model.preprocess.cells(raw)[name]])
    given = table()[name]
    same = [a is b or _equal(a, b, KINDS[name].kind) for a, b in zip(given, back, strict=True)]
    assert all(same), [pair for pair, fits in zip(zip(given, back, strict=True), same, strict=True) if not fits][:3]


def _equal(given: str | None, back: str | None, kind: str) -> bool:
    if given is None or back is None:
        return given is None and back in (None, "", "nan")
    return float(given) == float(back) if kind in {"number", "count"} else given == back


@EVERY
@pytest.mark.parametrize("command", ["decode", "reconstruct", "impute", "edit", "sample", "interpolate"])
def test_every_command_writes_its_cells_as_the_data_has_them(
    written: dict[str, pl.DataFrame], name: str, command: str
) -> None:
    cells = written[command][name].to_list()
    if command == "edit":  # rows that have what is asked for stay as they are, with their gaps
        cells = [
            cell for cell, drink in zip(cells, table()["drink"], strict=True) if drink != "tea" or cell is not None
        ]
    wrong = [cell for cell in cells if cell is None or not re.fullmatch(KINDS[name].pattern, cell)]
    assert wrong == []


@EVERY
def test_filling_gaps_changes_no_other_cell(written: dict[str, pl.DataFrame], name: str) -> None:
    given, found = table()[name], written["impute"][name].str.strip_prefix("'")
    there = given.is_not_null()
    assert found.filter(there).to_list() == given.filter(there).to_list()


@EVERY
def test_rows_without_it_are_scored_and_filled(trained: tuple[isthmus.Run, Path], tmp_path: Path, name: str) -> None:
    run, _ = trained
    table().with_columns(pl.lit(None, dtype=pl.String).alias(name)).write_csv(tmp_path / "gaps.csv")
    score(run, tmp_path / "gaps.csv", tmp_path / "s.csv")
    assert np.isfinite(pl.read_csv(tmp_path / "s.csv")["score"].to_numpy()).all()
    impute(run, tmp_path / "gaps.csv", tmp_path / "full.csv")
    cells = cells_of(tmp_path / "full.csv")[name].to_list()
    assert all(cell is not None and re.fullmatch(KINDS[name].pattern, cell) for cell in cells)


@EVERY
def test_fault_145_a_column_that_is_the_same_in_all_new_rows_is_read(
    trained: tuple[isthmus.Run, Path], tmp_path: Path, name: str
) -> None:
    run, _ = trained
    known = table()[name].drop_nulls()[0]
    table().with_columns(pl.lit(known).alias(name)).write_csv(tmp_path / "same.csv")
    found = score(run, tmp_path / "same.csv", tmp_path / "s.csv")
    assert found.n == N
    assert np.isfinite(pl.read_csv(tmp_path / "s.csv")["score"].to_numpy()).all()


@EVERY
def test_fault_145_a_cell_that_is_none_of_its_kind_is_named_with_its_row(
    trained: tuple[isthmus.Run, Path], tmp_path: Path, name: str
) -> None:
    """A new name in a category is told and scored (fault 130); all else is refused where it stands."""
    run, _ = trained
    kind, column = KINDS[name], table()[name].to_list()
    column[11] = kind.foreign
    table().with_columns(pl.Series(name, column)).write_csv(tmp_path / "new.csv")
    if not kind.told:
        found = score(run, tmp_path / "new.csv", tmp_path / "s.csv")
        assert any(f'column "{name}" holds values new to the model: {kind.foreign}' in said for said in found.said)
        return
    with pytest.raises(DataError) as caught:
        score(run, tmp_path / "new.csv", tmp_path / "s.csv")
    text = str(caught.value)
    assert f'"{name}"' in text
    assert kind.foreign in text
    assert not (tmp_path / "s.csv").exists()


@EVERY
@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_way_between_two_rows_of_a_frame_is_a_frame_of_its_types(
    trained: tuple[isthmus.Run, Path], name: str, kind: str
) -> None:
    run, _ = trained
    frame = table().drop("firmware")
    given = frame if kind == "polars" else pd.DataFrame(frame.to_dict(as_series=False))
    rows = [given[k : k + 1] for k in (1, 50)]
    way = run.interpolate(rows[0], rows[1], 4)
    assert type(way) is type(rows[0])
    assert len(way) == 4
    assert way[name].dtype == rows[0][name].dtype
    ends = run.reconstruct(frame[[1, 50]])[name].to_list()
    assert way[name].to_list()[:: len(way) - 1] == ends
    assert all(re.fullmatch(KINDS[name].pattern, cell) for cell in way[name].to_list())
