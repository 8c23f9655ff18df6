"""Encoders and decoders. A network is a function from sizes and settings to a pair of modules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn

from isthmus.errors import UsageError, unknown
from isthmus.parts.blocks import ACTIVATIONS, Sizes, linear_block
from isthmus.parts.convolutions import SMALLEST, check_sides, conv, stage_widths
from isthmus.parts.dense_chain import DenseChain
from isthmus.parts.refinement import Coarse, coarse_shape, step_of
from isthmus.parts.shortcuts import Beside, FixedShortcut
from isthmus.parts.unet import WIDTHS as WIDTHS_OF_UNET
from isthmus.registry import build, is_on, parse

# Gains that keep the variance from layer to layer: sqrt(2) for ReLU (He et al. 2015, arXiv:1502.01852, eq. 10), and
# similar for others. SiLU passes E[silu(n)^2] = 0.356 of unit normal input, whose inverse is 2.8; 3 trained best.
GAINS = {"sigmoid": 1.0, "tanh": 5 / 3, "linear": 1.0, "selu": 0.75, "silu": math.sqrt(3)}


def mlp(
    sizes: Sizes, hidden: Sequence[int], activation: str, dropout: float = 0.0, shortcut: bool = False
) -> tuple[nn.Sequential, nn.Sequential]:
    """mlp: fully connected layers; the decoder mirrors the encoder, and the last layers of both are linear.

    With `shortcut=true`, a linear path bypasses the layers of each.
    """
    n_in, n_out = math.prod(sizes.shape), math.prod(sizes.shape_out)
    into = _layers([n_in, *hidden], sizes.width_code, activation, dropout)
    out_of = _layers([sizes.z_size, *reversed(hidden)], n_out, activation, dropout)
    if shortcut:
        into = [Beside(DenseChain(*into), n_in, sizes.width_code)]
        out_of = [Beside(DenseChain(*out_of), sizes.z_size, n_out)]
    return DenseChain(nn.Flatten(), *into), DenseChain(*out_of, nn.Unflatten(1, sizes.shape_out))


def _layers(widths: Sequence[int], n_out: int, activation: str, dropout: float) -> list[nn.Module]:
    """Layers of these widths, of which the first is the input's, and a linear layer."""
    blocks = [linear_block(a, b, activation, dropout=dropout) for a, b in pairwise(widths)]
    return [*blocks, nn.Linear(widths[-1], n_out)]


NETWORKS: dict[str, Callable[..., tuple[nn.Module, nn.Module]]] = {"mlp": mlp, "conv": conv}

WITHOUT_CODE = {"unet": WIDTHS_OF_UNET}  # networks for denoisers, and their default widths

AUTO, MLP_UP_TO = "auto", 40  # pixels per side of gray images

# The default hidden widths of each network for samples of a shape.
WIDTHS: dict[str, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
    "mlp": lambda shape: (512, 256),  # the teaching notebook's
    "conv": stage_widths,
}


def fitting_network(shape: tuple[int, ...], *, noisy: bool = False) -> str:
    """The network for `auto`: conv for images that are in color, above 40 pixels per side, or `noisy`; otherwise mlp.

    A step of the mlp takes half the time on images of 28 pixels, but its weights grow with the square of the side, and
    it removes less noise. Sides below 16 are too small for convolutions to halve.
    """
    if len(shape) != 3 or min(shape[1:]) < SMALLEST:
        return "mlp"
    return "conv" if noisy or shape[0] > 1 or max(shape[1:]) > MLP_UP_TO else "mlp"


def is_without_code(text: str) -> bool:
    """Whether the network that `text` names maps images to images without a code."""
    return parse(text)[0] in WITHOUT_CODE


def refuse_tables(text: str, shape: tuple[int, ...]) -> None:
    """Raises: UsageError or DataError if the network that `text` names needs images, and samples of `shape` are not."""
    name = parse(text)[0]
    if name in WITHOUT_CODE and len(shape) != 3:
        fix = "pass --network mlp, without --recipe photo"
        raise UsageError("USAGE-NETWORK", f"{name} needs images, but this is a table.", fix=fix)
    if name == "conv" and len(shape) != 3:
        check_sides(shape)


