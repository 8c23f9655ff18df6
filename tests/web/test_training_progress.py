"""A training read from its folder by another process: its state, its curves, and how it is paused and finished."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tiny
from isthmus.api import Run
from isthmus.errors import UsageError
from isthmus.system.lock import FolderLock
from isthmus.system.requests import FINISH, PAUSE, REQUEST
from isthmus.web.training_progress import GO_ON, TrainingStatus
from served import app_of, client


def test_a_finished_run_tells_its_epochs_and_draws_its_curves(denoiser: Run) -> None:
    found = TrainingStatus(denoiser.path).snapshot()
    assert (found["state"], found["epoch"], found["model"]) == ("finished", tiny.FAST["epochs"], True)
    costs = [row["validation_cost"] for row in denoiser.history]
    assert found["best"] == {"epoch": costs.index(min(costs)) + 1, "validation_cost": min(costs)}
    assert found["chart"].count('class="curve') == 2


def test_the_sanity_check_is_that_of_the_checkpoint(denoiser: Run) -> None:
    found = TrainingStatus(denoiser.path).sanity()
    assert found is not None
    assert (len(found["x"]), len(found["x_hat"])) == (10, 10)
    assert found["step"] == int((denoiser.path / "checkpoint" / "latest").read_text().strip().removeprefix("step-"))


def test_a_folder_that_cannot_be_read_yet_waits(tmp_path: Path) -> None:
    assert TrainingStatus(tmp_path).snapshot()["state"] == "waiting"
    assert TrainingStatus(tmp_path).sanity() is None


@pytest.mark.parametrize("what", [PAUSE, FINISH, GO_ON])
def test_nothing_is_asked_where_nothing_trains(what: str, copy: Path) -> None:
    with pytest.raises(UsageError, match="no training is running in this folder") as caught:
        TrainingStatus(copy).ask(what)
    assert f"isthmus finish {copy}" in str(caught.value.fix)
    assert not (copy / REQUEST).exists()


@pytest.mark.parametrize(("what", "state"), [(PAUSE, "paused"), (FINISH, "finishing"), (GO_ON, "running")])
def test_what_was_asked_is_told(what: str, state: str, copy: Path) -> None:
    Run(copy).write_record(ended=None, planned_epochs=12)
    with FolderLock(copy):
        status = TrainingStatus(copy)
        status.ask(what)
        found = status.snapshot()
    assert (found["state"], found["epochs"]) == (state, 12)
    left = None if what == FINISH else pytest.approx(found["seconds"] * 9 / 3)  # three epochs are done
    assert found["seconds_left"] == left


def test_a_training_that_is_judged_has_no_epochs_left(copy: Path) -> None:
    Run(copy).write_record(ended="request", planned_epochs=12)
    with FolderLock(copy):
        found = TrainingStatus(copy).snapshot()
    assert (found["state"], found["seconds_left"]) == ("judging", None)


def test_fault_82_a_new_server_finds_the_training_and_finishes_it(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "isthmus",
        "train",
        str(images),
        "--out",
        str(out),
        "--epochs",
        "100000",
        "--quiet",
    ]
    command += ["--hidden", "16", "--z-size", "4", "--threads", "1"]
    training = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        tiny.until(lambda: (out / "history.csv").is_file())
        before = client(app_of(out)).get("/api/progress").json()
        after = client(app_of(out))  # the server was started again: it knows nothing but the folder
        assert (before["state"], after.get("/api/progress").json()["state"]) == ("running", "running")
        assert after.post("/api/pause").json() == {"asked": "pause"}
        assert after.get("/api/progress").json()["state"] == "paused"
        assert after.post("/api/go-on").json() == {"asked": "go-on"}
        assert after.post("/api/finish").json() == {"asked": "finish"}
        assert training.wait(timeout=120) == 0
    finally:
        training.kill()
        training.wait()
    assert Run(out).record["ended"] == "request"
    found = after.get("/api/progress").json()
    assert (found["state"], found["model"]) == ("finished", True)
