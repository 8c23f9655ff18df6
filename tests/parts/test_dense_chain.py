"""A hand-written chain of dense layers gives PyTorch's outputs and gradients."""

from __future__ import annotations

import copy
import gc

import psutil
import pytest
import torch
from torch import Tensor, nn

from isthmus.parts.dense_chain import ACTIVATIONS, DenseChain


def chain(activation: type[nn.Module], dtype: torch.dtype = torch.float64) -> DenseChain:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        block = nn.Sequential(nn.Linear(6, 5), activation())
        return DenseChain(nn.Flatten(), block, nn.Linear(5, 4), activation(), nn.Unflatten(1, (2, 2))).to(dtype)


def places_of(module: nn.Module) -> dict[int, Tensor]:
    return {id(p): torch.full_like(p, 7.0, requires_grad=False) for p in module.parameters()}


def inputs(n: int = 3, *, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def learn(module: nn.Module, x: Tensor) -> Tensor:
    y = module(x)
    (y * torch.arange(4.0, dtype=y.dtype).view(2, 2)).square().sum().backward()
    return y.detach()


@pytest.mark.parametrize("activation", list(ACTIVATIONS), ids=lambda a: a.__name__)
@pytest.mark.parametrize("to_input", [True, False])
def test_answers_and_gradients_are_those_of_pytorch(activation: type[nn.Module], to_input: bool) -> None:
    written, plain = chain(activation), chain(activation)
    places = places_of(written)
    written.write_to(places)
    xs = [inputs().requires_grad_(to_input) for _ in range(2)]
    torch.testing.assert_close(learn(written, xs[0]), learn(plain, xs[1]))
    for p, expected in zip(written.parameters(), plain.parameters(), strict=True):
        assert p.grad is places[id(p)]
        torch.testing.assert_close(p.grad, expected.grad)
    if to_input:
        torch.testing.assert_close(xs[0].grad, xs[1].grad)


def test_gradients_of_several_passes_add_up() -> None:
    written, plain = chain(nn.SiLU), chain(nn.SiLU)
    written.write_to(places_of(written))
    for module in (written, plain):
        for seed in range(3):
            learn(module, inputs(seed=seed))
    for p, expected in zip(written.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p.grad, expected.grad)


def test_other_layers_stand_between_stretches_as_they_are() -> None:
    written = DenseChain(nn.Linear(6, 5), nn.LayerNorm(5), nn.SiLU(), nn.Linear(5, 4), nn.Dropout(0.5), nn.Linear(4, 4))
    written = written.double().eval()
    plain = copy.deepcopy(written)
    written.write_to(places_of(written))
    x = inputs().flatten(1)
    for module in (written, plain):
        module(x).square().sum().backward()
    for p, expected in zip(written.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p.grad, expected.grad)


def test_products_in_bfloat16_are_near_and_their_gradients_float32() -> None:
    written, plain = chain(nn.SiLU, torch.float32), chain(nn.SiLU, torch.float32)
    low = {id(p): p.detach().to(torch.bfloat16) for p in written.parameters()}
    written.write_to(places_of(written), low)
    x = inputs().float()
    torch.testing.assert_close(learn(written, x).float(), learn(plain, x), rtol=0.05, atol=0.05)
    for p, expected in zip(written.parameters(), plain.parameters(), strict=True):
        assert p.grad is not None
        assert p.grad.dtype == torch.float32
        torch.testing.assert_close(p.grad, expected.grad, rtol=0.1, atol=0.1)


def test_a_pass_leaves_no_memory_behind() -> None:
    written = DenseChain(nn.Linear(16, 512), nn.Sigmoid())
    written.write_to(places_of(written))
    x = torch.zeros(4_000, 16)
    gc.disable()  # so that only the last reference frees the memory of a pass
    try:
        written(x)
        before = psutil.Process().memory_info().rss
        for _ in range(40):
            written(x)  # 8 MB per answer
        assert psutil.Process().memory_info().rss < before + 80e6
    finally:
        gc.enable()


def test_without_gradients_and_in_a_copy_it_is_a_sequential() -> None:
    written = chain(nn.Tanh)
    written.write_to(places_of(written))
    copied = copy.deepcopy(written)
    learn(copied, inputs())
    assert all(p.grad is None for p in written.parameters())
    with torch.no_grad():
        torch.testing.assert_close(written(inputs()), copied(inputs()))
    written.write_nowhere()
    learn(written, inputs())
    for p, expected in zip(written.parameters(), copied.parameters(), strict=True):
        torch.testing.assert_close(p.grad, expected.grad)


def test_a_layer_that_is_not_trained_gets_no_gradient() -> None:
    written = chain(nn.SiLU)
    written.write_to(places_of(written))
    written[2].weight.requires_grad_(False)
    learn(written, inputs())
    assert [p.grad is None for p in written.parameters()] == [False, False, True, False]
