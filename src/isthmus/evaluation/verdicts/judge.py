"""The evaluation of a trained model: `metrics.json` with its verdicts."""

from __future__ import annotations

import math
import shlex
from dataclasses import fields
from typing import Any

import torch

from isthmus.config import SPELLED, DataConfig
from isthmus.data.batching.batches import chunk_of
from isthmus.evaluation.metrics import measure, metrics
from isthmus.evaluation.metrics.baselines import Rivals
from isthmus.evaluation.metrics.code_usage import occupancy, unit_effects
from isthmus.evaluation.metrics.flat_noise import flat_moments
from isthmus.evaluation.metrics.forward_pass import TEST_NOISE, Passed, floors, has_truth, is_picture, pass_through
from isthmus.evaluation.metrics.row_filling import row_filling
from isthmus.evaluation.verdicts import data_facts
from isthmus.evaluation.verdicts.verdict_inputs import Facts
from isthmus.evaluation.verdicts.verdicts import judge_all
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.autoencoder import coded
from isthmus.models.costs import penalty_weights, sample_costs
from isthmus.randomness import generator_for
from isthmus.system import files
from isthmus.training.data_pass import steps_of, steps_of_pass
from isthmus.training.noise_estimate import estimate_noise
from isthmus.training.prepared import IN_MEMORY, Prepared

TRAIN_SAMPLE = 10_000  # training samples whose cost is compared with the test cost: as many as MNIST's test set has
COMPARED = 2**24  # values of training, validation and test data whose means are compared: 64 MB each
# The first argument of a command, what a recipe sets, and what a training determines by itself.
NO_OPTIONS = {"source", "whole", "stream", "buffer", "held"}
ESTIMATED = 500  # validation images on which the noise estimate is calibrated


def judge(
    prepared: Prepared,
    model: AbstractModel,
    history: list[dict[str, Any]],
    ending: dict[str, Any],
    passed: Passed | None = None,
    rivals: Rivals | None = None,
    *,
    of_other: bool = False,
) -> dict[str, Any]:
    """The content of `metrics.json`, for a model on its device.

    `of_other`: the test set is not part of the run's own data, so there are no verdicts on the training. `passed` is
    the model's output on the test set, and `rivals` are the baselines, if they are already known.

    If the training data is not available (its sets are empty), the baselines and the verdicts on the training are
    absent.
    """
    config, splits = prepared.config, prepared.splits
    seed = config.training.seed
    test = prepared.tensor(splits.test)
    passed = passed or pass_through(model, prepared.pairs(splits.test), seed, judged=True)
    found: dict[str, Any] = {
        "format": files.FORMAT,
        "data": about_data(prepared),
        "recipe": config.recipe,
        "z_size": model.z_size if model.has_code else None,
        "parameters": model.n_parameters,
        **{k: ending.get(k) for k in ("epochs", "best_epoch", "seconds", "images_per_second", "mean_cost")},
        "test": measure.quality(model, passed),
        "baselines": {},
    }
    used = occupancy(coded(model), test) if model.has_code else {}
    if used:
        found["code"] = used
    if len(splits.train):
        rivals = rivals or measure.rivals_of(prepared, model.z_size)
        found["baselines"] = measure.trivial(rivals, test, prepared.preprocess, used.get("kl"))
    if filling := row_filling(model, splits.test):
        found["filling"] = filling
    if measure.noise_of(model, passed.data) != "none":
        found["denoising"] = about_denoising(prepared, model, passed)
    verdicts = judge_all(found, history, gather(prepared, model, passed, ending), of_other=of_other)
    found["verdicts"] = [verdict.as_dict() for verdict in verdicts]
    return found


def about_denoising(prepared: Prepared, model: AbstractModel, passed: Passed) -> dict[str, Any]:
    """The `denoising` block: PSNR and SSIM of images, compared with filters; squared errors of all other data."""
    splits, seed = prepared.splits, prepared.config.training.seed
    if not is_picture(prepared.preprocess):
        return measure.denoising_by_error(model, prepared, passed)
    train = prepared.pairs(splits.train)
    validation = prepared.x_pairs(splits.validation, ESTIMATED) if len(splits.validation) else passed.first(0).x
    if not has_truth(model, passed.data):
        known = validation if len(validation) else passed.first(ESTIMATED).x
        noise = estimate_noise(known)
        about = {"sd": noise.sd, "lags": list(noise.lags), "apart": noise.apart}
        return measure.without_truth(model, train, validation, passed, about, seed)
    block = measure.denoising(model, train, validation, passed, seed)
    return block | ({"estimates": noise_estimates(model, validation, seed)} if len(validation) else {})


