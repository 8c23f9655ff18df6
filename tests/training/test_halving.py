"""Steps that do not fit into memory: the gradients of the pieces are those of the whole batch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from isthmus.data.samples import Samples
from isthmus.data.stored_rows import StoredRows
from isthmus.errors import ResourceError
from isthmus.system.memory import is_lack_of_memory
from isthmus.training.trainer import Trainer

RECIPES: dict[str, dict[str, Any]] = {
    "noise and dropout": {"noise": "gaussian:0.2-0.6", "dropout": 0.2},
    "masked": {"noise": "masking:0.6,count=masked", "network": "conv", "hidden": [8, 8]},
    "vae": {"bottleneck": "gaussian", "penalty_warmup": 0.4, "dropout": 0.1},
    "vqvae": {"bottleneck": "noise:0.1+vq:16", "terms": "contractive+mmd", "likelihood": "gaussian,variance=shared"},
    "sparse": {"bottleneck": "sparse:0.1", "terms": "l2"},
}
MOST = 3  # samples that fit, out of 16


def short_of_memory(module: nn.Module, most: int = MOST, error: Exception | None = None) -> None:
    """Makes the module fail for more than `most` samples in training."""

    def refuse(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        if len(given[0]) > most and layer.training and torch.is_grad_enabled():
            raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    module.register_forward_pre_hook(refuse)


def one_step(trainer: Trainer) -> tuple[float, dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Cost, gradients, buffers and penalties of a first step of 16 samples."""
    trainer.model.train()
    with torch.random.fork_rng(devices=()):
        cost = float(trainer._step(trainer.batches.rows(0)[0]))
    gradients = {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None}
    buffers = {name: value.clone() for name, value in trainer.model.named_buffers()}
    return cost, gradients, buffers, {n: float(p) for n, p in trainer.progress.penalty_sums.items()}


@pytest.mark.parametrize("side", [0, 1], ids=["encoder", "decoder"])
@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)
def test_fault_48_pieces_give_the_gradients_of_the_batch(
    settings: dict[str, Any], side: int, digits: tiny.Digits
) -> None:
    ready = tiny.prepared(digits.samples, batch_size=16, clip=None, **settings)
    cost, gradients, buffers, penalties = one_step(tiny.trainer(ready))
    trainer = tiny.trainer(ready)
    short_of_memory(trainer.model.sides[side])
    with pytest.warns(UserWarning, match="a step of 16 samples does not fit into .* computed in 8 pieces"):
        found = one_step(trainer)
    assert found[0] == pytest.approx(cost, rel=1e-5)
    assert found[3] == pytest.approx(penalties, rel=1e-4)
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-3, atol=1e-6, msg=name)
    for name, value in buffers.items():
        torch.testing.assert_close(found[2][name], value, msg=name)


def test_fault_48_data_that_stays_on_disk_is_computed_by_pieces_too(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", tiny.table())
    samples = Samples(StoredRows(np.load(tmp_path / "x.npy", mmap_mode="r")), "x")  # type: ignore[arg-type]
    ready = tiny.prepared(samples, batch_size=16, buffer=32, stream="yes", noise="gaussian:0.3", epochs=3)
    whole, trainer = tiny.trainer(ready), tiny.trainer(ready)
    tiny.run(whole)
    short_of_memory(trainer.model)
    with pytest.warns(UserWarning, match="a step of 16 samples does not fit into .* computed in 8 pieces"):
        tiny.run(trainer)
    assert ready.splits.train.is_streamed
    for found, expected in zip(tiny.costs(trainer.monitor), tiny.costs(whole.monitor), strict=True):
        assert found == pytest.approx(expected, abs=1e-5)


def test_fault_48_it_is_said_once_and_the_training_ends_as_it_would(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, batch_size=64, epochs=2)
    whole, trainer = tiny.trainer(ready), tiny.trainer(ready)
    tiny.run(whole)
    short_of_memory(trainer.model, most=40)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tiny.run(trainer)
    assert len(said) == 1
    for found, expected in zip(tiny.costs(trainer.monitor), tiny.costs(whole.monitor), strict=True):
        assert found == pytest.approx(expected, abs=1e-5)


def test_fault_48_a_single_sample_that_does_not_fit_is_an_error_with_the_batch() -> None:
    trainer = tiny.trainer(tiny.prepared(tiny.table(), batch_size=4))
    short_of_memory(trainer.model, most=0)
    error = r"a step of 4 samples does not fit into memory, nor does a single sample of it\."
    with pytest.raises(ResourceError, match=error) as caught:
        tiny.run(trainer)
    assert caught.value.fix == "train a smaller network, such as --hidden 64, or on smaller samples"
    single = tiny.trainer(tiny.prepared(tiny.table(), batch_size=1))
    short_of_memory(single.model, most=0)
    with pytest.raises(ResourceError, match=r"a step of 1 sample does not fit into memory\."):
        tiny.run(single)


def test_fault_48_what_cannot_be_divided_is_said() -> None:
    own = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 6))
    trainer = tiny.trainer(tiny.prepared(tiny.table(), network="own"), own=own)
    short_of_memory(trainer.model, most=8)
    with pytest.raises(ResourceError, match=r"divided: the module has a BatchNorm1d, .* at once\.\n") as caught:
        tiny.run(trainer)
    assert caught.value.fix == "train with --batch-size 32, or a smaller network"


def test_fault_49_lack_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.uint8)
    assert is_lack_of_memory(caught.value)
    assert is_lack_of_memory(MemoryError())
    assert not is_lack_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_fault_49_on_the_processor_a_step_is_halved_too() -> None:
    ready = tiny.prepared(tiny.table(), batch_size=16)
    trainer = tiny.trainer(ready)
    short_of_memory(trainer.model, error=RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."))
    with pytest.warns(UserWarning, match="memory of this machine"):
        found = trainer._step(trainer.batches.rows(0)[0])
    assert float(found) == pytest.approx(float(tiny.trainer(ready)._step(trainer.batches.rows(0)[0])), rel=1e-5)
