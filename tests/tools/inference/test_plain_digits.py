"""What tools give back of tables of plain numbers: with the digits of the data, from files and from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import isthmus
import tiny
from isthmus.api import Run
from isthmus.tools.editing.edits import edit, edit_of
from isthmus.tools.inference import apply
from isthmus.tools.sampling.interpolation_files import interpolate
from isthmus.tools.sampling.synthesis import sample, traverse

SETTINGS: dict[str, Any] = tiny.SMALL | {"epochs": 2, "batch_size": 16}
NAMES = ["years", "rate", "score", "member"]
DIGITS = {"years": 0, "rate": 2, "score": 1, "member": 0}


def people(n: int = 90, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    years = rng.integers(0, 20, n)
    score = np.round(3.0 * years + rng.normal(size=n), 1)
    return pl.DataFrame(
        {"years": years, "rate": np.round(rng.random(n), 2), "score": score, "member": (years > 9).astype(int)}
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "people.csv"
    people().write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(table: Path) -> Run:
    return isthmus.train(table, out=table.parent / "run", show=False, **SETTINGS)


def reconstructed(run: Run, table: Path, out: Path) -> None:
    apply.reconstruct(run, table, out)


def decoded(run: Run, table: Path, out: Path) -> None:
    apply.encode(run, table, out.with_suffix(".npy"))
    apply.decode(run, out.with_suffix(".npy"), out)


def drawn(run: Run, table: Path, out: Path) -> None:
    sample(run, 20, out, judge=False)


def edited(run: Run, table: Path, out: Path) -> None:
    edit(run, str(table), out, edit_of(run, ["years"]), strength=2.0)


def between(run: Run, table: Path, out: Path) -> None:
    interpolate(run, f"{table}:0", f"{table}:1", out, steps=5)


def swept(run: Run, table: Path, out: Path) -> None:
    traverse(run, out)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("make", [reconstructed, decoded, drawn, edited, between, swept])
def test_files_hold_the_digits_of_the_data(
    run: Run, table: Path, tmp_path: Path, make: Callable[[Run, Path, Path], None], suffix: str
) -> None:
    make(run, table, out := tmp_path / f"out{suffix}")
    found = (pl.read_csv if suffix == ".csv" else pl.read_parquet)(out).select(NAMES)
    assert_written_as_the_data(found)
    assert found["years"].dtype == found["member"].dtype == pl.Int64


def assert_written_as_the_data(found: pl.DataFrame) -> None:
    for name, digits in DIGITS.items():
        values = found[name].cast(pl.Float64).to_numpy()
        np.testing.assert_allclose(values, np.round(values, digits), atol=1e-5)  # rate comes as float32
    assert found["years"].min() >= 0  # type: ignore[operator]
    assert {*found["member"].to_list()} <= {0, 1}


def test_what_is_rounded_is_what_the_model_made(run: Run, table: Path, tmp_path: Path) -> None:
    """Of a model that learned, half of the last digit apart."""
    apply.reconstruct(run, table, tmp_path / "out.csv")
    found, exact = pl.read_csv(tmp_path / "out.csv").to_numpy(), run.model.reconstruct(people().to_numpy())
    bounded = np.stack([exact[:, 0].clip(0), exact[:, 1], exact[:, 2], exact[:, 3].clip(0, 1)], 1)
    apart = np.abs(found - bounded).max(0)
    assert (apart <= [0.5 + 1e-5, 0.005 + 1e-5, 0.05 + 1e-5, 0.5 + 1e-5]).all()
    assert apart.min() > 0


def test_arrays_and_codes_are_not_rounded(run: Run, table: Path, tmp_path: Path) -> None:
    apply.reconstruct(run, table, tmp_path / "out.npy")
    exact = run.model.reconstruct(people().to_numpy().astype(np.float32))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), exact)
    assert np.abs(exact[:, 0] - exact[:, 0].round()).max() > 0.05
    frame, array = run.encode(people()).to_numpy(), run.encode(people().to_numpy())
    np.testing.assert_allclose(frame, array, atol=1e-5)  # float32, in batches of other types


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_frames_come_back_with_digits_and_types(run: Run, kind: str) -> None:
    given = people()
    if kind == "pandas":
        pandas = pytest.importorskip("pandas")
        given = pandas.DataFrame(people().to_dict(as_series=False), index=np.arange(90) + 5)
    back = {"reconstruct": run.reconstruct(given), "edit": run.edit(given, add=["years"])}
    back["decode"] = run.coder.decode(run.encode(given))
    back["interpolate"] = run.interpolate(given[:1], given[1:2], steps=4)
    for name, found in back.items():
        plain = found if isinstance(found, pl.DataFrame) else pl.DataFrame({n: found[n].to_numpy() for n in NAMES})
        assert_written_as_the_data(plain)
        assert str(found["years"].dtype).lower() == "int64", name
    if kind == "pandas":
        assert back["reconstruct"].index.tolist() == given.index.tolist()  # type: ignore[attr-defined]


def test_a_run_on_a_frame_draws_a_frame_with_its_digits(tmp_path: Path) -> None:
    run = isthmus.train(people(60), out=tmp_path / "run", show=False, **SETTINGS)
    assert_written_as_the_data(run.sample(10))


def test_rows_that_are_looked_up_are_shown_as_they_are(run: Run, table: Path) -> None:
    given = people(1).with_columns(rate=pl.lit(0.125))
    found = run.neighbors(given, k=1).as_dict()["queries"]
    assert found[0]["rate"] == pytest.approx(0.125)
