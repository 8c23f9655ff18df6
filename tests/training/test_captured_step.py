"""A captured step compared with the step itself, with a CPU recorder that behaves like a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import tiny
from isthmus.config import DataConfig
from isthmus.data.objects import read_object
from isthmus.errors import ResourceError
from isthmus.system.devices import pick_step
from isthmus.training.captured_step import WARM, AbstractRecorder, CapturedStep, why_not
from isthmus.training.step import EagerStep, Stepped
from isthmus.training.trainer import Trainer

# Operations that wait for the device, or copy Python numbers to it, which also waits.
WAITS = {f"aten.{name}.default" for name in ("_local_scalar_dense", "is_nonzero", "nonzero", "lift_fresh")}


class Recording(TorchDispatchMode):
    """Records every operation with its tensors: on a GPU these are addresses, and numbers are fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func) in WAITS:
            raise RuntimeError("operation not permitted when stream is capturing")
        given = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, given))
        return given

    def repeat(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, given in self.operations:
                again = func(*args, **kwargs)
                for kept, found in zip(tree_leaves(given), tree_leaves(again), strict=True):
                    if isinstance(kept, Tensor) and kept.data_ptr() != found.data_ptr():
                        kept.copy_(found)


class Recorder(AbstractRecorder):
    """Records on the CPU."""

    def __init__(self) -> None:
        self.warmed = self.recorded = self.repeated = 0

    def warm(self, work: Callable[[], Stepped]) -> Stepped:
        self.warmed += 1
        return work()

    def record(self, work: Callable[[], Stepped], generator: torch.Generator) -> Callable[[], Stepped]:
        with Recording() as recording:
            stepped = work()
        self.recorded += 1

        def replay() -> Stepped:
            self.repeated += 1
            recording.repeat()
            return stepped

        return replay


def captured(trainer: Trainer) -> Recorder:
    """Replaces the trainer's step by a captured one."""
    recorder = Recorder()
    assert isinstance(trainer.step, EagerStep)
    trainer.step.never_waits = True
    trainer.step = CapturedStep(trainer.step, recorder, trainer.batches.batch_size)
    return recorder


RUNS: dict[str, dict[str, Any]] = {
    "modern": {"epochs": 4, "augment": "shift:2,until=0.5"},
    "noise": {"epochs": 3, "noise": "gaussian:0.2-0.6+salt-and-pepper:0.1|speckle:0.3", "augment": "none"},
    "masking and dropout": {"epochs": 3, "noise": "masking:0.3", "dropout": 0.2},
    "bfloat16": {"epochs": 3, "precision": "bfloat16"},
    "convolutions": {"epochs": 3, "network": "conv", "hidden": [8, 8]},
    "vae": {"epochs": 3, "bottleneck": "gaussian", "penalty_warmup": 0.4},
    "vqvae": {"epochs": 3, "bottleneck": "noise:0.1+vq:16", "penalty_cycles": 2, "penalty_warmup": 0.5},
    "terms": {"epochs": 2, "terms": "contractive+mmd", "likelihood": "gaussian,variance=shared"},
    "average": {"epochs": 2, "average": 0.9, "clip": 0.05},
}
PATCHES = {"recipe": "photo", "epochs": None, "steps": 12, "hidden": [4, 8], "patch": 16, "batch_size": 16}
OTHERS: dict[str, dict[str, Any]] = {
    "photo": PATCHES,
    "grain": PATCHES | {"noise": "grain:0-0.1,width=0.5-0.8", "augment": "soften:1.2"},
    "jpeg": PATCHES | {"noise": "gaussian:0.1+jpeg:30-90"},
    "no clean images": PATCHES | {"noise": "unknown"},
    "poisson": {"epochs": 2, "noise": "poisson:30"},
    "masked": {"epochs": 2, "recipe": "masked"},
    "fsq": {"epochs": 2, "recipe": "fsq"},
    "rae": {"epochs": 2, "recipe": "rae"},
}


def trained(ready: Any, *, capture: bool) -> tuple[Trainer, Recorder | None]:
    trainer = tiny.trainer(ready)
    recorder = captured(trainer) if capture else None
    tiny.run(trainer)
    return trainer, recorder


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_a_captured_run_equals_the_eager_one(settings: dict[str, Any], digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, batch_size=48, **settings)
    (eager, _), (found, recorder) = trained(ready, capture=False), trained(ready, capture=True)
    assert found.step.notes == []
    assert recorder is not None
    assert recorder.warmed == WARM
    whole, odd = divmod(len(ready.splits.train), 48)
    assert odd  # otherwise the last batch would also be recorded
    assert recorder.repeated == whole * settings["epochs"] - WARM  # at a capture, the step is both tried and computed
    assert recorder.recorded == (2 if "until" in settings.get("augment", "") else 1)
    for name, value in tiny.weights(eager.model).items():
        torch.testing.assert_close(tiny.weights(found.model)[name], value, rtol=1e-3, atol=1e-4, msg=name)
    costs = [[row["train_cost"] for row in trainer.monitor.history] for trainer in (eager, found)]
    assert costs[1] == pytest.approx(costs[0], rel=1e-4)
    assert found.monitor.history[-1]["lr"] == pytest.approx(eager.monitor.history[-1]["lr"])


def assert_alike(ready: Any) -> None:
    """Asserts that the captured run has the weights of the eager one, and no notes."""
    (eager, _), (found, recorder) = trained(ready, capture=False), trained(ready, capture=True)
    assert found.step.notes == []
    assert recorder is not None
    assert recorder.repeated > 1
    for name, value in tiny.weights(eager.model).items():
        torch.testing.assert_close(tiny.weights(found.model)[name], value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("settings", OTHERS.values(), ids=OTHERS)
def test_steps_of_every_kind_can_be_recorded(settings: dict[str, Any], digits: tiny.Digits) -> None:
    assert_alike(tiny.prepared(digits.samples.take(np.arange(200)), **({"batch_size": 16} | settings)))


@pytest.mark.parametrize("recipe", ["modern", "vae"])
def test_steps_on_columns_of_several_kinds_can_be_recorded(recipe: str) -> None:
    rng = np.random.default_rng(0)
    columns = {"number": rng.normal(size=200), "name": rng.choice(["x", "y", "z"], 200), "yes": rng.random(200) < 0.5}
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 7, 18), "1d", eager=True)
    frame = pl.DataFrame(columns | {"count": rng.poisson(4, 200), "day": days})
    assert_alike(tiny.prepared(read_object(frame, DataConfig()).train, recipe=recipe, batch_size=16, epochs=2))


