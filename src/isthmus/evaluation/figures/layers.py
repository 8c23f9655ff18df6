"""The layers of a network, read from the network itself: one `Layer` for each step that has weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.parts.bottlenecks import AbstractBottleneck, Identity
from isthmus.parts.convolutions import ChannelsLast, Crop
from isthmus.parts.shortcuts import FixedShortcut, Shortcut

CONVOLUTIONS = (nn.modules.conv._ConvNd,)
WHOLE = (nn.Linear, *CONVOLUTIONS, nn.RNNBase, nn.MultiheadAttention, AbstractBottleneck)  # not split into parts
SILENT = (nn.Identity, nn.Flatten, nn.Unflatten, Identity, ChannelsLast, Crop)  # they do not change values


@dataclass(frozen=True)
class Layer:
    """A step of the network, with `width` output values per sample, of shape `shape` if that is known.

    `notes` are norms, dropout, pooling and the like that follow. `parameters` does not count weights that are shared
    with an earlier layer. `side` is "encoder", "code" or "decoder".
    """

    kind: str
    width: int
    shape: tuple[int, ...] = ()
    activation: str = ""
    notes: tuple[str, ...] = ()
    parameters: int = 0
    side: str = "encoder"

    @property
    def is_code(self) -> bool:
        return self.side == "code"


@dataclass(frozen=True)
class Step:
    """A module, with the input and output shapes of one sample, if it was run."""

    module: nn.Module
    shape_in: tuple[int, ...] = ()
    shape_out: tuple[int, ...] = ()


def layers_of(module: nn.Module, *, z_size: int | None = None, example: Tensor | None = None) -> list[Layer]:
    """The input and then each layer with weights, in order; activations, norms and dropout belong to the layer before.

    With an `example` (B, …), the module is run once, and the layers are in the order of that run, with their shapes
    (a `Model` has its own example); otherwise, in the order in which the module defines them. The code is the layer
    of `z_size` values that is closest to the middle, or else the narrowest layer. Functions such as `F.relu` are not
    modules, so they are not listed. Parameters outside any layer are counted with the input.
    """
    parts: Sequence[nn.Module] = [module]
    if isinstance(module, AbstractModel):
        z_size = module.z_size if module.has_code and z_size is None else z_size
        into, out_of = module.sides
        parts = [module.own] if module.own is not None else [into, module.bottleneck, out_of]
        example = torch.zeros(2, *module.preprocess.shape, device=module.device) if example is None else example
    steps = [Step(m) for m in _leaves(parts)] if example is None else _run(module, parts, example)
    layers = _assemble(steps)
    if not layers:
        return []
    rest = sum(p.numel() for p in module.parameters()) - sum(layer.parameters for layer in layers)
    layers[0] = replace(layers[0], parameters=rest)
    return _sides(layers, z_size)


def _leaves(parts: Sequence[nn.Module]) -> Iterator[nn.Module]:
    """The modules without their containers; a module that is used several times is repeated."""
    for part in parts:
        children = list(part._modules.values())
        if isinstance(part, WHOLE) or not children:
            yield part
        else:
            yield from _leaves([child for child in children if child is not None])


@torch.no_grad()
def _run(module: nn.Module, parts: Sequence[nn.Module], example: Tensor) -> list[Step]:
    """The leaves in the order in which they are called on `example`, in evaluation mode."""
    steps: list[Step] = []

    def note(leaf: nn.Module, given: tuple[Any, ...], got: Any) -> None:
        steps.append(Step(leaf, _shape(given), _shape(got)))

    hooks = [leaf.register_forward_hook(note) for leaf in dict.fromkeys(_leaves(parts))]
    devices = [example.device] if example.device.type == "cuda" else []
    try:
        # A custom forward may draw random numbers, which must not change the user's generator.
        with torch.random.fork_rng(devices), evaluation(module):
            module(example)
    finally:
        for hook in hooks:
            hook.remove()
    return steps


def _shape(values: Any) -> tuple[int, ...]:
    """The shape of one sample in a tensor, or in the first tensor of a tuple."""
    while isinstance(values, tuple | list) and values:
        values = values[0]
    return tuple(values.shape[1:]) if isinstance(values, Tensor) else ()


def _assemble(steps: Sequence[Step]) -> list[Layer]:
    layers: list[Layer] = []
    seen: set[int] = set()
    for step in steps:
        own = [p for p in step.module.parameters() if id(p) not in seen]
        seen |= {id(p) for p in own}
        count = sum(p.numel() for p in own)
        if _has_weights(step.module):
            if not layers:
                width, shape = _width_in(step)
                layers.append(Layer("input", width, shape))
            width, shape = _width_out(step, layers[-1].width)
            layers.append(Layer(_kind(step.module), width, shape, parameters=count))
        elif layers:
            layers[-1] = _followed(layers[-1], step, count)
    return layers


def _has_weights(module: nn.Module) -> bool:
    if _is_norm(module) or _is_activation(module) or isinstance(module, Shortcut | FixedShortcut):
        return False
    return any(True for _ in module.parameters())


def _followed(layer: Layer, step: Step, count: int) -> Layer:
    """The layer with the module that follows it: an activation, a norm, dropout, a bottleneck."""
    module, name = step.module, type(step.module).__name__
    apart = layer.kind == "input" or isinstance(module, FixedShortcut)  # neither changes the layer
    if step.shape_out and math.prod(step.shape_out) != layer.width and not apart:
        layer = replace(layer, width=math.prod(step.shape_out), shape=step.shape_out)
    if isinstance(module, SILENT):
        return layer
    layer = replace(layer, parameters=layer.parameters + count)
    if _is_activation(module) or isinstance(module, AbstractBottleneck):
        joined = f"{layer.activation}, {name}" if layer.activation else name
        return replace(layer, activation=joined)
    if isinstance(module, nn.modules.dropout._DropoutNd):
        name = f"dropout {module.p:g}"
    if isinstance(module, Shortcut | FixedShortcut):
        name = "plus a linear path"
    return replace(layer, notes=(*layer.notes, name))


def _is_norm(module: nn.Module) -> bool:
    return "Norm" in type(module).__name__ and not isinstance(module, WHOLE)


def _is_activation(module: nn.Module) -> bool:
    return type(module).__module__ == "torch.nn.modules.activation" and not isinstance(module, nn.MultiheadAttention)


def _kind(module: nn.Module) -> str:
    """Linear; Conv 3×3 /2; ConvT 4×4 ×2 (transposed); the class name for all others."""
    if isinstance(module, nn.Linear):
        return "Linear"
    if not isinstance(module, CONVOLUTIONS):
        return type(module).__name__
    size = "×".join(map(str, module.kernel_size))
    stride = max(module.stride)
    sign, name = ("×", "ConvT") if module.transposed else ("/", "Conv")
    return f"{name} {size}" + (f" {sign}{stride}" if stride > 1 else "")


def _width_in(step: Step) -> tuple[int, tuple[int, ...]]:
    if step.shape_in:
        return math.prod(step.shape_in), step.shape_in
    names = ("in_features", "in_channels", "input_size", "embed_dim")
    return next((int(v) for name in names if isinstance(v := getattr(step.module, name, None), int)), 1), ()


def _width_out(step: Step, before: int) -> tuple[int, tuple[int, ...]]:
    """Values per sample; without a run, the features or channels, or else the width before."""
    if step.shape_out:
        return math.prod(step.shape_out), step.shape_out
    names = ("out_features", "out_channels", "hidden_size", "embed_dim", "embedding_dim")
    return next((int(v) for name in names if isinstance(v := getattr(step.module, name, None), int)), before), ()


def _sides(layers: list[Layer], z_size: int | None) -> list[Layer]:
    """The layers marked as encoder, code or decoder; the code is neither the input nor the output."""
    inner = range(1, len(layers) - 1)
    if not inner:
        return layers
    middle = (len(layers) - 1) / 2
    fitting = [i for i in inner if layers[i].width == z_size]
    least = min(layers[i].width for i in inner)
    candidates = fitting or [i for i in inner if layers[i].width == least]
    code = min(candidates, key=lambda i: abs(i - middle))
    return [
        replace(layer, side="encoder" if i < code else "code" if i == code else "decoder")
        for i, layer in enumerate(layers)
    ]
