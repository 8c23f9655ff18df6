"""The context of a step: the precision of its products, and the state of PyTorch's global generator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from isthmus.training_config import TrainingConfig


def autocast(settings: TrainingConfig, device: torch.device) -> Any:
    """bfloat16 matrix products with float32 weights, if the settings say so."""
    if settings.precision != "bfloat16":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextlib.contextmanager
def own_randomness(shakes: bool) -> Iterator[None]:
    """Dropout uses PyTorch's global generator: training may seed it inside the block; afterwards it is restored."""
    if not shakes:
        yield
        return
    with torch.random.fork_rng():
        yield


def widest(device: torch.device) -> torch.dtype:
    """The type for sums: float64 if the device supports it."""
    return torch.float32 if device.type == "mps" else torch.float64
