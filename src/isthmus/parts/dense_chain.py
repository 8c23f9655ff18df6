"""Linear layers and activations in a row, with a hand-written backward pass.

PyTorch's graph has a node for every operation: weights are cast for each product, and a gradient gets new memory at
every step and is then copied to its place. Here, a stretch of layers is one node. It computes with weights that were
cast in advance, and its backward pass writes each gradient to its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

aten = torch.ops.aten
# The gradient through an activation, from the incoming gradient, its input and its output.
Slope = Callable[[Tensor, Tensor, Tensor], Tensor]
ACTIVATIONS: dict[type[nn.Module], tuple[Callable[[Tensor], Tensor], Slope]] = {
    nn.SiLU: (F.silu, lambda g, a, h: aten.silu_backward(g, a)),
    nn.ReLU: (F.relu, lambda g, a, h: aten.threshold_backward(g, h, 0)),
    nn.Sigmoid: (torch.sigmoid, lambda g, a, h: aten.sigmoid_backward(g, h)),
    nn.Tanh: (torch.tanh, lambda g, a, h: aten.tanh_backward(g, h)),
    nn.GELU: (F.gelu, lambda g, a, h: aten.gelu_backward(g, a)),
}
Places = Mapping[int, Tensor]  # by the `id` of a parameter


class DenseChain(nn.Sequential):
    """An `nn.Sequential` that computes its linear layers together after `write_to`.

    Outputs and gradients are the same up to rounding, but the gradients cannot be differentiated again.
    """

    _parts: list[Callable[[Tensor], Tensor]] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self._parts is None or not torch.is_grad_enabled():
            return super().forward(x)
        for part in self._parts:
            x = part(x)
        return x

    def write_to(self, places: Places, low: Places | None = None) -> None:
        """From now on, writes gradients to `places`, and computes products with the weights in `low`, if given.

        `low` contains the weights in bfloat16; the caller keeps them up to date.
        """
        self._parts = []
        for module in _leaves(self):
            last = self._parts[-1] if self._parts else None
            if isinstance(module, nn.Linear):
                stretch = last if isinstance(last, Stretch) else Stretch([])
                stretch.layers.append(_layer(module, places, low))
                self._parts += [stretch] if stretch is not last else []
            elif type(module) in ACTIVATIONS and isinstance(last, Stretch) and last.layers[-1].activation is None:
                last.layers[-1].activation = ACTIVATIONS[type(module)]
            else:
                self._parts.append(module)

    def write_nowhere(self) -> None:
        """Undoes `write_to`."""
        self._parts = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_parts": None}  # a copy has its own parameters


@dataclass
class DenseLayer:
    """The weights of a linear layer, in the type of the products, and the places for its gradients."""

    parameters: tuple[Tensor, Tensor]
    places: tuple[Tensor, Tensor]
    weight: Tensor
    bias: Tensor
    activation: tuple[Callable[[Tensor], Tensor], Slope] | None = None


@dataclass
class Stretch:
    """Consecutive layers, as one node of the graph."""

    layers: list[DenseLayer]

    def __call__(self, x: Tensor) -> Tensor:
        anchor = x if x.requires_grad else x.new_empty(0).requires_grad_()
        return _Written.apply(x, anchor, self.layers)


def _leaves(chain: nn.Sequential) -> list[nn.Module]:
    """The modules of the chain, and of plain chains in it, in the order of their use."""
    return [leaf for m in chain for leaf in (_leaves(m) if isinstance(m, nn.Sequential) else [m])]


def _layer(module: nn.Linear, places: Places, low: Places | None) -> DenseLayer:
    parameters = module.weight, module.bias
    weight, bias = (p.detach() if low is None else low[id(p)] for p in parameters)
    return DenseLayer(parameters, (places[id(module.weight)], places[id(module.bias)]), weight, bias)


class _Written(torch.autograd.Function):
    """x (B, D) through layers. If x needs no gradient, the second argument connects this node to the graph."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, _: Tensor, layers: list[DenseLayer]) -> Tensor:
        h, seen = x.to(layers[0].weight.dtype), []
        for layer in layers:
            a = torch.addmm(layer.bias, h, layer.weight.T)
            out = a if layer.activation is None else layer.activation[0](a)
            seen += [h, a, out]
            h = out
        ctx.save_for_backward(*seen)
        ctx.layers, ctx.dtype = layers, x.dtype
        return h

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, None, None]:
        seen = ctx.saved_tensors
        for i in range(len(ctx.layers) - 1, -1, -1):
            layer, (h, a, out) = ctx.layers[i], seen[3 * i : 3 * i + 3]
            g = g if layer.activation is None else layer.activation[1](g, a, out)
            _learn(layer, g, h)
            if i or ctx.needs_input_grad[0]:
                g = g @ layer.weight
        return (g.to(ctx.dtype) if ctx.needs_input_grad[0] else None), None, None


def _learn(layer: DenseLayer, g: Tensor, h: Tensor) -> None:
    """Writes the gradients of weight and bias to their places, or adds them to those of an earlier pass."""
    (weight, bias), (to_weight, to_bias) = layer.parameters, layer.places
    if weight.requires_grad:
        if weight.grad is not None:
            weight.grad += g.T @ h
        elif g.dtype == to_weight.dtype:
            weight.grad = torch.mm(g.T, h, out=to_weight)
        else:
            weight.grad = to_weight.copy_(g.T @ h)
    if bias.requires_grad:
        if bias.grad is not None:
            bias.grad += g.sum(0, dtype=bias.grad.dtype)
        else:
            bias.grad = torch.sum(g, 0, dtype=to_bias.dtype, out=to_bias)


__all__ = ["DenseChain"]
