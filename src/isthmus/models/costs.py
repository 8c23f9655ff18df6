"""From a model's output to one cost: for the optimizer, and for validation and test."""

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

Weights = Mapping[str, float | Tensor]  # weights of the penalties, by name


def objective(model: AbstractModel, pair: Pair, output: Output, weights: Weights) -> Tensor:
    """The cost for the optimizer: nll plus weighted penalties in nats, averaged over samples, given per value."""
    D = pair.target[0].numel()
    nats = model.likelihood.nll(output.params.float(), pair.target, pair.weight).mean()
    for name, penalty in output.code.penalties.items():
        nats = nats + weights[name] * penalty.mean()
    return torch.as_tensor(model.likelihood.readable(nats / D))


def risen(weights: Weights, done: float | Tensor, settings: TrainingConfig) -> Weights:
    """The weights of the penalties after the share `done` of the training: they rise linearly, once or per cycle.

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
    """The output with the penalties of the model's terms added to those of its code."""
    penalties = dict(output.code.penalties)
    for term in model.terms:
        penalties |= term(coded(model), pair, output, generator)
    return output._replace(code=output.code._replace(penalties=penalties))


def refuse_alone(model: AbstractModel, *numbers: int) -> None:
    """Raises: UsageError if a penalty needs several samples at a time and one of these numbers of samples is 1."""
    for part, text in ((model.bottleneck, model.config.bottleneck), *((t, model.config.terms) for t in model.terms)):
        if part.couples and 1 in numbers:
            raise alone(repr(text))


def penalty_weights(model: AbstractModel) -> dict[str, float]:
    """The weight of every penalty of the model: the configured one, or the default of its part.

    Raises: UsageError for a weight of a penalty that the model does not have.
    """
    known = model.penalties
    for name in model.config.weights.keys() - set(known):
        listed = ", ".join(known) or "none"
        message = f"there is no penalty {name!r}; the penalties of this model: {listed}."
        raise UsageError("USAGE-WEIGHT", message, fix="remove it from the weights")
    return known | dict(model.config.weights)


def costs_of(model: AbstractModel, pair: Pair, output: Output, weights: dict[str, float]) -> Tensor:
    """The objective per value of each sample (B,)."""
    nats = model.likelihood.nll(output.params.float(), pair.target, pair.weight)
    for name, penalty in output.code.penalties.items():
        nats = nats + weights[name] * penalty
    return torch.as_tensor(model.likelihood.readable(nats / pair.target[0].numel()))


def is_deterministic(model: AbstractModel) -> bool:
    """Whether the cost of a sample depends only on the sample and its noise: nothing else is random, other samples of
    the batch do not matter, and clean targets exist."""
    alone = not (model.bottleneck.draws or model.bottleneck.couples or model.terms)
    return alone and model.corruption.has_truth


@torch.no_grad()
def sample_costs(model: AbstractModel, data: Tensor, device: torch.device, seed: int, purpose: str) -> Tensor:
    """The objective per value of every sample (N,), as in training but in evaluation mode.

    All random numbers are determined by (seed, purpose).
    """
    generator = generator_for(seed, purpose, "noise", device=device)
    weights = penalty_weights(model)
    costs, at = torch.empty(len(data)), 0  # filled in place: a list of pieces would fragment memory
    couples = any(part.couples for part in (model.bottleneck, *model.terms))
    if couples:
        refuse_alone(model, len(data))
    # If samples are used together, no chunk may have only one sample, so chunks have equal sizes.
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
    """The cost of predicting the mean of the training data for every sample, which a useful network must beat."""
    params = model.likelihood.from_mean(mean[None].to(model.device))
    total, n = 0.0, 0
    for x in in_order(data, model.preprocess, model.device):
        nats = model.likelihood.nll(params.expand(len(x), *params.shape[1:]), x)
        total, n = total + float(nats.double().sum()) / x[0].numel(), n + len(x)
    return float(model.likelihood.readable(total / n)) if n else math.nan