def usual_widths(text: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The default widths of the network that `text` names, for samples of `shape`; () for the user's own module."""
    if is_without_code(text):
        return WITHOUT_CODE[parse(text)[0]]
    name = parse(text)[0]
    beside = name == "conv" and is_on(text, "shortcut")  # its stages begin on the grid of the components
    return WIDTHS[name](coarse_shape(shape) if beside else shape) if name in WIDTHS else ()


def network(
    text: str, sizes: Sizes, *, hidden: Sequence[int] | None, activation: str, dropout: float
) -> tuple[nn.Module, nn.Module]:
    """(encoder, decoder) of the network that `text` names; `hidden=None` uses its default widths.

    Raises: UsageError for an unknown network or activation; as `conv`.
    """
    if (name := parse(text)[0]) not in {AUTO, *NETWORKS}:
        raise unknown("network", name, [AUTO, *NETWORKS, *WITHOUT_CODE])
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    with torch.random.fork_rng(devices=()):  # new layers use the global generator, which must not change
        text = fitting_network(sizes.shape) if text == AUTO else text
        widths = usual_widths(text, sizes.shape) if hidden is None else tuple(hidden)
        return build("network", NETWORKS, text, sizes=sizes, hidden=widths, activation=activation, dropout=dropout)


@torch.no_grad()
def initialize(module: nn.Module, activation: str, generator: torch.Generator, *, scheme: str) -> None:
    """Draws all weights again from `generator`.

    `"orthogonal"`: orthogonal rows of length gain (Saxe et al. 2014, arXiv:1312.6120), zero biases.
    `"he-normal"`: N(0, gain^2 / fan_in), zero biases. `"framework"`: PyTorch's default distribution, uniform in
    ±1 / sqrt(fan_in) for weights and biases, with which the notebook trained. Others start as orthogonal; for
    `"components"`, `component_start.py` does the rest when the data is known.
    """
    gain = GAINS.get(activation, math.sqrt(2))
    draw = partial(_draw, gain=gain, scheme=scheme, generator=generator)
    for layer in module.modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            continue
        if scheme == "framework":
            bound = 1 / math.sqrt(layer.weight[0].numel())
            for parameter in (layer.weight, layer.bias):
                if parameter is not None:
                    parameter.uniform_(-bound, bound, generator=generator)
            continue
        if isinstance(layer, nn.ConvTranspose2d):
            layer.weight.copy_(_transposed(layer, draw))
        else:
            draw(layer.weight)
        if layer.bias is not None:
            layer.bias.zero_()


def _draw(weight: Tensor, *, gain: float, scheme: str, generator: torch.Generator) -> Tensor:
    """Fills `weight`, which has one row per output value, in place."""
    if scheme != "he-normal":
        with _one_thread():
            return nn.init.orthogonal_(weight, gain, generator=generator)
    return weight.normal_(0.0, gain / math.sqrt(weight[0].numel()), generator=generator)


def _transposed(layer: nn.ConvTranspose2d, draw: Callable[[Tensor], Tensor]) -> Tensor:
    """The weight of a transposed convolution, drawn as the matrix from its inputs to its outputs.

    With a stride of s, which must divide the kernel k, there are s * s kinds of output pixels, each a sum over
    (k / s) * (k / s) input pixels: this is the fan-in, not k * k.
    """
    C_in, C_out, *kernel = layer.weight.shape
    (p, q), (a, b) = layer.stride, (k // s for k, s in zip(kernel, layer.stride, strict=True))
    matrix = draw(layer.weight.new_empty(C_out * p * q, C_in * a * b))
    return rearrange(matrix, "(o p q) (i a b) -> i o (a p) (b q)", p=p, q=q, a=a, b=b)


@torch.no_grad()
def start_at(decoder: nn.Module, mean: Tensor, from_mean: Callable[[Tensor], Tensor]) -> None:
    """Sets the last layer's bias so that the output starts at `from_mean(mean)`; mean (*shape) is the data's mean.

    A convolution has one bias per channel, so its output starts at the mean color instead of the mean image. If there
    is a fixed linear path, its bias is set.
    """
    path = next((m for m in decoder.modules() if isinstance(m, FixedShortcut)), None)
    if path is not None:
        path.bias.copy_(from_mean(Coarse(step_of(mean.shape))(mean[None])).flatten())
        return
    biases = [bias for m in decoder.modules() if isinstance(bias := getattr(m, "bias", None), nn.Parameter)]
    start = from_mean(mean[None])[0]
    if biases[-1].numel() != start.numel():
        color = mean.flatten(1).mean(1).view(-1, *[1] * (mean.ndim - 1))
        start = from_mean(color[None])[0]
    biases[-1].copy_(start.flatten())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Uses one thread: the decomposition for orthogonal weights rounds differently with more, but only the seed may
    matter."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
