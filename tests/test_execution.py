"""What a run folder holds while it is worked in and afterwards, also when that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import isthmus
import tiny
from isthmus import execution
from isthmus.errors import DivergedError, Interrupted
from isthmus.runs import Run
from tiny import FAST as SMALL


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


def test_a_second_interrupt_while_judging_keeps_the_trained_model(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(execution, "judge", interrupted)
        with pytest.raises(Interrupted, match="stopped while judging; the trained model is saved") as caught:
            isthmus.train(images, out=tmp_path / "a", **SMALL)
    assert caught.value.exit_code == 130
    weights = tiny.weights(isthmus.load(tmp_path / "a"))
    run = isthmus.resume(tmp_path / "a", show=False)
    tiny.assert_equal_weights(tiny.weights(run.model), weights)
    assert run.metrics["epochs"] == 3
