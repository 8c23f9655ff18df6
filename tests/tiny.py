"""Small data, small networks and short trainings, built from the package's own parts."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

import isthmus
from isthmus.api import Run
from isthmus.config import Config
from isthmus.data.batching.split import split
from isthmus.data.samples import Bundle, Samples
from isthmus.recipes import resolve
from isthmus.runs.error_signals import EVIDENCE as ANOMALY
from isthmus.settings import nest
from isthmus.training import prepare
from isthmus.training.display import AbstractDisplay
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.prepared import Prepared
from isthmus.training.trainer import Progress, Trainer

FAST: dict[str, Any] = {"hidden": [16], "z_size": 4, "threads": 1, "batch_size": 32, "epochs": 3, "show": False}
SMALL: dict[str, Any] = {"hidden": [16], "z_size": 4, "threads": 1, "device": "cpu", "precision": "float32"}


class Digits(NamedTuple):
    """Real digits: `x` (N, 1, 28, 28) bytes, `labels` (N,)."""

    x: np.ndarray
    labels: np.ndarray

    @property
    def samples(self) -> Samples:
        return Samples(self.x, "digits", labels=self.labels, classes=tuple("0123456789"))


class Said(AbstractDisplay):
    """Records all messages; can send a signal after some steps."""

    draws = True

    def __init__(self, stop_at: int | None = None, number: int = signal.SIGTERM) -> None:
        self.lines: list[str] = []
        self.stop_at, self.number = stop_at, number

    def say(self, text: str) -> None:
        self.lines.append(text)

    def step(self, progress: Any) -> None:
        if progress.step == self.stop_at:
            os.kill(os.getpid(), self.number)

    def epoch(self, row: dict[str, Any], progress: Any) -> None: ...

    def training(self, progress: Any) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def counting(self, what: str) -> contextlib.AbstractContextManager[Callable[[int, int], None]]:
        return contextlib.nullcontext(lambda done, total: None)


def table(n: int = 120, D: int = 6, seed: int = 0) -> np.ndarray:
    """Correlated normal columns, (n, D) float32."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 3)) @ rng.normal(size=(3, D)) + 0.1 * rng.normal(size=(n, D))).astype(np.float32)


def config(**settings: Any) -> Config:
    """A configuration with a tiny network, based on the recipe `recipe=` (default: modern)."""
    return resolve(nest(SMALL | settings))


def prepared(data: np.ndarray | Samples, **settings: Any) -> Prepared:
    """Everything before the first step, for an array or samples, 80 / 10 / 10."""
    samples = data if isinstance(data, Samples) else Samples(data, "tiny")
    chosen = config(**settings)
    return prepare.prepare(chosen, split(Bundle(samples), seed=chosen.training.seed))


def trainer(ready: Prepared, out: Path | None = None, *, own: nn.Module | None = None, **monitoring: Any) -> Trainer:
    """A trainer at its first step, with a monitor that writes to `out`."""
    model = prepare.fresh_model(ready, own)
    monitor = TrainingMonitor(model, out, patience=ready.config.training.patience, **monitoring)
    validation = ready.tensor(ready.splits.validation)
    return Trainer(model, prepare.batches_of(ready), validation, ready.config.training, monitor)


def run(trainer: Trainer, on_step: Any = None) -> Progress:
    """Trains to the end, silently."""
    return trainer.run(lambda row: None, on_step or (lambda progress: None))


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all weights and buffers."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def costs(monitor: TrainingMonitor) -> list[tuple[float, float]]:
    """The part of the history that does not depend on the clock."""
    return [(row["train_cost"], row["validation_cost"]) for row in monitor.history]


def timeless(monitor: TrainingMonitor) -> list[dict[str, float]]:
    """The history without times."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in monitor.history]


def assert_equal_weights(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Asserts equality, bit for bit."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), f"{name} differs by up to {(found[name] - value).abs().max():g}"


@contextlib.contextmanager
def assert_global_generator_untouched() -> Iterator[None]:
    """Asserts that PyTorch's and numpy's global generators were not used."""
    before = torch.random.get_rng_state(), np.random.get_state()  # noqa: NPY002
    yield
    assert torch.equal(torch.random.get_rng_state(), before[0]), "PyTorch's global generator was used"
    assert np.array_equal(np.random.get_state()[1], before[1][1]), "numpy's global generator was used"  # noqa: NPY002


def assert_same_weights(found: Run | Path, expected: Run | Path) -> None:
    """Asserts that the models of two runs are equal, bit for bit."""
    pair = [isthmus.load(run.path if isinstance(run, Run) else run) for run in (found, expected)]
    assert_equal_weights(weights(pair[0]), weights(pair[1]))


def costs_of(run: Run) -> list[tuple[float, float]]:
    """The part of a run's history that does not depend on the clock."""
    return [(row["train_cost"], row["validation_cost"]) for row in Run(run.path).history]


def unscored(run: Run, folder: Path) -> Path:
    """A copy of a run as an older version without scores left it: its monitor used all validation samples."""
    shutil.copytree(run.path, folder)
    shutil.rmtree(folder / "latent" / ANOMALY)
    record = json.loads((folder / "run.json").read_text())
    del record["settings"]["training"]["calibration"]
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "MANIFEST.json").unlink()
    return folder


def counted(monkeypatch: Any, name: str) -> list[None]:
    """A list that grows by one item whenever the function with this dotted name is called."""
    module, _, attribute = name.rpartition(".")
    home, calls = importlib.import_module(module), []
    real = getattr(home, attribute)

    def counting(*given: Any, **named: Any) -> Any:
        calls.append(None)
        return real(*given, **named)

    monkeypatch.setattr(home, attribute, counting)
    return calls


def until(true: Callable[[], object], seconds: float = 240) -> None:
    """Waits until `true()`; fails after this many seconds, more than a busy machine needs."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)
