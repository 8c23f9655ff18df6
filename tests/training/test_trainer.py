"""The training loop compared with a plain PyTorch loop and with an interrupted one, and with faults."""

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
from isthmus.errors import DivergedError, ResourceError
from isthmus.training import trainer as training
from isthmus.training.checkpoint import Checkpoints
from isthmus.training.notes import about_budget
from isthmus.training.optimizer import rate
from isthmus.training.prepared import Prepared
from isthmus.training.trainer import Progress, Trainer
from isthmus.training_config import TrainingConfig
from poison import Poisoned, poison_gradient


def trained(ready: Prepared, out: Path | None = None, **about: Any) -> Trainer:
    trainer = tiny.trainer(ready, out, **about)
    tiny.run(trainer)
    return trainer


def assert_same_run(found: Trainer, expected: Trainer) -> None:
    """Asserts equal weights, best weights and costs, bit for bit."""
    tiny.assert_equal_weights(tiny.weights(found.model), tiny.weights(expected.model))
    tiny.assert_equal_weights(found.monitor.best_weights, expected.monitor.best_weights)
    assert tiny.timeless(found.monitor) == tiny.timeless(expected.monitor)
    assert found.monitor.best_epoch == expected.monitor.best_epoch
    assert found.progress.stopped_by == expected.progress.stopped_by


RUNS: dict[str, dict[str, Any]] = {
    "modern": {"epochs": 3, "augment": "shift:2,until=0.5"},
    "denoiser with dropout": {"epochs": 3, "noise": "gaussian:0.2-0.6", "dropout": 0.2},
    "seed": {"recipe": "seed", "epochs": 4},
    "convolutions": {"epochs": 3, "precision": "bfloat16", "network": "conv", "hidden": [8, 8]},
    "vae": {"epochs": 3, "bottleneck": "gaussian", "precision": "bfloat16", "penalty_warmup": 0.4},
    "vqvae": {"epochs": 3, "bottleneck": "noise:0.1+vq:16", "terms": "contractive+mmd", "penalty_cycles": 2}
    | {"penalty_warmup": 0.5, "likelihood": "gaussian,variance=shared", "decoder_decay": 0.3},
}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_fault_50_the_same_seed_gives_the_same_weights_and_another_does_not(
    settings: dict[str, Any], digits: tiny.Digits
) -> None:
    with tiny.assert_global_generator_untouched():
        first = trained(tiny.prepared(digits.samples, **settings))
    assert_same_run(trained(tiny.prepared(digits.samples, **settings)), first)
    other = trained(tiny.prepared(digits.samples, **settings | {"seed": 1}))
    assert tiny.costs(other.monitor) != tiny.costs(first.monitor)


def stop_at(step: int, number: int = signal.SIGTERM) -> Any:
    """Sends this process a signal after `step` steps; the loop calls it every eight steps."""

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
    for step in (stops := [8, 28, 40]):  # within the first epoch of 20 steps, within the second, and between two
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
    """Costs that improve until epoch `best` and get worse afterward."""

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
    again = resumed(ready, tmp_path)  # a process that was killed after it had stopped does not continue
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
    ready = tiny.prepared(digits.samples, batch_size=16, steps=steps)  # 20 steps per epoch
    assert tiny.trainer(ready).progress.epochs == epochs


def test_a_budget_below_one_pass_ends_amid_it(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, batch_size=16, steps=7)  # 20 steps per epoch
    trainer = tiny.trainer(ready)
    tiny.run(trainer)
    assert (trainer.progress.epoch, trainer.progress.samples_seen) == (1, 7 * 16)
    assert {float(v) for k, v in trainer.optimizer.tensors().items() if k.endswith("step")} == {7.0}
    assert rate(6, 7, trainer.settings) * trainer.settings.lr == pytest.approx(trainer.monitor.history[-1]["lr"])


