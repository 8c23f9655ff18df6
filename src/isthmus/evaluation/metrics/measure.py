"""Measures a trained model on test data: its errors, and its baselines, such as PCA and simple filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from isthmus.data.batching.batches import as_x, in_order
from isthmus.data.batching.preprocess import Preprocess
from isthmus.evaluation.metrics import baselines, metrics, wiener
from isthmus.evaluation.metrics.baselines import Rivals
from isthmus.evaluation.metrics.forward_pass import Passed
from isthmus.evaluation.metrics.guessing import guessed, guessing_filters
from isthmus.evaluation.metrics.learned_filter import WHOLE, LearnedFilter
from isthmus.evaluation.metrics.linear_vae import linear_vae, variances
from isthmus.evaluation.metrics.removed import look_at_removed
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.randomness import generator_for
from isthmus.training.prepared import Prepared
from isthmus.training.principal_components import EXACT_WORK

BASELINE_VALUES = 2**28  # values of training data that the baselines use at most: 342,000 digits, a few seconds
LEARNED_WORK = 1.5e11  # multiplications for a linear filter of whole images, about 5 s: 61,000 digits
MOST_IMAGES = 2_000  # from which 100 windows each are cut, if whole images are too large: 1 s for 256 x 256
MOST_PASSES = 20  # over the training rows for the linear filter, each with new noise, to average out chance


def quality(model: AbstractModel, passed: Passed) -> dict[str, Any]:
    """The `test` block of metrics.json; what does not apply to tables is absent."""
    found: dict[str, Any] = {"cost": float(passed.costs.double().mean()), "cost_unit": cost_unit(model)}
    found |= {name: float(passed.values[name].mean()) for name in ("bce", "bce_floor", "mse") if name in passed.values}
    if "ssim" in passed.values:
        found["psnr_db"] = metrics.finite_mean(metrics.decibels(passed.errors))
        found["ssim"] = metrics.finite_mean(passed.values["ssim"])
    return found


def cost_unit(model: AbstractModel) -> str:
    """The name and unit of the cost: "binary cross-entropy per pixel"."""
    return f"{model.likelihood.unit} per {model.preprocess.unit}"


def rivals_of(prepared: Prepared, z_size: int) -> Rivals:
    """The mean and the principal components of the training data, for a code of z_size numbers."""
    train, preprocess = prepared.tensor(prepared.splits.train), prepared.preprocess
    if (known := prepared.found_code(z_size)) is not None:
        return Rivals(known.mean, known.directions, min(z_size, len(train) - 1, preprocess.size))
    train = train[:: -(-len(train) // max(2, BASELINE_VALUES // preprocess.size))]  # evenly: data is often sorted
    to_x: Callable[[Tensor], Tensor] = partial(as_x, preprocess=preprocess)
    return baselines.fit_rivals(train, z_size, lambda raw: preprocess.evened(to_x(raw)), evened_mean(prepared))


def evened_mean(prepared: Prepared) -> Tensor:
    """The mean of the training data, on the scale that squared errors are reported on."""
    return prepared.preprocess.evened(prepared.mean[None])[0]


def trivial(rivals: Rivals, test: Tensor, preprocess: Preprocess, nats: float | None = None) -> dict[str, Any]:
    """The `baselines` block: the mean of the training data, and PCA of the same code size, on a resident tensor.

    If the code has `nats` of KL per sample, also the linear VAE with the same number of nats.
    """

    def chunks() -> Iterator[Tensor]:
        return map(preprocess.evened, in_order(test, preprocess, torch.device("cpu")))

    found: dict[str, Any] = {
        "mean": baselines.mean_image(rivals, chunks(), preprocess.weights),
        "pca": baselines.pca(rivals, chunks(), value_range=preprocess.limits, weigh=preprocess.weights),
    }
    if nats is not None and math.isfinite(nats):
        paying = linear_vae(*variances(chunks(), rivals.mean, rivals.components), nats)
        found["linear_vae"] = {"mse": paying.mse, "active_units": paying.active, "kl": nats}
    return found


def denoising(model: AbstractModel, train: Tensor, validation: Tensor, passed: Passed, seed: int) -> dict[str, Any]:
    """The `denoising` block: noisy, denoised, and filters tuned on validation images, all on the same test images.

    The best linear filter is learned from training images (a resident tensor) with new noise, if there are any.
    """
    n = baselines.compared(model.target(passed.data))
    clean, noisy, denoised = (t.float().contiguous() for t in passed.first(n))
    share = model.preprocess.shares(clean)
    found: dict[str, Any] = {
        "noise": noise_of(model, passed.data),
        "n": n,
        "noisy": metrics.image_quality(clean, noisy, share),
        "denoised": metrics.image_quality(clean, denoised, share),
    }
    found["baselines"] = {}
    if len(validation):
        pair = model.pair(validation, generator_for(seed, "validation", "noise"))
        learned = {"linear": (linear := _learned(model, train, seed), linear.grid)} if len(train) else None
        found["baselines"] = baselines.denoising_baselines(
            pair.x_in, pair.target, noisy, clean, learned, model.preprocess
        )
    return found


def without_truth(
    model: AbstractModel, train: Tensor, validation: Tensor, passed: Passed, noise: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """The `denoising` block of images without known clean images; `noise` is the estimate of their noise.

    `removed` describes what was removed. The errors of model and filters are those of predicting noisy pixels that were
    left out of the input, so all of them include the variance of the noise; the settings of filters are chosen by these
    errors on validation images. For `noisy`, left-out pixels are the mean of their neighbors. The linear filter is
    learned from `train` (a resident tensor), if there are any images, also on left-out pixels.
    """
    n = baselines.compared(passed.data)
    seen = passed.first(n)
    pair = model.pair(seen.x, generator_for(seed, "test", "left out"))
    with torch.no_grad(), evaluation(model):
        answers = torch.cat([model.x_hat(part.to(model.device)).cpu() for part in pair.x_in.split(1)])
    found: dict[str, Any] = {"noisy": {"mse": guessed(pair, pair.x_in)}, "denoised": {"mse": guessed(pair, answers)}}
    known = model.pair(validation, generator_for(seed, "validation", "left out")) if len(validation) else None
    learned = None
    if known is not None and len(train):
        linear = _learned(model, train, seed)
        learned = {"linear": (linear, linear.grid)}
    found["baselines"] = {} if known is None else guessing_filters(known, pair, float(noise["sd"]), learned)
    removed = look_at_removed(seen.x_in, seen.x_hat)._asdict()
    block = {"noise": model.config.noise, "truth": False, "n": n, "estimated": dict(noise), "removed": removed}
    return block | found


def noise_of(model: AbstractModel, data: Tensor) -> str:
    """The noise of the test data: that of the model, or "pairs" if the data (a resident tensor) has noisy and clean."""
    return model.config.noise if data.shape[1] == model.preprocess.shape[0] else "pairs"


def _learned(model: AbstractModel, train: Tensor, seed: int) -> LearnedFilter:
    preprocess = model.preprocess
    most = max(2, min(BASELINE_VALUES // preprocess.size, int(LEARNED_WORK / (4.0 * preprocess.size**2))))
    if preprocess.size > WHOLE:
        most = MOST_IMAGES
    train = train[:: -(-len(train) // most)]
    times = min(MOST_PASSES, max(1, most // len(train)))

    def images() -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        generator = generator_for(seed, "training", "linear")
        for _ in range(times):
            for x in in_order(train, preprocess, torch.device("cpu")):
                pair = model.pair(x, generator)
                yield pair.target, pair.x_in, None if model.corruption.has_truth else pair.weight

    windows, whole = generator_for(seed, "training", "windows"), model.corruption.has_truth
    return LearnedFilter(images, times * len(train), preprocess.shape, windows, whole=whole)


def denoising_by_error(model: AbstractModel, prepared: Prepared, passed: Passed) -> dict[str, Any]:
    """The `denoising` block of data without PSNR, such as tables, with squared errors on all test samples.

    The baselines are learned from training samples with new noise: the best linear filter, whose ridge is chosen on
    validation samples, and the mean of each column.
    """
    train, validation = (prepared.pairs(part) for part in (prepared.splits.train, prepared.splits.validation))
    seed = prepared.config.training.seed
    block = {"noise": noise_of(model, passed.data), "n": len(passed), "denoised": {"mse": float(passed.errors.mean())}}
    filters: dict[str, Callable[[Tensor], Tensor]] = {"noisy": lambda x_in: x_in}
    settings: dict[str, Any] = {}
    if len(train):
        filters["mean"] = lambda x_in: prepared.mean.flatten().expand_as(x_in)
    if len(train) and wiener.is_feasible(model.preprocess.size):
        of_validation = list(_noisy_rows(model, validation, generator_for(seed, "validation", "linear")))
        filters["linear"], ridge = wiener.fitted(_training_pairs(model, train, seed), of_validation)
        settings["linear"] = {"settings": {"ridge": ridge}}
    sums = dict.fromkeys(filters, 0.0)
    for x, x_in in passed.pairs():
        clean, noisy = x.cpu().flatten(1), x_in.cpu().flatten(1)
        for name, clean_up in filters.items():
            sums[name] += float((clean_up(noisy) - clean).double().square().sum())
    errors = {name: {"mse": total / model.target(passed.data).numel()} for name, total in sums.items()}
    return {**block, "noisy": errors.pop("noisy"), "baselines": {k: v | settings.get(k, {}) for k, v in errors.items()}}


def _training_pairs(model: AbstractModel, train: Tensor, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """(clean, noisy) training rows, repeated with new noise for about a second of work."""
    D = model.preprocess.size
    train = train[:: -(-len(train) // max(2, BASELINE_VALUES // D))]
    generator = generator_for(seed, "training", "linear")
    for _ in range(min(MOST_PASSES, max(1, int(EXACT_WORK / (4.0 * len(train) * D * D))))):
        yield from _noisy_rows(model, train, generator)


def _noisy_rows(model: AbstractModel, data: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for x in in_order(data, model.preprocess, torch.device("cpu")):
        pair = model.pair(x, generator)
        yield pair.target.flatten(1), pair.x_in.flatten(1)
