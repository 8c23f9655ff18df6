"""Measuring a trained model on test data: its errors, its trivial baselines, its denoising beside classical filters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus import baselines, metrics
from isthmus.costs import sample_costs
from isthmus.data.batches import in_order
from isthmus.data.preprocess import Preprocess
from isthmus.model import Model, evaluation
from isthmus.randomness import generator_for

BASELINE_VALUES = 2**28  # values of training data that the baselines see at most: 1 GB of float32, 342,000 digits
TEST_NOISE = "test"  # the purpose of the noise on test images: fixed, and never that of validation


@dataclass(frozen=True)
class Passed:
    """What a model makes of test samples, all (N, *shape) on the scale of x, on the processor."""

    x: Tensor
    x_in: Tensor
    x_hat: Tensor
    z: Tensor | None
    costs: Tensor


def pass_through(model: Model, data: Tensor, seed: int, most: int | None = None) -> Passed:
    """Runs `data` (a resident tensor) through the model, under the noise of its training with the test's seed."""
    data = data[:most]
    generator = generator_for(seed, TEST_NOISE, "noise", device=model.device)
    kept: list[tuple[Tensor, ...]] = []
    with torch.no_grad(), evaluation(model):
        for x in in_order(data, model.preprocess, model.device):
            x_in = model.corruption(x, generator).x_in
            params, code = model(x_in)
            kept.append(
                (x.cpu(), x_in.cpu(), model.likelihood.mean(params.float()).cpu(), code.z.float().flatten(1).cpu())
            )
    x, x_in, x_hat, z = (torch.cat(part) for part in zip(*kept, strict=True))
    costs = sample_costs(model, data, model.device, seed, TEST_NOISE).cpu()
    return Passed(x, x_in, x_hat, z if model.has_code else None, costs)


def quality(model: Model, passed: Passed) -> dict[str, Any]:
    """The `test` block of metrics.json; what does not apply to tables is absent."""
    x, x_hat = passed.x, passed.x_hat
    found: dict[str, Any] = {"cost": float(passed.costs.double().mean()), "cost_unit": cost_unit(model)}
    if model.likelihood.range == (0.0, 1.0):
        found |= {"bce": metrics.bce(x, x_hat), "bce_floor": metrics.bce_floor(x)}
    found["mse"] = metrics.mse(x, x_hat)
    if model.preprocess.is_image and model.preprocess.range:
        found |= metrics.image_quality(x, x_hat)
    return found


def cost_unit(model: Model) -> str:
    """What the cost is, with what it is per: "binary cross-entropy per pixel"."""
    return f"{model.likelihood.unit} per {model.preprocess.unit}"


def trivial(train: Tensor, test: Tensor, z_size: int, preprocess: Preprocess) -> dict[str, Any]:
    """The `baselines` block: the mean of the training data, and PCA of the same code size."""
    return {
        "mean": baselines.mean_image(train, test),
        "pca": baselines.pca(train, test, z_size, value_range=preprocess.range),
    }


def denoising(model: Model, validation: Tensor, passed: Passed, seed: int) -> dict[str, Any]:
    """The `denoising` block: noisy, ours, and classical filters tuned on validation, all on the same test images."""
    n = baselines.compared(passed.x)
    clean, noisy, denoised = (t[:n].float().contiguous() for t in (passed.x, passed.x_in, passed.x_hat))
    found: dict[str, Any] = {
        "noise": model.config.noise,
        "n": n,
        "noisy": metrics.image_quality(clean, noisy),
        "denoised": metrics.image_quality(clean, denoised),
    }
    found["baselines"] = {}
    if len(validation):
        noisy_validation = model.corruption(validation, generator_for(seed, "validation", "noise")).x_in
        found["baselines"] = baselines.denoising_baselines(noisy_validation, validation, noisy, clean)
    return found


def mean_cost_of_mean(model: Model, data: Tensor, mean: Tensor) -> float:
    """The cost of answering every sample with the mean of the training data: what a network must beat to have begun."""
    params = model.likelihood.from_mean(mean[None].to(model.device))
    total, n = 0.0, 0
    for x in in_order(data, model.preprocess, model.device):
        nats = model.likelihood.nll(params.expand(len(x), *params.shape[1:]), x)
        total, n = total + float(nats.double().sum()) / x[0].numel(), n + len(x)
    cost = float(model.likelihood.readable(total / n)) if n else math.nan
    return cost
