"""The number of steps, the learning rate and weight decay of each parameter, and the learning rate schedule."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from isthmus.models.abstract_model import AbstractModel
from isthmus.parts.shortcuts import AbstractBeside, FixedShortcut, Shortcut
from isthmus.training.adamw import AdamW
from isthmus.training_config import TrainingConfig

# Factor on the rate for layers next to a fixed path: at 6e-3, a step of 64 x 9 weights changes a value by more than its
# size, and within 300 steps all activations of the refinement were dead.
BESIDE_LR = 1 / 6
Group = tuple[Sequence[nn.Parameter], float, float]  # parameters, their peak rate, their decay
SHORTCUT_LR = 0.1  # factor on the rate: the linear path starts at its optimum, and full steps would leave it at once


def adamw(model: AbstractModel, settings: TrainingConfig) -> AdamW:
    """AdamW, with different settings for some parameters.

    Unless `decay` is "all", biases have no decay; the decoder's matrices may have their own. The first layer of
    built-in networks learns at `input_lr` times the rate: its many inputs are correlated, so a step of the same size
    changes its output most. A linear path next to the layers starts at its optimum and learns at SHORTCUT_LR times the
    rate; if it is fixed, the layers next to it learn at BESIDE_LR times the rate.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    paths = (m for side in model.sides for m in side.modules() if isinstance(m, Shortcut))
    linear = [p for path in paths for p in path.parameters()]
    layers = (m for m in model.sides[0].modules() if isinstance(m, nn.Linear | nn.Conv2d))
    first = getattr(next(layers, None), "weight", None) if settings.input_lr != 1 else None
    spared = [p for p in trained if settings.decay != "all" and p.ndim <= 1]
    decoder = [p for p in model.sides[1].parameters() if settings.decoder_decay is not None and p.ndim > 1]
    decoder = [p for p in decoder if not any(p is weight for weight in linear)]
    apart = {id(p) for p in [*spared, first, *decoder, *linear] if p is not None}
    lr, decay = settings.lr, settings.weight_decay
    groups: list[Group] = [
        ([p for p in trained if id(p) not in apart], lr, decay),
        ([] if first is None else [first], lr * settings.input_lr, decay),
        (spared, lr, 0.0),
        (decoder, lr, settings.decoder_decay or 0.0),
        (linear, lr * SHORTCUT_LR, 0.0),
    ]
    slow = _beside_fixed_paths(model)
    parts = [part for group in groups for part in _by_rate(group, slow)]
    return AdamW([part for part in parts if part[0]], settings.betas)


def _beside_fixed_paths(model: AbstractModel) -> set[int]:
    """The parameters, by `id`, of layers next to a linear path that is not trained."""
    parts = (part for side in model.sides for part in side.modules() if isinstance(part, AbstractBeside))
    return {id(p) for part in parts if isinstance(part.shortcut, FixedShortcut) for p in part.parameters()}


def _by_rate(group: Group, slow: set[int]) -> list[Group]:
    """The group without the parameters that learn slowly, and a group of those."""
    parameters, peak, decay = group
    own = [p for p in parameters if id(p) in slow]
    rest = [p for p in parameters if id(p) not in slow]
    return [(rest, peak, decay), (own, peak * BESIDE_LR, decay)]


def plan(settings: TrainingConfig, batches: int) -> tuple[int, int]:
    """(epochs, steps in each) if a pass over the data has this many batches.

    Epochs are complete, so that all samples count equally; only a budget below one pass ends within it.
    """
    if settings.epochs is None and settings.budget < batches:
        return 1, settings.budget
    return settings.epochs or max(1, round(settings.budget / batches)), batches


def rate(step: int, steps: int, settings: TrainingConfig) -> float:
    """The share of the peak learning rate at `step`: 1 if constant, else a linear warm-up and a linear decay to 0."""
    if settings.schedule == "constant":
        return 1.0
    warm = settings.warmup * steps
    return min((step + 1) / max(warm, 1), (steps - step) / max(steps - warm, 1), 1.0)
