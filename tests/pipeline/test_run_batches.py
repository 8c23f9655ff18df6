"""Series of runs in one folder: with failures, and resumed after a stop."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import tiny
from isthmus.errors import DataError, DivergedError, Interrupted, IsthmusError, ModelFileError, UsageError
from isthmus.pipeline import run_batches
from isthmus.pipeline import train as pipeline
from isthmus.runs.folder import RunFolder
from isthmus.settings import nest
from isthmus.training.display import Quiet

SETTINGS = tiny.SMALL | {"batch_size": 32, "epochs": 2}
JOBS = [run_batches.Job(name, "modern", nest(SETTINGS | {"z_size": z})) for name, z in (("a", 2), ("b", 3))]


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    pl.DataFrame(tiny.table(80), schema=list("abcdef")).write_csv(path)
    return str(path)


def test_every_job_is_a_run_folder_and_is_not_trained_again(data: str, tmp_path: Path) -> None:
    done = run_batches.carry_out(tmp_path / "out", JOBS, data, Quiet())
    assert [run.model.z_size for run in done.values() if isinstance(run, RunFolder)] == [2, 3]
    before = (tmp_path / "out" / "a" / "run.json").read_bytes()
    again = run_batches.carry_out(tmp_path / "out", JOBS, data, Quiet())
    assert list(again) == ["a", "b"]
    assert (tmp_path / "out" / "a" / "run.json").read_bytes() == before


def test_a_job_that_fails_leaves_the_others(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = pipeline.train

    def failing(*args: object, **options: object) -> RunFolder:
        if str(options["out"]).endswith("a"):
            raise DivergedError("TRAIN-DIVERGED", "the cost was not finite.", fix="use a lower rate")
        return train(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "train", failing)
    done = run_batches.carry_out(tmp_path / "out", JOBS, data, Quiet())
    assert isinstance(done["a"], IsthmusError)
    assert done["a"].message == "the cost was not finite."
    assert isinstance(done["b"], RunFolder)


def test_where_every_job_fails_there_is_an_error_and_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data set is called"):
        run_batches.carry_out(tmp_path / "out", JOBS, "nosuch", Quiet())


def test_a_stop_is_gone_on_from(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run_batches, "_one", stopping(at="b"))
        with pytest.raises(Interrupted) as caught:
            run_batches.carry_out(tmp_path / "an out", JOBS, data, Quiet())
    assert str(caught.value.fix).endswith(f" --out '{tmp_path / 'an out'}'")
    shown = tiny.Said()
    done = run_batches.carry_out(tmp_path / "an out", JOBS, data, shown)
    assert all(isinstance(run, RunFolder) and run.is_judged for run in done.values())


def stopping(at: str) -> object:
    real = run_batches._one

    def one(path: Path, job: run_batches.Job, data: str, show: Quiet) -> RunFolder:
        if job.name == at:
            raise Interrupted("INTERRUPTED", "stopped.", exit_code=130, fix="go on")
        return real(path, job, data, show)

    return one


def test_another_series_or_other_files_are_not_mixed_in(data: str, tmp_path: Path) -> None:
    run_batches.carry_out(tmp_path / "out", JOBS[:1], data, Quiet())
    with pytest.raises(UsageError, match="contains a series with other settings or data"):
        run_batches.carry_out(tmp_path / "out", JOBS, data, Quiet())
    (tmp_path / "out" / "plan.json").write_text("{")
    with pytest.raises(ModelFileError, match=r"plan\.json cannot be read: Expecting property name"):
        run_batches.carry_out(tmp_path / "out", JOBS[:1], data, Quiet())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="mine is not empty"):
        run_batches.carry_out(tmp_path / "mine", JOBS, data, Quiet())


def test_a_slip_in_the_last_job_is_told_before_the_first_is_trained(data: str, tmp_path: Path) -> None:
    wrong = run_batches.Job("c", "modern", {"model": {"z_sise": 2}})
    with pytest.raises(UsageError, match="z_sise"):
        run_batches.carry_out(tmp_path / "out", [*JOBS, wrong], data, Quiet())
    assert not (tmp_path / "out").exists()


def test_a_plan_of_which_nothing_was_begun_may_be_mended(data: str, tmp_path: Path) -> None:
    with pytest.raises(IsthmusError):
        run_batches.carry_out(tmp_path / "out", JOBS[:1], f"{data}x", Quiet())
    done = run_batches.carry_out(tmp_path / "out", JOBS[:1], data, Quiet())
    assert isinstance(done["a"], RunFolder)