@pytest.mark.parametrize(("steps", "told"), [(7, []), (20, []), (33, ["33 steps are rounded to 2 epochs of 20 steps"])])
def test_steps_that_are_rounded_are_told(steps: int, told: list[str], digits: tiny.Digits) -> None:
    n = len(tiny.prepared(digits.samples).splits.train)
    assert -(-n // 16) == 20
    said = about_budget(TrainingConfig(steps=steps, batch_size=16), 20)
    assert [line.partition(" (")[0] for line in said] == told


@pytest.mark.parametrize("clip", [None, 0.05, 1e6])
@pytest.mark.parametrize("decay", ["matrices", "all"])
def test_training_equals_a_bare_loop_in_plain_pytorch(clip: float | None, decay: str) -> None:
    settings = {"clip": clip or "none", "decay": decay, "lr": 0.01, "weight_decay": 0.1, "warmup": 0.25, "epochs": 2}
    ready = tiny.prepared(tiny.table(200), batch_size=16, activation="tanh", input_lr=0.4, **settings)
    trainer = tiny.trainer(ready)
    plain, data = tiny.trainer(ready).model, ready.x(ready.splits.train)
    first, *matrices = [p for p in plain.parameters() if p.ndim > 1]
    vectors = [p for p in plain.parameters() if p.ndim == 1]
    groups = [
        {"params": [first], "share": 0.4},
        {"params": matrices, "share": 1.0},
        {"params": vectors, "share": 1.0, "weight_decay": 0.1 if decay == "all" else 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), weight_decay=0.1, foreach=False)
    steps, costs = 2 * len(trainer.batches), []
    for step in range(steps):
        rows = trainer.batches.rows(step // len(trainer.batches))[step % len(trainer.batches)]
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * np.interp(step, [-1, steps / 4 - 1], [0, 1]) if step < steps / 4 else 0.01
            group["lr"] = group["share"] * min(group["lr"], 0.01 * (steps - step) / (steps * 3 / 4))
        cost = nn.functional.mse_loss(plain.decoder(plain.encoder(data[rows])), data[rows])
        optimizer.zero_grad()
        cost.backward()
        if clip:
            nn.utils.clip_grad_norm_(plain.parameters(), clip)
        optimizer.step()
        costs.append(cost.item() * len(rows))
    tiny.run(trainer)
    trainer.model.load_state_dict(trainer.monitor.best_weights)
    assert trainer.monitor.best_epoch == 2
    assert trainer.monitor.history[1]["train_cost"] == pytest.approx(sum(costs[steps // 2 :]) / len(data), rel=1e-4)
    for name, value in tiny.weights(plain).items():
        # AdamW divides by the root of squared gradients, so rounding of 1e-7 grows where gradients are small
        torch.testing.assert_close(tiny.weights(trainer.model)[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_the_step_that_never_waits_for_the_device_is_the_same_step() -> None:
    ready = tiny.prepared(tiny.table(), batch_size=8, clip=0.05, epochs=2)
    waiting, never_waiting = tiny.trainer(ready), tiny.trainer(ready)
    never_waiting.step.never_waits = True
    for trainer in (waiting, never_waiting):
        poison_gradient(trainer, steps=(3, 11))
        tiny.run(trainer)
    for name, value in tiny.weights(waiting.model).items():
        torch.testing.assert_close(tiny.weights(never_waiting.model)[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_clipping_shortens_the_gradient_as_pytorch_does() -> None:
    ready = tiny.prepared(tiny.table(), clip=0.01, epochs=1)
    trainer = tiny.trainer(ready)
    before = tiny.weights(trainer.model)
    trainer._step(trainer.batches.rows(0)[0])
    model = tiny.trainer(ready).model
    tiny.assert_equal_weights(tiny.weights(model), before)
    x = ready.x(ready.splits.train)[trainer.batches.rows(0)[0]]
    (model.x_hat(x) - x).square().mean().backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    assert float(norm) > 0.01  # otherwise nothing would be clipped
    for trained, parameter in zip(trainer.parameters, model.parameters(), strict=True):
        torch.testing.assert_close(trained.grad, parameter.grad, rtol=1e-4, atol=1e-9)


def test_fault_52_a_failing_disk_does_not_stop_training_until_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready = tiny.prepared(tiny.table(), batch_size=8, epochs=4)
    save, calls = Checkpoints.save, []

    def failing(self: Checkpoints, *args: Any) -> Path:
        calls.append(args[0])
        if len(calls) < 3:
            raise ResourceError("RESOURCE-DISK", "the disk is full.")
        return save(self, *args)

    monkeypatch.setattr(training, "CHECKPOINT_SHARE", math.inf)  # a checkpoint after every epoch, however short
    monkeypatch.setattr(Checkpoints, "save", failing)
    whole = trained(ready)
    trainer = trained(ready, tmp_path)
    assert_same_run(trainer, whole)
    assert trainer.progress.log == [
        f"the checkpoint of epoch {i} could not be saved: the disk is full. Training continues." for i in (1, 2)
    ]
    assert calls == [12, 24, 36, 48]

    def full(*_: Any) -> Path:
        raise ResourceError("RESOURCE-DISK", "the disk is full.")

    monkeypatch.setattr(Checkpoints, "save", full)
    with pytest.raises(ResourceError, match="the disk is full"):
        trained(ready, tmp_path)


def test_checkpoints_take_a_tenth_of_the_time_at_most_where_epochs_are_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock, saves = [0.0], []

    def epoch(*_: Any) -> float:
        clock[0] += 1.0
        return 1.0

    def save(*_: Any, **state: Any) -> None:
        saves.append(state["epoch"])
        clock[0] += 0.5

    monkeypatch.setattr(training.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(training, "mean_cost", epoch)
    trainer = tiny.trainer(tiny.prepared(tiny.table(), epochs=12), tmp_path)
    monkeypatch.setattr(trainer.monitor, "save_checkpoint", save)
    tiny.run(trainer)
    assert saves == [1, 6, 11, 12]  # half a second each, five seconds apart, and the last epoch in any case


def test_the_loop_tells_every_epoch_and_every_few_steps() -> None:
    trainer, rows, steps = tiny.trainer(tiny.prepared(tiny.table(), batch_size=8, epochs=2)), [], []
    trainer.run(rows.append, lambda progress: steps.append(progress.step))
    assert steps == [8, 12, 20, 24]
    assert rows == trainer.monitor.history
    assert list(rows[0]) == ["epoch", "train_cost", "validation_cost", "lr", "seconds"]
    assert (trainer.progress.samples_seen, trainer.progress.step) == (2 * 96, 24)
    assert trainer.progress.samples_per_second > 0


SETTINGS = TrainingConfig(warmup=0.1)


def test_one_cycle_rises_over_the_warm_up_and_falls_to_zero() -> None:
    rates = [rate(step, 100, SETTINGS) for step in range(100)]
    rising = [(step + 1) / 10 for step in range(10)]
    falling = np.linspace(1, 0, 91)[:-1].tolist()
    assert rates == pytest.approx(rising + falling, abs=1e-12)
    assert max(rates) == 1
    assert min(rates) > 0


@pytest.mark.parametrize("warmup", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_rates_of_short_runs_are_shares_above_zero(steps: int, warmup: float) -> None:
    rates = [rate(step, steps, TrainingConfig(warmup=warmup)) for step in range(steps)]
    assert all(0 < share <= 1 for share in rates)


def test_a_constant_schedule_is_constant() -> None:
    assert {rate(step, 100, TrainingConfig(schedule="constant")) for step in range(100)} == {1.0}


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


class Dropping(nn.Module):
    """Records what its dropout leaves of ones in training."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave, self.drop = nn.Linear(6, 3), nn.Linear(3, 6), nn.Dropout(0.5)
        self.masks: list[torch.Tensor] = []

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        mask = self.drop(torch.ones(len(x), 6))
        if self.training:
            self.masks.append(mask)
        return self.enter(x * mask)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return self.leave(z)


def test_dropout_draws_anew_in_every_step_and_the_same_in_every_run() -> None:
    runs = []
    for seed in (0, 0, 1):
        module = Dropping()
        trained(tiny.prepared(tiny.table(100), epochs=2, batch_size=20, seed=seed), own=module)
        runs.append(module.masks)
    steps, again, other = runs
    assert len(steps) == 8
    pairs = [(a, b) for i, a in enumerate(steps) for b in steps[:i]]
    assert not any(torch.equal(a, b) for a, b in pairs)
    assert all(torch.equal(a, b) for a, b in zip(steps, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(steps, other, strict=True))


def request_at(trainer: Trainer, step: int, what: str) -> Any:
    """Makes a request to the training after `step` steps; a pause ends when everything is saved."""

    def on_step(progress: Progress) -> None:
        if progress.step == step:
            trainer.requests.pending = what

    trainer.requests.look = lambda: None
    trainer.requests.wait = lambda stop: setattr(trainer.requests, "pending", None)
    return on_step


def test_dropout_seeds_no_device_but_the_one_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a GPU that was not used yet, PyTorch stores the seed of every step and a stack trace."""
    seeded = tiny.counted(monkeypatch, "torch.cuda.manual_seed_all")
    trained(tiny.prepared(tiny.table(40), epochs=2, dropout=0.5))
    assert seeded == []


def test_asked_to_finish_it_closes_the_part_of_an_epoch_and_keeps_the_best_weights(tmp_path: Path) -> None:
    ready = tiny.prepared(tiny.table(), batch_size=4, epochs=4)  # 24 steps per epoch
    trainer, costs = tiny.trainer(ready, tmp_path), []
    step = trainer._step
    trainer._step = lambda rows: costs.append(float(found := step(rows))) or found
    progress = tiny.run(trainer, request_at(trainer, 32, "finish"))
    assert (progress.stopped_by, progress.exit_code, progress.epoch, len(costs)) == ("request", 0, 2, 32)
    assert trainer.monitor.history[1]["train_cost"] == pytest.approx(np.mean(costs[24:]), rel=1e-6)
    tiny.assert_equal_weights(tiny.weights(trainer.model), trainer.monitor.best_weights)
    found = Checkpoints(tmp_path / "checkpoint").load()
    assert found is not None
    assert (found[1]["epoch"], found[1]["batch"]) == (2, 0)


def test_asked_to_finish_at_the_end_of_an_epoch_it_adds_none(digits: tiny.Digits) -> None:
    trainer = tiny.trainer(tiny.prepared(digits.samples, batch_size=40, epochs=3))  # 8 steps per epoch
    assert tiny.run(trainer, request_at(trainer, 8, "finish")).stopped_by == "request"
    assert trainer.monitor.epoch == 1


def test_a_pause_changes_nothing_of_what_is_trained(digits: tiny.Digits, tmp_path: Path) -> None:
    ready = tiny.prepared(digits.samples, batch_size=16, epochs=3, noise="gaussian:0.3")
    whole, paused = trained(ready), tiny.trainer(ready, tmp_path)
    tiny.run(paused, request_at(paused, 28, "pause"))
    assert_same_run(paused, whole)
    assert (tmp_path / "checkpoint" / "latest").is_file()
