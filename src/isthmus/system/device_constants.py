"""Constants as tensors on a device, copied only once, because a copy in every step would wait for the device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

KEPT = 256  # tensors: a model needs about ten, and a process has a few models


def constant(values: Sequence[float] | Sequence[Sequence[float]], dtype: torch.dtype, device: torch.device) -> Tensor:
    """`values` as a shared tensor, which must not be changed."""
    if torch.compiler.is_compiling():  # an exported graph needs its own tensors
        return torch.tensor(values, dtype=dtype, device=device)
    return _kept(tuple(tuple(v) if isinstance(v, Sequence) else v for v in values), dtype, device)


@lru_cache(KEPT)
def _kept(values: tuple[object, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


__all__ = ["constant"]
