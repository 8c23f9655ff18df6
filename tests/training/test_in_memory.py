"""A training that returns only the model."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from isthmus.data.samples import Samples
from isthmus.errors import DivergedError
from isthmus.training import in_memory
from isthmus.training.in_memory import divided, fitting_budget, train_in_memory
from isthmus.training.monitor import TrainingMonitor

ROWS = Samples(tiny.table(), "rows")


def test_it_trains_as_a_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed, data and settings give the same weights as the trainer, and no file."""
    monkeypatch.chdir(tmp_path)
    config = tiny.config(epochs=4, batch_size=16)
    trained = train_in_memory(config, ROWS, held_out=0.25)
    splits = divided(ROWS, 0.25, config.training.seed)
    ready = in_memory.prepare.prepare(config, splits)
    by_hand = tiny.trainer(ready)
    tiny.run(by_hand)
    tiny.assert_equal_weights(tiny.weights(trained.model), tiny.weights(by_hand.model))
    assert [row["epoch"] for row in trained.history] == [1, 2, 3, 4]
    assert trained.steps == 4 * 6  # 90 rows in batches of 16
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("n", "held_out", "sizes"), [(120, 0.1, (108, 12)), (120, 0.5, (60, 60)), (7, 0.1, (6, 1))])
def test_a_share_is_held_out(n: int, held_out: float, sizes: tuple[int, int]) -> None:
    splits = divided(Samples(tiny.table(n), "rows"), held_out, seed=0)
    assert (len(splits.train), len(splits.validation)) == sizes
    rows = {row.tobytes() for row in splits.train.x} | {row.tobytes() for row in splits.validation.x}
    assert rows == {row.tobytes() for row in tiny.table(n)}


@pytest.mark.parametrize(("n", "held_out"), [(120, 0.0), (4, 0.1), (2, 0.5)])
def test_too_few_to_hold_any_out(n: int, held_out: float) -> None:
    splits = divided(Samples(tiny.table(n), "rows"), held_out, seed=0)
    assert len(splits.train) == len(splits.validation) == n


@pytest.mark.parametrize(
    ("n", "steps"),
    [(10, 200), (256, 200), (640, 50 * 10), (6_400, 50 * 100), (64_000, 8_000)],
)
def test_the_budget_fits_the_data(n: int, steps: int) -> None:
    """50 passes in batches of 64, at least 200 steps, at most the recipe's 8,000."""
    assert fitting_budget(tiny.config(), n).training.steps == steps


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_signals_end_it(number: signal.Signals, error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    epochs, log = [], TrainingMonitor.log

    def interrupting(self: TrainingMonitor, **values: float) -> dict[str, Any]:
        epochs.append(len(epochs))
        signal.raise_signal(number)
        return log(self, **values)

    monkeypatch.setattr(TrainingMonitor, "log", interrupting)
    with pytest.raises(error):
        train_in_memory(tiny.config(epochs=9), ROWS, held_out=0.1)
    assert len(epochs) == 1


def test_threads_are_as_before() -> None:
    before = torch.get_num_threads()
    trained = train_in_memory(tiny.config(epochs=1, threads=None), ROWS, held_out=0.1)
    assert torch.get_num_threads() == before
    assert not trained.model.training


def test_fault_43_a_rate_that_is_too_high() -> None:
    x = np.float32(1e20) * np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    with pytest.raises(DivergedError, match="not a finite number"):
        train_in_memory(tiny.config(epochs=2, **{"data.scale": "none"}), Samples(x, "rows"), held_out=0.1)
