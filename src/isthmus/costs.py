"""From a model's output to one cost: what the optimizer sees, and what validation and test are told in."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.corruptions import Pair
from isthmus.data.batches import in_order
from isthmus.errors import UsageError
from isthmus.model import Model, Output, evaluation
from isthmus.randomness import generator_for


def objective(model: Model, pair: Pair, output: Output, weights: dict[str, float]) -> Tensor:
    """What the optimizer sees: nll and weighted penalties in nats per sample, averaged, told per value."""
    D = pair.target[0].numel()
    nats = model.likelihood.nll(output.params.float(), pair.target, pair.weight).mean()
    for name, penalty in output.code.penalties.items():
        nats = nats + weights[name] * penalty.mean()
    return torch.as_tensor(model.likelihood.readable(nats / D))


def penalty_weights(model: Model) -> dict[str, float]:
    """The weight of every penalty that the bottleneck announces, 1 unless configured.

    Raises: UsageError for a weight of something that is not announced.
    """
    known = model.bottleneck.penalties
    for name in model.config.weights.keys() - set(known):
        listed = ", ".join(known) or "none"
        message = f"there is no penalty {name!r}; this bottleneck announces: {listed}."
        raise UsageError("USAGE-WEIGHT", message, fix="remove that weight")
    return dict.fromkeys(known, 1.0) | dict(model.config.weights)


@torch.no_grad()
def sample_costs(model: Model, data: Tensor, device: torch.device, seed: int, purpose: str) -> Tensor:
    """The cost per value of every sample (N,), under fixed noise from (seed, purpose); in evaluation mode."""
    generator = generator_for(seed, purpose, "noise", device=device)
    costs = []
    with evaluation(model):
        for x in in_order(data, model.preprocess, device):
            pair = model.corruption(x, generator)
            nats = model.likelihood.nll(model(pair.x_in).params.float(), pair.target, pair.weight)
            costs.append(torch.as_tensor(model.likelihood.readable(nats / x[0].numel())))
    return torch.cat(costs)


def mean_cost(model: Model, data: Tensor, device: torch.device, seed: int, purpose: str) -> float:
    """The mean of `sample_costs`."""
    return float(sample_costs(model, data, device, seed, purpose).double().mean())
