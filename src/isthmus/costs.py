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
    """The weight of every penalty that the model announces: the configured one, or the usual one of its part.

    Raises: UsageError for a weight of something that is not announced.
    """
    known = model.penalties
    for name in model.config.weights.keys() - set(known):
        listed = ", ".join(known) or "none"
        message = f"there is no penalty {name!r}; this model announces: {listed}."
        raise UsageError("USAGE-WEIGHT", message, fix="remove that weight")
    return known | dict(model.config.weights)


@torch.no_grad()
def sample_costs(model: Model, data: Tensor, device: torch.device, seed: int, purpose: str) -> Tensor:
    """The objective per value of every sample (N,), as in training but in evaluation mode.

    Noise, and what the bottleneck draws, are fixed by (seed, purpose).
    """
    generator = generator_for(seed, purpose, "noise", device=device)
    weights = penalty_weights(model)
    costs = []
    with evaluation(model):
        for x in in_order(data, model.preprocess, device):
            pair = model.corruption(x, generator)
            output = model(pair.x_in, sample=True, generator=generator)
            nats = model.likelihood.nll(output.params.float(), pair.target, pair.weight)
            for name, penalty in output.code.penalties.items():
                nats = nats + weights[name] * penalty
            costs.append(torch.as_tensor(model.likelihood.readable(nats / x[0].numel())))
    return torch.cat(costs)


def mean_cost(model: Model, data: Tensor, device: torch.device, seed: int, purpose: str) -> float:
    """The mean of `sample_costs`."""
    return float(sample_costs(model, data, device, seed, purpose).double().mean())
