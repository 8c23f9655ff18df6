"""Several processes on this machine compared with one: costs of steps, histories and weights."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
import two_processes
from isthmus.errors import PeerLostError, UsageError
from isthmus.randomness import generator_for
from isthmus.system.process_group import ONE
from isthmus.system.requests import Requests
from isthmus.training.agreement import AgreedRequests
from isthmus.training.dropout_slices import SlicedDropout
from isthmus.training.shared_gradients import SharedGradients, refuse_coupled

CLOSE = 1e-5  # the contract for the first 20 costs in float32; measured are 3e-7


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return two_processes.program("agreement", tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("name", two_processes.RECIPES)
def test_two_processes_learn_what_one_learns(name: str, found: Any) -> None:
    (codes, two), alone = found["two"], found["alone"][name]
    assert codes == [0, 0]
    for one in (part[name] for part in two):
        assert len(one["costs"]) == two_processes.STEPS
        assert one["costs"] == pytest.approx(alone["costs"], abs=CLOSE)
        assert_same_history(one["history"], alone["history"])
        for tensor, values in alone["weights"].items():
            np.testing.assert_allclose(one["weights"][tensor], values, atol=1e-4, err_msg=f"{name}: {tensor}")


@pytest.mark.parametrize("name", two_processes.RECIPES)
def test_fault_70_the_processes_hold_the_same_bits(name: str, found: Any) -> None:
    first, second = found["two"][1]
    assert first[name] == second[name]


def test_fault_71_a_process_without_a_sample_of_the_last_batch_is_waited_for(found: Any) -> None:
    codes, three = found["three"]
    assert codes == [0, 0, 0]
    alone = found["alone"]["few"]
    for one in three:
        assert one["few"]["costs"] == pytest.approx(alone["costs"], abs=CLOSE)
        assert_same_history(one["few"]["history"], alone["history"])


def assert_same_history(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    """The costs and penalties of each epoch, but not counts of discrete codes, which rounding can change."""
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        assert row == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_dropout_of_a_slice_drops_what_dropout_of_the_batch_drops() -> None:
    layer, x = nn.Dropout(0.5), torch.arange(1.0, 61.0).reshape(10, 6)
    torch.manual_seed(0)
    whole = layer(x)
    with SlicedDropout(layer).of(slice(3, 7), 10):
        torch.manual_seed(0)
        assert torch.equal(layer(x[3:7]), whole[3:7])
        torch.manual_seed(0)
        assert torch.equal(layer(x), whole)  # not one row per sample of the slice, so unchanged
    torch.manual_seed(0)
    assert torch.equal(layer(x), whole)


def test_batch_normalization_is_refused_in_words() -> None:
    ready = tiny.prepared(tiny.table(), network="own")
    own = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 6))
    model = tiny.prepare.fresh_model(ready, own)
    with pytest.raises(UsageError, match="BatchNorm1d, which needs all samples of a batch at once"):
        refuse_coupled(model)


def test_fault_69_a_step_that_a_lost_process_left_undone_leaves_no_trace() -> None:
    trainer = tiny.trainer(tiny.prepared(tiny.table(), bottleneck="vq:4", batch_size=16))
    agreement = AgreedRequests(ONE, Requests())
    gradients = SharedGradients(agreement, trainer.model, trainer.settings, trainer.device)
    pair = trainer.model.pair(trainer.batches.take(trainer.batches.rows(0)[0], generator_for(0)), generator_for(1))
    before = tiny.weights(trainer.model)

    class Lost:
        size, slice_of = 2, ONE.slice_of

        def sum_(self, values: Tensor) -> Tensor:
            if values is gradients.flat:
                raise PeerLostError("RESOURCE-PROCESS", "rank 1 has ended.")
            return values

    gradients.group = cast("Any", Lost())
    trainer.model.train()
    with pytest.raises(PeerLostError, match="rank 1 has ended"):
        gradients(pair, generator_for(2), 0.0)
    tiny.assert_equal_weights(tiny.weights(trainer.model), before)
