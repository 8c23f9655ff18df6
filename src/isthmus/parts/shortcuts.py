"""A linear path in parallel with a network, so that nonlinear layers need not learn what is linear."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

SMALL = 0.1  # factor on what the layers add at first; at full size it would hide the linear path


class LinearCode(NamedTuple):
    """z = (x - mean) directions / sizes, x_hat = mean + (sizes z) directions: K principal components of samples.

    If `sizes` are the standard deviations along the directions, each number of the code has a standard deviation of 1.
    """

    mean: Float[Tensor, " D"]
    directions: Float[Tensor, "D K"]
    sizes: Float[Tensor, " K"]


class Shortcut(nn.Linear):
    """A trainable linear path: a layer without activation, and without bias, which the parallel layers have."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, bias=False)


class FixedShortcut(nn.Module):
    """A linear path that is not trained, weight x + bias; until it is set, it is 0 and adds nothing.

    For images: the entries are smaller than a step of AdamW at the usual rate, which would destroy them at once.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(n_out, n_in))
        self.register_buffer("bias", torch.zeros(n_out))

    def forward(self, x: Float[Tensor, "B n_in"]) -> Float[Tensor, "B n_out"]:
        if x.device.type == "meta" or not torch.is_autocast_enabled(x.device.type):
            return nn.functional.linear(x, self.weight, self.bias)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would lose small components next to large ones
            return nn.functional.linear(x.to(self.weight.dtype), self.weight, self.bias)


class AbstractBeside(nn.Module):
    """Layers, and a linear path that bypasses them."""

    layers: nn.Module
    shortcut: Shortcut | FixedShortcut


class Beside(AbstractBeside):
    """layers(x) + shortcut(x)."""

    def __init__(self, layers: nn.Module, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layers, self.shortcut = layers, Shortcut(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)


def has_shortcut(module: nn.Module) -> bool:
    """Whether a linear path bypasses the layers of the module."""
    return any(isinstance(part, Shortcut | FixedShortcut) for part in module.modules())


@torch.no_grad()
def start_linear(encoder: nn.Module, decoder: nn.Module, code: LinearCode) -> None:
    """Initializes the linear paths of both with a code of K numbers, and scales the parallel layers down: to a tenth
    for a trainable path, to 0 for a fixed one. If the code is longer than K, its other numbers start at 0.

    The best linear code has a closed form (Baldi and Hornik 1989, Neural Networks 2), so it needs no training steps.
    """
    into = (code.directions / code.sizes).T
    _start(encoder, into, -into @ code.mean)
    for part in encoder.modules():
        if isinstance(scale := getattr(part, "scale", None), Tensor):
            scale[: len(code.sizes)] = code.sizes[-1:] / code.sizes
    _start(decoder, code.directions * code.sizes, code.mean)


def _start(side: nn.Module, weight: Tensor, bias: Tensor) -> None:
    for part in side.modules():
        if not isinstance(part, AbstractBeside):
            continue
        path = part.shortcut
        path.weight.zero_()
        path.weight[: weight.shape[0], : weight.shape[1]] = weight.to(path.weight)
        last = [layer for layer in part.layers.modules() if isinstance(layer, nn.Linear | nn.Conv2d)][-1]
        if isinstance(path, Shortcut):  # the mean of a table is 0, and the layers have a bias
            last.weight.mul_(SMALL)
            continue
        path.bias[: len(bias)] = bias.to(path.bias)
        for parameter in last.parameters():
            parameter.zero_()


__all__ = ["AbstractBeside", "Beside", "FixedShortcut", "LinearCode", "Shortcut", "has_shortcut", "start_linear"]
