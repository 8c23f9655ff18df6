"""What surrounds a step: the precision of its products, and PyTorch's own randomness kept apart."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from isthmus.training_config import TrainingConfig


def autocast(settings: TrainingConfig, device: torch.device) -> Any:
    """bfloat16 matrix products with float32 weights, where the settings say so."""
    if settings.precision != "bfloat16":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextlib.contextmanager
def own_randomness(shakes: bool) -> Iterator[None]:
    """PyTorch's dropout draws from the global generator: inside it is ours, afterwards it is as it was."""
    if not shakes:
        yield
        return
    with torch.random.fork_rng():
        yield


def widest(device: torch.device) -> torch.dtype:
    """The type that sums are kept in: float64 where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64
