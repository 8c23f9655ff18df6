"""Tables for people are aligned and fit a terminal; the list of runs shows all there are, also those in a series."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from isthmus.api import Run
from isthmus.cli.run_list import listed_runs, row_of
from isthmus.cli.text_tables import aligned
from isthmus.runs.finding import list_runs, look_for_runs
from isthmus.wording import three_digits


def test_numbers_end_and_words_begin_under_each_other() -> None:
    lines = aligned([["", "MSE", "note"], ["vae", "0.01", "a"], ["modern", "10.5", "bb"]], left=(0, 2))
    assert lines == ["         MSE  note", "vae     0.01  a", "modern  10.5  bb"]


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_a_wide_table_goes_on_below_and_loses_nothing(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [["name", *(f"column {i:02d} of many" for i in range(12))], ["a", *(f"value {i:02d}" for i in range(12))]]
    lines = aligned(rows)
    assert max(map(len, lines)) <= columns
    assert all(sum(cell in line for line in lines) == 1 for row in rows for cell in row[1:])
    assert [line.split()[0] for line in lines if line] == ["name", "a"] * (lines.count("") + 1)


def test_names_that_a_terminal_would_obey_are_shown() -> None:
    assert "\x1b" not in "".join(aligned([["a\x1b[2J", "b"], ["c", "d"]]))


@pytest.fixture
def series(denoiser: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run, and a comparison of one that is done and one that trains."""
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/compare-digits-1")
    shutil.copytree(denoiser.path, "runs/alone")
    shutil.copytree(denoiser.path, folder / "done")
    shutil.copytree(denoiser.path, folder / "begun")
    for name in ("metrics.json", "MANIFEST.json"):
        (folder / "begun" / name).unlink()
    (folder / "plan.json").write_text(json.dumps({"data": "digits", "jobs": []}))
    return folder


def test_runs_of_a_series_are_listed_and_are_never_the_latest(series: Path, denoiser: Run) -> None:
    found = look_for_runs(series=True)
    assert {run.path for run in found.runs} == {Path("runs/alone"), series / "done", series / "begun"}
    assert [run.path for run in list_runs()] == [Path("runs/alone")]
    rows = {row["run"]: row for row in (row_of(run, {}) for run in found.runs)}
    begun, done = rows[str(series / "begun")], rows[str(series / "done")]
    assert (begun["data"], begun["recipe"], begun["verdict"], begun["mse"]) == (
        Path(denoiser.config.data.source).stem, denoiser.config.recipe, None, None,
    )  # fmt: skip
    assert done["mse"] == denoiser.metrics["test"]["mse"]
    assert done["verdict"]
    lines = listed_runs(list(rows.values()))
    assert lines[0].split()[:3] == ["run", "data", "recipe"]
    assert three_digits(done["mse"]) in next(line for line in lines if line.startswith(str(series / "done")))
