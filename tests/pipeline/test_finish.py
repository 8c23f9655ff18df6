"""Ending a training by hand: while it runs, after it was stopped, and when there is nothing to end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import Interrupted, UsageError
from isthmus.system.requests import PAUSE, REQUEST, ask
from tiny import FAST as SMALL
from tiny import Said


@pytest.fixture
def stopped(images: Path, tmp_path: Path) -> Path:
    """A run that a signal stopped in its third epoch of five, with ten steps per epoch."""
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        isthmus.train(images, out=out, **SMALL | {"batch_size": 16, "epochs": 5, "show": Said(stop_at=28)})
    return out


def test_a_stopped_run_is_judged_with_its_best_weights(stopped: Path) -> None:
    run = isthmus.finish(stopped, show=False)
    assert (run.record["ended"], len(run.history), run.metrics["epochs"]) == ("request", 3, 3)
    verdict = next(v for v in run.metrics["verdicts"] if v["id"] == "stopped-too-early")
    assert verdict["text"].startswith("Training was stopped by hand after 3 epochs")
    costs = [row["validation_cost"] for row in run.history]
    assert run.metrics["best_epoch"] == costs.index(min(costs)) + 1


def test_a_run_that_was_finished_by_hand_can_be_trained_longer(stopped: Path, images: Path, tmp_path: Path) -> None:
    isthmus.finish(stopped, show=False)
    said = Said()
    longer = isthmus.resume(stopped, epochs=5, show=said)
    assert not any("rises again" in line for line in said.lines)
    whole = isthmus.train(images, out=tmp_path / "whole", **SMALL | {"batch_size": 16, "epochs": 5})
    assert len(longer.history) == 5
    assert [row["lr"] for row in longer.history[3:]] == [row["lr"] for row in whole.history[3:]]


def test_a_finished_run_stays_as_it_is(copy: Path) -> None:
    said, before = Said(), (copy / "metrics.json").read_bytes()
    assert isthmus.finish(copy, show=said).metrics["epochs"] == 3
    assert said.lines == [f"{copy} is already finished: trained for 3 epochs and judged."]
    assert (copy / "metrics.json").read_bytes() == before


def test_a_run_without_a_checkpoint_cannot_be_finished(copy: Path) -> None:
    Run(copy).write_record(ended="failed")
    for kept in ("checkpoint", "model"):
        (copy / kept).rename(copy.parent / f"{kept} elsewhere")
    with pytest.raises(UsageError, match="has no checkpoint yet") as caught:
        isthmus.finish(copy, show=False)
    assert caught.value.fix == f"train it with `isthmus resume {copy}`"


def test_a_running_training_is_paused_goes_on_and_is_finished_from_elsewhere(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "isthmus", "train", str(images), "--out", str(out), "--epochs", "100000"]
    command += ["--hidden", "16", "--z-size", "4", "--threads", "1"]
    training = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        tiny.until((out / "history.csv").is_file)
        ask(out, PAUSE)
        tiny.until(lambda: len({_epochs(out) for _ in range(4) if time.sleep(0.3) is None}) == 1)
        said = Said()
        assert isthmus.resume(out, show=said).metrics == {}
        assert said.lines == [f"{out} was paused; it continues in the process that trains it."]
        seen = _epochs(out)
        tiny.until(lambda: _epochs(out) > seen)
        run = isthmus.finish(out, show=False)
        told, _ = training.communicate(timeout=60)
    finally:
        training.send_signal(signal.SIGKILL)
        training.wait()
    assert training.returncode == 0
    assert "paused; everything is saved" in told
    assert "or with `isthmus resume " in told
    assert (run.record["ended"], run.is_judged) == ("request", True)
    assert not (out / REQUEST).exists()


def _epochs(out: Path) -> int:
    return len(Run(out).history)
