"""Images decoded from new codes: random ones, the mean of each class, and changes of one unit at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from isthmus.evaluation.figures.data_pictures import as_pictures
from isthmus.models.abstract_model import evaluation
from isthmus.models.autoencoder import Model, coded
from isthmus.randomness import generator_for
from isthmus.report import tiles
from isthmus.report.run_data import CodeMoments, RunData, Section
from isthmus.wording import three_digits

DRAWN = 20  # two lines of ten
UNITS = 6  # strips, of the units that change the picture most
STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # standard deviations; 99.7 % of a normal distribution lie inside
MOST_TRIED = 512  # units to try; of a longer code, those with the largest spread
MOST_CLASSES = 30


def imagined(run_data: RunData) -> Section | None:
    """Samples, class means and strips; None for tables, and if the code's moments or the model are missing."""
    moments = run_data.moments
    if run_data.model is None or moments is None or not run_data.is_image or not run_data.model.has_code:
        return None
    model = coded(run_data.model)
    std = np.sqrt(np.clip(np.diag(moments.covariance), 0, None))
    units = strongest(model, moments, std) if model.bottleneck.continuous else []
    names = [name for name, mean in zip(moments.classes, moments.class_means, strict=True) if np.isfinite(mean).all()]
    content = {
        "drawn": _pictures(model, _codes(model, moments, run_data.config.training.seed)),
        "classes": _class_means(model, moments, names) if model.bottleneck.continuous else [],
        "strips": [_strip(model, moments, std, unit) for unit in units],
        "more": run_data.command("sample", "-n 64 -o samples.png"),
        "steps": [f"{step:+.0f}".replace("-", "−") if step else "mean" for step in STEPS],
        "sharp": tiles.is_sharp(model.preprocess.shape),
    }
    return Section(
        "imagined", "New samples: what the decoder imagines", "imagined.html", _read(run_data, std, units), content
    )


def _codes(model: Model, moments: CodeMoments, seed: int) -> np.ndarray:
    """Codes to show: from the model's prior, if it has one."""
    if model.bottleneck.has_prior:
        return model.bottleneck.sample_prior(DRAWN, generator_for(seed, "report", "samples")).double().numpy()
    return draw_codes(moments, DRAWN, seed) if model.bottleneck.continuous else np.empty((0, len(moments.mean)))


def draw_codes(moments: CodeMoments, n: int, seed: int) -> np.ndarray:
    """n codes (n, Z) from the normal distribution with these moments; the same codes every time."""
    noise = torch.randn(n, len(moments.mean), generator=generator_for(seed, "report", "samples"), dtype=torch.float64)
    values, directions = np.linalg.eigh(moments.covariance)
    return moments.mean + (noise.numpy() * np.sqrt(np.clip(values, 0, None))) @ directions.T


def strongest(model: Model, moments: CodeMoments, std: np.ndarray) -> list[int]:
    """The units that change the picture most, the strongest first: as measured by `isthmus traverse` if known, else by
    a step from -2 to +2 standard deviations.
    """
    if moments.movement is not None:
        order = np.argsort(-np.nan_to_num(moments.movement), kind="stable")[:UNITS]
        return [int(unit) for unit in order if moments.movement[unit] > 0]
    tried = np.sort(np.argsort(-std, kind="stable")[:MOST_TRIED])
    moves = np.zeros((len(tried), len(std)))
    moves[np.arange(len(tried)), tried] = 2 * std[tried]
    low, high = (_decoded(model, moments.mean + sign * moves) for sign in (-1, 1))
    change = (high - low).square().flatten(1).mean(1).numpy()
    order = np.argsort(-np.nan_to_num(change), kind="stable")[:UNITS]
    return [int(tried[k]) for k in order if change[k] > 0]


def _strip(model: Model, moments: CodeMoments, std: np.ndarray, unit: int) -> dict[str, Any]:
    codes = np.tile(moments.mean, (len(STEPS), 1))
    codes[:, unit] += np.array(STEPS) * std[unit]
    alts = [f"unit {unit} at {three_digits(float(code[unit]))}" for code in codes]
    return {"name": f"unit {unit}", "pictures": list(zip(_pictures(model, codes), alts, strict=True))}


def _class_means(model: Model, moments: CodeMoments, names: Sequence[str]) -> list[tuple[str, str]]:
    means = moments.class_means[np.isfinite(moments.class_means).all(1)][:MOST_CLASSES]
    return list(zip(names, _pictures(model, means), strict=False)) if len(means) > 1 else []


def _pictures(model: Model, codes: np.ndarray) -> list[str]:
    if not len(codes):
        return []
    if not model.bottleneck.signed:
        codes = codes.clip(0, 1)  # the range of a sigmoid
    return tiles.tiles(as_pictures(_decoded(model, codes), of=model.preprocess))


def _decoded(model: Model, codes: np.ndarray) -> torch.Tensor:
    """Images (N, C, H, W) on the scale of x."""
    z = torch.from_numpy(codes.astype(np.float32)).to(model.device)
    with torch.no_grad(), evaluation(model):
        return model.likelihood.mean(model.decoder(z).float()).cpu()


def _read(run_data: RunData, std: np.ndarray, units: list[int]) -> str:
    model = run_data.model
    said = ["These images have no input: they are decoded from codes that belong to no image of the data."]
    if model is not None and model.bottleneck.has_prior:
        said.append(f"The first {DRAWN} come from the prior, the distribution that training pushes the codes towards.")
    elif model is not None and model.bottleneck.continuous:
        said.append(
            f"The first {DRAWN} come from a normal distribution with the mean and covariance of the training codes. "
            "This training does not make such codes give good images, so expect blends of several images; the recipe "
            "vae does."
        )
    if units:
        widths = f"{three_digits(float(std[units].min()))} to {three_digits(float(std[units].max()))}"
        said.append(
            "In the strips, one unit at a time moves away from the mean code in steps of its standard deviation "
            f"({widths}). The strongest unit comes first, as in isthmus traverse and in the app."
        )
    return " ".join(said)
