"""From a model's output to one cost: what the optimizer sees, and what validation and test are told in."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.data.batching.batches import chunk_of, in_order
from isthmus.errors import UsageError
from isthmus.models.abstract_model import AbstractModel, Output, evaluation
from isthmus.models.autoencoder import coded
from isthmus.parts.corruptions import Pair
from isthmus.parts.terms import alone
from isthmus.randomness import generator_for
from isthmus.training_config import TrainingConfig

Weights = Mapping[str, float | Tensor]  # of the penalties, by name


def objective(model: AbstractModel, pair: Pair, output: Output, weights: Weights) -> Tensor:
    """What the optimizer sees: nll and weighted penalties in nats per sample, averaged, told per value."""
    D = pair.target[0].numel()
    nats = model.likelihood.nll(output.params.float(), pair.target, pair.weight).mean()
    for name, penalty in output.code.penalties.items():
        nats = nats + weights[name] * penalty.mean()
    return torch.as_tensor(model.likelihood.readable(nats / D))


def risen(weights: Weights, done: float | Tensor, settings: TrainingConfig) -> Weights:
    """The penalties' weights after the share `done` of the training: they rise linearly, once or in every cycle.

    Source: Bowman et al. 2016, arXiv:1511.06349, section 3.1; in cycles: Fu et al. 2019, arXiv:1903.10145, eq. 6.
    """
    if not settings.penalty_warmup:
        return weights
    behind = done * settings.penalty_cycles % 1.0
    if isinstance(behind, Tensor):
        return {name: weight * (behind / settings.penalty_warmup).clamp(max=1.0) for name, weight in weights.items()}
    if behind >= settings.penalty_warmup:
        return weights
    return {name: weight * behind / settings.penalty_warmup for name, weight in weights.items()}


def with_terms(model: AbstractModel, pair: Pair, output: Output, generator: torch.Generator | None) -> Output:
    """The output with the penalties of the model's terms among those of its code."""
    penalties = dict(output.code.penalties)
    for term in model.terms:
        penalties |= term(coded(model), pair, output, generator)
    return output._replace(code=output.code._replace(penalties=penalties))


def refuse_alone(model: AbstractModel, *numbers: int) -> None:
    """Raises: UsageError where penalties look at a batch together and one of these numbers of samples is 1."""
    for part, text in ((model.bottleneck, model.config.bottleneck), *((t, model.config.terms) for t in model.terms)):
        if part.couples and 1 in numbers:
            raise alone(repr(text))


def penalty_weights(model: AbstractModel) -> dict[str, float]:
    """The weight of every penalty that the model announces: the configured one, or the usual one of its part.

    Raises: UsageError for a weight of something that is not announced.
    """
    known = model.penalties
    for name in model.config.weights.keys() - set(known):
        listed = ", ".join(known) or "none"
        message = f"there is no penalty {name!r}; this model announces: {listed}."
        raise UsageError("USAGE-WEIGHT", message, fix="remove that weight")
    return known | dict(model.config.weights)


def costs_of(model: AbstractModel, pair: Pair, output: Output, weights: dict[str, float]) -> Tensor:
    """The objective per value of each sample (B,)."""
    nats = model.likelihood.nll(output.params.float(), pair.target, pair.weight)
    for name, penalty in output.code.penalties.items():
        nats = nats + weights[name] * penalty
    return torch.as_tensor(model.likelihood.readable(nats / pair.target[0].numel()))


def is_deterministic(model: AbstractModel) -> bool:
    """Whether a sample's cost follows from itself and its noise alone: nothing else is drawn, no batch looked at, and
    the cost is that of the answer which is judged."""
    alone = not (model.bottleneck.draws or model.bottleneck.couples or model.terms)
    return alone and model.corruption.has_truth


@torch.no_grad()
def sample_costs(model: AbstractModel, data: Tensor, device: torch.device, seed: int, purpose: str) -> Tensor:
    """The objective per value of every sample (N,), as in training but in evaluation mode.

    Noise, and what the bottleneck draws, are fixed by (seed, purpose).
    """
    generator = generator_for(seed, purpose, "noise", device=device)
    weights = penalty_weights(model)
    costs, at = torch.empty(len(data)), 0  # filled in place: pieces that stay would leave memory full of holes
    couples = any(part.couples for part in (model.bottleneck, *model.terms))
    if couples:
        refuse_alone(model, len(data))
    # Where samples are looked at together no chunk may be left with one, so the chunks are of equal size.
    most = chunk_of(model.preprocess.size)
    chunk = -(-len(data) // -(-len(data) // most)) if couples else most
    with evaluation(model):
        for x in in_order(data, model.preprocess, device, chunk):
            pair = model.pair(x, generator)
            output = model(pair.x_in, sample=True, generator=generator)
            if model.terms:
                output = with_terms(model, pair, output, generator)
            costs[at : at + len(x)] = costs_of(model, pair, output, weights)
            at += len(x)
    return costs


def mean_cost(model: AbstractModel, data: Tensor, device: torch.device, seed: int, purpose: str) -> float:
    """The mean of `sample_costs`."""
    return float(sample_costs(model, data, device, seed, purpose).double().mean())


@torch.no_grad()
def mean_cost_of_mean(model: AbstractModel, data: Tensor, mean: Tensor) -> float:
    """The cost of answering every sample with the mean of the training data: what a network must beat to have begun."""
    params = model.likelihood.from_mean(mean[None].to(model.device))
    total, n = 0.0, 0
    for x in in_order(data, model.preprocess, model.device):
        nats = model.likelihood.nll(params.expand(len(x), *params.shape[1:]), x)
        total, n = total + float(nats.double().sum()) / x[0].numel(), n + len(x)
    return float(model.likelihood.readable(total / n)) if n else math.nan
