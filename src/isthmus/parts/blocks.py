"""Building blocks of networks: their sizes, activations, and the notebook's linear block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from isthmus.errors import unknown

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


@dataclass(frozen=True)
class Sizes:
    """The sizes of a network: samples of `shape`, `width_code` features for the bottleneck, a code of `z_size`."""

    shape: tuple[int, ...]
    width_code: int
    z_size: int
    channels_out: int

    @property
    def shape_out(self) -> tuple[int, ...]:
        return (self.channels_out, *self.shape[1:])


def activation_layer(name: str) -> nn.Module:
    """A new activation module. Raises: UsageError with the known names."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


def linear_block(
    n_in: int, n_out: int, activation: str | None = "relu", batch_norm: bool = False, dropout: float = 0.0
) -> nn.Sequential:
    """Linear -> (batch norm) -> activation -> (dropout): the block of the teaching notebook, with its signature.

    >>> linear_block(784, 512, activation="sigmoid")
    Sequential(
      (0): Linear(in_features=784, out_features=512, bias=True)
      (1): Sigmoid()
    )
    """
    layers: list[nn.Module] = [nn.Linear(n_in, n_out)]
    if batch_norm:
        layers.append(nn.BatchNorm1d(n_out))
    return nn.Sequential(*layers, *after(activation, dropout))


def after(activation: str | None, dropout: float) -> list[nn.Module]:
    """The activation and the dropout after a layer, if any."""
    layers: list[nn.Module] = []
    if activation is not None and activation != "linear":
        layers.append(activation_layer(activation))
    if dropout > 0:
        layers.append(nn.Dropout(dropout))
    return layers
