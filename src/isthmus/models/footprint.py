"""What a model takes of memory, counted from its settings before anything of that size is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.models.building import build_model
from isthmus.system.memory import available_bytes, size_of

# float32 each: the weight, its gradient, AdamW's two averages, and the copy of the best epoch.
BYTES_A_WEIGHT = 4 * 5
BYTES_A_VALUE = 4 * 2  # between the layers: the value and its gradient
VIEWS = (nn.Flatten, nn.Unflatten, nn.Identity)  # layers that make no new values


class Undrawn(TorchFunctionMode):
    """Leaves out the drawing of weights: without memory there are none to draw."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


@dataclass(frozen=True)
class Footprint:
    """`n_weights` of a model, and `n_values` that one sample leaves between its layers."""

    n_weights: int
    n_values: int

    def training_bytes(self, batch_size: int) -> int:
        """What training takes at the least."""
        return BYTES_A_WEIGHT * self.n_weights + BYTES_A_VALUE * self.n_values * batch_size


def footprint(config: ModelConfig, preprocess: Preprocess) -> Footprint:
    """The size of the model that `config` describes; counted on a model without memory."""
    with torch.device("meta"), Undrawn(), torch.no_grad():
        model = build_model(config, preprocess).to("meta")  # also what a part draws itself, such as a codebook
        n_values = _linear_values(model)
        if n_values is None:
            n_values = _passed_values(model)
    return Footprint(model.n_parameters, n_values)


def _layers(model: AbstractModel) -> list[nn.Module]:
    modules = [module for side in model.sides for module in side.modules()]
    return [layer for layer in modules if not list(layer.children()) and not isinstance(layer, VIEWS)]


def _linear_values(model: AbstractModel) -> int | None:
    """What one sample leaves between the layers, by the widths alone; None where those do not say it.

    A pass without memory would import PyTorch's compiler, which takes two seconds.
    """
    width, total = 0, 0
    for layer in _layers(model):
        if isinstance(layer, nn.Linear):
            width = layer.out_features
        elif any(True for _ in layer.parameters()) and not isinstance(layer, nn.BatchNorm1d):
            return None
        total += width
    return total


def _passed_values(model: AbstractModel) -> int:
    """The same, by a pass."""
    n_values = 0

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal n_values
        n_values += output.numel()

    for layer in _layers(model):
        layer.register_forward_hook(count)
    with evaluation(model):
        model(torch.zeros(1, *model.preprocess.shape))
    return n_values


def refuse_too_large(config: ModelConfig, preprocess: Preprocess, *, batch_size: int, device: torch.device) -> None:
    """Checks that training the model that `config` describes fits into the free memory of `device`.

    Raises: UsageError with the number of weights, what they need, what is free, and the setting to make smaller.
    """
    found = footprint(config, preprocess)
    needed, free = found.training_bytes(batch_size), free_bytes(device)
    if free is None or needed <= free:
        return
    batch = size_of(BYTES_A_VALUE * found.n_values * batch_size)
    raise UsageError(
        "USAGE-MEMORY",
        f"the network has {found.n_weights:,} weights, for whose training {size_of(needed)} of memory are needed "
        f"({BYTES_A_WEIGHT} bytes each, and {batch} for a batch of {batch_size:,}); {size_of(free)} are free.",
        fix=_smaller(config, preprocess, found, batch_size, free),
    )


def free_bytes(device: torch.device) -> int | None:
    """What is free on the device, or None where nobody can tell."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_bytes()


def _smaller(config: ModelConfig, preprocess: Preprocess, found: Footprint, batch_size: int, free: int) -> str:
    """The setting that makes most of the size."""
    if batch_size > 1 and BYTES_A_WEIGHT * found.n_weights < free / 2:
        return f"pass a smaller --batch-size; it is {batch_size:,}"
    widest = max(config.hidden or (0,))
    if widest >= max(preprocess.size, config.code_size):
        return f"pass smaller widths with --hidden; they are {','.join(map(str, config.hidden or ()))}"
    if config.code_size >= preprocess.size:
        return f"pass a smaller --z-size; it is {config.code_size:,}"
    if not preprocess.is_image:
        return f"leave columns out with --drop-column; there are {preprocess.size:,}"
    H, W = (math.ceil(side / 4) for side in preprocess.shape[1:])
    return f"make the images smaller, as with --resize {H}x{W}"
