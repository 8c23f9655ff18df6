"""The notebook's Callback: its useful behavior, and a test for each known mistake of its library."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import tiny
from isthmus.api import Monitor
from isthmus.errors import UsageError
from isthmus.training.checkpoint import Checkpoints


def one_weight(value: float = 0.0) -> nn.Linear:
    """A network with a single weight, which is the number of its epoch."""
    model = nn.Linear(1, 1, bias=False)
    return set_weight(model, value)


def set_weight(model: nn.Linear, value: float) -> nn.Linear:
    with torch.no_grad():
        model.weight.fill_(value)
    return model


def weight_of(monitor: Monitor) -> float:
    return float(monitor.model.state_dict()["weight"])


def watched(values: list[float], **settings: Any) -> tuple[Monitor, int]:
    """Logs the values until the monitor stops, with the epoch as the weight; returns the last epoch."""
    monitor = Monitor(one_weight(), **settings)
    for epoch, value in enumerate(values, 1):
        set_weight(monitor.model, epoch)  # type: ignore[arg-type]
        monitor.log(validation_cost=value)
        if monitor.early_stopping():
            return monitor, epoch
    return monitor, len(values)


costs = st.lists(st.floats(-10, 10), min_size=1, max_size=30)


@given(values=costs, better=st.sampled_from(["lower", "higher"]))
def test_the_best_epoch_is_the_first_with_the_best_value_and_its_weights_are_kept(
    values: list[float], better: Any
) -> None:
    monitor, _ = watched(values, better=better)
    best = min(values) if better == "lower" else max(values)
    assert monitor.best_epoch == values.index(best) + 1
    assert monitor.restore_best() == monitor.best_epoch
    assert weight_of(monitor) == monitor.best_epoch


@given(values=costs, patience=st.integers(1, 5))
def test_it_stops_once_patience_epochs_have_passed_without_a_better_value(values: list[float], patience: int) -> None:
    monitor, stopped = watched(values, patience=patience)
    best, since = math.inf, 0
    for epoch, value in enumerate(values, 1):  # the definition, written out
        best, since = (value, 0) if value < best else (best, since + 1)
        if since == patience:
            assert stopped == epoch
            assert weight_of(monitor) == monitor.best_epoch == epoch - patience
            return
    assert stopped == len(values)


def test_without_patience_it_never_stops() -> None:
    assert watched([1.0] * 500)[1] == 500


def test_negative_scores_count_when_higher_is_better() -> None:
    monitor, _ = watched([-9.0, -3.0, -5.0], better="higher")  # jcopdl starts from 0 and never sees them
    assert monitor.best_epoch == 2


def test_a_value_that_is_no_number_is_never_the_best_and_costs_patience() -> None:
    monitor, stopped = watched([math.nan, 2.0, math.nan, math.nan, 1.0], patience=2)
    assert (monitor.best_epoch, stopped) == (2, 4)
    assert watched([math.nan] * 9, patience=3)[1] == 3
    assert watched([math.inf, 5.0])[0].best_epoch == 2


def test_patience_begins_once_the_value_is_below_the_start() -> None:
    flat = [0.30, 0.31, 0.32, 0.33, 0.34, 0.25, 0.26, 0.27]
    assert watched(flat, patience=2)[1] == 3
    monitor, stopped = watched(flat, patience=2, start_below=0.26)
    assert (monitor.best_epoch, stopped) == (6, 8)
    assert watched([0.30] * 50, patience=2, start_below=0.26)[1] == 50
    rising = watched([0.1, 0.2, 0.9, 0.8, 0.7], patience=2, start_below=0.5, better="higher")
    assert (rising[0].best_epoch, rising[1]) == (3, 5)
    late = [0.4, 0.3, 0.2, 0.1, 0.9, 0.8, 0.7]  # far from the start for longer than patience lasts
    assert watched(late, patience=2, start_below=0.5, better="higher")[1] == 7
    assert watched(late, patience=2, better="higher")[1] == 3


def test_the_smallest_change_that_counts_as_better() -> None:
    monitor, stopped = watched([1.0, 0.99, 0.98, 0.5], patience=2, least=0.1)
    assert (monitor.best_epoch, stopped) == (1, 3)


def test_the_best_weights_are_a_copy_and_restoring_fits_any_device_of_the_model() -> None:
    monitor = Monitor(one_weight(3.0))
    monitor.log(validation_cost=1.0)
    set_weight(monitor.model, 4.0)  # type: ignore[arg-type]
    assert float(monitor.best_weights["weight"]) == 3
    monitor.restore_best()
    set_weight(monitor.model, 5.0)  # type: ignore[arg-type]
    assert float(monitor.best_weights["weight"]) == 3


def test_nothing_logged_nothing_restored() -> None:
    monitor = Monitor(one_weight(3.0), patience=1)
    assert not monitor.early_stopping()
    assert monitor.restore_best() == 0
    assert weight_of(monitor) == 3


def test_the_watched_value_must_be_logged() -> None:
    monitor = Monitor(one_weight())
    with pytest.raises(
        UsageError, match="watches 'validation_cost', but only train_cost, accuracy were logged"
    ) as caught:
        monitor.log(train_cost=1.0, accuracy=0.5)
    assert "watch='train_cost'" in str(caught.value.fix)
    assert Monitor(one_weight(), watch="train_cost").log(train_cost=1.0) == {"epoch": 1, "train_cost": 1.0}
    with pytest.raises(UsageError, match="but nothing was logged"):
        monitor.log()


def test_better_is_lower_or_higher() -> None:
    with pytest.raises(UsageError, match="better is 'max'"):
        Monitor(one_weight(), better="max")  # type: ignore[arg-type]


def test_history_is_a_table_with_a_row_an_epoch(tmp_path: Path) -> None:
    monitor = Monitor(one_weight(), tmp_path / "run")
    monitor.log(validation_cost=0.1 + 0.2, train_cost=1.0)
    monitor.log(validation_cost=1e-17, extra=3)
    monitor.save_checkpoint()
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "validation_cost", "train_cost", "extra"]
    assert [float(row["validation_cost"]) for row in rows] == [0.1 + 0.2, 1e-17]
    assert (rows[1]["train_cost"], rows[1]["extra"]) == ("", "3")


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monitor = Monitor(one_weight())
    monitor.log(validation_cost=1.0)
    assert monitor.save_checkpoint() is None
    assert monitor.write_history() is None
    monitor.plot_cost()
    assert list(tmp_path.iterdir()) == []


def test_the_curve_is_a_picture_always(tmp_path: Path) -> None:
    monitor = Monitor(one_weight(), tmp_path)
    monitor.plot_cost()
    assert list(tmp_path.iterdir()) == []  # nothing logged, nothing to draw
    for value in (0.3, 0.2, 0.25):
        monitor.log(train_cost=value, validation_cost=value)
        monitor.plot_cost()
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200


@pytest.mark.parametrize("values", [[3.0, 2.0], [2.0, 3.0], [2.0, 3.0, 1.0, 4.0]])
@pytest.mark.parametrize("further", [[1.5, 2.5, 2.6, 2.7], [5.0, 6.0, 7.0], [0.5]])
def test_a_monitor_takes_up_where_a_saved_one_left_off(
    values: list[float], further: list[float], tmp_path: Path
) -> None:
    def go_on(monitor: Monitor) -> tuple[int, list[Any], float]:
        for value in further:
            set_weight(monitor.model, monitor.epoch + 1)  # type: ignore[arg-type]
            monitor.log(validation_cost=value)
            if monitor.early_stopping():
                break
        monitor.restore_best()
        return monitor.best_epoch, monitor.history, weight_of(monitor)

    settings: dict[str, Any] = {"patience": 2, "start_below": 2.5}
    whole, _ = watched(values, **settings)
    saved, _ = watched(values, out=tmp_path, **settings)
    saved.save_checkpoint()
    taken_up = Monitor(one_weight(99.0), tmp_path, **settings)
    found = Checkpoints(tmp_path / "checkpoint").load()
    assert found is not None
    taken_up.restore(*found)
    assert weight_of(taken_up) == weight_of(saved)
    assert go_on(taken_up) == go_on(whole)


def test_a_loop_of_ones_own_reads_like_the_notebook(tmp_path: Path) -> None:
    class Defined(nn.Module):  # as in the notebook; jcopdl refuses to save such a model
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.line(x)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, x = Defined(), torch.randn(40, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    monitor = Monitor(model, out=tmp_path, patience=5, watch="cost")
    for _ in range(30):
        cost = (model(x) - x).square().mean()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        monitor.log(cost=cost.item())
        monitor.save_checkpoint()
        if monitor.early_stopping():
            break
    assert monitor.history[-1]["cost"] < 0.5 * monitor.history[0]["cost"]
    found = Checkpoints(tmp_path / "checkpoint").load()
    assert found is not None
    tiny.assert_equal_weights(found[0]["model"], tiny.weights(model))
