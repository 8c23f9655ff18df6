"""Encoders and decoders. A network is a factory: sizes and settings in, a pair of modules out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn

from isthmus.errors import unknown
from isthmus.parts.blocks import ACTIVATIONS, Sizes, linear_block
from isthmus.parts.convolutions import SMALLEST, conv, stage_widths
from isthmus.parts.dense_chain import DenseChain
from isthmus.parts.refinement import Coarse, coarse_shape, step_of
from isthmus.parts.shortcuts import Beside, FixedShortcut
from isthmus.parts.unet import WIDTHS as WIDTHS_OF_UNET
from isthmus.registry import build, parse

# Gains that keep the variance from layer to layer: sqrt(2) for ReLU (He et al. 2015, arXiv:1502.01852, eq. 10), and the
# like for others. SiLU lets through E[silu(n)^2] = 0.356 of unit normal input, whose inverse is 2.8; 3 trained best.
GAINS = {"sigmoid": 1.0, "tanh": 5 / 3, "linear": 1.0, "selu": 0.75, "silu": math.sqrt(3)}


def mlp(
    sizes: Sizes, hidden: Sequence[int], activation: str, dropout: float = 0.0, shortcut: bool = False
) -> tuple[nn.Sequential, nn.Sequential]:
    """mlp: fully connected layers, the decoder a mirror of the encoder; the last layers of both are linear.

    With `shortcut=true` a linear path leads past the layers of each.
    """
    n_in, n_out = math.prod(sizes.shape), math.prod(sizes.shape_out)
    into = _layers([n_in, *hidden], sizes.width_code, activation, dropout)
    out_of = _layers([sizes.z_size, *reversed(hidden)], n_out, activation, dropout)
    if shortcut:
        into = [Beside(DenseChain(*into), n_in, sizes.width_code)]
        out_of = [Beside(DenseChain(*out_of), sizes.z_size, n_out)]
    return DenseChain(nn.Flatten(), *into), DenseChain(*out_of, nn.Unflatten(1, sizes.shape_out))


def _layers(widths: Sequence[int], n_out: int, activation: str, dropout: float) -> list[nn.Module]:
    """Layers of these widths, the first of which is the input's, and a linear one."""
    blocks = [linear_block(a, b, activation, dropout=dropout) for a, b in pairwise(widths)]
    return [*blocks, nn.Linear(widths[-1], n_out)]


NETWORKS: dict[str, Callable[..., tuple[nn.Module, nn.Module]]] = {"mlp": mlp, "conv": conv}

WITHOUT_CODE = {"unet": WIDTHS_OF_UNET}  # networks of a denoiser, and their usual widths

AUTO, MLP_UP_TO = "auto", 40  # pixels a side of gray images

# The hidden widths that each takes for samples of a shape, where none are asked for.
WIDTHS: dict[str, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
    "mlp": lambda shape: (512, 256),  # the teaching notebook's
    "conv": stage_widths,
}


def fitting_network(shape: tuple[int, ...], *, noisy: bool = False) -> str:
    """What `auto` means for samples of `shape`: conv for images in color, above 40 pixels a side or `noisy`, else mlp.

    A step of the mlp takes half the time on images of 28 pixels; its weights grow with the square of the side, and it
    takes less noise out. A side below 16 leaves a convolution nothing to halve.
    """
    if len(shape) != 3 or min(shape[1:]) < SMALLEST:
        return "mlp"
    return "conv" if noisy or shape[0] > 1 or max(shape[1:]) > MLP_UP_TO else "mlp"


def is_without_code(text: str) -> bool:
    """Whether the network that `text` names takes images to images, with no code between."""
    return parse(text)[0] in WITHOUT_CODE


def usual_widths(text: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The hidden widths of the network that `text` names, for samples of `shape`; () for a module of the user's."""
    if is_without_code(text):
        return WITHOUT_CODE[parse(text)[0]]
    name, _, options = parse(text)
    beside = name == "conv" and options.get("shortcut") == "true"  # its stages begin on the grid of the components
    return WIDTHS[name](coarse_shape(shape) if beside else shape) if name in WIDTHS else ()


def network(
    text: str, sizes: Sizes, *, hidden: Sequence[int] | None, activation: str, dropout: float
) -> tuple[nn.Module, nn.Module]:
    """(encoder, decoder) of the network that `text` names; `hidden=None` takes its usual widths."""
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    with torch.random.fork_rng(devices=()):  # new layers draw from the global generator, which is not ours to move
        text = fitting_network(sizes.shape) if text == AUTO else text
        widths = usual_widths(text, sizes.shape) if hidden is None else tuple(hidden)
        return build("network", NETWORKS, text, sizes=sizes, hidden=widths, activation=activation, dropout=dropout)


@torch.no_grad()
def initialize(module: nn.Module, activation: str, generator: torch.Generator, *, scheme: str) -> None:
    """Draws all weights again from `generator`.

    `"orthogonal"`: rows of length gain, at right angles (Saxe et al. 2014, arXiv:1312.6120), zero biases.
    `"he-normal"`: N(0, gain^2 / fan_in), zero biases. `"framework"`: the distribution of PyTorch's own start, uniform
    in ±1 / sqrt(fan_in) for weights and biases, which is what the notebook trained with. Others start as orthogonal;
    of `"components"` `component_start.py` does the rest, once the data is known.
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
    """Fills `weight`, a row for each output value, in place."""
    if scheme != "he-normal":
        with _one_thread():
            return nn.init.orthogonal_(weight, gain, generator=generator)
    return weight.normal_(0.0, gain / math.sqrt(weight[0].numel()), generator=generator)


def _transposed(layer: nn.ConvTranspose2d, draw: Callable[[Tensor], Tensor]) -> Tensor:
    """The weight of a transposed convolution, drawn as the matrix that it is for its outputs.

    With a stride of s, which must divide the kernel k, an input pixel lies under s * s kinds of output pixel, and each
    of these sums over (k / s) * (k / s) input pixels: that is the fan-in, and not all k * k.
    """
    C_in, C_out, *kernel = layer.weight.shape
    (p, q), (a, b) = layer.stride, (k // s for k, s in zip(kernel, layer.stride, strict=True))
    matrix = draw(layer.weight.new_empty(C_out * p * q, C_in * a * b))
    return rearrange(matrix, "(o p q) (i a b) -> i o (a p) (b q)", p=p, q=q, a=a, b=b)


@torch.no_grad()
def start_at(decoder: nn.Module, mean: Tensor, from_mean: Callable[[Tensor], Tensor]) -> None:
    """Sets the last layer's bias so that the output starts at `from_mean(mean)`; mean (*shape) is that of the data.

    A convolution has one bias a channel, so its output starts at the mean color instead of the mean image. Where a
    fixed linear path leads past the layers, the bias is that of the path.
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
    """The decomposition behind orthogonal weights rounds otherwise with more threads; the seed alone should decide."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
