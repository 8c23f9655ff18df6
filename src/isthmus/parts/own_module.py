"""Adapts the user's own `nn.Module` as encoder and decoder, for samples (B, *shape) and codes (B, z)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isthmus.errors import UsageError


@dataclass(frozen=True)
class Adapted:
    """`encoder` and `decoder` as modules without own parameters; `z_size` is None if there is no code."""

    encoder: nn.Module
    decoder: nn.Module
    z_size: int | None


class Call(nn.Module):
    """Calls a function of another module, without owning its parameters."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = (function,)  # in a tuple, or nn.Module would register it and save its weights twice

    def forward(self, x: Tensor) -> Tensor:
        return self._function[0](x)


def adapt(module: nn.Module, shape: tuple[int, ...], flatten: bool | str = "auto") -> Adapted:
    """Finds `encoder`/`decoder`, `encode`/`decode`, or only `forward`, and tries them on zeros of (2, *shape).

    `flatten`: whether the module takes rows of values; "auto" tries images first, then rows.

    Raises: UsageError with the result of each way, if none returns as many values as it was given.
    """
    if not isinstance(module, nn.Module):
        message = f"the module must be a torch.nn.Module, but it is a {type(module).__name__}."
        raise UsageError("USAGE-MODULE", message, fix="pass an instance of your class")
    ways = {"auto": (False, True)}.get(flatten, (bool(flatten),)) if isinstance(flatten, str) else (flatten,)
    encode, decode = _methods(module)
    failures, cause = [], None
    with torch.no_grad(), _evaluating(module):
        zeros = torch.zeros(2, *shape, device=_device(module))
        for flat in ways:
            try:
                return _try(encode, decode, zeros, flat)
            except Exception as error:  # a user's code may raise anything for a shape that it does not support
                cause, first_line = error, str(error).partition("\n")[0]
                given = (2, math.prod(shape)) if flat else tuple(zeros.shape)
                failures.append(f"given {given}: {type(error).__name__}: {first_line}")
    raise UsageError(
        "USAGE-MODULE",
        f"{type(module).__name__} does not return samples of shape {shape}.",
        fix="make forward (or decode after encode) return as many values as it takes",
        problems=failures,
    ) from cause


def check_trainable(
    module: nn.Module, params: Callable[[Tensor], Tensor], shape: tuple[int, ...], batch_size: int
) -> None:
    """Tries one pass, `params(x)` through `module`, as in training; weights and buffers are not changed.

    Raises: UsageError if no weight can be trained, or if batch normalization would get batches of one value.
    """
    name = type(module).__name__
    alone: list[str] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() == inputs[0].shape[1] * 2:  # one value per sample and channel has no variance
            alone.append(type(layer).__name__)

    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    try:
        with torch.enable_grad(), _evaluating(module):
            output = params(torch.zeros(2, *shape, device=_device(module)))
    finally:
        for hook in hooks:
            hook.remove()
    if not output.requires_grad:
        message = f"{name} has no trainable weights: its output depends on no parameter that requires a gradient."
        raise UsageError("USAGE-MODULE", message, fix="add layers with weights, or unfreeze some: requires_grad_()")
    if alone and batch_size == 1:
        message = f"{name} has a {alone[0]}, which does not work with batches of one sample."
        raise UsageError("USAGE-BATCH", message, fix="pass a batch_size of 2 or more")


def _methods(module: nn.Module) -> tuple[Callable | None, Callable]:
    for encode, decode in (("encoder", "decoder"), ("encode", "decode")):
        found = getattr(module, encode, None), getattr(module, decode, None)
        if callable(found[0]) and callable(found[1]):
            return found[0], found[1]
    return None, module


def _try(encode: Callable | None, decode: Callable, zeros: Tensor, flat: bool) -> Adapted:
    shape = tuple(zeros.shape[1:])

    def enter(x: Tensor) -> Tensor:
        return x.flatten(1) if flat else x

    def leave(params: Tensor) -> Tensor:
        if not isinstance(params, Tensor):
            raise TypeError(f"it returned a {type(params).__name__}, but one tensor is needed")
        if params[0].numel() != math.prod(shape):
            raise ValueError(f"it returned {tuple(params.shape)}")
        return params.reshape(params.shape[0], *shape)

    if encode is None:
        leave(decode(enter(zeros)))
        # The bottleneck takes (B, Z), so the flattened values of the sample are used in place of a code.
        return Adapted(
            Call(lambda x: x.flatten(1)), Call(lambda h: leave(decode(enter(h.reshape(h.shape[0], *shape))))), None
        )
    z = encode(enter(zeros))
    if not isinstance(z, Tensor):
        raise TypeError(f"its encoder returned a {type(z).__name__}, but one tensor is needed")
    code_shape = tuple(z.shape[1:])
    leave(decode(z))
    return Adapted(
        Call(lambda x: encode(enter(x)).flatten(1)),
        Call(lambda z: leave(decode(z.reshape(z.shape[0], *code_shape)))),
        math.prod(code_shape),
    )


class _evaluating:
    """Evaluation mode inside the block; afterwards the mode of each part is restored."""

    def __init__(self, module: nn.Module) -> None:
        self.modes: Iterable[tuple[nn.Module, bool]] = [(m, m.training) for m in module.modules()]
        self.module = module

    def __enter__(self) -> None:
        self.module.eval()

    def __exit__(self, *_: object) -> None:
        for module, mode in self.modes:
            module.training = mode


def _device(module: nn.Module) -> torch.device:
    return next((p.device for p in module.parameters()), torch.device("cpu"))