def noise_estimates(model: AbstractModel, validation: torch.Tensor, seed: int) -> dict[str, list[float]]:
    """The 5 %, 50 % and 95 % points of the estimated noise, of clean images and of those with the training's noise.

    Also those of the variance, and the covariance of neighboring pixels, in flat parts of clean images, and of their
    ratio with the training's noise.
    """
    pair = model.pair(validation, generator_for(seed, "validation", "estimates"))
    validation, noisy = pair.target, pair.x_in
    points = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    found = {name: torch.quantile(metrics.noise_sd(x), points) for name, x in (("clean", validation), ("noisy", noisy))}
    variance, covariance = flat_moments(validation)
    noisy_variance, noisy_covariance = flat_moments(noisy)
    ratio = noisy_covariance / noisy_variance.clamp(min=1e-12)  # if nothing varies, both are 0
    flat = {"clean_variance": variance, "clean_covariance": covariance, "noisy_correlation": ratio}
    found |= {name: torch.quantile(values, points) for name, values in flat.items()}
    return {name: values.tolist() for name, values in found.items()}


def about_data(prepared: Prepared) -> dict[str, Any]:
    """The `data` block."""
    s = prepared.splits
    sizes = {f"n_{role}": len(getattr(s, role)) for role in ("train", "validation", "test")}
    about = {"name": s.train.name, **sizes, "shape": list(prepared.preprocess.raw_shape)}
    about |= about_series(prepared)
    return about | ({"classes": list(s.train.classes)} if s.train.classes else {})


def about_series(prepared: Prepared) -> dict[str, Any]:
    """What windows were cut from; nothing for other samples."""
    layout = prepared.preprocess.series
    if layout is None:
        return {}
    about = {"window": layout.window, "stride": layout.stride, "time": layout.time, "step": layout.step}
    return {"series": about | {"columns": list(layout.rows.names)}}


def gather(prepared: Prepared, model: AbstractModel, passed: Passed, ending: dict[str, Any]) -> Facts:
    """What the verdicts need in addition to the metrics."""
    config = prepared.config
    per_pass = steps_of_pass(config.model, config.training, prepared.splits.train)
    test_floors = passed.values["bce_floor"] if "bce_floor" in passed.values else floors(model, passed.data)
    test_costs = passed.costs.double() if has_floor(model) else passed.errors
    return Facts(
        source=config.data.source,
        recipe=config.recipe,
        starts_at_components=config.model.init == "components",
        best_epoch=ending.get("best_epoch") or 0,
        epochs=ending.get("epochs") or 0,
        steps=steps_of(ending.get("epochs") or 0, config.training, per_pass) or None,
        steps_of_pass=per_pass or None,
        path=ending.get("path") or "",
        options=reading_options(config.data),
        from_python=model.own is not None or IN_MEMORY in (config.data.source, config.data.target),
        noise=model.config.noise,
        augment=config.training.augment,
        likelihood=model.config.likelihood.partition(",")[0],
        schedule=config.training.schedule,
        stopped_by=ending.get("stopped_by") or "budget",
        test_cost=float(test_costs.mean()),
        test_cost_sem=metrics.standard_error(test_costs - test_floors),
        test_floor=float(test_floors.mean()),
        has_floor=has_floor(model),
        code=passed.z.numpy() if passed.z is not None else None,
        signed_code=model.bottleneck.signed,
        unit_effects=unit_effects(coded(model), passed) if model.has_code and not model.bottleneck.draws else None,
        weights={name: (weight, model.penalties[name]) for name, weight in penalty_weights(model).items()},
        lr=config.training.lr,
        dropout=model.config.dropout or 0.0,
        penalty_warmup=config.training.penalty_warmup,
        **about_worst(prepared, passed),
        **(about_training(prepared, model) if len(prepared.splits.train) else {}),
        **(about_validation(prepared, model) if len(prepared.splits.train) else {}),
    )


