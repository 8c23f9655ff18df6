"""The contract of every part, as assertions on any instance; `test_contract.py` runs them on all registered parts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.parts.abstract_likelihood import AbstractLikelihood
from isthmus.parts.bottlenecks import AbstractBottleneck
from isthmus.parts.corruptions import AbstractCorruption
from tiny import assert_equal_weights, assert_global_generator_untouched, weights

BATCHES = (1, 2, 5)
SHAPES = ((1, 4, 4), (3, 5, 7), (6,))  # gray and color images, not square, and a table
DTYPES = (torch.float32, torch.float64)
CONTEXT = {"range", "shape", "z_size"}  # arguments that are not part of the text
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-12}  # relative: a few hundred roundings of 1.2e-7 and 2.2e-16


def example(name: str, factory: Callable[..., Any]) -> str:
    """The text that builds a registered part: its name, with 0.5 for a required first argument."""
    own = (p for p in inspect.signature(factory).parameters.values() if p.name not in CONTEXT)
    first = next(own, None)
    needed = first is not None and first.default is first.empty and first.kind is first.POSITIONAL_OR_KEYWORD
    return f"{name}:0.5" if needed else name


def drawn(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Uniform values in [0, 1)."""
    return torch.rand(shape, generator=seeded(seed), dtype=dtype)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def redraw(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with weights from its own generator, so that no test depends on the global one."""
    generator = seeded(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return module


def assert_close(found: Tensor, expected: Tensor, what: str = "") -> None:
    tolerance = CLOSE[expected.dtype]
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance, msg=lambda text: f"{what}: {text}")


def assert_gradient_everywhere(cost: Tensor, named: Iterable[tuple[str, Tensor]]) -> None:
    """Asserts that the cost's gradient reaches each of these tensors, is finite, and is not zero everywhere."""
    names, tensors = zip(*named, strict=True)
    gradients = torch.autograd.grad(cost, tensors, allow_unused=True, retain_graph=True)
    for name, gradient in zip(names, gradients, strict=True):
        assert gradient is not None, f"no gradient reaches {name}"
        assert bool(gradient.isfinite().all()), f"the gradient of {name} is not finite"
        assert bool((gradient != 0).any()), f"the gradient of {name} is zero everywhere"


def assert_corrupts_soundly(part: AbstractCorruption, x: Tensor) -> None:
    """Asserts that shape and type are kept, x is not changed, the target is x, and the generator is used."""
    before = x.clone()
    with assert_global_generator_untouched():
        pair = part(x, seeded(1))
    assert torch.equal(x, before), "the corruption changed its input"
    assert pair.target.shape == pair.x_in.shape == x.shape
    assert pair.target.dtype == pair.x_in.dtype == x.dtype
    assert pair.weight is None or pair.weight.shape == x.shape
    assert bool(pair.x_in.isfinite().all())
    assert torch.equal(part(x, seeded(1)).x_in, pair.x_in), "the same seed gave other noise"


def assert_samples_apart(part: AbstractCorruption, x: Tensor) -> None:
    """Asserts that the result for a sample does not depend on later samples."""
    other = x.clone()
    other[-1] = 1 - other[-1]
    assert torch.equal(part(x, seeded(1)).x_in[:-1], part(other, seeded(1)).x_in[:-1])


def assert_draws_alike(part: AbstractCorruption, x: Tensor) -> None:
    """Asserts that the number of random numbers does not depend on the values, unless `draws_by_value` says so."""
    after = []
    for values in (x, torch.zeros_like(x), 1 - x):
        generator = seeded(1)
        part(values, generator)
        after.append(generator.get_state())
    assert part.draws_by_value or all(torch.equal(state, after[0]) for state in after)


def assert_makes_codes(part: AbstractBottleneck, h: Tensor, z_size: int) -> None:
    """Asserts that z is (B, z_size), penalties are (B,), nothing is random without `sample`, and that evaluation
    changes no buffer."""
    part.eval()
    before = weights(part)
    with assert_global_generator_untouched():
        code = part(h, sample=False)
    assert code.z.shape == (len(h), z_size)
    assert code.z.dtype == h.dtype
    assert bool(code.z.isfinite().all())
    for name, penalty in code.penalties.items():
        allowed = ((), (len(h),)) if part.couples else ((len(h),),)
        assert penalty.shape in allowed, f"penalty {name} is {tuple(penalty.shape)}"
        assert name in part.penalties, f"penalty {name} is not announced"
    assert torch.equal(part(h, sample=False).z, code.z)
    assert torch.equal(part(h, sample=True, generator=seeded(1)).z, part(h, sample=True, generator=seeded(1)).z)
    assert part.signed or bool((code.z >= 0).all()), "codes below zero, and yet signed is False"
    assert_equal_weights(weights(part), before)


def assert_per_sample(function: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Asserts that f(cat) = cat(f), and that permuting the batch permutes the values."""
    whole = function(x)
    assert_close(torch.cat([function(row[None]) for row in x]), whole, "one by one")
    order = torch.randperm(len(x), generator=seeded(2))
    assert_close(function(x[order]), whole[order], "permuted")


def assert_costs_soundly(part: AbstractLikelihood, params: Tensor, target: Tensor) -> None:
    """Asserts (B,) nats in the target's type, a sum over values, linear in the weight, with a minimum at the target."""
    cost = part.nll(params, target)
    assert cost.shape == (len(target),)
    assert cost.dtype == target.dtype
    assert_close(part.nll(params, target, torch.ones_like(target)), cost, "weight 1")
    assert_close(part.nll(params, target, torch.full_like(target, 2.0)), 2 * cost, "weight 2")
    assert torch.equal(part.nll(params, target, torch.zeros_like(target)), torch.zeros_like(cost))
    half = torch.zeros_like(target)
    half[..., ::2] = 1
    assert_close(part.nll(params, target, half) + part.nll(params, target, 1 - half), cost, "two halves")
    assert part.mean(params).shape == target.shape
    best, own = part.from_mean(target), params.clone()
    C = target.shape[1]
    own[:, C:] = best[:, C:]  # only the mean is varied, not a scale from the decoder
    # 1e-6: from_mean may avoid the ends, where the cost of the best would be infinite
    cost = part.nll(own, target)
    assert bool((part.nll(best, target) <= cost + 1e-6 * cost.abs()).all())


def assert_network_fits(encoder: nn.Module, decoder: nn.Module, x: Tensor, sizes: Any) -> None:
    """Asserts features (B, width_code) and output (B, *shape_out) in the type of x, and no change in evaluation."""
    before = weights(encoder) | weights(decoder)
    encoder.eval(), decoder.eval()
    with torch.no_grad(), assert_global_generator_untouched():
        h = encoder(x)
        params = decoder(drawn(len(x), sizes.z_size, dtype=x.dtype))
    assert h.shape == (len(x), sizes.width_code)
    assert params.shape == (len(x), *sizes.shape_out)
    assert h.dtype == params.dtype == x.dtype
    assert_equal_weights(weights(encoder) | weights(decoder), before)
