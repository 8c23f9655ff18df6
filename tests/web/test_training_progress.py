"""A training read from its folder by another process: its state, its curves, and how it is stopped gently."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tiny
from isthmus.api import Run
from isthmus.errors import UsageError
from isthmus.system.lock import FolderLock
from isthmus.web.training_progress import TrainingStatus
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


def test_nothing_is_stopped_where_nothing_trains(copy: Path) -> None:
    (copy / ".lock").write_text(json.dumps({"pid": 1, "host": socket.gethostname(), "since": ""}))
    with pytest.raises(UsageError, match="no training runs in this folder"):
        TrainingStatus(copy).stop()


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"pid": 1}, {"pid": os.getpid()}])
def test_a_process_out_of_reach_gets_no_signal(copy: Path, change: dict[str, object]) -> None:
    with FolderLock(copy):
        (copy / ".lock").write_text(json.dumps({"pid": 2, "host": socket.gethostname(), "since": ""} | change))
        with pytest.raises(UsageError, match="out of reach"):
            TrainingStatus(copy).stop()


def test_fault_82_a_new_server_finds_the_training_and_stops_it_once_and_gently(images: Path, tmp_path: Path) -> None:
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
        _until(lambda: (out / "history.csv").is_file())
        before = client(app_of(out)).get("/api/progress").json()
        after = client(app_of(out))  # the server was started again: it knows nothing but the folder
        assert (before["state"], after.get("/api/progress").json()["state"]) == ("running", "running")
        assert [after.post("/api/stop").json()["stopping"] for _ in range(3)] == [training.pid] * 3
        assert training.wait(timeout=60) == 128 + signal.SIGINT
    finally:
        training.kill()
        training.wait()
    assert Run(out).record["ended"] == "interrupted"
    assert (out / "checkpoint" / "latest").is_file()
    assert after.get("/api/progress").json()["state"] == "interrupted"


def _until(true: object, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.2)
