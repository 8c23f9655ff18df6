"""What `auto` stands for where all columns of a table are numbers: code, widths, budget and patience from the data."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from isthmus.config import Z_SIZE, ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.parts.networks import AUTO
from isthmus.registry import parse
from isthmus.training.components import Components
from isthmus.training_config import STEPS, TrainingConfig
from isthmus.wording import counted

HELD = 0.95  # of the variance; the rest is mostly what columns do not share
SHORTCUT = "mlp,shortcut=true"
# Hidden units: four times the columns, a power of 2 within these. Twice the narrowest is not better on small tables and
# takes twice the time; docs/experiments.md, "Tables of numbers".
NARROWEST, WIDEST = 128, 512
# 300 steps are enough for some hundred rows, as the linear path starts at its best; 1,153 rows gain from 100 passes and
# more, small tables neither gain nor lose: docs/experiments.md.
PASSES, LEAST_STEPS = 100, 300
PATIENCE = 0.35  # of the budget: what is best among the first half of small tables is rarely passed after as long again
UNRELATED = 0.05  # of what k directions drawn at random would not tell: less is chance in some tens of rows
FEWEST_TOLD = 10  # validation rows: fewer cannot tell whether columns go together


def has_linear_path(model: ModelConfig, preprocess: Preprocess) -> bool:
    """Whether the network gets a linear path that starts at the principal components: a plain autoencoder of a table of
    numbers, whose best linear code those are. Widths that were asked for are those of layers alone.
    """
    if preprocess.is_image:
        return False
    if parse(model.network)[2].get("shortcut") == "true":
        return True
    plain = model.bottleneck == "identity" and model.noise == model.terms == "none"
    chosen = model.network == AUTO and model.hidden is None and model.activation != "linear"
    return plain and chosen and preprocess.encoding is None and model.likelihood in {"auto", "gaussian"}


def wants_fitting_code(model: ModelConfig, preprocess: Preprocess) -> bool:
    """Whether the size of the code is to be taken from the principal components. Codes of tokens, of few active units
    or of what noise covers are longer on purpose.
    """
    kind = parse(model.bottleneck)[0]
    plain = kind in {"identity", "gaussian"} and model.noise == "none" and model.network != "own"
    return model.z_size is None and not preprocess.is_image and (preprocess.encoding is not None or plain)


def fitting_code(components: Components, K: int) -> tuple[int, str]:
    """As many numbers as principal components hold `HELD` of the variance, fewer than the K columns and at most 32, and
    the sentence that says so.

    A code as wide as the table could hold every cell, and would tell nothing of how they go together.
    """
    needed = components.holding(HELD)
    size = max(1, min(needed, K - 1, Z_SIZE))
    holds = "holds" if needed == 1 else "hold"
    why = f"{counted(needed, 'principal component')} {holds} {HELD:.0%} of the variance of {counted(K, 'column')}"
    return size, f"code of {counted(size, 'number')}: {why} (--z-size: another)"


def fitting_widths(D: int, n: int) -> tuple[int, int]:
    """Of the hidden layers, for D columns and n rows: the narrowest where there are more columns than rows."""
    wanted = NARROWEST if n < D else 2 ** math.ceil(math.log2(4 * D))
    first = min(max(wanted, NARROWEST), WIDEST)
    return first, first // 2


def fitting_budget(training: TrainingConfig, n: int) -> tuple[TrainingConfig, list[str]]:
    """The same with `PASSES` passes over n rows, `LEAST_STEPS` at least and the usual number at most, and a stretch
    after which training stops; what was asked for stays. And what is to be said of it.
    """
    if training.steps is not None or training.epochs is not None:
        return training, []
    per_epoch = -(-n // min(training.batch_size, n))
    steps = max(per_epoch, min(STEPS, max(LEAST_STEPS, PASSES * per_epoch)))
    if training.stall is None:
        training = replace(training, stall=PATIENCE)
    said = f"training takes {steps:,} steps for {counted(n, 'row')} (--epochs: another number), and stops once "
    said += f"{training.stall:.0%} of them brought no better validation cost"
    return replace(training, steps=steps), [said]


def about_structure(components: Components, held: Tensor, k: int) -> list[str]:
    """Says where k components tell new rows, network input (N, D), no better than k directions drawn at random would:
    those tell k / D of what varies.
    """
    D = held.shape[1]
    if len(held) < FEWEST_TOLD or k >= D:
        return []
    told, chance = components.explained(held, k), k / D
    if (told - chance) / (1 - chance) >= UNRELATED:
        return []
    said = f"nothing linear is to be found in these {counted(D, 'column')}: {counted(k, 'principal component')} of the "
    said += f"training rows tell {told:.1%} of what varies between validation rows, and as many directions drawn at "
    said += f"random {chance:.1%}"
    return [f"{said}; a model of this table may learn nothing but its rows by heart"]


def network_input(raw: object, preprocess: Preprocess) -> Tensor:
    """Raw rows (N, D) as network input."""
    return preprocess.to_x(torch.as_tensor(raw))
