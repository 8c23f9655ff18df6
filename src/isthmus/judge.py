"""The judgement of a trained model: `metrics.json` with its verdicts."""

from __future__ import annotations

from typing import Any

import torch

from isthmus import evaluate, files, metrics
from isthmus.costs import sample_costs
from isthmus.data.hashing import count_duplicates, count_overlap
from isthmus.model import Model
from isthmus.prepare import Prepared
from isthmus.randomness import generator_for
from isthmus.verdicts import Facts, judge_all

TRAIN_SAMPLE = 10_000  # training samples whose cost is set beside the test's: as many as MNIST's test set has
ESTIMATED = 500  # validation images on which the noise estimate is calibrated


def judge(prepared: Prepared, model: Model, history: list[dict[str, Any]], ending: dict[str, Any]) -> dict[str, Any]:
    """Everything that `metrics.json` holds, for a model on its device."""
    config, splits = prepared.config, prepared.splits
    seed = config.training.seed
    passed = evaluate.pass_through(model, prepared.tensor(splits.test), seed)
    found: dict[str, Any] = {
        "format": files.FORMAT,
        "data": about_data(prepared),
        "recipe": config.recipe,
        "z_size": model.z_size if model.has_code else None,
        "parameters": model.n_parameters,
        **{k: ending.get(k) for k in ("epochs", "best_epoch", "seconds", "images_per_second", "mean_cost")},
        "test": evaluate.quality(model, passed),
        "baselines": evaluate.trivial(prepared.x(splits.train), passed.x, model.z_size, prepared.preprocess),
    }
    if passed.z is not None:
        found["code"] = evaluate.code_statistics(passed.z)
    if model.config.noise != "none" and "psnr_db" in found["test"]:
        validation = prepared.x(splits.validation, ESTIMATED)
        found["denoising"] = evaluate.denoising(model, validation, passed, seed)
        found["denoising"]["estimates"] = noise_estimates(model, validation, seed)
    facts = gather(prepared, model, passed, ending)
    found["verdicts"] = [verdict.as_dict() for verdict in judge_all(found, history, facts)]
    return found


def about_data(prepared: Prepared) -> dict[str, Any]:
    """The `data` block."""
    s = prepared.splits
    sizes = {f"n_{role}": len(getattr(s, role)) for role in ("train", "validation", "test")}
    about = {"name": s.train.name, **sizes, "shape": list(prepared.preprocess.shape)}
    return about | ({"classes": list(s.train.classes)} if s.train.classes else {})


def noise_estimates(model: Model, clean: torch.Tensor, seed: int) -> dict[str, list[float]]:
    """What the noise estimate says of clean images and of images with the training's noise: 5 %, 50 % and 95 % points."""
    noisy = model.corruption(clean, generator_for(seed, "validation", "estimates")).x_in
    points = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    return {name: torch.quantile(metrics.noise_sd(x).double(), points).tolist() for name, x in (("clean", clean), ("noisy", noisy))}


def gather(prepared: Prepared, model: Model, passed: evaluate.Passed, ending: dict[str, Any]) -> Facts:
    """What the verdicts need besides the metrics."""
    config, splits = prepared.config, prepared.splits
    train = prepared.tensor(splits.train)
    step = max(1, len(train) // TRAIN_SAMPLE)
    costs = sample_costs(model, train[::step][:TRAIN_SAMPLE], model.device, config.training.seed, evaluate.TEST_NOISE).cpu()
    z = passed.z.numpy() if passed.z is not None else None
    return Facts(
        recipe=config.recipe,
        noise=None if model.config.noise == "none" else model.config.noise,
        schedule=config.training.schedule,
        stopped_by=str(ending.get("stopped_by") or "budget"),
        best_epoch=ending.get("best_epoch") or 0,
        epochs=ending.get("epochs") or 0,
        train_cost=float(costs.double().mean()),
        test_cost=float(passed.costs.double().mean()),
        train_cost_sem=metrics.standard_error(costs),
        test_cost_sem=metrics.standard_error(passed.costs),
        likelihood=model.config.likelihood,
        code=z,
        signed_code=model.bottleneck.signed,
        n_duplicates=count_duplicates(splits.train.x),
        n_overlap=count_overlap(splits.train.x, splits.test.x),
        source=config.data.source,
        path=str(ending.get("path") or ""),
    )


__all__ = ["about_data", "gather", "judge", "noise_estimates"]
