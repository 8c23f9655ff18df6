"""Encoders and decoders. A network is a factory: sizes and settings in, a pair of modules out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from isthmus.errors import unknown
from isthmus.registry import build

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "lrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "linear": nn.Identity,
}

# Gains that keep the variance from layer to layer: sqrt(2) for ReLU (He et al. 2015, arXiv:1502.01852, eq. 10), and the
# like for others. SiLU lets through E[silu(n)^2] = 0.356 of unit normal input, whose inverse is 2.8; 3 trained best.
GAINS = {"sigmoid": 1.0, "tanh": 5 / 3, "linear": 1.0, "selu": 0.75, "silu": math.sqrt(3)}


def activation_layer(name: str) -> nn.Module:
    """A fresh activation module. Raises: UsageError with the known names."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


def linear_block(
    n_in: int, n_out: int, activation: str | None = "relu", batch_norm: bool = False, dropout: float = 0.0
) -> nn.Sequential:
    """Linear -> (batch norm) -> activation -> (dropout): the brick of the teaching notebook, same signature.

    >>> linear_block(784, 512, activation="sigmoid")
    Sequential(
      (0): Linear(in_features=784, out_features=512, bias=True)
      (1): Sigmoid()
    )
    """
    layers: list[nn.Module] = [nn.Linear(n_in, n_out)]
    if batch_norm:
        layers.append(nn.BatchNorm1d(n_out))
    if activation is not None and activation != "linear":
        layers.append(activation_layer(activation))
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Sizes:
    """What a network is built for: samples of `shape`, `width_code` features for the bottleneck, a code of `z_size`."""

    shape: tuple[int, ...]
    width_code: int
    z_size: int
    channels_out: int

    @property
    def shape_out(self) -> tuple[int, ...]:
        return (self.channels_out, *self.shape[1:])


def mlp(
    sizes: Sizes, hidden: Sequence[int], activation: str, dropout: float = 0.0
) -> tuple[nn.Sequential, nn.Sequential]:
    """mlp: fully connected layers, the decoder a mirror of the encoder; the last layers of both are linear."""
    n_in, n_out = math.prod(sizes.shape), math.prod(sizes.shape_out)
    widths = [n_in, *hidden]
    encoder = [linear_block(a, b, activation, dropout=dropout) for a, b in pairwise(widths)]
    widths = [sizes.z_size, *reversed(hidden)]
    decoder = [linear_block(a, b, activation, dropout=dropout) for a, b in pairwise(widths)]
    return (
        nn.Sequential(nn.Flatten(), *encoder, nn.Linear([n_in, *hidden][-1], sizes.width_code)),
        nn.Sequential(*decoder, nn.Linear(widths[-1], n_out), nn.Unflatten(1, sizes.shape_out)),
    )


NETWORKS: dict[str, Callable[..., tuple[nn.Module, nn.Module]]] = {"mlp": mlp}


def network(
    text: str, sizes: Sizes, *, hidden: Sequence[int], activation: str, dropout: float
) -> tuple[nn.Module, nn.Module]:
    """(encoder, decoder) of the network that `text` names."""
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    with torch.random.fork_rng(devices=()):  # new layers draw from the global generator, which is not ours to move
        return build("network", NETWORKS, text, sizes=sizes, hidden=hidden, activation=activation, dropout=dropout)


@torch.no_grad()
def initialise(module: nn.Module, activation: str, generator: torch.Generator, *, scheme: str) -> None:
    """Draws all weights anew from `generator`.

    `"orthogonal"`: rows of length gain, at right angles (Saxe et al. 2014, arXiv:1312.6120), zero biases.
    `"he-normal"`: N(0, gain^2 / fan_in), zero biases. `"framework"`: the distribution of PyTorch's own start, uniform
    in ±1 / sqrt(fan_in) for weights and biases, which is what the notebook trained with.
    """
    for layer in module.modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            continue
        fan_in = layer.weight[0].numel()
        if scheme == "framework":
            bound = 1 / math.sqrt(fan_in)
            for parameter in (layer.weight, layer.bias):
                if parameter is not None:
                    parameter.uniform_(-bound, bound, generator=generator)
            continue
        gain = GAINS.get(activation, math.sqrt(2))
        if scheme == "orthogonal":
            with _one_thread():
                nn.init.orthogonal_(layer.weight, gain, generator=generator)
        else:
            layer.weight.normal_(0.0, gain / math.sqrt(fan_in), generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()


@contextmanager
def _one_thread() -> Iterator[None]:
    """The decomposition behind orthogonal weights rounds otherwise with more threads; the seed alone should decide."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
