"""The loop against a bare one in plain PyTorch, against itself interrupted, and against what can go wrong."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from isthmus import trainer as training
from isthmus.checkpoint import Checkpoints
from isthmus.config import ModelConfig, TrainingConfig
from isthmus.data.batches import Batches
from isthmus.data.preprocess import Preprocess
from isthmus.errors import DivergedError, ResourceError
from isthmus.model import Model
from isthmus.prepare import Prepared
from isthmus.trainer import LOOK_EVERY, Progress, Trainer, adamw, rate


def trained(ready: Prepared, out: Path | None = None, **about: Any) -> Trainer:
    trainer = tiny.trainer(ready, out, **about)
    tiny.run(trainer)
    return trainer


def assert_same_run(found: Trainer, expected: Trainer) -> None:
    """Weights, best weights and all costs, bit for bit."""
    tiny.assert_equal_weights(tiny.weights(found.model), tiny.weights(expected.model))
    tiny.assert_equal_weights(found.monitor.best_weights, expected.monitor.best_weights)
    assert tiny.costs(found.monitor) == tiny.costs(expected.monitor)
    assert found.monitor.best_epoch == expected.monitor.best_epoch
    assert found.progress.stopped_by == expected.progress.stopped_by


RUNS: dict[str, dict[str, Any]] = {
    "modern": {"epochs": 3, "augment": "shift:2,until=0.5"},
    "denoiser with dropout": {"epochs": 3, "noise": "gaussian:0.2-0.6", "dropout": 0.2},
    "seed": {"recipe": "seed", "epochs": 4},
    "bfloat16": {"epochs": 3, "precision": "bfloat16"},
}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    settings: dict[str, Any], digits: tiny.Digits
) -> None:
    with tiny.assert_global_generator_untouched():
        first = trained(tiny.prepared(digits.samples, **settings))
    assert_same_run(trained(tiny.prepared(digits.samples, **settings)), first)
    other = trained(tiny.prepared(digits.samples, **settings | {"seed": 1}))
    assert tiny.costs(other.monitor) != tiny.costs(first.monitor)


def stop_at(step: int, number: int = signal.SIGTERM) -> Any:
    """Sends this process a signal once `step` steps are done; the loop calls back every eight."""

    def on_step(progress: Progress) -> None:
        if progress.step == step:
            os.kill(os.getpid(), number)

    return on_step


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_fault_54_an_interrupted_run_goes_on_to_the_same_end(
    settings: dict[str, Any], digits: tiny.Digits, tmp_path: Path
) -> None:
    ready = tiny.prepared(digits.samples, batch_size=16, **settings)
    whole = trained(ready)
    stops = [8, 28, 40]  # amid the first epoch of 20 steps, amid the second, and between two
    for step in stops:
        part = resumed(ready, tmp_path)
        progress = tiny.run(part, stop_at(step))
        assert (progress.stopped_by, progress.exit_code, progress.step) == ("interrupted", 143, step)
    last = resumed(ready, tmp_path)
    assert last.progress.step == stops[-1]
    tiny.run(last)
    assert_same_run(last, whole)


def resumed(ready: Prepared, out: Path, **about: Any) -> Trainer:
    trainer = tiny.trainer(ready, out, **about)
    found = Checkpoints(out / "checkpoint").load()
    if found is not None:
        trainer.restore(*found)
    return trainer


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_fault_54_55_a_signal_ends_within_a_step_and_tells_its_exit_code(
    number: int, exit_code: int, tmp_path: Path
) -> None:
    trainer = tiny.trainer(tiny.prepared(tiny.table(), batch_size=4), tmp_path)
    progress = tiny.run(trainer, stop_at(16, number))
    assert (progress.exit_code, progress.epoch, progress.batch) == (exit_code, 0, 16)
    found = Checkpoints(tmp_path / "checkpoint").load()
    assert found is not None
    assert (found[1]["step"], found[1]["batch"]) == (16, 16)
    tiny.assert_equal_weights(found[0]["model"], tiny.weights(trainer.model))


def test_a_signal_between_two_looks_does_not_hide_a_bad_cost(tmp_path: Path) -> None:
    ready = tiny.prepared(tiny.table(), batch_size=4)
    trainer = tiny.trainer(ready, tmp_path, own=Poisoned(at=2, then=lambda: os.kill(os.getpid(), signal.SIGTERM)))
    with pytest.raises(DivergedError, match="epoch 1, step 2 "):
        tiny.run(trainer)


class Patience:
    """Costs that get better until epoch `best` and worse afterwards."""

    def __init__(self, best: int) -> None:
        self.best, self.epoch = best, 0

    def __call__(self, *_: Any) -> float:
        self.epoch += 1
        return abs(self.epoch - self.best) + 1.0


def test_patience_stops_and_leaves_the_weights_of_the_best_epoch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready = tiny.prepared(tiny.table(), recipe="seed", epochs=40, patience=3)
    monkeypatch.setattr(training, "mean_cost", Patience(best=4))
    stopped = trained(ready, tmp_path)
    assert (stopped.progress.stopped_by, stopped.monitor.epoch, stopped.monitor.best_epoch) == ("patience", 7, 4)
    monkeypatch.setattr(training, "mean_cost", Patience(best=4))
    best = trained(tiny.prepared(tiny.table(), recipe="seed", epochs=4))
    tiny.assert_equal_weights(tiny.weights(stopped.model), tiny.weights(best.model))
    found = Checkpoints(tmp_path / "checkpoint").load()
    assert found is not None
    tiny.assert_equal_weights(found[0]["best"], tiny.weights(best.model))
    assert not torch.equal(found[0]["model"]["encoder.1.0.weight"], found[0]["best"]["encoder.1.0.weight"])
    again = resumed(ready, tmp_path)  # a process that was killed after it had stopped does not train on
    assert tiny.run(again).stopped_by == "patience"
    assert_same_run(again, stopped)


def test_a_run_that_had_stopped_goes_on_as_if_it_had_had_more_patience(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(training, "mean_cost", Patience(best=2))
    whole = trained(tiny.prepared(tiny.table(), recipe="seed", epochs=8, patience=99))
    monkeypatch.setattr(training, "mean_cost", Patience(best=2))
    trained(tiny.prepared(tiny.table(), recipe="seed", epochs=40, patience=3), tmp_path)
    extended = resumed(tiny.prepared(tiny.table(), recipe="seed", epochs=8, patience=3), tmp_path)
    assert extended.progress.epoch == 5
    extended.monitor.renew_patience()
    tiny.run(extended)
    assert extended.monitor.epoch == 8
    assert [train for train, _ in tiny.costs(extended.monitor)] == [train for train, _ in tiny.costs(whole.monitor)]
    tiny.assert_equal_weights(tiny.weights(extended.model), tiny.weights(whole.model))  # both are at epoch 2


def test_the_limit_of_epochs_limits_whatever_the_patience() -> None:
    stopped = trained(tiny.prepared(tiny.table(), recipe="seed", epochs=3, patience=99))  # in jcopdl it does not
    assert (stopped.monitor.epoch, stopped.progress.stopped_by) == (3, "budget")


def test_under_a_decaying_schedule_patience_does_not_cut_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "mean_cost", Patience(best=1))
    stopped = trained(tiny.prepared(tiny.table(), schedule="one-cycle", epochs=6, patience=1))
    assert (stopped.monitor.epoch, stopped.monitor.best_epoch) == (6, 1)


@pytest.mark.parametrize(("steps", "epochs"), [(60, 3), (70, 4), (1, 1), (49, 2)])
def test_a_budget_in_steps_is_rounded_to_whole_epochs(steps: int, epochs: int, digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, batch_size=16, steps=steps)  # 20 steps an epoch
    assert tiny.trainer(ready).progress.epochs == epochs


@pytest.mark.parametrize("clip", [None, 0.05, 1e6])
@pytest.mark.parametrize("decay", ["matrices", "all"])
def test_every_weight_is_trained_and_biases_are_decayed_only_where_asked(decay: str) -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 4))
    module[2].weight.requires_grad_(False)
    model = Model(ModelConfig(likelihood="gaussian"), Preprocess((4,), "float32"), own=module)
    optimizer = adamw(model, TrainingConfig(decay=decay, weight_decay=0.3))  # type: ignore[arg-type]
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    expected = {id(p): 0.3 if p.ndim > 1 or decay == "all" else 0.0 for p in model.parameters() if p.requires_grad}
    assert decays == expected


def test_only_the_first_layers_weights_learn_at_the_input_rate() -> None:
    config = ModelConfig(hidden=(5, 3), z_size=2, likelihood="gaussian")
    model = Model(config, Preprocess((4,), "float32"))
    optimizer = adamw(model, TrainingConfig(lr=0.01, input_lr=0.4))
    peaks = {id(p): group["peak"] for group in optimizer.param_groups for p in group["params"]}
    first = next(p for p in model.encoder.parameters() if p.shape == (5, 4))
    assert peaks == {id(p): 0.01 * 0.4 if p is first else 0.01 for p in model.parameters()}


def test_bfloat16_leaves_weights_and_costs_in_float32(digits: tiny.Digits) -> None:
    half = trained(tiny.prepared(digits.samples, epochs=2, precision="bfloat16"))
    full = trained(tiny.prepared(digits.samples, epochs=2))
    assert {value.dtype for value in tiny.weights(half.model).values()} == {torch.float32}
    for found, expected in zip(tiny.costs(half.monitor), tiny.costs(full.monitor), strict=True):
        assert found == pytest.approx(expected, rel=0.02)  # eight bits of mantissa: products err by up to 0.4 %
        assert found != expected


def test_noise_is_fresh_in_every_step_and_fixed_in_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = tiny.trainer(tiny.prepared(tiny.table(), noise="gaussian:1", batch_size=48, epochs=2))
    corruption, fresh, fixed = trainer.model.corruption, [], []
    corrupt = corruption.corrupt

    def spy(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        noisy = corrupt(x, generator)
        (fresh if trainer.model.training else fixed).append(noisy - x)
        return noisy

    monkeypatch.setattr(corruption, "corrupt", spy)
    tiny.run(trainer)
    assert (len(fresh), len(fixed)) == (4, 2)
    assert torch.equal(fixed[0], fixed[1])
    for i, noise in enumerate(fresh):
        assert all(not torch.allclose(noise, other, atol=0.1) for other in fresh[:i])
