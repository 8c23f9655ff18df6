"""The memory that a model needs, computed from its settings before anything of that size is allocated."""

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

# In float32: the weight, its gradient, AdamW's two averages, and the copy of the best epoch.
BYTES_A_WEIGHT = 4 * 5
BYTES_A_VALUE = 4 * 2  # between layers: the value and its gradient
VIEWS = (nn.Flatten, nn.Unflatten, nn.Identity)  # layers that create no new values


class Undrawn(TorchFunctionMode):
    """Skips the initialization of weights, which have no memory on the meta device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


@dataclass(frozen=True)
class Footprint:
    """The weights of a model, and the values that one sample creates between its layers."""

    n_weights: int
    n_values: int

    def training_bytes(self, batch_size: int) -> int:
        """The least memory that training needs."""
        return BYTES_A_WEIGHT * self.n_weights + BYTES_A_VALUE * self.n_values * batch_size


def footprint(config: ModelConfig, preprocess: Preprocess) -> Footprint:
    """The size of the model that `config` describes, counted on a model without memory."""
    with torch.device("meta"), Undrawn(), torch.no_grad():
        model = build_model(config, preprocess).to("meta")  # also for tensors that a part creates, such as a codebook
        n_values = _linear_values(model)
        if n_values is None:
            n_values = _passed_values(model)
    return Footprint(model.n_parameters, n_values)


def _layers(model: AbstractModel) -> list[nn.Module]:
    modules = [module for side in model.sides for module in side.modules()]
    return [layer for layer in modules if not list(layer.children()) and not isinstance(layer, VIEWS)]


def _linear_values(model: AbstractModel) -> int | None:
    """The values that one sample creates between the layers, from their widths; None if these are not enough.

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
    """The same, counted in a pass."""
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

    Raises: UsageError with the number of weights, the memory needed and free, and the setting to reduce.
    """
    found = footprint(config, preprocess)
    needed, free = found.training_bytes(batch_size), free_bytes(device)
    if free is None or needed <= free:
        return
    batch = size_of(BYTES_A_VALUE * found.n_values * batch_size)
    raise UsageError(
        "USAGE-MEMORY",
        f"the network has {found.n_weights:,} weights and needs {size_of(needed)} of memory for training "
        f"({BYTES_A_WEIGHT} bytes per weight, and {batch} for a batch of {batch_size:,}); {size_of(free)} are free.",
        fix=_smaller(config, preprocess, found, batch_size, free),
    )


def free_bytes(device: torch.device) -> int | None:
    """The free memory of the device, or None if it is unknown."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_bytes()


def _smaller(config: ModelConfig, preprocess: Preprocess, found: Footprint, batch_size: int, free: int) -> str:
    """The setting that contributes most to the size."""
    if batch_size > 1 and BYTES_A_WEIGHT * found.n_weights < free / 2:
        return f"pass a smaller --batch-size; it is {batch_size:,}"
    widest = max(config.hidden or (0,))
    if widest >= max(preprocess.size, config.code_size):
        return f"pass smaller widths with --hidden; they are {','.join(map(str, config.hidden or ()))}"
    if config.code_size >= preprocess.size:
        return f"pass a smaller --z-size; it is {config.code_size:,}"
    if not preprocess.is_image:
        columns = preprocess.size if preprocess.encoding is None else len(preprocess.encoding.blocks)
        return f"drop columns with --drop-column; {'there is' if columns == 1 else 'there are'} {columns:,}"
    H, W = (math.ceil(side / 4) for side in preprocess.shape[1:])
    return f"make the images smaller, for example with --resize {H}x{W}"
