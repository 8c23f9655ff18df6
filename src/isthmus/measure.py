"""Measuring a trained model on test data: its errors, its trivial baselines, its denoising beside classical filters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from isthmus import baselines, metrics
from isthmus.data.batches import as_x, in_order
from isthmus.data.preprocess import Preprocess
from isthmus.model import Model
from isthmus.passing import Passed
from isthmus.randomness import generator_for

BASELINE_VALUES = 2**28  # values of training data that the baselines see at most: 342,000 digits, some seconds


def quality(model: Model, passed: Passed) -> dict[str, Any]:
    """The `test` block of metrics.json; what does not apply to tables is absent."""
    found: dict[str, Any] = {"cost": float(passed.costs.double().mean()), "cost_unit": cost_unit(model)}
    found |= {name: float(passed.values[name].mean()) for name in ("bce", "bce_floor", "mse") if name in passed.values}
    if "ssim" in passed.values:
        found["psnr_db"] = metrics.finite_mean(metrics.decibels(passed.errors))
        found["ssim"] = metrics.finite_mean(passed.values["ssim"])
    return found


def cost_unit(model: Model) -> str:
    """What the cost is, with what it is per: "binary cross-entropy per pixel"."""
    return f"{model.likelihood.unit} per {model.preprocess.unit}"


def trivial(train: Tensor, test: Tensor, z_size: int, preprocess: Preprocess) -> dict[str, Any]:
    """The `baselines` block: the mean of the training data, and PCA of the same code size; of resident tensors."""
    train = train[:: -(-len(train) // max(2, BASELINE_VALUES // preprocess.size))]  # evenly: data is often sorted
    to_x = partial(as_x, preprocess=preprocess)

    def chunks() -> Iterator[Tensor]:
        return in_order(test, preprocess, torch.device("cpu"))

    return {
        "mean": baselines.mean_image(train, chunks(), to_x=to_x),
        "pca": baselines.pca(train, chunks(), z_size, value_range=preprocess.range, to_x=to_x),
    }


def denoising(model: Model, validation: Tensor, passed: Passed, seed: int) -> dict[str, Any]:
    """The `denoising` block: noisy, ours, and classical filters tuned on validation, all on the same test images."""
    n = baselines.compared(passed.data)
    clean, noisy, denoised = (t.float().contiguous() for t in passed.first(n))
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
