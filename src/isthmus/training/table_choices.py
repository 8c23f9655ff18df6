"""What replaces `auto` for tables of numbers: code size, widths, budget and patience, chosen from the data."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from isthmus.config import Z_SIZE, ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.parts.networks import AUTO
from isthmus.registry import is_on, parse
from isthmus.training.components import Components
from isthmus.training_config import STEPS, TrainingConfig
from isthmus.wording import counted

HELD = 0.95  # share of the variance; the rest is mostly specific to single columns
SHORTCUT = "mlp,shortcut=true"
# Hidden units: four times the number of columns, rounded up to a power of 2 within these limits. Twice the lower limit
# is no better on small tables and takes twice the time; docs/experiments.md, "Tables of numbers".
NARROWEST, WIDEST = 128, 512
# 300 steps are enough for a few hundred rows, because the linear path starts at its optimum; 1,153 rows benefit from
# 100 passes and more, small tables neither gain nor lose: docs/experiments.md.
PASSES, LEAST_STEPS = 100, 300
PATIENCE = 0.35  # share of the budget: on small tables, a best epoch that lasts this long is rarely improved later
UNRELATED = 0.05  # share of what k random directions leave unexplained; with some tens of rows, less can be chance
FEWEST_TOLD = 10  # validation rows: fewer cannot show whether columns are related


def has_linear_path(model: ModelConfig, preprocess: Preprocess) -> bool:
    """Whether the network gets a linear path that starts at the principal components: a plain autoencoder for a table
    of numbers, whose best linear code they are. If the user sets widths, there are only layers.
    """
    if preprocess.is_image:
        return False
    if is_on(model.network, "shortcut"):
        return True
    plain = model.bottleneck == "identity" and model.noise == model.terms == "none"
    chosen = model.network == AUTO and model.hidden is None and model.activation != "linear"
    return plain and chosen and preprocess.encoding is None and model.likelihood in {"auto", "gaussian"}


def wants_fitting_code(model: ModelConfig, preprocess: Preprocess) -> bool:
    """Whether the principal components determine the code size. Codes of tokens, sparse codes, and the codes of
    denoisers are longer on purpose.
    """
    kind = parse(model.bottleneck)[0]
    plain = kind in {"identity", "gaussian"} and model.noise == "none" and model.network != "own"
    return model.z_size is None and not preprocess.is_image and (preprocess.encoding is not None or plain)


def fitting_code(components: Components, K: int) -> tuple[int, str]:
    """The number of principal components that hold `HELD` of the variance, but fewer than the K columns and at most
    32, and a note on it.

    A code as wide as the table could copy every cell, and would learn nothing about relations between columns.
    """
    needed = components.holding(HELD)
    size = max(1, min(needed, K - 1, Z_SIZE))
    holds = "holds" if needed == 1 else "hold"
    why = f"{counted(needed, 'principal component')} {holds} {HELD:.0%} of the variance of {counted(K, 'column')}"
    most = f", the largest default for {counted(K, 'column')}" if size < needed else ""
    return size, f"code of {counted(size, 'number')}{most}: {why} (change with --z-size)"


def fitting_widths(D: int, n: int) -> tuple[int, int]:
    """The widths of the hidden layers for D columns and n rows: the narrowest if there are more columns than rows."""
    wanted = NARROWEST if n < D else 2 ** math.ceil(math.log2(4 * D))
    first = min(max(wanted, NARROWEST), WIDEST)
    return first, first // 2


def fitting_budget(training: TrainingConfig, n: int) -> tuple[TrainingConfig, list[str]]:
    """Sets the steps of `PASSES` passes over n rows, from `LEAST_STEPS` to the usual number, and the share `stall`.
    What the user has set stays. Returns notes as well.
    """
    if training.steps is not None or training.epochs is not None:
        return training, []
    per_epoch = -(-n // min(training.batch_size, n))
    steps = max(per_epoch, min(STEPS, max(LEAST_STEPS, PASSES * per_epoch)))
    if training.stall is None:
        training = replace(training, stall=PATIENCE)
    said = f"training takes {steps:,} steps for {counted(n, 'row')} (change with --epochs), and stops early if "
    said += f"{training.stall:.0%} of them bring no better validation cost"
    return replace(training, steps=steps), [said]


def about_structure(components: Components, held: Tensor, k: int) -> list[str]:
    """A note if k components explain new rows, network input (N, D), no better than k random directions, which explain
    k / D of the variance.
    """
    D = held.shape[1]
    if len(held) < FEWEST_TOLD or k >= D:
        return []
    told, chance = components.explained(held, k), k / D
    if (told - chance) / (1 - chance) >= UNRELATED:
        return []
    explains = f"{counted(k, 'principal component')} of the training rows {'explains' if k == 1 else 'explain'}"
    said = f"no linear relations were found between these {counted(D, 'column')}: {explains} {told:.1%} of the "
    said += f"variance of validation rows, no better than random directions ({chance:.1%})"
    return [f"{said}; a model of this table may only memorize its rows"]


def network_input(raw: object, preprocess: Preprocess) -> Tensor:
    """Raw rows (N, D) as network input."""
    return preprocess.to_x(torch.as_tensor(raw))
