"""The contents of a run folder during the work and afterward, also if it fails."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import DivergedError, Interrupted, ResourceError
from isthmus.pipeline import beginning, execution
from isthmus.runs.state import state
from tiny import FAST as SMALL
from tiny import Said


def test_the_number_of_threads_is_the_callers_again(images: Path, tmp_path: Path) -> None:
    torch.set_num_threads(2)
    try:
        run = isthmus.train(images, out=tmp_path / "a", **SMALL | {"epochs": 1})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert run.config.training.threads == 1


def test_fault_43_a_run_that_diverges_says_so_in_its_record(images: Path, tmp_path: Path) -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.steps = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.steps += self.training
            return x * self.scale * (float("nan") if self.steps == 12 else 1.0)

    with pytest.raises(DivergedError, match="epoch 3, step 12 ") as caught:
        isthmus.fit(Bad(), images, out=tmp_path / "a", likelihood="gaussian", **SMALL)
    assert caught.value.exit_code == 6
    record = Run(tmp_path / "a").record
    assert (record["ended"], record["error"]) == ("diverged", caught.value.message)
    assert len(Run(tmp_path / "a").history) == 2


def sending(number: int, times: int = 1) -> Any:
    """A function that sends a signal, for any arguments."""

    def send(*_: Any, **__: Any) -> None:
        for _attempt in range(times):
            os.kill(os.getpid(), number)
        time.sleep(5)  # Python runs the handler before this is over

    return send


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "exit_code"), SIGNALS)
@pytest.mark.parametrize("stage", ["judge", "draw_pictures"])
def test_fault_54_55_a_signal_while_judging_keeps_the_model_and_resume_judges_it(
    stage: str, number: int, exit_code: int, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(execution, stage, sending(number))
        with pytest.raises(Interrupted, match="stopped while judging; the trained model is saved") as caught:
            isthmus.train(images, out=tmp_path / "a", **tiny.FAST)
    assert (caught.value.exit_code, caught.value.fix) == (exit_code, f"judge it with `isthmus resume {tmp_path / 'a'}`")
    weights = tiny.weights(isthmus.load(tmp_path / "a"))
    assert state(Run(tmp_path / "a")) == "unjudged"
    run = isthmus.resume(tmp_path / "a", show=False)
    tiny.assert_equal_weights(tiny.weights(run.model), weights)
    assert run.metrics["epochs"] == 3
    assert (run.path / "sanity.png").is_file()
    assert state(Run(tmp_path / "a")) == "budget"


def test_fault_54_an_extended_run_that_was_stopped_while_judging_is_judged_anew(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(execution, "judge", sending(signal.SIGINT))
        with pytest.raises(Interrupted, match="while judging"):
            isthmus.resume(copy, epochs=4, show=False)
    assert Run(copy).metrics["epochs"] == 3  # the previous ones
    assert isthmus.resume(copy, show=False).metrics["epochs"] == 4


class Late(Said):
    """Sends a signal after the last epoch, when the loop has no further step to notice it."""

    def epoch(self, row: dict[str, Any], progress: Any) -> None:
        if progress.epoch == progress.epochs:
            os.kill(os.getpid(), signal.SIGTERM)


def test_fault_55_a_signal_after_the_last_step_is_not_forgotten(images: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="stopped while judging") as caught:
        isthmus.train(images, out=tmp_path / "a", **tiny.FAST | {"show": Late()})
    assert caught.value.exit_code == 143
    assert len(Run(tmp_path / "a").history) == 3
    assert Run(tmp_path / "a").metrics == {}


@pytest.mark.parametrize(("number", "exit_code"), SIGNALS)
def test_fault_54_55_a_signal_before_the_first_step_leaves_no_folder(
    number: int, exit_code: int, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "mean_cost_of_mean", sending(number))
    with pytest.raises(Interrupted, match="stopped before anything was trained") as caught:
        isthmus.train(images, out=tmp_path / "a", **tiny.FAST)
    assert (caught.value.exit_code, caught.value.fix) == (exit_code, None)
    assert list(tmp_path.iterdir()) == []


class Twice(Said):
    """Sends Ctrl-C twice in the second epoch."""

    def step(self, progress: Any) -> None:
        if progress.epoch == 1:
            sending(signal.SIGINT, 2)()


def test_fault_54_a_second_signal_in_the_loop_leaves_the_last_checkpoint(images: Path, tmp_path: Path) -> None:
    whole = isthmus.train(images, out=tmp_path / "whole", **tiny.FAST | {"batch_size": 8})
    with pytest.raises(Interrupted, match="stopped at once; the last checkpoint is kept") as caught:
        isthmus.train(images, out=tmp_path / "a", **tiny.FAST | {"batch_size": 8, "show": Twice()})
    assert caught.value.exit_code == 130
    assert Run(tmp_path / "a").record["ended"] == "interrupted"
    tiny.assert_same_weights(isthmus.resume(tmp_path / "a", show=False), whole)


def test_the_way_to_go_on_is_a_call_where_the_data_is_the_callers(
    digits: tiny.Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "judge", sending(signal.SIGINT))
    with pytest.raises(Interrupted) as caught:
        isthmus.train(digits.x[:100], out=tmp_path / "a", **tiny.FAST | {"epochs": 1})
    assert caught.value.fix == f"judge it with `isthmus.resume('{tmp_path / 'a'}', data=…)`"


def failing(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def test_a_failure_before_the_first_step_leaves_no_folder(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "mean_cost_of_mean", failing(ResourceError("RESOURCE-MEMORY", "no memory.")))
    with pytest.raises(ResourceError, match="no memory"):
        isthmus.train(images, out=tmp_path / "a", **tiny.FAST)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_after_training_is_named_in_the_record_and_can_be_gone_on_from(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(execution, "draw_pictures", failing(ResourceError("RESOURCE-DISK", "the disk is full.")))
        with pytest.raises(ResourceError, match="the disk is full"):
            isthmus.train(images, out=tmp_path / "a", **tiny.FAST)
    record = Run(tmp_path / "a").record
    assert (record["ended"], record["error"]) == ("failed", "the disk is full.")
    run = isthmus.resume(tmp_path / "a", show=False)
    assert (run.record["ended"], run.record.get("error"), run.metrics["epochs"]) == ("budget", None, 3)