def test_a_batch_that_is_not_finite_is_skipped_in_a_replay_too() -> None:
    trainer = tiny.trainer(tiny.prepared(tiny.table(), batch_size=8, epochs=2, hidden=[8]))
    recorder, rows = captured(trainer), trainer.batches.rows(0)
    for batch in rows[:5]:
        trainer._step(batch)
        trainer.progress.batch += 1
    assert recorder.repeated == 2  # the first tries the recording
    trainer.batches.data[rows[5][0]] = torch.nan  # type: ignore[attr-defined]
    before = tiny.weights(trainer.model)
    trainer._step(rows[5])
    tiny.assert_equal_weights(tiny.weights(trainer.model), before)
    assert trainer._flags.tolist()[5] == 1.0
    trainer.progress.batch += 1
    trainer._step(rows[6])
    assert any(not torch.equal(value, before[name]) for name, value in tiny.weights(trainer.model).items())


@pytest.mark.parametrize("forgotten", ["rows", "generator", "share", "done"])
def test_a_recording_that_does_not_follow_its_inputs_is_found_out(
    forgotten: str, monkeypatch: pytest.MonkeyPatch, digits: tiny.Digits
) -> None:
    settings = {"noise": "gaussian:0.5", "bottleneck": "gaussian", "penalty_warmup": 1.0, "augment": "none", "lr": 1e-3}
    ready = tiny.prepared(digits.samples, batch_size=48, epochs=2, weights={"kl": 50.0}, **settings)
    eager, found = tiny.trainer(ready), tiny.trainer(ready)
    captured(found)

    def fill(self: CapturedStep, rows: Tensor, seed: int, done: float, share: float) -> None:
        self.rows.copy_(rows if forgotten != "rows" else torch.arange(len(rows)))
        self.generator.manual_seed(seed if forgotten != "generator" else 0)
        self.done.fill_(done if forgotten != "done" else 0.9)
        self.share.fill_(share if forgotten != "share" else 0.5)

    monkeypatch.setattr(CapturedStep, "_fill", fill)
    for trainer in (eager, found):
        tiny.run(trainer)
    assert found.step.notes == [
        "the training step was not captured as a CUDA graph: the replay gives a different result. Training "
        "runs without it, more slowly."
    ]
    for name, value in tiny.weights(eager.model).items():
        torch.testing.assert_close(tiny.weights(found.model)[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_what_waits_for_the_device_runs_without_a_graph_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tiny.prepared(tiny.table(), batch_size=8, epochs=2, hidden=[8])
    eager, found = tiny.trainer(ready), tiny.trainer(ready)
    captured(found)
    given = found.model.training_pair

    def waiting(x: Tensor, *rest: Any) -> Any:
        assert float(x.sum()) < 1e9
        return given(x, *rest)

    monkeypatch.setattr(found.model, "training_pair", waiting)
    for trainer in (eager, found):
        tiny.run(trainer)
    assert found.step.notes == found.progress.log
    assert "operation not permitted" in found.step.notes[0]
    for name, value in tiny.weights(eager.model).items():
        torch.testing.assert_close(tiny.weights(found.model)[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_a_resumed_run_replays_what_the_whole_one_did(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, batch_size=48, epochs=2, noise="gaussian:0.3")
    whole, _ = trained(ready, capture=True)
    first, second = tiny.trainer(ready), tiny.trainer(ready)
    for trainer in (first, second):
        captured(trainer)
    rows = first.batches.rows(0)
    for batch in rows[:7]:
        first._step(batch)
        first.progress.batch += 1
    second.model.load_state_dict(tiny.weights(first.model))
    second.optimizer.restore(first.optimizer.tensors())
    second.progress.batch = 7
    second.progress.cost_sum = 0.0
    tiny.run(second)
    for name, value in tiny.weights(whole.model).items():
        torch.testing.assert_close(tiny.weights(second.model)[name], value, rtol=1e-3, atol=1e-4, msg=name)


def test_a_graph_is_refused_where_there_is_no_cuda_device() -> None:
    cpu = torch.device("cpu")
    assert pick_step("auto", cpu) == pick_step("eager", cpu) == "eager"
    assert pick_step("auto", torch.device("cuda")) == "graph"
    with pytest.raises(ResourceError, match="training runs on cpu"):
        pick_step("graph", cpu)


def test_what_is_known_not_to_be_recordable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tiny.prepared(tiny.table(), batch_size=8, epochs=1, hidden=[8])
    eager = tiny.trainer(ready).step
    assert isinstance(eager, EagerStep)
    assert why_not(eager) is None
    own = tiny.trainer(ready, own=torch.nn.Linear(6, 6)).step
    assert "your own module" in (why_not(own) or "")  # type: ignore[arg-type]
    halved = tiny.trainer(ready).step
    halved.gradients._halve(8)  # type: ignore[union-attr]
    assert why_not(halved) == "the step is computed in parts"  # type: ignore[arg-type]
