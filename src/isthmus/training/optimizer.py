"""Which rate and which decay each parameter learns with, and the schedule of the rate."""

from __future__ import annotations

from torch import nn

from isthmus.config import TrainingConfig
from isthmus.models.abstract_model import AbstractModel
from isthmus.parts.shortcuts import Shortcut
from isthmus.training.adamw import AdamW

SHORTCUT_LR = 0.1  # of the rate: the linear path starts at its best, and steps of full size would lose it at once


def adamw(model: AbstractModel, settings: TrainingConfig) -> AdamW:
    """AdamW with the settings' exceptions for some parameters.

    Unless `decay` is "all", biases are not decayed; the decoder's matrices may have a decay of their own. The first
    layer of our own networks learns at `input_lr` times the rate: its many inputs move together, so a step of the same
    size changes its output most. A linear path beside the layers starts at its best and learns at SHORTCUT_LR times it.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    linear = [m.weight for side in model.sides for m in side.modules() if isinstance(m, Shortcut)]
    layers = (m for m in model.sides[0].modules() if isinstance(m, nn.Linear | nn.Conv2d))
    first = getattr(next(layers, None), "weight", None) if settings.input_lr != 1 else None
    spared = [p for p in trained if settings.decay != "all" and p.ndim <= 1]
    decoder = [p for p in model.sides[1].parameters() if settings.decoder_decay is not None and p.ndim > 1]
    decoder = [p for p in decoder if not any(p is weight for weight in linear)]
    apart = {id(p) for p in [*spared, first, *decoder, *linear] if p is not None}
    lr, decay = settings.lr, settings.weight_decay
    groups = [
        ([p for p in trained if id(p) not in apart], lr, decay),
        ([] if first is None else [first], lr * settings.input_lr, decay),
        (spared, lr, 0.0),
        (decoder, lr, settings.decoder_decay or 0.0),
        (linear, lr * SHORTCUT_LR, 0.0),
    ]
    return AdamW([group for group in groups if group[0]], settings.betas)


def rate(step: int, steps: int, settings: TrainingConfig) -> float:
    """The share of the peak learning rate at `step`: 1 if constant, else linear up over the warm-up and linear to 0."""
    if settings.schedule == "constant":
        return 1.0
    warm = settings.warmup * steps
    return min((step + 1) / max(warm, 1), (steps - step) / max(steps - warm, 1), 1.0)
