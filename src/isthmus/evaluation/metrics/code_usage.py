"""How much of its code a model uses: nats and active units of a Gaussian code, codewords of a quantized one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.batches import in_order
from isthmus.evaluation.metrics.forward_pass import Passed
from isthmus.evaluation.metrics.metrics import squared_errors
from isthmus.models.abstract_model import evaluation
from isthmus.models.autoencoder import Model
from isthmus.parts.bottlenecks import Gaussian
from isthmus.parts.quantizers import FSQ, VQ

MOST_DECODED, MOST_VALUES = 8_192, 2**24  # decoded samples, and their values: a second or two on one core
LEAST_DECODED, MOST_UNITS = 10, 1_024  # samples per unit, for a meaningful mean; wider codes would take minutes
ACTIVE = 0.01  # variance of a unit's mean over the data, above which it is active: Burda et al. 2016, section 5.2


@torch.no_grad()
def occupancy(model: Model, data: Tensor) -> dict[str, Any]:
    """The `code` block of metrics.json, measured on clean `data`; empty for other codes than Gaussian and quantized.

    Gaussian: `kl` in nats per sample, `kl_per_unit`, `active_units` (arXiv:1509.00519, section 5.2), and the share of
    log-variances that were clamped during training. Quantized: the number of `codes`, how many are `used`, and their
    `perplexity`, the exponential of the entropy of their frequencies over all tokens.
    """
    parts = list(model.bottleneck.modules())
    gaussian = [part for part in parts if isinstance(part, Gaussian)]
    quantizer = [part for part in parts if isinstance(part, VQ | FSQ)]
    if not gaussian and not quantizer:
        return {}
    with evaluation(model):
        batches = in_order(data, model.preprocess, model.device)
        aux = [model.bottleneck(model.encoder(x), sample=False).aux for x in batches]
    found: dict[str, Any] = {}
    if gaussian:
        mean, log_var = (torch.cat([part[name] for part in aux]).double().cpu() for name in ("mean", "log_var"))
        found |= of_gaussian(mean, log_var) | gaussian[-1].statistics()
    if quantizer:
        found |= of_tokens(torch.cat([part["indices"] for part in aux]).cpu(), quantizer[-1].n_codes)
    return found


def of_gaussian(mean: Tensor, log_var: Tensor) -> dict[str, Any]:
    """KL in nats, and active units, of posteriors (N, Z)."""
    kl = 0.5 * (mean.square() + log_var.expm1() - log_var).mean(0)
    active = mean.var(0, correction=0) > ACTIVE
    return {"kl": float(kl.sum()), "kl_per_unit": kl.tolist(), "active_units": int(active.sum())}


def of_tokens(indices: Tensor, n_codes: int) -> dict[str, Any]:
    """The use of codewords among tokens of any shape."""
    counts = torch.unique(indices, return_counts=True)[1].double()
    shares = counts / counts.sum()
    perplexity = float((-(shares * shares.log()).sum()).exp())
    return {"codes": n_codes, "tokens": indices.numel(), "used": len(counts), "perplexity": perplexity}


@torch.no_grad()
def unit_effects(model: Model, passed: Passed) -> np.ndarray | None:
    """How much the mean squared error of test samples grows if a unit of the code is held at its mean, (Z,).

    The effect of a unit is what is lost without it (permutation importance with the mean in place of a draw: Breiman
    2001, Machine Learning 45, section 10); its spread shows nothing, because the decoder scales it. None for tokens,
    for codes of more than 1,024 units, and for models without a code.
    """
    tokens = any(isinstance(part, VQ | FSQ) for part in model.bottleneck.modules())
    if passed.z is None or tokens or not 0 < passed.z.shape[1] <= MOST_UNITS:
        return None
    Z, n_decoded = passed.z.shape[1], min(MOST_DECODED, MOST_VALUES // model.preprocess.size)
    n = min(len(passed), max(LEAST_DECODED, n_decoded // Z))
    x, z = passed.inputs(range(n)).to(model.device), passed.z[:n].to(model.device)
    errors = torch.empty(Z + 1, dtype=torch.float64, device=model.device)
    mean = z.mean(0)
    with evaluation(model):
        for unit in range(Z + 1):  # the last one is no unit: the error with the whole code
            held = z.clone()
            held[:, unit : unit + 1] = mean[unit : unit + 1]
            errors[unit] = squared_errors(x, model.likelihood.mean(model.decoder(held).float())).mean()
    return (errors[:Z] - errors[Z]).cpu().numpy()
