"""The kept-list step of AdamW is PyTorch's own step, bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from isthmus.config import ModelConfig, TrainingConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.models.autoencoder import Model
from isthmus.training.optimizer import Stepper, adamw


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


def grouped(model: nn.Module) -> torch.optim.AdamW:
    matrices, vectors = ([p for p in model.parameters() if (p.ndim > 1) is many] for many in (True, False))
    groups = [{"params": matrices, "peak": 0.02}, {"params": vectors, "peak": 0.01, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.02, betas=(0.9, 0.95), weight_decay=0.1, fused=True)


def backward(model: nn.Module, step: int) -> None:
    model.zero_grad()
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
    model(x).square().mean().backward()


def assert_equal_parameters(a: nn.Module, b: nn.Module) -> None:
    for one, other in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(one, other)


def by_pytorch(optimizer: torch.optim.AdamW, share: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
    optimizer.step()


def test_steps_are_bit_equal_to_those_of_pytorch_through_a_reload(stepper_of: Callable[..., Stepper]) -> None:
    ours, theirs = network(), network()
    stepper, plain = stepper_of(grouped(ours)), grouped(theirs)
    for step, share in enumerate([0.5, 1.0, 0.7, 0.3, 0.1]):
        backward(ours, step)
        backward(theirs, step)
        if step == 3:  # the state goes to disk and back, as in a resumed run
            stepper.optimizer.load_state_dict(copy.deepcopy(stepper.optimizer.state_dict()))
            stepper.forget()
        stepper.step(share)
        by_pytorch(plain, share)
    assert_equal_parameters(ours, theirs)
    counts = {float(state["step"]) for state in stepper.optimizer.state.values()}
    assert counts == {5.0}


@pytest.fixture(params=["kept lists", "without the kernels"])
def stepper_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stepper]:
    """Makes a Stepper of a PyTorch as it is, and of one that took its private functions away."""
    if request.param != "kept lists":
        monkeypatch.setattr("isthmus.training.optimizer.KERNELS", ("_taken_away_",))
    return Stepper


@pytest.mark.parametrize("missing", [0, 2])
def test_a_layer_without_gradient_is_passed_over(missing: int, stepper_of: Callable[..., Stepper]) -> None:
    ours, theirs = network(), network()
    stepper, plain = stepper_of(grouped(ours)), grouped(theirs)
    for step in range(6):
        for model in (ours, theirs):
            backward(model, step)
            if step == missing:
                model[2].weight.grad = model[2].bias.grad = None
        stepper.step(1.0)
        by_pytorch(plain, 1.0)
    assert_equal_parameters(ours, theirs)


def test_found_inf_leaves_weights_and_counts_and_grad_scale_divides(stepper_of: Callable[..., Stepper]) -> None:
    ours, theirs = network(), network()
    stepper, plain = stepper_of(grouped(ours)), grouped(theirs)
    for step, bad in enumerate([0.0, 0.0, 1.0, 0.0]):
        backward(ours, step)
        stepper.step(1.0, grad_scale=torch.tensor(4.0), found_inf=torch.tensor(bad))
        if not bad:
            backward(theirs, step)
            for p in theirs.parameters():
                assert p.grad is not None
                p.grad.div_(4.0)  # exact: a power of two
            by_pytorch(plain, 1.0)
    assert_equal_parameters(ours, theirs)
    assert {float(state["step"]) for state in stepper.optimizer.state.values()} == {3.0}


def test_without_the_kernels_no_list_is_kept_and_no_scale_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.training.optimizer.KERNELS", ("_taken_away_",))
    ours, theirs = network(), network()
    stepper, plain = Stepper(grouped(ours)), grouped(theirs)
    for step in range(2):
        backward(ours, step)
        stepper.step(1.0, found_inf=torch.tensor(1.0))  # skipped
    backward(ours, 2)
    backward(theirs, 2)
    stepper.step(1.0)
    by_pytorch(plain, 1.0)
    assert_equal_parameters(ours, theirs)
    assert stepper._groups == []


@pytest.mark.parametrize("decay", ["matrices", "all"])
def test_every_weight_is_trained_and_biases_are_decayed_only_where_asked(decay: str) -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 4))
    module[2].weight.requires_grad_(False)
    model = Model(ModelConfig(likelihood="gaussian"), Preprocess((4,), "float32"), own=module)
    optimizer = adamw(model, TrainingConfig(decay=decay, weight_decay=0.3))  # type: ignore[arg-type]
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    expected = {id(p): 0.3 if p.ndim > 1 or decay == "all" else 0.0 for p in model.parameters() if p.requires_grad}
    assert decays == expected


def test_the_decoders_matrices_have_a_decay_of_their_own_where_asked() -> None:
    model = Model(ModelConfig(hidden=(5,), z_size=2, likelihood="gaussian"), Preprocess((4,), "float32"))
    optimizer = adamw(model, TrainingConfig(weight_decay=0.03, decoder_decay=0.5))
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    parts = [(model.encoder, 0.03), (model.decoder, 0.5)]
    assert decays == {id(p): decay if p.ndim > 1 else 0.0 for part, decay in parts for p in part.parameters()}


def test_only_the_first_layers_weights_learn_at_the_input_rate() -> None:
    config = ModelConfig(hidden=(5, 3), z_size=2, likelihood="gaussian")
    model = Model(config, Preprocess((4,), "float32"))
    optimizer = adamw(model, TrainingConfig(lr=0.01, input_lr=0.4))
    peaks = {id(p): group["peak"] for group in optimizer.param_groups for p in group["params"]}
    first = next(p for p in model.encoder.parameters() if p.shape == (5, 4))
    assert peaks == {id(p): 0.01 * 0.4 if p is first else 0.01 for p in model.parameters()}
