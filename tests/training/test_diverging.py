"""Costs and gradients that are not numbers: what is skipped, what stops the training, and the reported cause."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from isthmus.data.batching.batches import Batches
from isthmus.errors import DivergedError
from isthmus.training import trainer as training
from isthmus.training.divergence import diverged
from isthmus.training.trainer import LOOK_EVERY
from poison import Poisoned, poison_gradient


@pytest.mark.parametrize("at", [1, 2, 8, 9, 14, 19])
def test_fault_43_a_cost_that_is_no_number_stops_within_eight_steps(at: int, tmp_path: Path) -> None:
    ready = tiny.prepared(tiny.table(), batch_size=8)  # 12 steps per epoch
    trainer = tiny.trainer(ready, tmp_path, own=Poisoned(at))
    epoch, batch = divmod(at - 1, 12)
    samples = ", ".join(map(str, trainer.batches.rows(epoch)[batch][:5].tolist()))
    where = rf"epoch {epoch + 1}, step {at} \(training samples {samples}, …\)"
    with pytest.raises(DivergedError, match=f"the cost was not a finite number in {where}") as caught:
        tiny.run(trainer)
    assert trainer.model.own.steps - at < LOOK_EVERY
    assert all(bool(value.isfinite().all()) for value in tiny.weights(trainer.model).values())
    assert "This update was skipped." in caught.value.message
    assert ("The checkpoint of epoch 1 is kept." in caught.value.message) == (at > 12)
    assert (caught.value.exit_code, caught.value.fix) == (6, "train again with a lower learning rate: --lr 0.002")


def test_fault_43_the_bad_update_is_skipped() -> None:
    ready = tiny.prepared(tiny.table(), batch_size=8)
    trainer, seen = tiny.trainer(ready, own=Poisoned(3)), []
    for batch in trainer.batches.rows(0)[:4]:
        trainer._step(batch)
        trainer.progress.batch += 1
        seen.append(tiny.weights(trainer.model))
    tiny.assert_equal_weights(seen[2], seen[1])
    assert not torch.equal(seen[3]["own.line.weight"], seen[2]["own.line.weight"])


@pytest.mark.parametrize("value", [1e25, 1e37])
def test_fault_43_weights_or_data_that_overflow_are_named_as_the_cause(value: float) -> None:
    table = tiny.table()
    table[:, 0] = value
    ready = tiny.prepared(table, batch_size=8, scale="none", output_bias="zero")
    with pytest.raises(DivergedError, match="began in the first steps, so either the weights overflow"):
        tiny.run(tiny.trainer(ready))


def test_fault_43_only_a_checkpoint_that_exists_is_promised() -> None:
    trainer = tiny.trainer(tiny.prepared(tiny.table(), batch_size=8), own=Poisoned(14))  # 12 steps per epoch
    with pytest.raises(DivergedError) as caught:
        tiny.run(trainer)
    assert trainer.monitor.epoch == 1
    assert "checkpoint" not in caught.value.message


@pytest.mark.parametrize(
    ("n", "which"), [(1, "sample 7"), (5, "samples 7, 8, 9, 10, 11"), (6, "samples 7, 8, 9, 10, 11, …")]
)
def test_fault_43_the_first_five_samples_are_named(n: int, which: str) -> None:
    error = diverged("cost", 20, 0, torch.arange(7, 7 + n), torch.zeros(n, 2), 0.1, 0)
    assert f"step 21 (training {which}); the usual cause" in error.message


def test_fault_43_a_batch_that_holds_nan_is_named_as_the_cause() -> None:
    ready = tiny.prepared(tiny.table(), batch_size=8)
    trainer = tiny.trainer(ready)
    data = trainer.batches.data.clone()
    data[trainer.batches.rows(0)[1][0], 2] = math.nan
    trainer.batches = trainer.step.batches = Batches(
        data, ready.preprocess, batch_size=8, augment="none", seed=0, device=ready.device
    )
    with pytest.raises(DivergedError, match=r"step 2 .*the batch itself contains values that are not finite") as caught:
        tiny.run(trainer)
    assert caught.value.fix == "remove NaN and infinite values from the data, and train again"


def test_fault_43_a_validation_cost_that_is_no_number_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "mean_cost", lambda *_: math.inf)
    with pytest.raises(DivergedError, match="the validation cost of epoch 1 is inf"):
        tiny.run(tiny.trainer(tiny.prepared(tiny.table())))


@pytest.mark.parametrize("never_waits", [False, True])
@pytest.mark.parametrize("clip", ["none", 0.1])
def test_fault_44_a_step_with_one_nan_gradient_changes_nothing(clip: Any, never_waits: bool) -> None:
    trainer = tiny.trainer(tiny.prepared(tiny.table(), batch_size=8, clip=clip))
    trainer.step.never_waits = never_waits
    poison_gradient(trainer, steps=(2,))
    seen = []
    for batch in trainer.batches.rows(0)[:4]:
        trainer._step(batch)
        trainer.progress.batch += 1
        seen.append(tiny.weights(trainer.model))
    tiny.assert_equal_weights(seen[2], seen[1])
    assert all(not torch.equal(seen[3][name], seen[2][name]) for name in seen[2])
    assert all(bool(value.isfinite().all()) for value in seen[3].values())


def test_fault_44_three_bad_gradients_are_skipped_and_the_fourth_stops() -> None:
    ready = tiny.prepared(tiny.table(), batch_size=8, epochs=3)
    trainer = tiny.trainer(ready)
    poison_gradient(trainer, steps=(3, 15, 27))
    assert tiny.run(trainer).stopped_by == "budget"
    assert trainer.skipped == 3
    trainer = tiny.trainer(ready)
    poison_gradient(trainer, steps=(3, 15, 27, 33))
    with pytest.raises(DivergedError, match="the gradient was not a finite number in epoch 3, step 34 "):
        tiny.run(trainer)
