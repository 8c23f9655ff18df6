"""The likelihood of data under a variational autoencoder: the importance-weighted bound, in nats per sample."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from isthmus.data.batching.batches import in_order
from isthmus.errors import UsageError
from isthmus.models.abstract_model import evaluation
from isthmus.models.autoencoder import Model
from isthmus.parts.bottlenecks import Gaussian
from isthmus.randomness import generator_for

SAMPLES_AT_ONCE = 100  # data samples; each is decoded as many times as fit into AT_ONCE
AT_ONCE = 2**23  # values that the decoder outputs in one pass: 10,000 digits, 32 MB
BINARIZATIONS = {
    "none": "gray values as probabilities; this is not a likelihood, so compare it only with other such values",
    "threshold": "black and white with a threshold of 0.5",
    "sample": "black and white, drawn once for each pixel with its gray value as the probability of white",
}


class Bound(NamedTuple):
    """For each sample (N,), in nats: the bound on -log p(x) from many draws, and from one (the negative ELBO)."""

    nll: Tensor
    single: Tensor


def importance_bound(
    model: Model, data: Tensor, *, draws: int, seed: int = 0, binarize: str = "none"
) -> dict[str, Any]:
    """The `bound` block of the metrics: -log 1/K sum_k p(x | z_k) p(z_k) / q(z_k | x), averaged over `data`.

    It approaches -log p(x) from above as K = `draws` grows. Source: Burda et al. 2016, arXiv:1509.00519, eq. 8.

    Raises: UsageError for a model without a Gaussian code, or if `binarize` does not suit its likelihood.
    """
    if not isinstance(model.bottleneck, Gaussian):
        message = f"the bottleneck {model.config.bottleneck!r} has no density q(z | x), so there is no bound."
        raise UsageError("USAGE-BOUND", message, fix="train a model that has one, with --recipe vae")
    bernoulli = model.likelihood.range == (0.0, 1.0)
    if binarize not in BINARIZATIONS or (binarize != "none" and not bernoulli):
        fix = f"use one of: {', '.join(BINARIZATIONS)}" if bernoulli else "use none: this likelihood allows all values"
        raise UsageError("USAGE-BOUND", f"binarize cannot be {binarize!r} for this model.", fix=fix)
    parts = list(bounds(model, _binary(model, data, binarize, seed), draws, seed))
    found = Bound(*(torch.cat(part) for part in zip(*parts, strict=True)))
    n = len(found.nll)
    return {
        "nll": float(found.nll.mean()),
        "nll_sem": float(found.nll.std() / math.sqrt(n)) if n > 1 else None,
        "negative_elbo": float(found.single.mean()),
        "draws": draws,
        "n": n,
        "unit": "nats per image" if model.preprocess.is_image else "nats per row",
        "binarization": binarize if bernoulli else None,
        "values": BINARIZATIONS[binarize] if bernoulli else _density_sentence(model),
    }


def _density_sentence(model: Model) -> str:
    """The values that the bound is a density of; in their original units, the number of nats is different."""
    scale, shape = model.preprocess.scale, model.preprocess.shape
    if scale is None:
        return f"density of values scaled for the network, {model.config.likelihood}"
    nats = -sum(math.log(s) for s in scale) * math.prod(shape[1:])  # p(raw) = p(x) times the scale of every value
    difference = f"{abs(nats):.2f} nats {'higher' if nats > 0 else 'lower'}"
    return f"density of standardized values, {model.config.likelihood}; in their original units, it is {difference}"


def _binary(model: Model, data: Tensor, binarize: str, seed: int) -> Iterator[Tensor]:
    generator = generator_for(seed, "binarise", device=model.device)  # the spelling determines the random numbers
    for x in in_order(data, model.preprocess, model.device, SAMPLES_AT_ONCE):
        if binarize == "threshold":
            yield (x >= 0.5).to(x.dtype)
        elif binarize == "sample":
            yield torch.bernoulli(x, generator=generator)
        else:
            yield x


@torch.no_grad()
def bounds(model: Model, batches: Iterator[Tensor], draws: int, seed: int) -> Iterator[Bound]:
    """The bounds of each batch of network input x (B, *shape), in float64; the seed determines the draws."""
    generator = generator_for(seed, "bound", device=model.device)
    with evaluation(model):
        for x in batches:
            aux = model.bottleneck(model.encoder(x), sample=False).aux
            at_once = max(1, AT_ONCE // x.numel())
            ratios = [
                log_ratios(model, x, aux["mean"], aux["log_var"], min(at_once, draws - first), generator)
                for first in range(0, draws, at_once)
            ]
            log_w = torch.cat(ratios).double()
            yield Bound(math.log(draws) - log_w.logsumexp(0), -log_w.mean(0))


def log_ratios(
    model: Model,
    x: Float[Tensor, "B ..."],
    mean: Float[Tensor, "B Z"],
    log_var: Float[Tensor, "B Z"],
    draws: int,
    generator: torch.Generator,
) -> Float[Tensor, "K B"]:
    """log p(x | z) + log p(z) - log q(z | x) for `draws` draws of z from q."""
    noise = torch.randn((draws, *mean.shape), generator=generator, device=x.device, dtype=mean.dtype)
    z = mean + (log_var / 2).exp() * noise
    params = model.decoder(z.flatten(0, 1)).float()
    target = x.expand(draws, *x.shape).flatten(0, 1)
    nll = model.likelihood.nll(params, target).unflatten(0, (draws, len(x)))
    # log N(z; 0, I) - log N(z; mean, sigma^2): the constants are the same and cancel
    return 0.5 * (noise.square() + log_var - z.square()).sum(2) - nll
