"""Draws new samples from a trained run: decoded codes from the prior, or from a density of the training codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import UsageError, unknown
from isthmus.models.autoencoder import Model
from isthmus.parts.bottlenecks import Chain
from isthmus.parts.quantizers import FSQ, VQ
from isthmus.randomness import generator_for
from isthmus.runs.density import density_of
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import Latent, refuse_without_code

PRIOR = "the prior"
KINDS = ("auto", "gaussian", "mixture", "prior")


@dataclass(frozen=True)
class Sampled:
    """New samples `x` (n, *shape) in the type of the training data, their codes `z` (n, Z), and the source of `z`.

    `labels` (n,) are the names of their classes; None if no class was requested.
    """

    x: np.ndarray
    z: np.ndarray
    source: str
    labels: tuple[str, ...] | None


def draw_samples(
    run: RunFolder, n: int, *, density: str = "auto", of: str | None = None, seed: int = 0, temperature: float = 1.0
) -> Sampled:
    """n new samples; the same for the same seed. From the prior, the first samples are the same for any n.

    `density`: "prior" (of a variational autoencoder and similar models), "gaussian" or "mixture" (fitted to the
    training codes; a mixture has components for each class if there are labels), or "auto": the prior if a continuous
    code has one, otherwise the mixture. `of` is a class. `temperature` scales the deviations from the centers: below
    1, samples are more typical and less varied.

    Raises: UsageError for a model without a code, an unknown density or class, or a missing prior.
    """
    refuse_without_code(run.model)
    if n < 1:
        raise UsageError("USAGE-SAMPLE", f"{n} samples cannot be drawn; allowed: 1 or more.", fix="use -n 64")
    if not temperature >= 0:
        message = f"the temperature is {temperature:g}; allowed: 0 or more."
        raise UsageError("USAGE-SAMPLE", message, fix="use --temperature 1")
    kind = _settled(run.coder, density, of)
    generator = generator_for(seed, "sample", kind, of or "")
    if kind == "prior":
        z, source = _from_prior(run.coder, n, generator, temperature), PRIOR
    else:
        found = density_of(run, kind, of)
        z, source = found.draw(n, generator, temperature), found.words + (f" of class {of}" if of else "")
        z = as_code(run.coder, _within(z, run.latent))
    x = run.coder.decode(z.numpy())
    return Sampled(x, z.numpy(), source, None if of is None else (of,) * n)


def as_code(model: Model, z: Tensor) -> Tensor:
    """The codes as the bottleneck can produce them: if they are discrete, the nearest ones."""
    part = model.bottleneck
    last = part.parts[-1] if isinstance(part, Chain) else part
    return last.codes(last.indices(z)).float() if isinstance(last, FSQ | VQ) else z


def _settled(model: Model, density: str, of: str | None) -> str:
    if density not in KINDS:
        raise unknown("density", density, KINDS)
    if density == "prior" and of is not None:
        message = f"the prior has no classes, so class {of!r} cannot be drawn from it."
        raise UsageError("USAGE-CLASS", message, fix="pass --density mixture, or leave out --class")
    if density == "prior" and not has_prior(model):
        message = f"{model.config.bottleneck!r} codes have no prior to draw from."
        raise UsageError("USAGE-PRIOR", message, fix="pass --density mixture, or train with --recipe vae")
    if density != "auto":
        return density
    return "prior" if of is None and model.bottleneck.continuous and has_prior(model) else "mixture"


def has_prior(model: Model) -> bool:
    """Whether codes can be drawn from a prior: that of the bottleneck, or of a loss term that fits codes to one."""
    return model.bottleneck.has_prior or any(term.normal for term in model.terms)


def _from_prior(model: Model, n: int, generator: torch.Generator, temperature: float) -> Tensor:
    if temperature != 1 and not model.bottleneck.continuous:
        message = "a prior over discrete codes has no temperature."
        raise UsageError("USAGE-SAMPLE", message, fix="leave out --temperature, or pass --density mixture")
    return (model.sample_prior(n, generator) * temperature).float()


def _within(z: Tensor, latent: Latent) -> Tensor:
    """Each unit clipped to the range of the training codes: a sigmoid's code outside [0, 1] has no meaning."""
    low, high = latent.codes.min(0), latent.codes.max(0)
    return z.clamp(torch.from_numpy(low), torch.from_numpy(high))


__all__ = ["Sampled", "draw_samples"]