def about_worst(prepared: Prepared, passed: Passed) -> dict[str, Any]:
    """How much of the test error comes from one sample, or from a few, and the error without them."""
    errors = passed.errors
    total, n = float(errors.sum()), len(errors)
    if n < 2 or not 0 < total < math.inf:
        return {}
    row = int(errors.argmax())
    worst = float(errors[row])
    sums = errors.double().sort(descending=True).values.cumsum(0)
    n_half = min(int((sums < sums[-1] / 2).sum()) + 1, n - 1)
    return {
        "worst": prepared.splits.test.id_of(row),
        "worst_share": worst / total,
        "mse_without": (total - worst) / (n - 1),
        "n_half": n_half,
        "mse_of_others": float(sums[-1] - sums[n_half - 1]) / (n - n_half),
        "test_median": float(errors.median()),
        "test_mse_sem": metrics.standard_error(errors),
    }


def about_validation(prepared: Prepared, model: AbstractModel) -> dict[str, Any]:
    """Costs and errors of validation samples, and where the test samples differ from the training data."""
    splits, seed = prepared.splits, prepared.config.training.seed
    if not len(splits.validation):
        return {}
    data = prepared.pairs(splits.validation)
    known = pass_through(model, data, seed)
    costs, floor = (known.costs.double(), floors(model, data)) if has_floor(model) else (known.errors, 0 * known.errors)
    most = min(TRAIN_SAMPLE, max(1, COMPARED // prepared.preprocess.size))
    x, train, test = (prepared.x(part, most) for part in (splits.validation, splits.train, splits.test))
    return {
        "validation_cost": float(costs.mean()),
        "validation_cost_sem": metrics.standard_error(costs - floor),
        "validation_floor": float(floor.mean()),
        "validation_mse": float(known.errors.mean()),
        "validation_mse_sem": metrics.standard_error(known.errors),
        "validation_median": float(known.errors.median()),
        "validation_varies": float(prepared.preprocess.evened(x - prepared.mean).double().square().mean()),
        "unlike": data_facts.differences(train.numpy(), test.numpy(), prepared.preprocess.x_names),
    }


def about_training(prepared: Prepared, model: AbstractModel) -> dict[str, Any]:
    """The facts that require the training data."""
    splits, seed = prepared.splits, prepared.config.training.seed
    train = prepared.pairs(splits.train)
    train = train[:: -(-len(train) // TRAIN_SAMPLE)]  # evenly: data is often sorted
    if has_floor(model):
        costs = sample_costs(model, train, model.device, seed, TEST_NOISE).cpu().double()
    else:
        costs = pass_through(model, train, seed).errors
    train_floors = floors(model, train)
    return {
        "train_cost": float(costs.mean()),
        "train_cost_sem": metrics.standard_error(costs - train_floors),
        "train_floor": float(train_floors.mean()),
        "n_duplicates": splits.train.duplicates.count,
        "n_overlap": splits.overlap.count,
        "spans": data_facts.spans(splits.train, prepared.preprocess),
        "swallowed": data_facts.swallowed(splits.train),
        "n_of_class": data_facts.classes_of(splits),
    } | out_of_range(prepared, model)


def has_floor(model: AbstractModel) -> bool:
    """Whether there is a lowest possible cost; with a learned variance, densities grow without limit."""
    return model.likelihood.unit != "nats"


def out_of_range(prepared: Prepared, model: AbstractModel) -> dict[str, Any]:
    """The number of training values that the likelihood does not allow, and the range of the data."""
    allowed = model.likelihood.range
    if allowed is None:
        return {}
    data = prepared.tensor(prepared.splits.train)
    if data.dtype == torch.uint8:
        return {"n_out_of_range": 0}
    n, low, high = 0, math.inf, -math.inf
    for part in data.split(chunk_of(prepared.preprocess.size)):
        n += int(((part < allowed[0]) | (part > allowed[1])).sum())
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    return {"n_out_of_range": n, "lowest": low, "highest": high}


def reading_options(data: DataConfig) -> str:
    """The options of the command line that the data was read with, such as "--label y --shape 28x28"."""
    plain = DataConfig()
    words: list[str] = []
    for field in fields(DataConfig):
        value = getattr(data, field.name)
        if field.name in NO_OPTIONS or value == getattr(plain, field.name):
            continue
        flag = SPELLED.get(field.name, "--" + field.name.replace("_", "-"))
        if field.name == "header":
            words.append("--header" if value == "yes" else "--no-header")
        elif value is True:
            words.append(flag)
        else:
            words += [f"{flag} {shlex.quote(str(v))}" for v in (value if isinstance(value, tuple) else [value])]
    return " ".join(words)
